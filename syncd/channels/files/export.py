"""Files with what should be shown, for the other side; and what it shows by them.

What was exported last is kept in a journal in the folder. A write is put there before its file gets its final name, so
that the same write said again, also by another run, never makes a second file. What the other side's orders have taken
since an export is counted down here too: that is what it shows now. Everything here blocks and is called from a worker
thread.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

import orjson

from syncd.channels.files.columns import found, sku_of
from syncd.channels.files.decoding import Shape, rows
from syncd.channels.files.folder import OUT, OWN, write_whole
from syncd.channels.files.settings import Export
from syncd.domain.ids import Alias, Instant, ListingKey, RemoteId, RemoteLocation
from syncd.domain.listings import Span
from syncd.domain.orders import Order, timeline
from syncd.ports import CatalogueRow, Outcome, RowOutcome, WriteBatch

JOURNAL: Final = "export.json"
MOST_KEYS: Final = 200


@dataclass(slots=True)
class Journal:
    """What the other side was told, and what it has sold since."""

    units: dict[str, list[int]] = field(default_factory=dict)
    """By item: units and when they were exported (ms)."""
    keys: dict[str, list[Any]] = field(default_factory=dict)
    """By idempotency key: the file and when."""
    sales: dict[str, list[list[Any]]] = field(default_factory=dict)
    """By order: item, when, and by how much it moved what is shown."""
    number: int = 0

    @classmethod
    def read(cls, path: Path) -> "Journal":
        try:
            told = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return cls()
        return cls(told["units"], told["keys"], told["sales"], told["number"])

    def write(self, path: Path) -> None:
        document = {"units": self.units, "keys": self.keys, "sales": self.sales, "number": self.number}
        write_whole(path, orjson.dumps(document))

    def shown(self) -> dict[str, int]:
        moved: dict[str, int] = {}
        for steps in self.sales.values():
            for item, at, delta in steps:
                known = self.units.get(item)
                if known is not None and at > known[1]:
                    moved[item] = moved.get(item, 0) + delta
        return {item: known[0] + moved.get(item, 0) for item, known in self.units.items()}

    def forget(self) -> None:
        """Sales from before the export of all that they are of."""
        for order, steps in list(self.sales.items()):
            if all(item in self.units and at <= self.units[item][1] for item, at, _ in steps):
                del self.sales[order]
        for key in list(self.keys)[:-MOST_KEYS]:
            del self.keys[key]


@dataclass(slots=True)
class Exporter:
    root: Path
    settings: Export
    _journal: Journal | None = None
    _lock: Lock = field(default_factory=Lock)
    """Orders are heard and files written by different worker threads."""

    @property
    def journal(self) -> Journal:
        if self._journal is None:
            self._journal = Journal.read(self._path)
            self._complete()
        return self._journal

    @property
    def _path(self) -> Path:
        return self.root / OWN / JOURNAL

    def heard(self, orders: Iterable[Order]) -> None:
        """Orders of the other side, which lower what it shows by themselves."""
        with self._lock:
            self._heard(orders)

    def _heard(self, orders: Iterable[Order]) -> None:
        journal = self.journal
        changed = False
        for order in orders:
            steps = [
                [str(order.lines[line_id].item), at, delta]
                for ((line_id, place), at), delta in timeline(order).items()
                if place == self.settings.location
            ]
            if steps != journal.sales.get(order.order_id):
                journal.sales[order.order_id] = steps
                changed = True
        if changed:
            journal.write(self._path)

    def items(self, now: Instant) -> list[CatalogueRow]:
        """Every item of the list, at what the other side shows.

        Raises OSError where there is no list, Unreadable where it cannot be read.
        """
        data = (self.root / self.settings.items).read_bytes()
        columns, table = found(rows(data, Shape()), {}, ("sku",), has_header=True)
        with self._lock:
            shown = self.journal.shown()
        result: dict[str, CatalogueRow] = {}
        for row in table:
            try:
                sku = sku_of(columns.cell(row, "sku"), upper=False)
            except ValueError:
                continue
            result[sku] = self._row(sku, columns.cell(row, "title").strip(), shown.get(sku, 0), now)
        return list(result.values())

    def levels(self, keys: Sequence[ListingKey], now: Instant) -> list[CatalogueRow]:
        rows = {str(row.remote_id): row for row in self.items(now)}
        wanted = {str(key.remote_id) for key in keys if key.remote_location == self.settings.location}
        return [rows[item] for item in wanted if item in rows]

    def _row(self, sku: str, title: str, units: int, now: Instant) -> CatalogueRow:
        return CatalogueRow(
            remote_id=RemoteId(sku),
            remote_location=RemoteLocation(self.settings.location),
            alias=Alias(sku),
            sku_text=sku,
            title=title,
            units=units,
            committed=0,
            at=Span(now, now),
        )

    def write(self, batch: WriteBatch, now: Instant) -> list[RowOutcome]:
        """The same batch under the same key has one effect, whatever happened in between."""
        with self._lock:
            return self._write(batch, now)

    def _write(self, batch: WriteBatch, now: Instant) -> list[RowOutcome]:
        journal = self.journal
        known = journal.keys.get(batch.idempotency_key)
        if known is None:
            at = max(now, 1 + max((units[1] for units in journal.units.values()), default=0))
            journal.number += 1
            name = self.settings.name.replace("{time}", _stamp(at))
            written = {str(row.key.remote_id): row.target for row in batch.rows if self._fits(row.key)}
            journal.units |= {item: [units, at] for item, units in written.items()}
            known = journal.keys[batch.idempotency_key] = [name, at]
            told = journal.shown() if self.settings.whole else written
            self._prepare(name, told)
            journal.forget()
            journal.write(self._path)
            self._release(name)
        at = known[1]
        return [
            RowOutcome(row.key, Outcome.CONFIRMED, Span(at, at))
            if self._fits(row.key)
            else RowOutcome(row.key, Outcome.REJECTED, reason=self._unfit)
            for row in batch.rows
        ]

    def _fits(self, key: ListingKey) -> bool:
        """A SKU that the encoding lacks would come out as another one."""
        try:
            key.remote_id.encode(self.settings.encoding)
        except UnicodeEncodeError:
            return False
        return key.remote_location == self.settings.location

    @property
    def _unfit(self) -> str:
        return f"the SKU cannot be written in {self.settings.encoding}, or its location is not exported"

    def _prepare(self, name: str, told: Mapping[str, int]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.settings.delimiter, lineterminator="\r\n")
        order = list(self.settings.columns)
        writer.writerow([self.settings.columns[column] for column in order])
        for sku, units in sorted(told.items()):
            cells = {"sku": self._guarded(sku), "quantity": max(units, 0), "location": self.settings.location}
            writer.writerow([cells[column] for column in order])
        data = text.getvalue().encode(self.settings.encoding)
        write_whole(self.root / OWN / name, data)
        if self.settings.checksum:
            digest = hashlib.sha256(data).hexdigest()
            write_whole(self.root / OWN / f"{name}.sha256", f"{digest}  {name}\n".encode())

    def _release(self, name: str) -> None:
        """Give the file to the other side, its checksum first."""
        for part in (f"{name}.sha256", name):
            try:
                (self.root / OWN / part).rename(self.root / OUT / part)
            except FileNotFoundError:
                continue

    def _complete(self) -> None:
        """Release what an earlier run had prepared and entered."""
        if self._journal is not None:
            for name, _ in self._journal.keys.values():
                if (self.root / OWN / name).exists():
                    self._release(name)

    def _guarded(self, sku: str) -> str:
        return f"'{sku}" if self.settings.guard_formulas and sku.startswith(("=", "+", "-", "@")) else sku


def _stamp(at: Instant) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.strftime("%Y%m%dT%H%M%S") + f"{at % 1000:03}Z"
