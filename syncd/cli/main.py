"""The console script: finds the verb, runs it, and turns what went wrong into words and an exit status."""

import io
import sys
from typing import Annotated

import typer

from syncd import __version__
from syncd.cli import channels, conflicts, deliveries, listings, look, orders, service, stock
from syncd.cli.exits import Stop
from syncd.cli.output import say

app = typer.Typer(
    name="syncd",
    help="One true stock figure per SKU and location, shown on every sales channel within a second.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"syncd {__version__}")  # noqa: T201  # the option's output
        raise typer.Exit


@app.callback()
def syncd(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None: ...


service.register(app)
look.register(app)
app.add_typer(stock.app, name="stock")
app.add_typer(listings.app, name="listings")
channels.register(app)
app.add_typer(orders.app, name="orders")
app.add_typer(conflicts.app, name="conflicts")
deliveries.register(app)


def main() -> None:
    """Run a verb and exit with its status."""
    sys.exit(_run())


def _run() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character is no reason to fail
    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except Stop as stop:
        say(*stop.lines)
        return stop.status
    return 0
