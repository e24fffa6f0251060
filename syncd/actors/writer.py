"""Writes what a channel's listings owe: the riskiest first, a batch a call, every outcome entered row by row."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import anyio
import structlog

from syncd.actors.contact import Contact
from syncd.actors.desk import Desk
from syncd.actors.poller import Poller
from syncd.actors.raw import RawWriter
from syncd.actors.stock import StockActor
from syncd.domain.commands import Command
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Rejected, Retry
from syncd.domain.listings import Circumstances, Span, WriteKind
from syncd.domain.showing import RISE, Owed
from syncd.domain.writes import Outcome, RowOutcome, SentWrite
from syncd.domain.writing import BeginWrite, DoubtWrite, EndWrite, LapseWrite
from syncd.ports import Channel, Now, WriteBatch

log = structlog.get_logger(__name__)

R = TypeVar("R")

QUIET_SECONDS: Final = 0.006
"""A lone sale goes out after this; while more keep coming, they share a call."""
GATHER_SECONDS: Final = 0.25
AUTH_SECONDS: Final = 60.0


@dataclass(slots=True)
class Writer:
    channel: Channel
    desk: Desk
    stock: StockActor
    raw: RawWriter
    poller: Poller
    contact: Contact
    now: Now
    failures: int = 0

    async def run(self) -> None:
        """Settle what an earlier run left in doubt, then write what is owed, for ever."""
        while True:
            while self._unsettled():
                if self.desk.draining:
                    await anyio.sleep_forever()
                async with self.desk.sending:
                    await self._settle(self._unsettled()[0])
            if not self.desk.may_write or not self.desk.owed:
                await self.desk.writes.wait()
                continue
            await self._gather()
            async with self.desk.sending:
                await self._write_batch()

    def _unsettled(self) -> list[SentWrite]:
        """Calls in doubt that hold up all others. Where writes take force later, they are watched meanwhile."""
        waiting = [write for write in self.desk.open_writes.values() if write.write_id not in self.desk.landing]
        if waiting and self.channel.capabilities.takes_force_later:
            for write in waiting:
                self.desk.landing[write.write_id] = anyio.current_time()
            self.desk.landings.ring()
            return []
        return waiting

    async def _gather(self) -> None:
        """Let a burst fill the call: until it is full, nothing more is coming, or the first has waited enough."""
        started = anyio.current_time()
        while len(self.desk.owed) < self.channel.capabilities.batch:
            now = anyio.current_time()
            coming = self.raw.waiting or self.stock.pending or now - self.desk.grew_at < QUIET_SECONDS
            if not coming or now - started > GATHER_SECONDS:
                return
            await anyio.sleep(QUIET_SECONDS / 3)

    async def _write_batch(self) -> None:
        kind = self.channel.capabilities.write
        in_step = kind is WriteKind.ABSOLUTE and await self._read_orders()
        keys = self.desk.owed.take(self.channel.capabilities.batch)
        readable = self.desk.orders_readable and not self.desk.record.frozen
        when = Circumstances(kind=kind, orders_readable=readable, orders_read_in_step=in_step)
        command = BeginWrite(channel=self.desk.channel, candidates=keys, when=when, key=str(uuid.uuid4()))
        try:
            begun = await self.stock.ask(command)
        except Retry:
            for key in keys:
                self.desk.owed.put(Owed(key, RISE))
            await anyio.sleep(0.5)
            return
        self.desk.frozen.update(begun.frozen)
        if begun.write is not None:
            await self._send(begun.write)
            if kind is WriteKind.ABSOLUTE and not in_step:
                self.desk.polls.ring()

    async def _read_orders(self) -> bool:
        """For an absolute write, which overwrites sales that nobody knows of: learn of them right before it."""
        try:
            await self.poller.poll()
            await self.stock.caught_up()
        except (Retry, OutcomeUnknown, AuthFailed):
            return False
        return True

    async def _send(self, write: SentWrite) -> None:
        try:
            outcomes = await self._call(write)
        except OutcomeUnknown as unknown:
            log.warning("write.in_doubt", channel=self.desk.channel, rows=len(write.rows), error=str(unknown))
            await self._sure(DoubtWrite(write=write))
            self.desk.open_writes[write.write_id] = write
            self.desk.in_flight = None
            await self._pause(unknown)
            return
        except Rejected as refusal:
            outcomes = [RowOutcome(row.key, Outcome.REJECTED, reason=str(refusal)) for row in write.rows]
        except (Retry, AuthFailed) as error:
            await self._sure(EndWrite(write=write, outcomes=(), kind=self.channel.capabilities.write))
            self.desk.in_flight = None
            await self._pause(error)
            return
        await self._end(write, outcomes)

    async def _settle(self, write: SentWrite) -> None:
        """A call whose answer never came: the same key again; without keys, wait until it can no longer land."""
        if not self.channel.capabilities.keeps_keys:
            sent = int(self.now().timestamp() * 1000)
            await anyio.sleep(self.channel.capabilities.lands_within_seconds)
            span = Span(sent, int(self.now().timestamp() * 1000))
            await self._sure(LapseWrite(write=write, at=span, kind=self.channel.capabilities.write))
            del self.desk.open_writes[write.write_id]
            return
        try:
            outcomes = await self._call(write)
        except (OutcomeUnknown, Retry, AuthFailed) as error:
            await self._pause(error)
            return
        except Rejected as refusal:
            outcomes = [RowOutcome(row.key, Outcome.REJECTED, reason=str(refusal)) for row in write.rows]
        await self._end(write, outcomes)
        self.desk.open_writes.pop(write.write_id, None)
        log.info("write.settled", channel=self.desk.channel, rows=len(write.rows))

    async def _call(self, write: SentWrite) -> Sequence[RowOutcome]:
        batch = WriteBatch(idempotency_key=write.key, rows=write.rows)
        return await self.contact.call("write", lambda: self.channel.write(batch), writing=True)

    async def _end(self, write: SentWrite, outcomes: Sequence[RowOutcome]) -> None:
        self.failures = 0
        await self._sure(EndWrite(write=write, outcomes=outcomes, kind=self.channel.capabilities.write))
        accepted = {outcome.key for outcome in outcomes if outcome.outcome is Outcome.ACCEPTED}
        if accepted:
            rows = tuple(row for row in write.rows if row.key in accepted)
            self.desk.open_writes[write.write_id] = replace(write, rows=rows)
        self.desk.in_flight = None

    async def _sure(self, command: Command[R]) -> R:
        """What the channel has done must be entered, however long the database takes."""
        while True:
            try:
                return await self.stock.ask(command)
            except Retry:
                await anyio.sleep(0.5)

    async def _pause(self, error: Exception) -> None:
        self.failures += 1
        if isinstance(error, AuthFailed):
            await anyio.sleep(AUTH_SECONDS)
            return
        await anyio.sleep(self.contact.pause_seconds(error, self.failures))
