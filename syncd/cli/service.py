"""`syncd run`, `syncd check` and `syncd demo`: the verbs that need the program itself, not a running daemon."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.exits import CONFIGURATION, Stop
from syncd.cli.options import AsJson, ConfigFile
from syncd.cli.output import show, show_json

if TYPE_CHECKING:
    from syncd.config.model import Config


class Faults(StrEnum):
    NONE = "none"
    SOME = "some"
    STORM = "storm"


def run(
    config: ConfigFile = None,
    json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    """Run the daemon in the foreground; its log goes to stderr."""
    from syncd.config.explain import ConfigError
    from syncd.config.load import find_config
    from syncd.daemon import run as run_daemon
    from syncd.observe.logs import configure_logs

    configure_logs(environ=os.environ)
    try:
        status = run_daemon(find_config(config, os.environ))
    except ConfigError as error:
        raise Stop(CONFIGURATION, *(str(fault) for fault in error.faults)) from None
    raise typer.Exit(status)


def check(config: ConfigFile = None, json: AsJson = False) -> None:
    """Check the configuration, without connecting to anything: every fault at once, with its line."""
    from syncd.config.explain import ConfigError

    try:
        checked = load_config(config)
    except ConfigError as error:
        if json:
            show_json({"ok": False, "faults": [_fault(fault) for fault in error.faults]})
        raise Stop(CONFIGURATION, *(str(fault) for fault in error.faults)) from None
    if json:
        show_json({"ok": True, "faults": [], "file": str(checked.path)} | _summary(checked))
        return
    show(f"{checked.path}: good")
    for channel in checked.channels.values():
        ours = sorted({location for places in channel.locations.values() for location in places})
        where = ", ".join(ours) or "nowhere yet: it maps no location"
        show(f"  channel {channel.id} ({channel.kind}) sells from {where}")
    for location in checked.locations.values():
        show(f"  location {location.id}: {location.authority or 'syncd'} counts there")
    show(f"  control socket {checked.control_socket}")


def load_config(given: Path | None) -> "Config":
    from syncd import channels
    from syncd.config.load import find_config, load

    return load(find_config(given, os.environ), kinds=channels.kinds(), environ=os.environ)


def _fault(fault: Any) -> dict[str, Any]:
    return {"file": fault.file, "line": fault.line, "key": fault.path, "message": fault.message}


def _summary(config: "Config") -> dict[str, Any]:
    return {
        "channels": sorted(config.channels),
        "locations": sorted(config.locations),
        "control_socket": str(config.control_socket),
    }


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="No screen: progress lines and a closing summary.")
    ] = False,
    duration: Annotated[
        float, typer.Option("--duration", min=1, metavar="SECONDS", help="For how long orders come.")
    ] = 60,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed gives the same orders.")] = 7,
    skus: Annotated[int, typer.Option("--skus", min=1, metavar="N", help="How many SKUs there are.")] = 500,
    orders_per_second: Annotated[
        float, typer.Option("--orders-per-second", min=0, metavar="N", help="Over all channels.")
    ] = 5,
    faults: Annotated[Faults, typer.Option("--faults", help="How much goes wrong at the channels.")] = Faults.NONE,
    config: Annotated[Path | None, typer.Option("--config", hidden=True)] = None,
    json: AsJson = False,
) -> None:
    """Simulated shops with live orders, from nothing; ends with a verdict."""
    from syncd.sim.demo import Options, main

    raise typer.Exit(
        main(
            Options(
                headless=headless,
                duration_seconds=duration,
                seed=seed,
                skus=skus,
                orders_per_second=orders_per_second,
                faults=faults.value,
                json=json,
            )
        )
    )


def register(main: typer.Typer) -> None:
    main.command("run")(run)
    main.command("check")(check)
    main.command("demo")(demo)
