"""What the shared suite asks of a kind of channel, and the daemon's real parts around channels of that kind."""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import anyio
import asyncpg

from syncd.actors import channel as channel_actor
from syncd.actors.channel import ChannelActor, facts_from_json
from syncd.actors.database import Connector
from syncd.actors.desk import Desk
from syncd.actors.doorbell import Doorbell
from syncd.actors.raw import RawWriter
from syncd.actors.stock import StockActor
from syncd.config.model import ListenerTable
from syncd.domain.books import ChannelRecord
from syncd.domain.commands import AdjustStock, SetCount, SetPolicy
from syncd.domain.ids import ChannelId, LevelKey, LocationId, RemoteLocation, Sku
from syncd.domain.policy import Override
from syncd.domain.setup import ChannelSetup, FirstSync, Setup
from syncd.ingress.listener import Listener
from syncd.observe.metrics import Metrics
from syncd.ports import Channel
from syncd.storage.pool import open_database
from tests.channels.wire import Delivery, Step, Tap, Wire

NEVER_SECONDS = 3600.0
DEADLINE_SECONDS = 40.0
"""How long a loaded machine may take; nothing is asserted about it."""


class Bench(Protocol):
    """One simulated shop of a kind, as the suite drives it. Items are named by their SKU."""

    kind: str
    remote_location: RemoteLocation
    window: frozenset[tuple[str, Step]]
    """Where in a write a sale that is not heard of may still be overwritten: between these moments and no others."""
    steps: Sequence[Step]
    """The calls that a write is made of."""

    def serving(self) -> AbstractAsyncContextManager[None]: ...

    @property
    def url(self) -> str: ...

    def channel(self, url: str) -> Channel: ...

    def step_of(self, method: str, path: str, body: bytes) -> Step: ...

    def send_webhooks_to(self, url: str) -> None: ...

    def list_item(self, sku: str, units: int) -> None: ...

    def remove_item(self, sku: str) -> None:
        """The item is deleted in the shop."""

    def shows(self, sku: str) -> int: ...

    def set_by_hand(self, sku: str, units: int) -> None: ...

    def sell(self, *wishes: tuple[str, int]) -> Any:
        """A buyer orders and pays; returns the order."""

    def cancel(self, order: Any) -> None:
        """Before shipping, all units put back."""

    def ship(self, order: Any) -> None: ...

    def order_id(self, order: Any) -> str: ...

    async def all_told(self) -> None:
        """Return once the shop has no webhook left to send."""

    def is_about_orders(self, delivery: Delivery) -> bool: ...

    def altered(self, delivery: Delivery, line: int, quantity: object) -> Delivery:
        """The delivery of an order with another quantity in one line, signed as the shop would."""

    def emptied(self, answer: bytes) -> bytes:
        """A page of the catalogue without its items."""

    def lock_out(self) -> None:
        """The credentials are not accepted any more."""

    def let_in(self) -> None: ...


def now() -> datetime:
    return datetime.now(UTC)


async def eventually(holds: Callable[[], bool | Awaitable[bool]], what: Callable[[], str]) -> None:
    deadline = anyio.current_time() + DEADLINE_SECONDS
    while True:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        assert anyio.current_time() < deadline, f"never came true: {what()}"
        await anyio.sleep(0.02)


@dataclass
class House:
    """One shop with its channel, its location of ours, and everything between them."""

    name: str
    bench: Bench
    wire: Wire
    tap: Tap
    daemon: "Daemon" = field(init=False)
    desk: Desk = field(init=False)
    actor: ChannelActor = field(init=False)

    @property
    def channel_id(self) -> ChannelId:
        return ChannelId(self.name)

    @property
    def location(self) -> LocationId:
        return LocationId(f"house-{self.name}")

    @property
    def hooks(self) -> str:
        return f"{self.daemon.address}/hooks/{self.name}"

    def sku(self, sku: str) -> Sku:
        return Sku(f"{self.name}-{sku}")

    # Acts of people

    async def opens(self, **units: int) -> None:
        """The items are counted here and listed in the shop, which shows just that; then the channel starts."""
        for sku, count in units.items():
            self.bench.list_item(self.sku(sku), count)
            await self.counted(sku, count)
        self.daemon.start(self)
        await self.quiet()

    async def counted(self, sku: str, units: int) -> None:
        key = LevelKey(self.sku(sku), self.location)
        await self.daemon.stock.ask(SetCount(key=key, on_hand=units, reason="count", actor="anna"))

    async def adjusted(self, sku: str, by: int) -> None:
        key = LevelKey(self.sku(sku), self.location)
        await self.daemon.stock.ask(AdjustStock(key=key, by=by, reason="found", actor="anna"))

    async def packed(self, sku: str, pack: int) -> None:
        command = SetPolicy(channel=self.name, sku=self.sku(sku), override=Override(pack=pack), actor="anna")
        await self.daemon.stock.ask(command)

    def sell(self, *wishes: tuple[str, int]) -> Any:
        return self.bench.sell(*((self.sku(sku), units) for sku, units in wishes))

    def poll(self) -> None:
        self.desk.polls.ring()

    async def hand_on(self, delivery: Delivery) -> int:
        return await self.tap.hand_on(delivery, self.hooks)

    # What is there

    def figures_in_force(self, sku: str) -> list[int]:
        """From now on: what the shop shows right after each write that moved its figure."""
        found: list[int] = []
        was = self.shows(sku)

        def watch(when: str, step: Step) -> None:
            nonlocal was
            if step is Step.WRITE and when == "after" and self.shows(sku) != was:
                found.append(self.shows(sku))
            was = self.shows(sku)

        self.wire.watch = watch
        return found

    def shows(self, sku: str) -> int:
        return self.bench.shows(self.sku(sku))

    async def level(self, sku: str) -> tuple[int, int]:
        rows = await self.daemon.rows(
            "SELECT on_hand, committed FROM levels WHERE sku = $1 AND location = $2", self.sku(sku), self.location
        )
        return (rows[0]["on_hand"], rows[0]["committed"]) if rows else (0, 0)

    async def listing(self, sku: str) -> asyncpg.Record | None:
        rows = await self.daemon.rows(
            "SELECT * FROM listings WHERE channel = $1 AND sku = $2", self.name, self.sku(sku)
        )
        return rows[0] if rows else None

    async def conflicts(self, *kinds: str) -> list[dict[str, Any]]:
        """The facts of the open ones."""
        rows = await self.daemon.rows(
            "SELECT facts FROM conflicts WHERE channel = $1 AND kind = ANY($2) AND state = 'open'",
            self.name,
            list(kinds),
        )
        return [json.loads(row["facts"]) for row in rows]

    async def stored(self) -> int:
        rows = await self.daemon.rows("SELECT 1 FROM inbox WHERE channel = $1", self.name)
        return len(rows)

    async def letters(self) -> int:
        rows = await self.daemon.rows("SELECT 1 FROM dead_letters WHERE channel = $1 AND state = 'open'", self.name)
        return len(rows)

    def is_quiet(self) -> bool:
        desk = self.desk
        return (
            desk.record.first_synced_at is not None
            and not desk.owed
            and not desk.frozen
            and not desk.open_writes
            and desk.in_flight is None
            and not desk.asked
            and not desk.wanted
            and not self.daemon.raw.waiting
            and not self.daemon.stock.pending
        )

    async def quiet(self) -> None:
        await eventually(self.is_quiet, self._state)

    async def comes_to(self, sku: str, units: int) -> None:
        """The shop shows the figure, we know that it does, and nothing is left to do."""

        async def holds() -> bool:
            if self.shows(sku) != units or not self.is_quiet():
                return False
            listing = await self.listing(sku)
            return listing is not None and (listing["desired"], listing["expected"]) == (units, units)

        await eventually(holds, lambda: f"{sku} shows {units}; it shows {self.shows(sku)}; {self._state()}")

    def _state(self) -> str:
        desk = self.desk
        return (
            f"{self.name}: state {desk.shown_state}, owed {len(desk.owed)}, frozen {len(desk.frozen)}, "
            f"open {list(desk.open_writes)}, in flight {desk.in_flight}, asked {desk.asked}, wanted {desk.wanted}, "
            f"error {desk.last_error}"
        )


class Daemon:
    """A stock actor, a raw writer, a listener, and a crew for each house that has started; `kill` ends it at once."""

    def __init__(self, dsn: str, houses: Sequence[House]) -> None:
        self.dsn = dsn
        self.houses = houses
        self.address = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Daemon"]:
        rng = random.Random(1)
        channels = {house.channel_id: house.bench.channel(house.wire.url) for house in self.houses}
        setups = {house.channel_id: self._setup(house, channels[house.channel_id]) for house in self.houses}
        setup = Setup(setups, tuple(house.location for house in self.houses))
        desks = {
            house.channel_id: Desk(ChannelRecord(channel=house.channel_id, kind=house.bench.kind))
            for house in self.houses
        }
        bell = Doorbell()
        connector = Connector(lambda: self.dsn, rng)
        self.raw = RawWriter(connector, bell)
        self.stock = StockActor(
            connector=connector, raw=self.raw, bell=bell, setup=setup, channels=channels, desks=desks, now=now
        )
        metrics = Metrics(version="test")
        listener = Listener(ListenerTable(port=0), channels, desks, self.raw, metrics, now, lambda: True)
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(open_database(self.dsn, readers=3))
            for channel in channels.values():
                stack.push_async_callback(channel.close)
            self._reader = await asyncpg.connect(self.dsn)
            stack.push_async_callback(self._reader.close)
            self._reading = anyio.Lock()
            async with anyio.create_task_group() as self._tasks:
                await self._tasks.start(self.stock.run)
                await self._tasks.start(self.raw.run)
                self.address = await self._tasks.start(listener.run)
                for house in self.houses:
                    channel, desk = channels[house.channel_id], desks[house.channel_id]
                    if desk.record.facts:
                        channel.learn(facts_from_json(desk.record.facts))
                    house.daemon, house.desk = self, desk
                    house.actor = channel_actor.build(
                        channel,
                        setups[house.channel_id],
                        desk,
                        stock=self.stock,
                        raw=self.raw,
                        database=database,
                        now=now,
                        rng=rng,
                        poll_seconds=NEVER_SECONDS,
                        public_url=None,
                    )
                try:
                    yield self
                finally:
                    self._tasks.cancel_scope.cancel()

    def start(self, house: House) -> None:
        self._tasks.start_soon(house.actor.run)

    def kill(self) -> None:
        """Everything stops where it stands; nothing is written down any more."""
        self._tasks.cancel_scope.cancel()

    async def rows(self, query: str, *parameters: Any) -> list[asyncpg.Record]:
        async with self._reading:
            return await self._reader.fetch(query, *parameters)

    @staticmethod
    def _setup(house: House, channel: Channel) -> ChannelSetup:
        return ChannelSetup(
            channel=house.channel_id,
            kind=house.bench.kind,
            write=channel.capabilities.write,
            locations={house.bench.remote_location: (house.location,)},
            first_sync=FirstSync.PUSH,
        )


@asynccontextmanager
async def housed(make: Callable[[str], Bench], names: Sequence[str]) -> AsyncIterator[list[House]]:
    """A shop, a wire and a tap for each name."""
    async with AsyncExitStack() as stack:
        houses = []
        for name in names:
            bench = make(name)
            await stack.enter_async_context(bench.serving())
            wire, tap = Wire(bench.url, bench.step_of), Tap()
            await stack.enter_async_context(wire.open())
            await stack.enter_async_context(tap.open())
            bench.send_webhooks_to(tap.url)
            houses.append(House(name, bench, wire, tap))
        yield houses
