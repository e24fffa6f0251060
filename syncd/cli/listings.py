"""`syncd listings`: what each channel calls our SKUs, and shows of them."""

from typing import Annotated, Any

import typer

from syncd.cli.options import AsJson, Channel, ConfigFile, Limit, Socket
from syncd.cli.output import (
    SCREENFUL,
    column,
    item_column,
    on_terminal,
    page_size,
    say,
    show,
    show_json,
    show_lines,
    show_table,
)
from syncd.cli.reach import reach

app = typer.Typer(no_args_is_help=True, help="What each channel calls our SKUs.")

COLUMNS = [
    column("CHANNEL"),
    column("SKU"),
    item_column("ITEM", "remote_id"),
    item_column("WHERE", "remote_location"),
    column("SHOULD", "desired", figure=True),
    column("EXPECTED", figure=True),
    column("SAID", "observed", figure=True),
    column("STATE", word=True),
    column("PAUSED"),
]
ChannelName = Annotated[str, typer.Argument(metavar="CHANNEL")]
Item = Annotated[str, typer.Argument(metavar="REMOTE_ID", help="The item's full id, its number, or a variant's.")]


@app.command("list")
def list_(
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
    channel: Channel = None,
    sku: Annotated[str | None, typer.Option("--sku", metavar="SKU", help="Only this SKU.")] = None,
    state: Annotated[str | None, typer.Option("--state", metavar="STATE", help="Only in this state.")] = None,
    limit: Limit = None,
) -> None:
    """Every listing: what it should show, is expected to show, and said last."""
    with reach(config, socket) as daemon:
        query: dict[str, Any] = {"channel": channel, "sku": sku, "state": state, "limit": limit}
        if json:
            show_lines(daemon.lines("/v1/listings", query))
            return
        query["limit"] = page_size(limit)
        shown = show_table(COLUMNS, daemon.rows("/v1/listings", query), none="no listings have been read yet")
        if limit is None and on_terminal() and shown == SCREENFUL:
            say(f"the first {shown} are shown; --limit, --channel, --state or --json show more")


@app.command("link")
def link(
    channel: ChannelName,
    remote_id: Item,
    sku: Annotated[str, typer.Argument(metavar="SKU")],
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Say which SKU an item of a channel is."""
    with reach(config, socket) as daemon:
        done = daemon.post("/v1/listings/link", {"channel": channel, "remote_id": remote_id, "sku": sku})
    if json:
        show_json(done)
    else:
        show(f"{channel} {done['remote_id']} is {done['sku']} at {done['listings']} of its locations")


@app.command("unlink")
def unlink(
    channel: ChannelName, remote_id: Item, config: ConfigFile = None, socket: Socket = None, json: AsJson = False
) -> None:
    """Say that an item of a channel is none of our SKUs; orders booked through it keep what they booked."""
    with reach(config, socket) as daemon:
        done = daemon.post("/v1/listings/unlink", {"channel": channel, "remote_id": remote_id})
    if json:
        show_json(done)
    else:
        show(f"{channel} {done['remote_id']} is no SKU of ours any more")
