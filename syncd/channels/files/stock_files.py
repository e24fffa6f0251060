"""Files of counts, and of what their sender has entered into its own books."""

from dataclasses import dataclass, field

from syncd.channels.files.columns import sku_of
from syncd.channels.files.decoding import Row
from syncd.channels.files.settings import BookedFeed, StockFeed
from syncd.channels.files.tables import Table, check, location_of, opened
from syncd.domain.quantities import BadQuantity

Place = tuple[str, str]
"""SKU and remote location."""


@dataclass(slots=True)
class Counts:
    """Units by place, None where a row names it and cannot be used: absent it is not."""

    units: dict[Place, int | None] = field(default_factory=dict)
    table: Table | None = None


def read_counts(name: str, data: bytes, feed: StockFeed, sole: str | None) -> Counts:
    """`sole` is the location of rows that name none.

    Raises Unreadable.
    """
    table = opened(name, data, feed, ("sku", "quantity"))
    counts = Counts(table=table)
    units, refuse = counts.units, table.refuse
    amounts, columns = feed.amounts, table.columns
    ended = {word.lower() for word in feed.ended} if columns.has("status") else set()
    rows_of: dict[Place, Row] = {}
    for row in table.rows:
        try:
            place = (sku_of(columns.cell(row, "sku"), upper=feed.upper_case), location_of(row, columns, feed, sole))
        except ValueError as unusable:
            refuse(row, str(unusable))
            units.setdefault(("", ""), None)
            continue
        try:
            if ended and columns.cell(row, "status").strip().lower() in ended:
                told = 0
            else:
                cell = columns.cell
                told = amounts.units(cell(row, "quantity"), cell(row, "unit"), cell(row, "pack"))
        except BadQuantity as bad:
            refuse(row, f"{place[0]}: {bad}")
            units[place] = None
            rows_of[place] = row
            continue
        first = rows_of.get(place)
        if first is None:
            rows_of[place], units[place] = row, told
        else:
            _again(counts, feed, place, told, first, row)
    check(table, feed)
    return counts


def _again(counts: Counts, feed: StockFeed, place: Place, told: int, first: Row, row: Row) -> None:
    """A second row for a place."""
    known, table = counts.units[place], counts.table
    if feed.duplicates == "last" and known is not None:
        counts.units[place] = told
    elif feed.duplicates == "sum" and known is not None:
        counts.units[place] = known + told
    elif table is not None:
        table.refuse(row, f"{place[0]} stands in the file twice, first in line {first.number}")
        if known is not None:
            table.refuse(first, f"{place[0]} stands in the file twice, again in line {row.number}")
        counts.units[place] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of what the sender has entered."""

    number: str
    order: str
    sku: str
    location: str
    units: int


def read_booked(name: str, data: bytes, feed: BookedFeed, sole: str | None) -> tuple[list[Entry], Table]:
    """Raises Unreadable."""
    table = opened(name, data, feed, ("number", "order", "sku", "quantity"))
    columns, amounts = table.columns, feed.amounts
    returns = {word.lower() for word in feed.returns}
    entries: list[Entry] = []
    numbers: set[tuple[str, str]] = set()
    for row in table.rows:
        try:
            sku = sku_of(columns.cell(row, "sku"), upper=feed.upper_case)
            units = amounts.units(columns.cell(row, "quantity"), columns.cell(row, "unit"), columns.cell(row, "pack"))
            number, order = columns.cell(row, "number").strip(), columns.cell(row, "order").strip()
            if not number or not order:
                raise ValueError("without a number, or without an order")
            line = columns.cell(row, "line").strip()
            number = f"{number}/{line}" if line else number
            if (number, sku) in numbers:
                raise ValueError(f"{number} stands in the file twice for {sku}")
            numbers.add((number, sku))
            back = columns.cell(row, "type").strip().lower() in returns
            location = location_of(row, columns, feed, sole)
        except ValueError as unusable:
            table.refuse(row, str(unusable))
            continue
        entries.append(
            Entry(number=number, order=order, sku=sku, location=location, units=units if back else -abs(units))
        )
    check(table, feed)
    return entries, table
