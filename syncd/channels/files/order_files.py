"""Files of orders: a row for each line, with all that is known of it by now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from syncd.channels.files.columns import sku_of
from syncd.channels.files.decoding import Row
from syncd.channels.files.settings import OrderFeed
from syncd.channels.files.tables import Table, check, location_of, opened
from syncd.domain.ids import Alias, Instant, LineId, OrderId, PartId, RemoteLocation
from syncd.domain.orders import FOREVER, Fulfilment, Line, Order, RefundLine, Restock
from syncd.domain.quantities import BadQuantity


class ToldLine(NamedTuple):
    """A row of an order file: cumulative figures."""

    line_id: str
    sku: str
    ordered: int
    cancelled: int
    shipped: int
    returned: int
    location: str


@dataclass(slots=True)
class ToldOrder:
    order_id: str
    name: str
    placed_at: Instant
    updated_at: Instant
    lines: dict[str, ToldLine] = field(default_factory=dict)


class LineFault(NamedTuple):
    """A row of an order that cannot be used; the order's other rows were."""

    order_id: str
    line_id: str
    reason: str


@dataclass(slots=True)
class Orders:
    orders: dict[str, ToldOrder] = field(default_factory=dict)
    faults: list[LineFault] = field(default_factory=list)


def read_orders(name: str, data: bytes, feed: OrderFeed, sole: str | None, as_of: Instant) -> tuple[Orders, Table]:
    """Rows that do not say when they last changed are as of the file.

    Raises Unreadable.
    """
    table = opened(name, data, feed, ("order", "sku", "quantity", "placed_at"))
    told = Orders()
    for row in table.rows:
        order_id = table.columns.cell(row, "order").strip()
        line_id = table.columns.cell(row, "line").strip()
        try:
            if not order_id:
                raise ValueError("the row names no order")
            _take(told, table, row, feed, sole, as_of)
        except ValueError as unusable:
            table.refuse(row, str(unusable))
            if order_id:
                sku = table.columns.cell(row, "sku").strip()
                told.faults.append(LineFault(order_id, line_id or sku, f"line {row.number} of {name}: {unusable}"))
    check(table, feed)
    return told, table


def _take(told: Orders, table: Table, row: Row, feed: OrderFeed, sole: str | None, as_of: Instant) -> None:
    columns = table.columns
    order_id = columns.cell(row, "order").strip()
    sku = sku_of(columns.cell(row, "sku"), upper=feed.upper_case)
    updated = _time(columns.cell(row, "updated_at"), feed, as_of)
    if not columns.cell(row, "placed_at").strip():
        raise ValueError("the row does not say when the order was placed")
    placed = _time(columns.cell(row, "placed_at"), feed, as_of)
    line = ToldLine(
        line_id=columns.cell(row, "line").strip() or sku,
        sku=sku,
        **_figures(table, row, feed),
        location=location_of(row, columns, feed, sole),
    )
    order = told.orders.setdefault(order_id, ToldOrder(order_id, order_id, placed, updated))
    if line.line_id in order.lines:
        raise ValueError(f"line {line.line_id} of order {order_id} stands in the file twice")
    order.lines[line.line_id] = line
    order.placed_at, order.updated_at = min(order.placed_at, placed), max(order.updated_at, updated)


def _figures(table: Table, row: Row, feed: OrderFeed) -> Mapping[str, int]:
    columns, amounts = table.columns, feed.amounts
    unit, pack = columns.cell(row, "unit"), columns.cell(row, "pack")

    def units(name: str) -> int:
        cell = columns.cell(row, name)
        return amounts.units(cell, unit, pack) if cell.strip() else 0

    try:
        ordered = amounts.units(columns.cell(row, "quantity"), unit, pack)
        cancelled, shipped, returned = units("cancelled"), units("shipped"), units("returned")
    except BadQuantity as bad:
        raise ValueError(str(bad)) from None
    status = columns.cell(row, "status").strip().lower()
    if status in (word.lower() for word in feed.shipped) and not columns.has("shipped"):
        shipped = ordered - cancelled
    if status in (word.lower() for word in feed.cancelled):
        cancelled = ordered - shipped
    return {"ordered": ordered, "cancelled": cancelled, "shipped": shipped, "returned": returned}


def _time(cell: str, feed: OrderFeed, otherwise: Instant) -> Instant:
    text = cell.strip()
    if not text:
        return otherwise
    try:
        at = datetime.strptime(text, feed.dates) if feed.dates is not None else datetime.fromisoformat(text)  # noqa: DTZ007  # the zone follows
    except ValueError:
        raise ValueError(f"{text} is not a time; say in `dates` how they are written") from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(feed.timezone))
    return int(at.astimezone(UTC).timestamp() * 1000)


def to_rows(orders: Sequence[ToldOrder]) -> list[list[object]]:
    return [
        [order.order_id, order.name, order.placed_at, order.updated_at, [list(line) for line in order.lines.values()]]
        for order in orders
    ]


def from_row(row: Sequence[object]) -> Order:
    """What a stored row says, as an order record."""
    order_id, name, placed_at, updated_at, lines = row
    if not (isinstance(placed_at, int) and isinstance(updated_at, int) and isinstance(lines, list)):
        raise TypeError("not a row of an order")
    told = [ToldLine(*line) for line in lines]
    return Order(
        order_id=OrderId(str(order_id)),
        name=str(name),
        placed_at=placed_at,
        updated_at=updated_at,
        lines={LineId(line.line_id): _line(line, placed_at, updated_at) for line in told},
        fulfilments={part.part_id: part for line in told if line.shipped for part in [_shipped(line, updated_at)]},
        refunds={part.part_id: part for line in told if line.returned for part in [_returned(line, updated_at)]},
    )


def _line(line: ToldLine, placed_at: Instant, updated_at: Instant) -> Line:
    return Line(
        line_id=LineId(line.line_id),
        item=Alias(line.sku),
        ordered=line.ordered,
        version=updated_at,
        at=placed_at,
        removed=line.cancelled,
        removed_at=updated_at if line.cancelled else FOREVER,
        sku_text=line.sku,
        location=RemoteLocation(line.location),
        location_version=updated_at,
    )


def _shipped(line: ToldLine, updated_at: Instant) -> Fulfilment:
    return Fulfilment(
        part_id=PartId(f"{line.line_id}/shipped"),
        at=updated_at,
        version=updated_at,
        lines=((LineId(line.line_id), line.shipped),),
        location=RemoteLocation(line.location),
    )


def _returned(line: ToldLine, updated_at: Instant) -> RefundLine:
    return RefundLine(
        part_id=PartId(f"{line.line_id}/returned"),
        at=updated_at,
        line_id=LineId(line.line_id),
        units=line.returned,
        restock=Restock.RETURNED,
        location=RemoteLocation(line.location),
    )
