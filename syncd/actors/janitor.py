"""Keeps house: gauges for the outside, marks that are of no use any more, channels that went quiet."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import anyio
import structlog

from syncd.actors.database import Connector
from syncd.actors.desk import Desk
from syncd.actors.raw import RawWriter
from syncd.actors.stock import StockActor
from syncd.domain.commands import Note
from syncd.domain.conflicts import Conflict, ConflictKind, Resolution
from syncd.domain.errors import Retry
from syncd.domain.ids import ChannelId
from syncd.observe.metrics import Metrics
from syncd.ports import Channel, Now
from syncd.storage.inbox import SQL as INBOX
from syncd.storage.pool import Connection, Database

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 2.0
CATCH_UP_SECONDS: Final = 1.0
SILENCE: Final = timedelta(minutes=15)
SILENCE_LOOK_SECONDS: Final = 60.0
PRUNE_SECONDS: Final = 3600.0
MARKS_KEPT: Final = timedelta(hours=1)


@dataclass(slots=True)
class Janitor:
    database: Database
    stock: StockActor
    raw: RawWriter
    desks: Mapping[ChannelId, Desk]
    channels: Mapping[ChannelId, Channel]
    metrics: Metrics
    connector: Connector
    now: Now

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._gauges)
            tasks.start_soon(self._catch_up)
            tasks.start_soon(self._watch_for_silence)
            tasks.start_soon(self.connector.keep, "janitor", self._prune)

    async def _gauges(self) -> None:
        while True:
            self.metrics.inbox_depth.set(self.raw.waiting + self.stock.pending)
            self.metrics.dead_letters.set(sum(desk.dead_letters for desk in self.desks.values()))
            self.metrics.database_up.set(1 if self.stock.up else 0)
            for channel, desk in self.desks.items():
                self.metrics.writes_owed.labels(channel).set(len(desk.owed))
                self.metrics.tokens_available.labels(channel).set(self.channels[channel].tokens().available)
                self.metrics.channel_up.labels(channel).set(1 if desk.shown_state == "live" else 0)
                self.metrics.show_circuit(channel, desk.circuit)
                if desk.last_success_at is not None:
                    self.metrics.last_success_timestamp_seconds.labels(channel).set(desk.last_success_at.timestamp())
            await anyio.sleep(LOOK_SECONDS)

    async def _catch_up(self) -> None:
        """What was refused comes again when the channel pleases; its orders are read as soon as they can be kept."""
        while True:
            await anyio.sleep(CATCH_UP_SECONDS)
            for channel in self.raw.take_refused():
                self.desks[channel].polls.ring()

    async def _watch_for_silence(self) -> None:
        """A channel that has not answered for long is a conflict of its own."""
        stale: set[ChannelId] = set()
        started = self.now()
        while True:
            await anyio.sleep(SILENCE_LOOK_SECONDS)
            changes: list[Conflict | Resolution] = []
            for channel, desk in self.desks.items():
                since = desk.last_success_at or started
                silent = self.now() - since > SILENCE
                if silent:
                    facts = {"silent_since": since.isoformat(), "last_error": desk.last_error}
                    changes.append(Conflict(kind=ConflictKind.STALE, subject=channel, channel=channel, facts=facts))
                elif channel in stale:
                    changes.append(
                        Resolution(kind=ConflictKind.STALE, subject=channel, how="the channel answers again")
                    )
                (stale.add if silent else stale.discard)(channel)
            try:
                if changes:
                    await self.stock.ask(Note(conflicts=changes))
            except Retry:
                log.debug("janitor.database_away")

    async def _prune(self, connection: Connection) -> None:
        while True:
            await connection.execute(INBOX.prune_marks, self.now() - MARKS_KEPT)
            await anyio.sleep(PRUNE_SECONDS)
