"""Orders: what became of each line, computed from the stored record as the books do it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from syncd.control.answers import CONTEXT, Problem, answer, as_time, flag, limit_of, listed
from syncd.control.context import ControlContext
from syncd.control.finding import channel_asked
from syncd.domain.ids import ChannelId, LineId, LocationId, OrderId, RemoteLocation
from syncd.domain.orders import Line, Order, Parts, Place, effect, home
from syncd.domain.setup import Setup
from syncd.storage.codec import order_from_text
from syncd.storage.queries import load

READS = load("reads")
PAGE: Final = 500


async def list_orders(request: web.Request) -> web.StreamResponse:
    context = request.app[CONTEXT]
    channel, limit = channel_asked(request), limit_of(request)
    if flag(request, "newest"):
        return await listed(request, _newest(context, channel, limit or PAGE))
    return await listed(request, _pages(context, channel, limit))


async def _newest(context: ControlContext, channel: str | None, limit: int) -> AsyncIterator[list[dict[str, Any]]]:
    async with context.database.reading() as connection:
        rows = await connection.fetch(READS.newest_orders, channel, limit)
    yield [order_document(row["channel"], order_of(row)) for row in rows]


async def _pages(
    context: ControlContext, channel: str | None, limit: int | None
) -> AsyncIterator[list[dict[str, Any]]]:
    after, left = ("", ""), limit
    while left is None or left > 0:
        most = PAGE if left is None else min(PAGE, left)
        async with context.database.reading() as connection:
            rows = await connection.fetch(READS.orders, *after, channel, most)
        if not rows:
            return
        after = (rows[-1]["channel"], rows[-1]["order_id"])
        left = None if left is None else left - len(rows)
        yield [order_document(row["channel"], order_of(row)) for row in rows]


async def show_order(request: web.Request) -> web.Response:
    """One order by its id, the number at its end, or its name."""
    context = request.app[CONTEXT]
    name, channel = request.query.get("order", ""), channel_asked(request)
    async with context.database.reading() as connection:
        rows = await connection.fetch(READS.orders_named, channel, name) if "\0" not in name else []
        if not rows:
            raise Problem("not_found", f"there is no order {name}", "`syncd orders list` shows them")
        if len(rows) > 1:
            meant = ", ".join(f"{row['channel']} {row['order_id']}" for row in rows)
            raise Problem("usage", f"{name} may be: {meant}", "give the full id, and --channel")
        row, order = rows[0], order_of(rows[0])
        skus = sorted({binding.sku for binding in order.bindings.values()})
        entries = await connection.fetch(READS.ledger_of_order, row["channel"], row["order_id"], skus)
    document = order_document(row["channel"], order)
    lines = {
        line.line_id: why_no_effect(order, line, ChannelId(row["channel"]), context.stock.setup)
        for line in order.lines.values()
    }
    return answer(
        {
            **document,
            "lines": [{**line, "no_effect": lines[line["line_id"]] or None} for line in document["lines"]],
            "updated_at": as_time(row["updated_at"]),
            "cancelled_at": as_time(order.cancelled_at),
            "fulfilments": [
                {
                    "id": shipment.part_id,
                    "at": as_time(shipment.at),
                    "cancelled_at": as_time(shipment.cancelled_at),
                    "location": shipment.location,
                    "lines": [{"line_id": line_id, "units": units} for line_id, units in shipment.lines],
                    "in_count": shipment.part_id in order.in_count,
                }
                for shipment in order.fulfilments.values()
            ],
            "refunds": [
                {
                    "id": refund.part_id,
                    "at": as_time(refund.at),
                    "line_id": refund.line_id,
                    "units": refund.units,
                    "restock": refund.restock.value,
                    "location": refund.location,
                    "in_count": refund.part_id in order.in_count,
                }
                for refund in order.refunds.values()
            ],
            "event_id": row["event_id"],
            "entries": [dict(entry) for entry in entries],
        }
    )


def order_of(row: Any) -> Order:
    return order_from_text(OrderId(row["order_id"]), row["name"], row["placed_at"], row["updated_at"], row["record"])


def order_document(channel: str, order: Order) -> dict[str, Any]:
    """`placed_at` is null while only parts of the order have been heard of."""
    parts = line_parts(order)
    return {
        "channel": channel,
        "order_id": order.order_id,
        "name": order.name,
        "placed_at": as_time(order.placed_at),
        "lines": [_line_document(order, line, parts) for line in order.lines.values()],
    }


def _line_document(order: Order, line: Line, parts: Mapping[Place, Parts]) -> dict[str, Any]:
    places = {place[1]: found for place, found in parts.items() if place[0] == line.line_id}
    binding = order.bindings.get(line.line_id)
    return {
        "line_id": line.line_id,
        "sku": binding.sku if binding is not None else None,
        "ordered": line.ordered,
        "cancelled": sum(found.put_back + found.written_off for found in places.values()),
        "fulfilled": sum(found.shipped for found in places.values()),
        "restocked": sum(found.returned for found in places.values()),
        "location": our_location(order, line.line_id, _promised(order, line, places)),
        "sku_text": line.sku_text,
        "no_stock": line.no_stock or None,
    }


def line_parts(order: Order) -> Mapping[Place, Parts]:
    """What became of every line, also of those that carry no stock."""
    lines = {line_id: replace(line, no_stock="") for line_id, line in order.lines.items()}
    return effect(replace(order, lines=lines))


def _promised(order: Order, line: Line, places: Mapping[RemoteLocation | None, Parts]) -> RemoteLocation | None:
    """Where most of the line's units are, or were, promised."""
    most = max(places, key=lambda place: places[place].ordered, default=None)
    return most if most is not None and places[most].ordered > 0 else home(order, line)


def our_location(order: Order, line_id: LineId, remote: RemoteLocation | None) -> LocationId | None:
    binding = order.bindings.get(line_id)
    if binding is None or remote is None:
        return None
    return dict(binding.places).get(remote)


def why_no_effect(order: Order, line: Line, channel: ChannelId, setup: Setup) -> str:
    """Why the line moves no stock of ours; empty when it does."""
    if line.no_stock:
        return f"the line carries no stock: {line.no_stock}"
    if order.placed_at is None:
        return "only parts of the order have been heard of; it takes effect when the order has been read"
    if line.line_id not in order.bindings:
        return f"the item {line.item or line.sku_text or '(unnamed)'} is not linked to a SKU"
    remote = home(order, line)
    if remote is None:
        return f"{channel} names no location for it, and none that is mapped stocks the item"
    if our_location(order, line.line_id, remote) is None:
        if setup.ours(channel, remote):
            return f"{remote} was not mapped when the line was booked"
        return f"{remote} is not mapped to a location of ours"
    return ""


ROUTES = [web.get("/v1/orders", list_orders), web.get("/v1/order", show_order)]
