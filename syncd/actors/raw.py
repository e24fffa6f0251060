"""The raw writer: what arrived is on disk before anybody is told so; everything that waits becomes one transaction."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from anyio.abc import TaskStatus

from syncd.actors.database import Connector
from syncd.actors.doorbell import Doorbell
from syncd.domain.errors import Retry
from syncd.domain.ids import ChannelId
from syncd.storage import inbox
from syncd.storage.inbox import Arrival, InboxRow
from syncd.storage.pool import Connection, one_statement, transaction

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 4000
"""Deliveries waiting to be stored; beyond this they are refused, to be sent again."""
MOST_FRESH: Final = 2000
MOST_FRESH_BYTES: Final = 24 << 20
GROUP: Final = 500
GROUP_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Batch:
    """Deliveries of several senders that share one transaction."""

    arrivals: list[Arrival] = field(default_factory=list)
    cursors: list[tuple[ChannelId, Mapping[str, str]]] = field(default_factory=list)
    done: anyio.Event = field(default_factory=anyio.Event)
    new: Sequence[bool] | None = None
    """For each whether it was new; None when the database did not take them."""


class RawWriter:
    """Numbers and stores what arrives. Freshly stored rows are kept for the stock actor to take without a query."""

    def __init__(self, connector: Connector, stock_bell: Doorbell) -> None:
        self._connector = connector
        self._stock_bell = stock_bell
        self._bell = Doorbell()
        self._waiting: deque[_Batch] = deque()
        self._count = 0
        self._fresh: deque[tuple[int, InboxRow]] = deque()
        self._fresh_bytes = 0
        self._up = False
        self._refused: set[ChannelId] = set()
        self.through = 0
        """The highest number stored."""

    @property
    def waiting(self) -> int:
        return self._count

    def take_refused(self) -> set[ChannelId]:
        """Channels of which something was not stored, since last asked; none while nothing can be stored."""
        if not self._up:
            return set()
        refused, self._refused = self._refused, set()
        return refused

    async def persist(
        self, arrivals: Sequence[Arrival], *, cursor: tuple[ChannelId, Mapping[str, str]] | None = None
    ) -> list[bool]:
        """Store deliveries, and with them the cursor they belong to; returns for each whether it was new.

        Raises Retry when the database cannot take them now; whether they were stored is then unknown, and storing
        them again is harmless.
        """
        if not self._up:
            self._refused.update(arrival.channel for arrival in arrivals)
            raise Retry("the database cannot be reached", after_seconds=2)
        if self._count + len(arrivals) > MOST_WAITING and self._waiting:
            self._refused.update(arrival.channel for arrival in arrivals)
            raise Retry(f"{self._count} deliveries wait to be stored already", after_seconds=1)
        if not self._waiting or len(self._waiting[-1].arrivals) + len(arrivals) > GROUP:
            self._waiting.append(_Batch())
            self._bell.ring()
        batch = self._waiting[-1]
        place = len(batch.arrivals)
        batch.arrivals.extend(arrivals)
        if cursor is not None:
            batch.cursors.append(cursor)
        self._count += len(arrivals)
        await batch.done.wait()
        if batch.new is None:
            raise Retry("the database did not take the delivery", after_seconds=2)
        return list(batch.new[place : place + len(arrivals)])

    def take_fresh(self, through: int, most: int) -> list[InboxRow] | None:
        """The rows after `through` from memory; None when memory does not reach back that far."""
        while self._fresh and self._fresh[0][1].id <= through:
            self._fresh_bytes -= len(self._fresh.popleft()[1].body)
        if not self._fresh:
            return [] if self.through <= through else None
        if self._fresh[0][0] > through:
            return None
        return [row for _, row in zip(range(most), (row for _, row in self._fresh), strict=False)]

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Store what waits, for ever; without a database everything is refused at once until it is back."""
        started = False

        def up() -> None:
            nonlocal started
            self._up = True
            if not started:
                started = True
                task_status.started()

        await self._connector.keep("raw writer", lambda connection: self._work(connection, up), self._refuse_all)

    async def _work(self, connection: Connection, up: Callable[[], None]) -> None:
        self.through = await inbox.last_id(connection)
        self._fresh.clear()
        self._fresh_bytes = 0
        up()
        while True:
            if not self._waiting:
                await self._bell.wait()
                continue
            await self._store(connection, self._waiting.popleft())

    async def _store(self, connection: Connection, batch: _Batch) -> None:
        arrivals = batch.arrivals
        first = self.through + 1
        try:
            new: set[int] = set()
            whole = transaction if batch.cursors else one_statement
            async with whole(connection, timeout_seconds=GROUP_SECONDS):
                if arrivals:
                    new = await inbox.persist(connection, first, arrivals)
                for channel, cursor in batch.cursors:
                    await inbox.save_cursor(connection, channel, cursor)
        except BaseException:
            self._fail(batch)
            raise
        self._keep(first, arrivals, new)
        batch.new = [number in new for number in range(first, first + len(arrivals))]
        self._count -= len(arrivals)
        batch.done.set()
        self._stock_bell.ring()

    def _keep(self, first: int, arrivals: Sequence[Arrival], new: set[int]) -> None:
        previous = self.through
        for number, a in enumerate(arrivals, first):
            if number not in new:
                continue
            row = InboxRow(
                id=number,
                channel=a.channel,
                event_id=a.event_id,
                topic=a.topic,
                headers=a.headers,
                body=a.body,
                received_at=a.received_at,
            )
            self._fresh.append((previous, row))
            self._fresh_bytes += len(a.body)
            previous = number
        self.through = previous
        while len(self._fresh) > MOST_FRESH or self._fresh_bytes > MOST_FRESH_BYTES:
            self._fresh_bytes -= len(self._fresh.popleft()[1].body)

    def _fail(self, batch: _Batch) -> None:
        self._refused.update(arrival.channel for arrival in batch.arrivals)
        self._count -= len(batch.arrivals)
        batch.done.set()

    def _refuse_all(self) -> None:
        self._up = False
        while self._waiting:
            self._fail(self._waiting.popleft())
