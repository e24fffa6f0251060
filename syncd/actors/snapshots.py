"""Judges an authority's large snapshots: looks at the whole first, holds what is too large to be believed, books the
rest in chunks between which sales go on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

import anyio
import asyncpg
import structlog

from syncd.actors import intake
from syncd.actors.counting import place, translated
from syncd.actors.desk import Desk
from syncd.actors.intake import Parsed
from syncd.actors.stock import StockActor
from syncd.domain import mass_change
from syncd.domain.authority import Document, Snapshot
from syncd.domain.commands import Note
from syncd.domain.conflicts import Conflict, ConflictKind
from syncd.domain.errors import InvariantBroken, Retry
from syncd.domain.ids import ChannelId, EventId, LevelKey, LocationId, Sku
from syncd.domain.listings import Span
from syncd.domain.mass_change import Reach
from syncd.domain.snapshots import EndSnapshot, TakeSnapshot, take
from syncd.ports import Channel, Now, StockSnapshot
from syncd.storage import authorities, decisions
from syncd.storage.authorities import SQL
from syncd.storage.books import BookStore
from syncd.storage.decisions import HeldChange
from syncd.storage.inbox import WRITER
from syncd.storage.pool import Database, Trouble, trouble
from syncd.storage.queries import load

log = structlog.get_logger(__name__)

READS = load("reads")
CHUNK: Final = 2000
LOOK_SECONDS: Final = 60.0
AGAIN_SECONDS: Final = 1.0
PARTS_KEPT: Final = timedelta(days=7)
"""A snapshot that is not whole by then never will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A whole snapshot, read from its parts."""

    channel: ChannelId
    name: str
    at: Span
    complete: bool
    locations: frozenset[LocationId]
    """Of which it is everything, when complete."""
    takings: Sequence[TakeSnapshot]

    @property
    def subject(self) -> str:
        """Of the question about it; a snapshot of everything replaces an earlier one, others stand by themselves."""
        return f"snapshot|{self.channel}" if self.complete else f"snapshot|{self.channel}|{self.name}"


@dataclass(slots=True)
class Snapshots:
    database: Database
    stock: StockActor
    channels: Mapping[ChannelId, Channel]
    desks: Mapping[ChannelId, Desk]
    now: Now

    async def run(self) -> None:
        """Judge what is whole, for ever; what was begun before a crash is begun again, and changes nothing twice."""
        while True:
            try:
                if not await self.judge_next():
                    await self.stock.snapshots.wait(at_most_seconds=LOOK_SECONDS)
            except (Retry, TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not isinstance(error, Retry) and trouble(error) not in (Trouble.LOST, Trouble.AGAIN, Trouble.DISK):
                    raise
                log.debug("snapshots.waiting", error=str(error))
                await anyio.sleep(AGAIN_SECONDS)

    async def judge_next(self) -> bool:
        """Book or hold the next snapshot that is whole; False when there is none."""
        async with self.database.reading() as connection:
            waiting = await authorities.whole_snapshots(connection)
        if not waiting:
            return False
        channel, name = waiting[0]
        try:
            return await self._judge(channel, name)
        except (Retry, TimeoutError, InvariantBroken):
            raise
        except Exception as error:  # one snapshot's edge: it is put aside with its reason, the others go on
            if trouble(error) in (Trouble.LOST, Trouble.AGAIN, Trouble.DISK):
                raise
            log.exception("snapshot.failed", channel=channel, name=name)
            facts = {"reason": f"{type(error).__name__}: {error}", "source": name, "what_to_do": "have it told again"}
            subject = f"snapshot|{channel}|{name}"
            conflict = Conflict(kind=ConflictKind.QUARANTINED, subject=subject, channel=channel, facts=facts)
            await self.stock.ask(Note(conflicts=[conflict]))
            await self.stock.ask(EndSnapshot(channel=channel, name=name))
            return True

    async def _judge(self, channel: ChannelId, name: str) -> bool:
        told = await self._read(channel, name)
        if told is None:
            await self.stock.ask(EndSnapshot(channel=channel, name=name))
            return True
        too_much = await self._too_much(told)
        if too_much:
            await self._hold(told, too_much)
            await self.stock.ask(EndSnapshot(channel=channel, name=name))
        else:
            ignored = await book(self.stock, told.takings)
            closes = told.subject if told.complete else ""
            await self.stock.ask(EndSnapshot(channel=channel, name=name, closes=closes))
            if closes:
                async with decisions.deciding(self.database.dsn) as connection:
                    await decisions.drop(connection, closes)
            rows = sum(len(taking.snapshot.counts) for taking in told.takings)
            log.info("snapshot.booked", channel=channel, name=name, counts=rows, older=ignored)
        return True

    async def _read(self, channel: ChannelId, name: str) -> Told | None:
        """None when its parts cannot be read any more."""
        async with self.database.reading() as connection:
            rows = await authorities.parts(connection, channel, name)
        parts: list[tuple[StockSnapshot, EventId]] = []
        for row in rows:
            parsed = intake.parse(row, self.channels)
            if not isinstance(parsed, Parsed) or parsed.facts.snapshot is None:
                log.error("snapshot.unreadable", channel=channel, name=name, event_id=row.event_id)
                return None
            parts.append((parsed.facts.snapshot, row.event_id))
        takings = await self._translated(channel, parts)
        at = Span(min(part.at.earliest for part, _ in parts), max(part.at.latest for part, _ in parts))
        complete = any(part.complete for part, _ in parts)
        locations = self._locations(channel, [part for part, _ in parts]) if complete else frozenset()
        if locations:
            takings += await self._absent(channel, at, locations, parts, takings)
        return Told(channel=channel, name=name, at=at, complete=complete, locations=locations, takings=takings)

    async def _translated(
        self, channel: ChannelId, parts: Sequence[tuple[StockSnapshot, EventId]]
    ) -> list[TakeSnapshot]:
        """In chunks; a document goes with the count of its level, wherever it was told."""
        items = {line.remote_id for part, _ in parts for line in part.lines if line.remote_id is not None}
        items |= {one.remote_id for part, _ in parts for one in part.documents or () if one.remote_id is not None}
        async with self.database.reading() as connection:
            linked = await authorities.linked_items(connection, channel, sorted(items))
        told = [translated(self.stock.setup, channel, part, linked, event_id) for part, event_id in parts]
        documents: dict[LevelKey, list[Document]] = {}
        for one in told:
            for key, document in one.documents or ():
                documents.setdefault(key, []).append(document)
        shows = any(one.documents is not None for one in told)
        takings: list[TakeSnapshot] = []
        for one in told:
            for counts in _chunks(one.counts):
                named = [(key, document) for key, _ in counts for document in documents.pop(key, ())]
                chunk = replace(one, counts=counts, documents=named if shows else None)
                takings.append(TakeSnapshot(snapshot=chunk))
        rest = [(key, document) for key, some in documents.items() for document in some]
        if rest:
            takings.append(TakeSnapshot(snapshot=replace(told[-1], counts=(), documents=rest)))
        return takings

    def _locations(self, channel: ChannelId, parts: Sequence[StockSnapshot]) -> frozenset[LocationId]:
        """Of which of our locations it is everything: those it says, else those it counts."""
        setup = self.stock.setup
        said = {remote for part in parts for remote in part.locations}
        remotes = said or {line.remote_location for part in parts for line in part.lines}
        found = {place(setup, channel, remote) for remote in remotes}
        return frozenset(location for location in found if location is not None)

    async def _absent(
        self,
        channel: ChannelId,
        at: Span,
        locations: Iterable[LocationId],
        parts: Sequence[tuple[StockSnapshot, EventId]],
        takings: Sequence[TakeSnapshot],
    ) -> list[TakeSnapshot]:
        """Zero for what the authority counted before and leaves out now; what it named unusably is not left out."""
        named = {key for taking in takings for key, _ in taking.snapshot.counts}
        unusable = {line.sku_text for part, _ in parts for line in part.lines if line.units is None}
        unclear = any(line.units is None and not line.sku_text for part, _ in parts for line in part.lines)
        if unclear:
            log.warning("snapshot.unclear", channel=channel, what="a line names no item: nothing is taken to be absent")
            return []
        event_id, shows = parts[-1][1], any(part.documents is not None for part, _ in parts)
        absent: list[tuple[LevelKey, int]] = []
        for location in sorted(locations):
            async with self.database.reading() as connection:
                counted = await authorities.counted_before(connection, location)
            keys = [LevelKey(sku, location) for sku in counted if sku not in unusable]
            absent += [(key, 0) for key in keys if key not in named]
        documents: tuple[tuple[LevelKey, Document], ...] | None = () if shows else None
        whole = Snapshot(channel=channel, at=at, counts=(), documents=documents, event_id=event_id)
        return [TakeSnapshot(snapshot=replace(whole, counts=some), zeroes=True) for some in _chunks(absent)]

    async def _too_much(self, told: Told) -> dict[ChannelId, Reach]:
        confirmed = [name for name, desk in self.desks.items() if desk.record.first_synced_at is not None]
        async with self.database.reading() as connection:
            totals = {row["channel"]: row["listings"] for row in await connection.fetch(READS.synchronised)}
        reach = {name: Reach(synchronised=totals[name]) for name in confirmed if totals.get(name)}
        if reach:
            for taking in told.takings:
                await self._measure(taking, reach)
        return mass_change.beyond(reach, self.stock.setup.channels)

    async def _measure(self, taking: TakeSnapshot, reach: Mapping[ChannelId, Reach]) -> None:
        async with self.database.reading() as connection:
            store = BookStore(connection)
            await store.start()
            blocked = frozenset(channel for channel, desk in self.desks.items() if desk.record.blocked)
            now = int(self.now().timestamp() * 1000)
            books = await store.load(taking.need(), self.stock.setup, now, blocked)
        mass_change.measure(books, partial(take, books, taking.snapshot), reach)

    async def _hold(self, told: Told, too_much: Mapping[ChannelId, Reach]) -> None:
        """Book nothing of it; keep it, and ask a person."""
        counts = [count for taking in told.takings for count in taking.snapshot.counts]
        zeroes = sum(len(taking.snapshot.counts) for taking in told.takings if taking.zeroes)
        facts = {
            "source": f"snapshot {told.name}",
            "by": told.channel,
            "rows": len(counts),
            "left_out": zeroes,
            "complete": told.complete,
            "as_of": told.at.latest,
        }
        conflict = mass_change.question(told.subject, too_much, self.stock.setup.channels, facts, told_by=told.channel)
        shown = [taking.snapshot.documents for taking in told.takings if taking.snapshot.documents is not None]
        change = HeldChange(
            subject=told.subject,
            source=f"{told.channel}: {told.name}",
            actor=told.channel,
            as_of=told.at.earliest,
            as_of_latest=told.at.latest,
            counts=counts,
            channel=told.channel,
            documents=[document for some in shown for document in some] if shown else None,
        )
        async with decisions.deciding(self.database.dsn) as connection:
            await decisions.hold(connection, change, conflict, self.now())
            await connection.execute(SQL.forget_parts, WRITER, self.now() - PARTS_KEPT)
        log.warning("snapshot.held", channel=told.channel, name=told.name, counts=len(counts), left_out=zeroes)


async def book(stock: StockActor, takings: Iterable[TakeSnapshot]) -> int:
    """Book a snapshot chunk by chunk; returns how many counts were older than what is known."""
    ignored = 0
    for taking in takings:
        ignored += await stock.ask(taking)
    return ignored


async def book_held(stock: StockActor, change: HeldChange, event_id: EventId | None = None) -> int:
    """A person says that a held snapshot is right."""
    channel = change.channel or ChannelId("")
    at = Span(change.as_of, change.as_of_latest if change.as_of_latest is not None else change.as_of)
    documents: dict[LevelKey, list[Document]] = {}
    for key, document in change.documents or ():
        documents.setdefault(key, []).append(document)
    takings = []
    for counts in _chunks(change.counts):
        named = [(key, document) for key, _ in counts for document in documents.pop(key, ())]
        told = None if change.documents is None else named
        takings.append(
            TakeSnapshot(snapshot=Snapshot(channel=channel, at=at, counts=counts, documents=told, event_id=event_id))
        )
    return await book(stock, takings)


def _chunks(counts: Sequence[tuple[LevelKey, int]]) -> Iterator[Sequence[tuple[LevelKey, int]]]:
    """All counts of a SKU stand in one chunk, so that a listing of several locations is measured by all of them."""
    by_sku: dict[Sku, list[tuple[LevelKey, int]]] = {}
    for key, units in counts:
        by_sku.setdefault(key.sku, []).append((key, units))
    chunk: list[tuple[LevelKey, int]] = []
    for rows in by_sku.values():
        chunk += rows
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
