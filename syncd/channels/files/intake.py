"""From a file to records that are stored, and from such a record to facts.

A file becomes many records of some thousand rows: what is stored is what was understood, row by row, and the file
itself stays in `done`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from syncd.channels.files.columns import Refusal
from syncd.channels.files.decoding import Unreadable
from syncd.channels.files.order_files import from_row, read_orders, to_rows
from syncd.channels.files.settings import BookedFeed, FeedTable, OrderFeed, Settings, StockFeed
from syncd.channels.files.stock_files import read_booked, read_counts
from syncd.domain.errors import Refused
from syncd.domain.ids import LineId, OrderId, RemoteLocation
from syncd.domain.listings import Span
from syncd.ports import BookedDocument, Facts, Fault, Record, StockLine, StockSnapshot

COUNTS, BOOKED, ORDERS, REFUSED = "counts", "booked", "orders", "refused"
CHUNK: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as it came."""

    name: str
    data: bytes
    digest: str
    dated: datetime
    """The date in its name, else when it was last written."""

    def at(self, feed: FeedTable) -> Span:
        milliseconds = int(self.dated.timestamp() * 1000)
        return Span(milliseconds - int(feed.old_by_seconds * 1000), milliseconds)

    @property
    def identity(self) -> str:
        """The same bytes of the same date are the same file, whatever it is called."""
        return f"{self.digest[:32]}:{int(self.dated.timestamp() * 1000)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What a file says."""

    records: Sequence[Record]
    refused: Sequence[Refusal]
    header: Sequence[str]
    rows: int


def feeds(settings: Settings) -> Iterator[FeedTable]:
    """In the order in which files of the same moment are taken: what was entered is in the count that follows."""
    for feed in (settings.orders, settings.booked, settings.stock):
        if feed is not None:
            yield feed


def understand(file: File, feed: FeedTable, settings: Settings, sole: str | None) -> Understood:
    """Raises Unreadable when the file as a whole cannot be used."""
    match feed:
        case StockFeed():
            return _counts(file, feed, sole, shows_documents=settings.booked is not None)
        case BookedFeed():
            return _booked(file, feed, sole)
        case OrderFeed():
            return _orders(file, feed, sole)
        case _:
            raise TypeError(f"no such feed: {type(feed).__name__}")


def _counts(file: File, feed: StockFeed, sole: str | None, *, shows_documents: bool) -> Understood:
    counts = read_counts(file.name, file.data, feed, sole)
    if feed.mode == "full" and not counts.units:
        raise Unreadable("a file of everything without a row; have it sent again")
    lines = [[sku, units, location] for (sku, location), units in counts.units.items()]
    chunks = [lines[start : start + CHUNK] for start in range(0, len(lines), CHUNK)] or [[]]
    records = [
        _record(
            file,
            COUNTS,
            number,
            {
                "name": file.identity,
                "file": file.name,
                "at": file.at(feed),
                "complete": feed.mode == "full" and number == len(chunks),
                "part": number,
                "last": number == len(chunks),
                "documents": shows_documents,
                "lines": chunk,
            },
        )
        for number, chunk in enumerate(chunks, 1)
    ]
    table = counts.table
    if table is None:
        raise TypeError("counts without their table")
    return Understood(records=records, refused=table.refused, header=table.columns.header, rows=table.read)


def _booked(file: File, feed: BookedFeed, sole: str | None) -> Understood:
    entries, table = read_booked(file.name, file.data, feed, sole)
    rows = [[entry.number, entry.order, entry.units, entry.sku, entry.location] for entry in entries]
    records = [
        _record(
            file,
            BOOKED,
            number,
            {
                "name": f"{file.identity}:{number}",
                "file": file.name,
                "at": file.at(feed),
                "entries": rows[start : start + CHUNK],
            },
        )
        for number, start in enumerate(range(0, len(rows), CHUNK), 1)
    ]
    return Understood(records=records, refused=table.refused, header=table.columns.header, rows=table.read)


def _orders(file: File, feed: OrderFeed, sole: str | None) -> Understood:
    told, table = read_orders(file.name, file.data, feed, sole, file.at(feed).latest)
    rows = to_rows(list(told.orders.values()))
    size = CHUNK // 10
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
    records = [
        _record(
            file,
            ORDERS,
            number,
            {"file": file.name, "orders": chunk, "faults": told.faults[:CHUNK] if number == 1 else []},
        )
        for number, chunk in enumerate(chunks, 1)
    ]
    return Understood(records=records, refused=table.refused, header=table.columns.header, rows=table.read)


def refusal(name: str, identity: str, reason: str) -> Record:
    """So that people see in one place what could not be used."""
    body = {"file": name, "reason": reason}
    return Record(key=f"{REFUSED}:{identity}", topic=REFUSED, body=orjson.dumps(body))


def _record(file: File, topic: str, number: int, body: dict[str, Any]) -> Record:
    return Record(
        key=f"{topic}:{file.identity}:{number}",
        topic=topic,
        body=orjson.dumps(body, default=tuple),
    )


def facts_of(topic: str, body: bytes) -> Facts:
    """Raises Refused."""
    try:
        told = orjson.loads(body)
        match topic:
            case "counts":
                return Facts(snapshot=_snapshot(told))
            case "booked":
                return Facts(snapshot=_documents(told))
            case "orders":
                faults = tuple(Fault(reason, OrderId(order), LineId(line)) for order, line, reason in told["faults"])
                return Facts(orders=tuple(from_row(row) for row in told["orders"]), faults=faults, by_sku=True)
            case "refused":
                return Facts(faults=(Fault(told["reason"]),))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Refused(f"{topic}: not a record that this version wrote: {error!r}; drop the file in again") from error
    raise Refused(f"there is no topic {topic}")


def _snapshot(told: dict[str, Any]) -> StockSnapshot:
    return StockSnapshot(
        name=told["name"],
        at=Span(*told["at"]),
        lines=tuple(StockLine(units, sku, None, RemoteLocation(place)) for sku, units, place in told["lines"]),
        complete=told["complete"],
        documents=() if told["documents"] else None,
        part=told["part"],
        last=told["last"],
    )


def _documents(told: dict[str, Any]) -> StockSnapshot:
    documents = tuple(
        BookedDocument(number, order, units, sku, None, RemoteLocation(place))
        for number, order, units, sku, place in told["entries"]
    )
    return StockSnapshot(name=told["name"], at=Span(*told["at"]), documents=documents)
