"""Reads a channel's orders: what webhooks lose, what a hint asks for, and what covers a reading."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio
import orjson
import structlog

from syncd.actors.contact import Contact
from syncd.actors.desk import Desk
from syncd.actors.raw import RawWriter
from syncd.actors.stock import StockActor
from syncd.domain.commands import ForgetWanted
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Retry
from syncd.domain.ids import EventId, OrderKey
from syncd.ports import Channel, Now, OrdersPage, Record
from syncd.storage.inbox import ORDERS_READ, Arrival

log = structlog.get_logger(__name__)

FETCH_BATCH: Final = 50
FETCH_SECONDS: Final = 0.2
"""Hints come in twos and threes; they share a call."""
POLL_SECONDS: Final = 600.0


@dataclass(slots=True)
class Poller:
    channel: Channel
    desk: Desk
    stock: StockActor
    raw: RawWriter
    contact: Contact
    now: Now
    every_seconds: float
    _lock: anyio.Lock = field(default_factory=anyio.Lock)
    _failures: int = 0

    async def run(self) -> None:
        """Read what changed, every so often and whenever somebody rings."""
        while True:
            try:
                await self.poll()
                self._failures = 0
                await self.desk.polls.wait(at_most_seconds=self.every_seconds)
            except (Retry, AuthFailed, OutcomeUnknown) as error:
                self._failures += 1
                if self._failures == 1:
                    log.warning("orders.unread", channel=self.desk.channel, error=str(error))
                await anyio.sleep(min(self.contact.pause_seconds(error, self._failures), max(self.every_seconds, 1)))

    async def poll(self) -> None:
        """Read the orders changed since the cursor; each page and its cursor are stored together.

        Raises Retry, AuthFailed: what was read until then is kept.
        """
        async with self._lock:
            try:
                async with self.contact.attempt("read orders"):
                    with anyio.fail_after(POLL_SECONDS):
                        async for page in self.channel.poll_orders(self.desk.cursor):
                            await self._take(page)
            except Exception:
                self.desk.orders_readable = False
                raise
            self.desk.thaw()

    async def _take(self, page: OrdersPage) -> None:
        arrivals = self._arrivals(page.records)
        if page.reached is not None:
            mark = Record(
                key=f"{ORDERS_READ}:{uuid.uuid4()}", topic=ORDERS_READ, body=orjson.dumps({"reached": page.reached})
            )
            arrivals += self._arrivals([mark])
        await self.raw.persist(arrivals, cursor=(self.desk.channel, page.cursor))
        self.desk.cursor = page.cursor

    async def fetch(self) -> None:
        """Read the orders that were only hinted at, for ever."""
        failures = 0
        while True:
            if not self.desk.wanted:
                await self.desk.fetches.wait()
                continue
            await anyio.sleep(FETCH_SECONDS)
            wanted = list(self.desk.wanted)[:FETCH_BATCH]
            try:
                records = await self.contact.call("fetch orders", partial(self.channel.fetch_orders, wanted))
                await self.raw.persist(self._arrivals(records))
                keys = frozenset(OrderKey(self.desk.channel, order_id) for order_id in wanted)
                await self.stock.ask(ForgetWanted(keys=keys))
                failures = 0
            except (Retry, AuthFailed, OutcomeUnknown) as error:
                failures += 1
                await anyio.sleep(self.contact.pause_seconds(error, failures))

    def _arrivals(self, records: Sequence[Record]) -> list[Arrival]:
        return [
            Arrival(
                channel=self.desk.channel,
                key=record.key,
                event_id=EventId(f"syncd-{uuid.uuid4()}"),
                topic=record.topic,
                headers={},
                body=record.body,
                received_at=self.now(),
            )
            for record in records
        ]
