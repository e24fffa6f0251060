"""An authority's snapshots on a real database: small ones at once, large ones as a whole, too large ones not at all."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
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
from syncd.actors.snapshots import Snapshots, book_held
from syncd.actors.stock import StockActor
from syncd.domain.booking import book_order
from syncd.domain.books import Books, ChannelRecord, Need
from syncd.domain.commands import LinkBySku, SaveChannel
from syncd.domain.ids import (
    ChannelId,
    EventId,
    LevelKey,
    LineId,
    LocationId,
    OrderId,
    OrderKey,
    PartId,
    RemoteId,
    RemoteLocation,
    Sku,
)
from syncd.domain.listings import Span, WriteKind
from syncd.domain.orders import Fulfilment
from syncd.domain.reading import Cover, TakeReadings
from syncd.domain.setup import ChannelSetup, Setup
from syncd.domain.snapshots import TrustAuthority
from syncd.ports import BookedDocument, Facts, StockLine, StockSnapshot
from syncd.storage import decisions
from syncd.storage.inbox import Arrival
from syncd.storage.pool import connected, open_database
from tests.actors.plain import CAPABILITIES, HERE, PlainShop

pytestmark = pytest.mark.anyio

SHOP, ERP = ChannelId("shop"), ChannelId("erp")
HOUSE = LocationId("house")
HALL = RemoteLocation("hall")
START = 1_900_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


class PlainErp(PlainShop):
    """Tells its counts in the plainest JSON."""

    def parse(self, topic: str, headers: Mapping[str, str], body: bytes) -> Facts:
        told = orjson.loads(body)
        documents = told.get("documents")
        return Facts(
            snapshot=StockSnapshot(
                name=told["name"],
                at=Span(told["at"], told["at"]),
                lines=tuple(StockLine(units, sku, None, HALL) for sku, units in told["counts"].items()),
                complete=told.get("complete", False),
                documents=None if documents is None else tuple(_document(*one) for one in documents),
                part=told.get("part", 1),
                last=told.get("last", True),
            )
        )


def _document(number: str, reference: str, units: int, sku: str) -> BookedDocument:
    return BookedDocument(number=number, reference=reference, units=units, sku_text=sku, remote_location=HALL)


@dataclass
class House:
    dsn: str
    stock: StockActor
    raw: RawWriter
    snapshots: Snapshots
    shop: PlainShop
    clock: list[int]
    delivered: int = 0
    refuse: set[str] = field(default_factory=set)

    @property
    def now(self) -> int:
        return self.clock[0]

    def later(self, milliseconds: int) -> None:
        self.clock[0] += milliseconds

    async def told(self, name: str, counts: Mapping[str, int | None], **more: Any) -> None:
        """The ERP's delivery is stored and applied; what is whole by now is judged."""
        await self.stored(name, counts, **more)
        while await self.snapshots.judge_next():
            continue

    async def stored(self, name: str, counts: Mapping[str, int | None], **more: Any) -> None:
        self.delivered += 1
        body = {"name": name, "at": self.now, "counts": counts, **more}
        arrival = Arrival(
            channel=ERP,
            key=f"{name}/{self.delivered}",
            event_id=EventId(f"{name}/{self.delivered}"),
            topic="stock",
            headers={},
            body=orjson.dumps(body),
            received_at=datetime.fromtimestamp(self.now / 1000, UTC),
        )
        await self.raw.persist([arrival])
        await self.stock.caught_up()

    async def sells(self, order: str, sku: str, units: int) -> None:
        told = {"order": order, "item": sku, "units": units, "at": self.now}
        arrival = Arrival(
            channel=SHOP,
            key=order,
            event_id=EventId(order),
            topic="order",
            headers={},
            body=orjson.dumps(told),
            received_at=datetime.fromtimestamp(self.now / 1000, UTC),
        )
        await self.raw.persist([arrival])
        await self.stock.caught_up()

    async def lists(self, skus: Sequence[str]) -> None:
        """The shop shows these SKUs, synchronised, with what is there."""
        levels = await self.levels()
        self.shop.shows |= {sku: levels.get(sku, 0) for sku in skus}
        rows = [self.shop.row(sku) for sku in skus]
        await self.stock.ask(TakeReadings(channel=SHOP, rows=rows))
        await self.stock.ask(LinkBySku(channel=SHOP, pairs=[(RemoteId(sku), Sku(sku)) for sku in skus]))
        keys = [row.key(SHOP) for row in rows]
        await self.stock.ask(Cover(keys=keys, reached=self.shop.clock, settle=0))
        desk = self.snapshots.desks[SHOP]
        await self.stock.ask(SaveChannel(record=replace(desk.record, first_synced_at=datetime.now(UTC))))

    async def rows(self, query: str, *parameters: Any) -> list[asyncpg.Record]:
        async with connected(self.dsn) as connection:
            return await connection.fetch(query, *parameters)

    async def levels(self) -> dict[str, int]:
        rows = await self.rows("SELECT sku, on_hand FROM levels WHERE location = $1", HOUSE)
        return {row["sku"]: row["on_hand"] for row in rows}

    async def conflicts(self, kind: str) -> list[dict[str, Any]]:
        rows = await self.rows("SELECT * FROM conflicts WHERE kind = $1 AND state = 'open'", kind)
        return [dict(row) for row in rows]


@dataclass(frozen=True)
class Shipped:
    """The shop tells that an order has left, whole."""

    order_id: str
    sku: str
    units: int

    def need(self) -> Need:
        return Need(orders={OrderKey(SHOP, OrderId(self.order_id))})

    def apply(self, books: Books) -> None:
        known = books.orders[OrderKey(SHOP, OrderId(self.order_id))]
        part = Fulfilment(
            part_id=PartId(f"{self.order_id}-shipment"),
            at=books.now,
            version=books.now,
            lines=((LineId("1"), self.units),),
            location=HERE,
        )
        book_order(books, SHOP, replace(known, fulfilments={part.part_id: part}), EventId("shipped"))


@pytest.fixture
async def house(database: str) -> AsyncIterator[House]:
    async with opened(database) as house:
        yield house


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[House]:
    clock = [START]

    def now() -> datetime:
        return datetime.fromtimestamp(clock[0] / 1000, UTC)

    shop, erp = PlainShop(), PlainErp(capabilities=replace(CAPABILITIES, tells_counts=True))
    shops = {
        SHOP: ChannelSetup(channel=SHOP, kind="plain", write=WriteKind.COMPARE_AND_SET, locations={HERE: (HOUSE,)}),
        ERP: ChannelSetup(channel=ERP, kind="plain", write=WriteKind.ABSOLUTE, locations={HALL: (HOUSE,)}),
    }
    setup = Setup(shops, (HOUSE,), authority={HOUSE: ERP}, books_within={HOUSE: DAY})
    bell = Doorbell()
    connector = Connector(lambda: dsn, random.Random(1))
    raw = RawWriter(connector, bell)
    desks = {name: Desk(ChannelRecord(channel=name, kind="plain")) for name in shops}
    channels = {SHOP: shop, ERP: erp}
    stock = StockActor(connector=connector, raw=raw, bell=bell, setup=setup, channels=channels, desks=desks, now=now)
    async with open_database(dsn) as database, anyio.create_task_group() as tasks:
        await tasks.start(stock.run)
        await tasks.start(raw.run)
        snapshots = Snapshots(database, stock, channels, desks, now)
        yield House(dsn, stock, raw, snapshots, shop, clock)
        tasks.cancel_scope.cancel()


MANY = {f"SKU-{n:03}": 10 for n in range(40)}


async def test_a_small_snapshot_is_booked_with_its_delivery(house: House) -> None:
    await house.stored("morning", {"TEE": 10})

    assert await house.levels() == {"TEE": 10}
    entry = (await house.rows("SELECT * FROM ledger"))[0]
    assert (entry["channel"], entry["event_id"], entry["reason"]) == (ERP, "morning/1", "authority_count")


async def test_a_snapshot_in_parts_is_taken_when_the_last_of_them_is_here(house: House) -> None:
    await house.told("night", {"TEE": 10}, part=1, last=False)
    await house.told("night", {"CAP": 5}, part=3)
    assert await house.levels() == {}

    await house.told("night", {"MUG": 2}, part=2, last=False)

    assert await house.levels() == {"TEE": 10, "CAP": 5, "MUG": 2}
    assert await house.rows("SELECT * FROM snapshot_parts") == []


async def test_a_snapshot_interrupted_half_way_is_finished_and_booked_once(database: str) -> None:
    async with opened(database) as house:
        await house.stored("night", MANY, complete=True)
        assert len(await house.rows("SELECT * FROM snapshot_parts")) == 1
        told = await house.snapshots._read(ERP, "night")
        assert told is not None
        half = told.takings[0].snapshot
        await house.stock.ask(replace(told.takings[0], snapshot=replace(half, counts=half.counts[:20])))
    async with opened(database) as house:
        while await house.snapshots.judge_next():
            continue

        assert await house.levels() == MANY
        assert len(await house.rows("SELECT * FROM ledger")) == len(MANY)


async def test_what_a_complete_snapshot_leaves_out_is_at_zero_and_what_another_leaves_out_stays(house: House) -> None:
    await house.told("one", {"TEE": 10, "CAP": 5}, complete=True)
    house.later(HOUR)
    await house.told("two", {"TEE": 9})
    assert await house.levels() == {"TEE": 9, "CAP": 5}

    house.later(HOUR)
    await house.told("three", {"TEE": 9}, complete=True)

    assert await house.levels() == {"TEE": 9, "CAP": 0}
    reasons = await house.rows("SELECT reason FROM ledger WHERE sku = 'CAP' ORDER BY seq")
    assert [row["reason"] for row in reasons] == ["authority_count", "authority_count_without_it"]


async def test_a_line_whose_figure_cannot_be_read_is_not_left_out(house: House) -> None:
    await house.told("one", {"TEE": 10, "CAP": 5}, complete=True)
    house.later(HOUR)
    await house.told("two", {"TEE": 9, "CAP": None}, complete=True)

    assert await house.levels() == {"TEE": 9, "CAP": 5}


async def test_a_complete_snapshot_without_a_line_says_nothing(house: House) -> None:
    await house.told("one", {"TEE": 10, "CAP": 5}, complete=True)
    house.later(HOUR)
    await house.told("two", {}, complete=True)

    assert await house.levels() == {"TEE": 10, "CAP": 5}


async def test_a_truncated_snapshot_is_held_and_a_later_whole_one_takes_its_place(house: House) -> None:
    await house.told("one", MANY, complete=True)
    await house.lists(list(MANY))
    house.later(HOUR)
    await house.told("two", dict(list(MANY.items())[:30]), complete=True)

    assert await house.levels() == MANY
    (held,) = await house.conflicts("mass_change")
    assert held["channel"] == ERP
    assert held["facts"]["left_out"] == 10
    assert held["facts"]["channels"][SHOP]["zeroed"] == 10
    assert len(held["facts"]["sample"]) == 10
    assert len(await house.rows("SELECT * FROM held_changes")) == 1

    await house.sells("1", "SKU-000", 1)
    house.later(HOUR)
    await house.told("three", {**MANY, "SKU-001": 11}, complete=True)

    assert await house.conflicts("mass_change") == []
    assert await house.rows("SELECT * FROM held_changes") == []
    assert (await house.levels())["SKU-001"] == 11


async def test_a_held_snapshot_that_a_person_applies_does_what_it_said(house: House) -> None:
    await house.told("one", MANY, complete=True)
    await house.lists(list(MANY))
    house.later(HOUR)
    await house.told("two", {sku: 0 for sku in MANY})
    (held,) = await house.conflicts("mass_change")
    house.later(HOUR)
    await house.told("three", {"SKU-000": 4})

    async with connected(house.dsn) as connection:
        change = await decisions.held(connection, held["subject"])
    assert change is not None
    await book_held(house.stock, change)

    levels = await house.levels()
    assert levels.pop("SKU-000") == 4, "counted since"
    assert set(levels.values()) == {0}


async def test_a_held_snapshot_keeps_its_documents(house: House) -> None:
    await house.told("one", MANY, complete=True, documents=[])
    await house.lists(list(MANY))
    house.later(HOUR)
    await house.sells("77", "SKU-000", 3)
    counts = {sku: 4 for sku in MANY}
    await house.told("two", counts, documents=[["d1", "#77", -3, "SKU-000"]])
    (held,) = await house.conflicts("mass_change")
    async with connected(house.dsn) as connection:
        change = await decisions.held(connection, held["subject"])
    assert change is not None
    await book_held(house.stock, change)

    levels = await house.levels()
    assert levels.pop("SKU-000") == 7, "four there and three that the order still holds"
    assert set(levels.values()) == {4}


async def test_before_a_channel_is_synchronised_nothing_is_too_large(house: House) -> None:
    await house.told("one", MANY, complete=True)
    house.later(HOUR)
    await house.told("two", {sku: 0 for sku in MANY}, complete=True)

    assert set((await house.levels()).values()) == {0}


async def test_an_unbooked_rise_becomes_a_question_that_a_person_answers(house: House) -> None:
    await house.told("one", {"TEE": 10})
    await house.lists(["TEE"])
    house.later(2 * DAY)
    await house.sells("1", "TEE", 2)
    await house.stock.ask(Shipped("1", "TEE", 2))
    assert (await house.levels())["TEE"] == 8
    house.later(2 * DAY)
    await house.told("two", {"TEE": 10})

    (asked,) = await house.conflicts("unbooked")
    assert (asked["sku"], asked["location"], asked["facts"]["units"]) == ("TEE", HOUSE, 2)
    assert [one["order_id"] for one in asked["facts"]["unbooked"]] == ["1"]
    assert (await house.levels())["TEE"] == 8

    await house.stock.ask(TrustAuthority(key=LevelKey(Sku("TEE"), HOUSE), actor="anna"))

    assert (await house.levels())["TEE"] == 10
    assert await house.conflicts("unbooked") == []


async def test_what_is_unbooked_survives_a_restart(database: str) -> None:
    async with opened(database) as house:
        await house.told("one", {"TEE": 10}, documents=[])
        await house.lists(["TEE"])
        await house.sells("1", "TEE", 2)
        await house.told("two", {"TEE": 8}, documents=[["d1", "1", -2, "TEE"]])
        assert (await house.levels())["TEE"] == 10
    async with opened(database) as house:
        house.later(HOUR)
        await house.stock.ask(Shipped("1", "TEE", 2))
        assert (await house.levels())["TEE"] == 8
        await house.told("three", {"TEE": 8}, documents=[["d1", "1", -2, "TEE"]])

        assert (await house.levels())["TEE"] == 8


async def test_a_snapshot_whose_sku_cannot_be_one_is_taken_without_it(house: House) -> None:
    await house.told("one", {"TEE": 10, "A\u0000B": 5, " CAP": 3, "": 1, "X" * 300: 2}, complete=True)

    assert await house.levels() == {"TEE": 10}


async def test_a_delivery_replayed_changes_nothing(house: House) -> None:
    await house.told("one", MANY, complete=True)
    house.later(HOUR)
    await house.told("two", {**MANY, "SKU-000": 3}, complete=True)
    await house.stock.replay([1])
    while await house.snapshots.judge_next():
        continue

    assert (await house.levels())["SKU-000"] == 3


async def test_the_actor_takes_what_arrives(house: House) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.snapshots.run)
        await house.stored("one", MANY, complete=True)
        with anyio.fail_after(20):
            while await house.levels() != MANY:
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
