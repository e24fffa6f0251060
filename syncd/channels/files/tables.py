"""A file as a table: read, its columns found, footers and trailers taken off, rows that cannot be used told apart."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from syncd.channels.files import decoding, excel
from syncd.channels.files.columns import Columns, Refusal, found
from syncd.channels.files.decoding import Row, Unreadable
from syncd.channels.files.settings import FeedTable


@dataclass(slots=True, kw_only=True)
class Table:
    """`rows` is read once; `refused` fills while it is."""

    columns: Columns
    rows: Iterator[Row]
    refused: list[Refusal] = field(default_factory=list)
    read: int = 0

    def refuse(self, row: Row, reason: str) -> None:
        self.refused.append(Refusal(row, reason))


def opened(name: str, data: bytes, feed: FeedTable, required: Sequence[str]) -> Table:
    """Raises Unreadable, here or while rows are read."""
    raw = excel.rows(data, feed.sheet) if excel.is_workbook(name) else decoding.rows(data, feed.shape)
    if feed.trailer is not None:
        raw = _without_trailer(list(raw), feed)
    columns, rest = found(raw, feed.columns, required, has_header=feed.header)
    table = Table(columns=columns, rows=iter(()))
    table.rows = _body(table, rest, re.compile(feed.footer))
    return table


def _body(table: Table, rows: Iterator[Row], footer: "re.Pattern[str]") -> Iterator[Row]:
    columns = table.columns
    width = columns.width
    for row in rows:
        first = row.cells[0] or next((cell for cell in row.cells if cell.strip()), "")
        if footer.fullmatch(first.strip()) is not None:
            continue
        table.read += 1
        fault = columns.fault(row) if len(row.cells) != width else ""
        if fault:
            table.refuse(row, fault)
        else:
            yield row


def _without_trailer(rows: list[Row], feed: FeedTable) -> Iterator[Row]:
    """The sender's own word that the file is whole.

    Raises Unreadable when it is missing, or counts other rows.
    """
    last = rows[-1] if rows else None
    said = re.fullmatch(feed.trailer or "", ",".join(last.cells).strip()) if last is not None else None
    if said is None:
        raise Unreadable("its last row is not the trailer: the file is cut off; have it sent again")
    count = said.groupdict().get("rows")
    body = len(rows) - 1 - (1 if feed.header else 0)
    if count is not None and int(count) != body:
        raise Unreadable(f"its trailer counts {count} rows and there are {body}; have it sent again")
    return iter(rows[:-1])


def location_of(row: Row, columns: Columns, feed: FeedTable, sole: str | None) -> str:
    named = columns.cell(row, "location").strip()
    if named:
        return named
    location = feed.location if feed.location is not None else sole
    if location is None:
        raise ValueError("the row names no location, and the channel has several")
    return location


def check(table: Table, feed: FeedTable) -> None:
    """Raises Unreadable for a file of which too much cannot be used."""
    if table.read and len(table.refused) > feed.most_refused * table.read and len(table.refused) > 1:
        first = table.refused[0]
        raise Unreadable(
            f"{len(table.refused)} of {table.read} rows cannot be used, the first in line {first.row.number}: "
            f"{first.reason}"
        )
