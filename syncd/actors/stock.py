"""The stock actor: the only writer of the books.

Everything that waits, deliveries and commands, becomes one group and one transaction; doorbells ring after the commit.
A group that fails is done again one by one, so that one bad row cannot hold the rest. It holds a lock in the database
for as long as its connection lives, so a second daemon can never write beside it.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import anyio
import structlog
from anyio.abc import TaskStatus

from syncd.actors import intake
from syncd.actors.database import Connector
from syncd.actors.desk import Desk
from syncd.actors.doorbell import Doorbell
from syncd.actors.intake import Parsed
from syncd.actors.raw import RawWriter
from syncd.domain.books import Books, ChannelRecord, Need
from syncd.domain.commands import Command, Refresh
from syncd.domain.conflicts import Conflict, ConflictKind
from syncd.domain.errors import InvalidChange, InvariantBroken, Retry, SyncdError
from syncd.domain.ids import ChannelId, OrderId, Sku
from syncd.domain.listings import fold
from syncd.domain.setup import Setup
from syncd.domain.showing import owes, refresh
from syncd.ports import Channel, Now
from syncd.storage import inbox
from syncd.storage.books import (
    CONFLICTS,
    BookStore,
    channel_from_row,
    is_one_statement,
    listing_from_row,
    sent_from_row,
)
from syncd.storage.books import SQL as BOOKS
from syncd.storage.inbox import InboxRow, Letter
from syncd.storage.pool import Connection, Trouble, one_statement, transaction, trouble

log = structlog.get_logger(__name__)

R = TypeVar("R")

GROUP: Final = 400
"""Deliveries per transaction, at most."""
GROUP_SECONDS: Final = 60.0
LOCK_SPACE: Final = 0x73796E63
REFRESH_CHUNK: Final = 500
KEPT_EFFECTS: Final = 24
KEPT_MILLISECONDS: Final = 60_000


class AnotherDaemon(SyncdError):
    """Another daemon writes this database."""


@dataclass(slots=True)
class _Asked:
    command: Command[Any]
    done: anyio.Event = field(default_factory=anyio.Event)
    result: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class _Again:
    """Stored deliveries that somebody wants applied once more."""

    ids: tuple[int, ...]
    done: anyio.Event = field(default_factory=anyio.Event)
    results: dict[int, str] = field(default_factory=dict)
    error: Exception | None = None


class StockActor:
    def __init__(
        self,
        *,
        connector: Connector,
        raw: RawWriter,
        bell: Doorbell,
        setup: Setup,
        channels: Mapping[ChannelId, Channel],
        desks: Mapping[ChannelId, Desk],
        now: Now,
        partition: int = 0,
    ) -> None:
        self.setup = setup
        self._connector = connector
        self._raw = raw
        self._bell = bell
        self._channels = channels
        self._desks = desks
        self._now = now
        self._partition = partition
        self._asked: deque[_Asked] = deque()
        self._again: deque[_Again] = deque()
        self._store: BookStore | None = None
        self._quarantined: set[str] = set()
        self._stale_skus: str | None = None
        """While not None, SKUs after this one still show what an older configuration wanted."""
        self.snapshots = Doorbell()
        """Rung when parts of an authority's snapshot have arrived."""
        self.on_commit: Callable[[Books], None] = lambda books: None
        """Called after each commit with what it changed; must be quick and must not fail."""

    @property
    def through(self) -> int:
        return self._store.through if self._store is not None else 0

    @property
    def pending(self) -> int:
        """Stored deliveries that are not applied yet."""
        return max(0, self._raw.through - self.through) if self._store is not None else 0

    async def ask(self, command: Command[R]) -> R:
        """Have a command applied; returns once it is committed.

        Raises InvalidChange when the rules refuse it, Retry when the database could not take it.
        """
        asked = _Asked(command)
        self._asked.append(asked)
        self._bell.ring()
        await asked.done.wait()
        if asked.error is not None:
            raise asked.error
        result: R = asked.result
        return result

    async def replay(self, ids: Sequence[int]) -> dict[int, str]:
        """Apply stored deliveries again; returns for each '' or the reason why it cannot be used.

        A dead letter that is applied is buried no longer.
        """
        again = _Again(tuple(ids))
        self._again.append(again)
        self._bell.ring()
        await again.done.wait()
        if again.error is not None:
            raise again.error
        return again.results

    @property
    def up(self) -> bool:
        """The database takes changes."""
        return self._store is not None

    async def pulse(self) -> None:
        """Return when a group has gone through: proof that the actor makes progress."""
        await self.ask(Refresh(skus=frozenset()))

    def refresh_all(self) -> None:
        """Compute anew, in the background, what every listing should show."""
        self._stale_skus = ""

    async def caught_up(self) -> None:
        """Return once everything that is stored now has been applied."""
        goal = self._raw.through
        while self.through < goal:
            await self.pulse()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Apply what waits, for ever; a lost database is waited for, a broken invariant ends the daemon."""
        started = False

        async def work(connection: Connection) -> None:
            nonlocal started
            await self._take_lock(connection, first=not started)
            await self._open(connection)
            if not started:
                started = True
                task_status.started()
            self._bell.ring()
            await self._work()

        await self._connector.keep("stock actor", work, self._down)

    async def _take_lock(self, connection: Connection, *, first: bool) -> None:
        """Ours for as long as this connection lives; the server may need a moment to notice that an old one died."""
        for _ in range(1 if first else 50):
            if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCK_SPACE, self._partition):
                return
            await anyio.sleep(0.2)
        raise AnotherDaemon("another syncd daemon writes this database; stop it first, or use another database")

    async def _open(self, connection: Connection) -> None:
        """Rebuild every desk from the database alone."""
        store = BookStore(connection)
        await store.start()
        rows = {row["channel"]: row for row in await connection.fetch(BOOKS.channel_rows)}
        letters = await inbox.open_letters(connection)
        for channel, desk in self._desks.items():
            if channel in rows:
                desk.record = channel_from_row(rows[channel])
                desk.cursor = rows[channel]["cursor"]
            desk.dead_letters = letters.get(channel, 0)
            desk.wanted = {OrderId(row["order_id"]) for row in await connection.fetch(BOOKS.wanted, channel)}
            writes = [sent_from_row(row) for row in await connection.fetch(BOOKS.open_writes, channel)]
            in_flight = desk.in_flight.write_id if desk.in_flight is not None else None
            desk.open_writes = {write.write_id: write for write in writes if write.write_id != in_flight}
            blank = Books(self.setup, self._milliseconds(), blocked_channels=self._blocked())
            for row in await connection.fetch(BOOKS.open_listings, channel):
                listing = listing_from_row(row)
                blank.add_listing(listing)
                blank.changed_listings.add(listing.key)
            self._lay_out(blank)
            for bell in (desk.writes, desk.questions, desk.fetches, desk.polls):
                bell.ring()  # polls too: while the database was away, deliveries were refused
        self._quarantined = {row["subject"] for row in await connection.fetch(CONFLICTS.open_quarantined)}
        self._store = store

    def _down(self) -> None:
        self._store = None
        lost = Retry("the database cannot be reached", after_seconds=2)
        while self._asked:
            self._answer_error(self._asked.popleft(), lost)
        while self._again:
            again = self._again.popleft()
            again.error = lost
            again.done.set()

    async def _work(self) -> None:
        while True:
            if self._again:
                await self._replay(self._again[0])
            rows = await self._rows()
            asked = [self._asked.popleft() for _ in range(len(self._asked))]
            if not rows and not asked:
                if self._stale_skus is None:
                    await self._bell.wait()
                    continue
                asked = await self._next_stale()
            try:
                await self._group(rows, asked)
            except BaseException:
                for one in asked:
                    self._answer_error(one, Retry("the database did not take the change", after_seconds=2))
                raise

    async def _next_stale(self) -> list[_Asked]:
        store = self._opened()
        rows = await store.connection.fetch(BOOKS.skus_after, self._stale_skus, REFRESH_CHUNK)
        skus = [Sku(row["sku"]) for row in rows]
        self._stale_skus = skus[-1] if skus else None
        return [_Asked(Refresh(skus=frozenset(skus)))]

    async def _rows(self) -> list[InboxRow]:
        store = self._opened()
        if self._raw.through <= store.through:
            return []
        fresh = self._raw.take_fresh(store.through, GROUP)
        return fresh if fresh is not None else await inbox.after(store.connection, store.through, GROUP)

    async def _group(self, rows: list[InboxRow], asked: list[_Asked]) -> None:
        try:
            await self._transact(rows, asked)
        except InvariantBroken:
            raise
        except Exception as error:
            if trouble(error) in (Trouble.LOST, Trouble.DISK, Trouble.AGAIN):
                raise
            if len(rows) + len(asked) == 1:
                await self._give_up(rows, asked, error)
                return
            log.warning("group.failed", rows=len(rows), commands=len(asked), error=repr(error))
            for row in rows:
                await self._group([row], [])
            for one in asked:
                await self._group([], [one])

    async def _replay(self, again: _Again) -> None:
        store = self._opened()
        rows = {row.id: row for row in await inbox.by_ids(store.connection, again.ids)}
        for number in again.ids:
            again.results[number] = await self._once_more(rows.get(number))
        self._again.popleft()
        again.done.set()

    async def _once_more(self, row: InboxRow | None) -> str:
        if row is None:
            return "there is no such delivery"
        letter = intake.parse(row, self._channels)
        try:
            if isinstance(letter, Parsed):
                await self._transact([row], [], revive=[row.id])
                return ""
            reason = letter.reason
        except Exception as error:
            if trouble(error) in (Trouble.LOST, Trouble.DISK, Trouble.AGAIN):
                raise
            reason = f"{row.topic} could not be applied: {type(error).__name__}: {error}"
        await self._transact([], [], letters=[Letter(row=row, reason=reason)])
        return reason

    async def _give_up(self, rows: list[InboxRow], asked: list[_Asked], error: Exception) -> None:
        """One row, or one command, that cannot be applied: kept with its reason, or answered."""
        log.error("change.failed", event_id=rows[0].event_id if rows else None, error=repr(error), exc_info=error)
        for one in asked:
            self._answer_error(one, error)
        if rows:
            reason = f"{rows[0].topic} could not be applied: {type(error).__name__}: {error}"
            await self._transact([], [], letters=[Letter(row=rows[0], reason=reason)], through=rows[0].id)

    async def _transact(
        self,
        rows: list[InboxRow],
        asked: list[_Asked],
        *,
        letters: list[Letter] | None = None,
        through: int = 0,
        revive: Sequence[int] = (),
    ) -> None:
        store = self._opened()
        letters = list(letters or ())
        parsed: list[Parsed] = []
        for row in rows:
            item = intake.parse(row, self._channels)
            if isinstance(item, Parsed):
                parsed.append(item)
            else:
                letters.append(item)
        need = Need()
        intake.needs(parsed, need)
        for one in asked:
            wanted = one.command.need()
            need.orders |= wanted.orders
            need.aliases |= wanted.aliases
            need.items |= wanted.items
            need.skus |= wanted.skus
            need.new_skus |= wanted.new_skus
            need.documents |= wanted.documents
        books = await store.load(need, self.setup, self._milliseconds(), self._blocked())
        for item in parsed:
            intake.apply(books, item, self._quarantined)
        for one in asked:
            try:
                one.result = one.command.apply(books)
            except InvalidChange as refusal:
                one.error = refusal
        refresh(books)
        self._fold(books)
        through = max([through, *(row.id for row in rows)])
        at = datetime.fromtimestamp(books.now / 1000, UTC)
        alone = is_one_statement(books) and not letters and not revive
        async with (one_statement if alone else transaction)(store.connection, timeout_seconds=GROUP_SECONDS):
            await store.save(books, through)
            if letters:
                await inbox.bury(store.connection, letters, at)
            if revive:
                await inbox.revive(store.connection, revive, at)
            counts = await inbox.open_letters(store.connection) if letters or revive else None
        store.committed(books, through)
        if counts is not None:
            for channel, desk in self._desks.items():
                desk.dead_letters = counts.get(channel, 0)
        self._publish(books, parsed, letters)
        for one in asked:
            one.done.set()

    def _fold(self, books: Books) -> None:
        """Keep hot listings' accounts short."""
        before = books.now - KEPT_MILLISECONDS
        for key in books.changed_listings:
            listing = books.listings[key]
            if len(listing.account.effects) > KEPT_EFFECTS:
                listing.account = fold(listing.account, before)

    def _publish(self, books: Books, parsed: list[Parsed], letters: list[Letter]) -> None:
        for channel, record in books.channel_records.items():
            desk = self._desks[channel]
            desk.record = record
            desk.writes.ring()
            if desk.orders_readable:
                desk.thaw()
        for letter in letters:
            log.warning("letter.buried", channel=letter.row.channel, event_id=letter.row.event_id, reason=letter.reason)
        self._lay_out(books)
        for conflict in books.conflicts:
            if conflict.kind is ConflictKind.QUARANTINED:
                keep = self._quarantined.add if isinstance(conflict, Conflict) else self._quarantined.discard
                keep(conflict.subject)
        if books.snapshot_parts:
            self.snapshots.ring()
        for desk in self._desks.values() if books.new_skus else ():
            desk.skus_created += 1
            desk.questions.ring()
        for channel in books.unknown_items:
            self._desks[channel].catalogue_wanted = True
            self._desks[channel].questions.ring()
        for key in books.wanted:
            self._desks[key.channel].wanted.add(key.order_id)
            self._desks[key.channel].fetches.ring()
        for key in books.read:
            self._desks[key.channel].wanted.discard(key.order_id)
        for write in books.begun:
            self._desks[write.channel].in_flight = write
        for item in parsed:
            desk = self._desks[item.row.channel]
            if item.orders_read is not None:
                desk.orders_known = max(desk.orders_known or 0, item.orders_read)
                desk.questions.ring()
            if item.facts.uninstalled:
                desk.trouble = "the channel withdrew our access (app uninstalled)"
        self.on_commit(books)

    def _lay_out(self, books: Books) -> None:
        for key in books.changed_listings:
            desk = self._desks.get(key.channel)
            if desk is None:
                continue
            listing = books.listings[key]
            desk.lay(owes(books, listing), key)
            desk.ask(key, listing.account, books.now)

    def _opened(self) -> BookStore:
        if self._store is None:
            raise Retry("the database cannot be reached", after_seconds=2)
        return self._store

    def _milliseconds(self) -> int:
        return int(self._now().timestamp() * 1000)

    def _blocked(self) -> frozenset[ChannelId]:
        return frozenset(channel for channel, desk in self._desks.items() if desk.record.blocked)

    @staticmethod
    def _answer_error(asked: _Asked, error: Exception) -> None:
        if not asked.done.is_set():
            asked.error = error
            asked.done.set()


def new_record(channel: ChannelId, kind: str) -> ChannelRecord:
    """What is remembered of a channel before anything is."""
    return ChannelRecord(channel=channel, kind=kind)
