"""`syncd orders`: what became of each line."""

from typing import Annotated, Any

import typer

from syncd.cli.options import AsJson, Channel, ConfigFile, Limit, Socket
from syncd.cli.output import Column, column, page_size, say, show, show_json, show_lines, show_table, time_column, when
from syncd.cli.reach import reach

app = typer.Typer(no_args_is_help=True, help="Orders, and what they did to stock.")

LINE_COLUMNS = [
    column("LINE", "line_id"),
    column("SKU"),
    column("LOCATION"),
    column("ORDERED", figure=True),
    column("CANCELLED", figure=True),
    column("FULFILLED", figure=True),
    column("RESTOCKED", figure=True),
]
ENTRY_COLUMNS = [
    column("NO", "seq", figure=True),
    time_column("WHEN", "recorded_at"),
    column("REASON"),
    column("SKU"),
    column("LOCATION"),
    column("QUANTITY"),
    column("BY", "delta", figure=True),
    column("THEN", "balance", figure=True),
    column("EVENT", "event_id"),
]


@app.command("list")
def list_(
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
    channel: Channel = None,
    limit: Limit = None,
) -> None:
    """Orders with their lines; for people, the newest."""
    with reach(config, socket) as daemon:
        if json:
            show_lines(daemon.lines("/v1/orders", {"channel": channel, "limit": limit}))
            return
        rows = daemon.rows("/v1/orders", {"channel": channel, "limit": page_size(limit), "newest": True})
        columns = [
            column("CHANNEL"),
            column("ORDER", "order_id"),
            column("NAME"),
            Column(title="PLACED", of=lambda row: when(row["placed_at"]) or "not read yet"),
            Column(title="ORDERED", of=lambda row: _sum(row, "ordered"), figure=True),
            Column(title="OPEN", of=_open, figure=True),
            Column(
                title="SKUS", of=lambda row: ", ".join(str(line["sku"] or line["sku_text"]) for line in row["lines"])
            ),
        ]
        show_table(columns, rows, none="no orders have been heard of yet")


def _sum(order: Any, name: str) -> int:
    return sum(line[name] for line in order["lines"])


def _open(order: Any) -> int:
    return _sum(order, "ordered") - _sum(order, "cancelled") - _sum(order, "fulfilled")


@app.command("show")
def show_one(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Its id, the number at its end, or its name.")],
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
    channel: Channel = None,
) -> None:
    """One order: lines, shipments, refunds, and the ledger entries it made."""
    with reach(config, socket) as daemon:
        found = daemon.get("/v1/order", {"order": order, "channel": channel})
    if json:
        show_json(found)
        return
    placed = when(found["placed_at"])
    cancelled = when(found["cancelled_at"])
    show_table(
        [column("CHANNEL"), column("ORDER"), column("NAME"), column("PLACED"), column("CANCELLED")],
        [
            {
                "channel": found["channel"],
                "order": found["order_id"],
                "name": found["name"],
                "placed": placed or "not read yet: only parts of it have been heard of",
                "cancelled": cancelled,
            }
        ],
        none="",
    )
    show("")
    show_table(LINE_COLUMNS, found["lines"], none="no lines are known")
    for line in found["lines"]:
        if line["no_effect"]:
            say(f"line {line['line_id']} moves no stock: {line['no_effect']}")
    show("")
    show_table(ENTRY_COLUMNS, found["entries"], none="it made no ledger entries")
