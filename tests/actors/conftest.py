"""A stock actor and a raw writer at work on a real database, around one plain shop."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
import asyncpg
import orjson
import pytest

from syncd.actors.database import Connector
from syncd.actors.desk import Desk
from syncd.actors.doorbell import Doorbell
from syncd.actors.raw import RawWriter
from syncd.actors.stock import StockActor
from syncd.domain.books import ChannelRecord
from syncd.domain.commands import LinkBySku, SetCount
from syncd.domain.ids import ChannelId, EventId, LevelKey, LocationId, RemoteId, Sku
from syncd.domain.listings import WriteKind
from syncd.domain.reading import Cover, TakeReadings
from syncd.domain.setup import ChannelSetup, Setup
from syncd.storage.inbox import Arrival
from tests.actors.plain import HERE, PlainShop

SHOP = ChannelId("shop")
HOUSE = LocationId("house")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class House:
    dsn: str
    shop: PlainShop
    desk: Desk
    raw: RawWriter
    stock: StockActor

    async def deliver(self, *told: dict[str, Any], start: int = 0) -> list[bool]:
        arrivals = [
            Arrival(
                channel=SHOP,
                key=f"order-{one['order']}" if "order" in one else f"delivery-{number}",
                event_id=EventId(f"event-{one.get('order', number)}"),
                topic="order",
                headers={},
                body=orjson.dumps(one),
                received_at=now(),
            )
            for number, one in enumerate(told, start)
        ]
        return await self.raw.persist(arrivals)

    async def stocked(self, sku: str, units: int) -> None:
        """A counted SKU that the shop lists, read and covered."""
        self.shop.shows[sku] = units
        await self.stock.ask(SetCount(key=LevelKey(Sku(sku), HOUSE), on_hand=units, reason="count", actor="anna"))
        row = self.shop.row(sku)
        await self.stock.ask(TakeReadings(channel=SHOP, rows=[row]))
        await self.stock.ask(LinkBySku(channel=SHOP, pairs=[(RemoteId(sku), Sku(sku))]))
        await self.stock.ask(Cover(keys=[row.key(SHOP)], reached=self.shop.clock, settle=0))
        self.shop.clock += 10

    async def rows(self, query: str, *parameters: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(query, *parameters)
        finally:
            await connection.close()

    async def level(self, sku: str) -> dict[str, int]:
        rows = await self.rows("SELECT on_hand, committed FROM levels WHERE sku = $1 AND location = $2", sku, HOUSE)
        return dict(rows[0]) if rows else {}


Opening = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def opening(database: str) -> Opening:
    """`async with opening() as house`: may be opened again on the same database, as after a restart."""
    shop = PlainShop()

    @asynccontextmanager
    async def open_house() -> AsyncIterator[House]:
        setup = Setup(
            {
                SHOP: ChannelSetup(
                    channel=SHOP, kind="plain", write=WriteKind.COMPARE_AND_SET, locations={HERE: (HOUSE,)}
                )
            },
            (HOUSE,),
        )
        bell = Doorbell()
        connector = Connector(lambda: database, random.Random(1))
        raw = RawWriter(connector, bell)
        desk = Desk(ChannelRecord(channel=SHOP, kind="plain"))
        stock = StockActor(
            connector=connector, raw=raw, bell=bell, setup=setup, channels={SHOP: shop}, desks={SHOP: desk}, now=now
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(stock.run)
            await tasks.start(raw.run)
            yield House(database, shop, desk, raw, stock)
            tasks.cancel_scope.cancel()

    return open_house


@pytest.fixture
async def house(opening: Opening) -> AsyncIterator[House]:
    async with opening() as opened:
        yield opened
