"""The channel of files: the port's methods, on a folder and, where there is one, the other side's SFTP server."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

import anyio
import structlog
from anyio import to_thread

from syncd.channels.files.decoding import Unreadable
from syncd.channels.files.export import Exporter
from syncd.channels.files.folder import Claimed, Folder, is_meant
from syncd.channels.files.intake import File, Understood, facts_of, feeds, refusal, understand
from syncd.channels.files.memory import Memory, Taken
from syncd.channels.files.settings import CAPABILITIES, FeedTable, Settings, StockFeed
from syncd.channels.files.sftp import Server
from syncd.domain.errors import BadSignature, OutcomeUnknown, Rejected, Retry, SyncdError
from syncd.domain.ids import Instant, ListingKey, OrderId
from syncd.domain.orders import Order
from syncd.ports import (
    CatalogueRow,
    Cursor,
    Delivery,
    Facts,
    Now,
    OrdersPage,
    Record,
    RowOutcome,
    ShopFacts,
    Tokens,
    WriteBatch,
)

log = structlog.get_logger(__name__)
T = TypeVar("T")

RECORDS_A_PAGE: Final = 20
ROWS_A_CATALOGUE_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A claimed file, the feed it belongs to, and its date."""

    claimed: Claimed
    feed: FeedTable
    place: int
    """Of the feed, among files of the same moment."""
    dated: datetime


class FilesChannel:
    def __init__(self, settings: Settings, mapped: Iterable[str], now: Now) -> None:
        self.capabilities = replace(CAPABILITIES, batch=settings.batch)
        self._settings = settings
        self._now = now
        places = list(mapped)
        self._sole = places[0] if len(places) == 1 else None
        self._feeds = list(feeds(settings))
        self._folder = Folder(settings.folder, settings.stable_seconds, settings.trigger, settings.checksum)
        self._exporter = Exporter(settings.folder, settings.export) if settings.export is not None else None
        self._server: Server | None = None
        if settings.sftp is not None:
            endings = [settings.trigger] if settings.trigger is not None else []
            endings += [".sha256"] if settings.checksum else []
            self._server = Server(
                settings.sftp, settings.folder, settings.stable_seconds, tuple(endings), anyio.current_time
            )

    def learn(self, facts: ShopFacts) -> None: ...

    def verify(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        raise BadSignature("files are dropped into a folder; nothing is posted here")

    def parse(self, topic: str, headers: Mapping[str, str], body: bytes) -> Facts:
        """What a stored record of a file says. Raises Refused and nothing else."""
        return facts_of(topic, body)

    def tokens(self) -> Tokens:
        return Tokens(1.0, 1.0, 1.0)

    async def connect(self) -> ShopFacts:
        await self._in_thread(self._folder.prepare)
        if self._server is not None:
            await self._server.check()
        return ShopFacts(identity=str(self._settings.folder))

    async def subscribe(self, address: str) -> Sequence[str]:
        return []

    async def poll_orders(self, cursor: Cursor | None) -> AsyncIterator[OrdersPage]:
        """Take in every file that is whole, the oldest first.

        A file leaves `processing` when the next page is asked for, which is when the last one of it was stored; what a
        crash leaves there is read again, and its records are known by their keys.
        """
        memory = Memory.recalled(cursor)
        begun = self._milliseconds()
        patterns = [pattern for feed in self._feeds for pattern in feed.pattern]
        if self._server is not None:
            await self._server.fetch(patterns)
        clock = anyio.current_time()
        claimed = await self._in_thread(lambda: self._folder.claim(patterns, clock))
        for one in await self._in_thread(lambda: self._in_order(claimed)):
            if isinstance(one, Found):
                async for page in self._take(one, memory):
                    yield page
            else:
                async for page in self._refuse(one[0], f"{one[0].name}", one[1], memory):
                    yield page
        yield OrdersPage(records=(), cursor=memory.cursor(), reached=begun)

    async def fetch_orders(self, order_ids: Sequence[OrderId]) -> Sequence[Record]:
        """An order is known when a file tells of it; nothing can be asked for."""
        return []

    async def read_catalogue(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        exporter = self._exporter
        if exporter is not None:
            rows = await self._exported(lambda: exporter.items(self._milliseconds()))
            for start in range(0, len(rows), ROWS_A_CATALOGUE_PAGE):
                yield rows[start : start + ROWS_A_CATALOGUE_PAGE]

    async def read_levels(self, keys: Sequence[ListingKey]) -> Sequence[CatalogueRow]:
        exporter = self._exporter
        if exporter is None:
            return []
        return await self._exported(lambda: exporter.levels(keys, self._milliseconds()))

    async def write(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        exporter = self._exporter
        if exporter is None:
            raise Rejected("nothing is exported here; see `export`")
        server = self._server
        if server is not None:
            await server.deliver(proving=True)  # one that is away is noticed before there is a file
        outcomes = await self._in_thread(lambda: exporter.write(batch, self._milliseconds()))
        if server is not None:
            try:
                await server.deliver()
            except SyncdError as error:
                raise OutcomeUnknown(f"the file is written, and waits to be delivered: {error}") from error
        return outcomes

    async def close(self) -> None: ...

    def _in_order(self, claimed: Sequence[Claimed]) -> list[Found | tuple[Claimed, str]]:
        """By date, then as files of one moment belong together; what belongs to no feed, or has no date, first."""
        found: list[Found] = []
        odd: list[Found | tuple[Claimed, str]] = []
        for one in claimed:
            place, feed = self._feed_of(one.name)
            if feed is None:
                odd.append((one, "no feed has a pattern for this name any more"))
                continue
            try:
                dated = feed.dated(one.name) or one.changed_at
            except ValueError:
                odd.append((one, f"its name holds no date like {feed.as_of}"))
                continue
            found.append(Found(claimed=one, feed=feed, place=place, dated=dated))
        return [*odd, *sorted(found, key=lambda f: (f.dated, f.place, f.claimed.name))]

    def _feed_of(self, name: str) -> tuple[int, FeedTable | None]:
        for place, feed in enumerate(self._feeds):
            if is_meant(name, feed.pattern):
                return place, feed
        return 0, None

    async def _take(self, found: Found, memory: Memory) -> AsyncIterator[OrdersPage]:
        claimed, feed = found.claimed, found.feed
        try:
            data, digest = await self._in_thread(lambda: self._folder.read(claimed))
        except ValueError as bad:
            async for page in self._refuse(claimed, claimed.name, str(bad), memory):
                yield page
            return
        file = File(name=claimed.name, data=data, digest=digest, dated=found.dated)
        full = isinstance(feed, StockFeed) and feed.mode == "full"
        entry = Taken(type(feed).__name__, digest[:32], file.at(feed).latest, file.name, full)
        by_name = feed.as_of is not None
        duplicate = memory.duplicate(entry, dated_by_name=by_name)
        if duplicate:
            log.info("file.known", file=file.name, why=duplicate)
            await self._in_thread(lambda: self._folder.finish(claimed, self._now()))
            return
        try:
            fault = memory.fault(entry, dated_by_name=by_name)
            if fault:
                raise Unreadable(fault)
            told = await self._in_thread(lambda: understand(file, feed, self._settings, self._sole))
        except Unreadable as unreadable:
            async for page in self._refuse(claimed, file.identity, str(unreadable), memory):
                yield page
            return
        async for page in self._told(file, feed, told, entry, memory):
            yield page
        await self._in_thread(lambda: self._folder.finish(claimed, self._now()))
        log.info("file.taken", file=file.name, rows=told.rows, refused=len(told.refused))

    async def _told(
        self, file: File, feed: FeedTable, told: Understood, entry: Taken, memory: Memory
    ) -> AsyncIterator[OrdersPage]:
        """The records in pages; with the last one the file is remembered as taken."""
        records = list(told.records)
        if told.refused:
            records.insert(0, await self._refused_rows(file, told))
        await self._count_down(records)
        for start in range(0, len(records), RECORDS_A_PAGE):
            last = start + RECORDS_A_PAGE >= len(records)
            if last:
                memory.remember(entry)
            yield OrdersPage(records=tuple(records[start : start + RECORDS_A_PAGE]), cursor=memory.cursor())

    async def _refused_rows(self, file: File, told: Understood) -> Record:
        """Rows that cannot be used go into a file of their own, and one question tells of all of them."""
        path = await self._in_thread(lambda: self._folder.write_refused(file.name, told.header, told.refused))
        first = told.refused[0]
        reason = (
            f"{len(told.refused)} of {told.rows} rows of {file.name} were refused, the first in line "
            f"{first.row.number}: {first.reason}; all of them are in {path}: mend them and drop them in again"
        )
        return refusal(file.name, f"{file.identity}:rows", reason)

    async def _count_down(self, records: Sequence[Record]) -> None:
        """What the other side has sold is not shown by it any more."""
        exporter = self._exporter
        if exporter is None:
            return
        orders: list[Order] = [order for record in records for order in facts_of(record.topic, record.body).orders]
        if orders:
            await self._in_thread(lambda: exporter.heard(orders))

    async def _refuse(self, claimed: Claimed, identity: str, reason: str, memory: Memory) -> AsyncIterator[OrdersPage]:
        told = f"{claimed.name} was refused: {reason}"
        stamp = int(claimed.changed_at.timestamp() * 1000)
        yield OrdersPage(records=(refusal(claimed.name, f"{identity}:{stamp}", told),), cursor=memory.cursor())
        report = {"changed_at": claimed.changed_at.isoformat(), "at": self._now().isoformat()}
        await self._in_thread(lambda: self._folder.refuse(claimed, reason, report))
        log.warning("file.refused", file=claimed.name, reason=reason)

    async def _exported(self, read: Callable[[], list[CatalogueRow]]) -> list[CatalogueRow]:
        try:
            return await self._in_thread(read)
        except Unreadable as error:
            raise Retry(f"the list of items to export cannot be read: {error}") from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """What blocks, off the loop; a disk or a share that fails is tried again later."""
        try:
            return await to_thread.run_sync(work)
        except OSError as error:
            raise Retry(f"{self._settings.folder}: {error}") from error

    def _milliseconds(self) -> Instant:
        return int(self._now().timestamp() * 1000)
