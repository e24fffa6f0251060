"""Watches writes that a channel has accepted until they are seen in force, or can no longer land.

Only the listings concerned wait: others are written meanwhile. A row that nothing is known of is given up after the
channel's `lands_within_seconds`; its figure is then believed no more until a covered reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import anyio
import structlog

from syncd.actors.contact import Contact
from syncd.actors.desk import Desk
from syncd.actors.stock import StockActor
from syncd.domain.commands import Command
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Rejected, Retry
from syncd.domain.ids import ListingKey
from syncd.domain.listings import Span
from syncd.domain.writes import Outcome, RowOutcome, SentWrite, WriteRow
from syncd.domain.writing import EndWrite, LapseWrite
from syncd.ports import LateChannel, Now, WriteBatch

log = structlog.get_logger(__name__)

R = TypeVar("R")

FIRST_LOOK_SECONDS: Final = 1.0
SELDOM_SECONDS: Final = 30.0
"""A write is looked for at a tenth of its age, and at least this often."""


@dataclass(slots=True)
class Lander:
    channel: LateChannel
    desk: Desk
    stock: StockActor
    contact: Contact
    now: Now
    _failures: int = 0

    async def run(self) -> None:
        while True:
            if not self.desk.landing:
                await self.desk.landings.wait()
                continue
            await anyio.sleep(self._wait_seconds())
            for write_id in list(self.desk.landing):
                try:
                    await self._look(write_id)
                    self._failures = 0
                except (Retry, OutcomeUnknown, AuthFailed, Rejected) as error:
                    self._failures += 1
                    await anyio.sleep(self.contact.pause_seconds(error, self._failures))

    def _wait_seconds(self) -> float:
        youngest = anyio.current_time() - max(self.desk.landing.values())
        return min(max(FIRST_LOOK_SECONDS, youngest / 10), SELDOM_SECONDS)

    async def _look(self, write_id: int) -> None:
        write = self.desk.open_writes.get(write_id)
        if write is None:
            self.desk.landing.pop(write_id, None)
            return
        batch = WriteBatch(idempotency_key=write.key, rows=write.rows)
        outcomes = await self.contact.call("read back", partial(self.channel.landed, batch))
        under_way = {outcome.key for outcome in outcomes if outcome.outcome is Outcome.ACCEPTED}
        final = [outcome for outcome in outcomes if outcome.outcome is not Outcome.ACCEPTED]
        left = {row.key for row in write.rows} - {outcome.key for outcome in final}
        await self._end(write, final, more=bool(left))
        age_seconds = anyio.current_time() - self.desk.landing[write_id]
        lapsed = left - under_way if age_seconds > self.channel.capabilities.lands_within_seconds else set()
        left -= lapsed
        await self._lapse(write, lapsed, age_seconds, more=bool(left))
        if left:
            self.desk.open_writes[write_id] = replace(write, rows=_rows(write, left))
            return
        del self.desk.open_writes[write_id]
        del self.desk.landing[write_id]
        self.desk.writes.ring()

    async def _end(self, write: SentWrite, outcomes: Sequence[RowOutcome], *, more: bool) -> None:
        if not outcomes:
            return
        done = replace(write, rows=_rows(write, {outcome.key for outcome in outcomes}))
        await self._sure(EndWrite(write=done, outcomes=outcomes, kind=self.channel.capabilities.write, more=more))

    async def _lapse(self, write: SentWrite, keys: set[ListingKey], age_seconds: float, *, more: bool) -> None:
        if not keys:
            return
        log.warning("write.lapsed", channel=self.desk.channel, rows=len(keys), seconds=round(age_seconds))
        now = int(self.now().timestamp() * 1000)
        at = Span(now - int(age_seconds * 1000), now)
        lost = replace(write, rows=_rows(write, keys))
        await self._sure(LapseWrite(write=lost, at=at, kind=self.channel.capabilities.write, more=more))

    async def _sure(self, command: Command[R]) -> R:
        """What the channel has done must be entered, however long the database takes."""
        while True:
            try:
                return await self.stock.ask(command)
            except Retry:
                await anyio.sleep(0.5)


def _rows(write: SentWrite, keys: set[ListingKey]) -> tuple[WriteRow, ...]:
    return tuple(row for row in write.rows if row.key in keys)
