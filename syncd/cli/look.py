"""`syncd status` and `syncd why`."""

from typing import Annotated, Any

import typer

from syncd.cli.exits import PROBLEMS, Stop
from syncd.cli.options import AsJson, ConfigFile, Socket
from syncd.cli.output import (
    Column,
    clean,
    column,
    item_column,
    lasting,
    say,
    show,
    show_json,
    show_table,
    time_column,
    when,
)
from syncd.cli.reach import reach

LOOK_SECONDS = 10.0
TIMELINE = 30


def status(
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when something needs a person.")] = False,
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """One look: is it ready, is anything still to be done, does anything need a person."""
    with reach(config, socket, timeout_seconds=LOOK_SECONDS) as daemon:
        found = daemon.get("/v1/status")
    if json:
        show_json(found)
    else:
        _tell_status(found)
    if check and found["needs_a_person"]:
        raise Stop(PROBLEMS)


def _tell_status(found: dict[str, Any]) -> None:
    ready = "ready" if found["ready"] else "not ready"
    idle = "idle" if found["idle"] else "busy"
    show(f"syncd {found['version']}: {ready}, {idle}, up {lasting(found['uptime_seconds'])}")
    show(
        f"deliveries waiting {found['inbox_pending']}, writes owed {found['writes_owed']}, "
        f"in flight {found['writes_in_flight']}, dead letters {found['dead_letters']}, "
        f"conflicts {found['conflicts_open']}"
    )
    rows = [{"channel": channel, **row} for channel, row in found["channels"].items()]
    columns = [
        column("CHANNEL"),
        column("STATE", word=True),
        column("CIRCUIT", word=True),
        column("QUEUE", figure=True),
        Column(title="TOLD TO BE", of=_told_to_be),
    ]
    show_table(columns, rows, none="no channels are configured")
    for what in found["busy_with"]:
        show(clean(f"busy: {what}"))
    for what in found["needs_a_person"]:
        show(clean(f"needs you: {what}"))


def _told_to_be(row: Any) -> str | None:
    return ", ".join(word for word in ("paused", "frozen", "blocked") if row[word]) or None


def why(
    sku: Annotated[str, typer.Argument(metavar="SKU")],
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="As it was then: ISO 8601, or 10:02 for today.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="The whole timeline.")] = False,
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Why a SKU is at what it is: every unit explained, and what each channel was sent and says."""
    with reach(config, socket) as daemon:
        found = daemon.get("/v1/why", {"sku": sku, "at": at})
    if json:
        show_json(found)
        return
    heading = found["equation"] + (f"   (as of {when(found['at'])})" if found["at"] else "")
    show(clean(heading), "")
    _tell_levels(found)
    _tell_timeline(found["entries"], whole=all_)
    _tell_channels(found)
    for line in found["lines_without_effect"]:
        order = f"{line['channel']} {line['name'] or line['order_id']}"
        show(clean(f"no effect: {order}, {line['ordered']} units: {line['why']}"))
    if not found["lines_searched"]:
        say("there are too many orders to look for lines without effect in a few seconds")
    if found["unexplained"]:
        say(f"{found['unexplained']} units are not explained by the ledger: this must not be; please report it")


def _tell_levels(found: dict[str, Any]) -> None:
    columns = [
        column("LOCATION"),
        column("ON HAND", "on_hand", figure=True),
        column("COMMITTED", figure=True),
        column("UNAVAILABLE", figure=True),
        column("AVAILABLE", figure=True),
        time_column("COUNTED", "counted_at"),
    ]
    show_table(columns, found["levels"], none="no level anywhere")
    show("")


def _tell_timeline(entries: list[dict[str, Any]], *, whole: bool) -> None:
    shown = entries if whole else entries[-TIMELINE:]
    if len(shown) < len(entries):
        show(f"... {len(entries) - len(shown)} earlier entries; --all shows them")
    columns = [
        time_column("WHEN", "recorded_at"),
        column("REASON"),
        column("LOCATION"),
        column("QUANTITY"),
        Column(title="BY", of=lambda row: f"{row['delta']:+d}", figure=True),
        column("THEN", "balance", figure=True),
        Column(title="CAUSE", of=_cause),
    ]
    show_table(columns, shown, none="no ledger entries")
    show("")


def _cause(entry: Any) -> str:
    if entry["order_id"] is not None:
        return f"{entry['channel']} order {entry['order_id']} line {entry['line_id']} event {entry['event_id']}"
    return f"{entry['actor']} ({entry['channel']})" if entry["channel"] else str(entry["actor"])


def _tell_channels(found: dict[str, Any]) -> None:
    columns = [
        column("CHANNEL"),
        item_column("ITEM", "remote_id"),
        Column(title="AT", of=lambda row: ", ".join(row["locations"]) or row["remote_location"]),
        column("SHOULD", "desired", figure=True),
        column("BECAUSE"),
        column("EXPECTED", figure=True),
        column("SAID", "observed", figure=True),
        time_column("SAID AT", "observed_at"),
        column("SENT", figure=True),
        column("CONFIRMED", figure=True),
        time_column("CONFIRMED AT", "confirmed_at"),
        column("STATE", word=True),
        column("WAITS", "waits"),
    ]
    show_table(columns, found["channels"], none="no channel lists it")


def register(main: typer.Typer) -> None:
    main.command("status")(status)
    main.command("why")(why)
