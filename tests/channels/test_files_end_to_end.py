"""From a file to the committed ledger, with the real books around the channel: authority, orders, export, crashes."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from syncd.actors import channel as channel_actor
from syncd.actors.channel import ChannelActor
from syncd.actors.database import Connector
from syncd.actors.desk import Desk
from syncd.actors.doorbell import Doorbell
from syncd.actors.raw import RawWriter
from syncd.actors.snapshots import Snapshots
from syncd.actors.stock import StockActor
from syncd.channels.files import CAPABILITIES, FilesChannel
from syncd.domain.books import ChannelRecord
from syncd.domain.commands import SaveChannel, SetCount
from syncd.domain.ids import ChannelId, LevelKey, LocationId, Sku
from syncd.domain.setup import ChannelSetup, FirstSync, Setup
from syncd.storage.pool import connected, open_database
from tests.channels.files_world import FULL, MAIN, ORDERS, STOCK, settings_for

pytestmark = pytest.mark.anyio

LEGACY, HOUSE = ChannelId("legacy"), LocationId("house")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class House:
    dsn: str
    folder: Path
    stock: StockActor
    actor: ChannelActor
    snapshots: Snapshots

    async def drop(self, name: str, data: str) -> None:
        (self.folder / "in" / name).write_text(data)
        await self.poll()

    async def poll(self) -> None:
        await self.actor.poller.poll()
        await self.stock.caught_up()
        while await self.snapshots.judge_next():
            continue

    async def rows(self, query: str, *parameters: Any) -> list[asyncpg.Record]:
        async with connected(self.dsn) as connection:
            return await connection.fetch(query, *parameters)

    async def levels(self) -> dict[str, tuple[int, int]]:
        rows = await self.rows("SELECT sku, on_hand, committed FROM levels WHERE location = $1", HOUSE)
        return {row["sku"]: (row["on_hand"], row["committed"]) for row in rows}

    def exported(self) -> dict[str, int]:
        """What the other side has been told, file by file."""
        told: dict[str, int] = {}
        for path in sorted((self.folder / "out").iterdir()):
            for line in path.read_text().splitlines()[1:]:
                sku, units = line.split(",")
                told[sku] = int(units)
        return told


@asynccontextmanager
async def house_at(
    dsn: str, folder: Path, *, authority: bool, running: bool = False, **keys: Any
) -> AsyncIterator[House]:
    channel = FilesChannel(settings_for(folder, **keys), [MAIN], now)
    shop = ChannelSetup(
        channel=LEGACY, kind="files", write=CAPABILITIES.write, locations={MAIN: (HOUSE,)}, first_sync=FirstSync.PUSH
    )
    setup = Setup(
        {LEGACY: shop},
        (HOUSE,),
        authority={HOUSE: LEGACY} if authority else {},
        books_within={HOUSE: 86_400_000} if authority else {},
    )
    bell = Doorbell()
    rng = random.Random(1)
    connector = Connector(lambda: dsn, rng)
    raw = RawWriter(connector, bell)
    desk = Desk(ChannelRecord(channel=LEGACY, kind="files"))
    stock = StockActor(
        connector=connector, raw=raw, bell=bell, setup=setup, channels={LEGACY: channel}, desks={LEGACY: desk}, now=now
    )
    async with open_database(dsn) as database, anyio.create_task_group() as tasks:
        await tasks.start(stock.run)
        await tasks.start(raw.run)
        await stock.ask(SaveChannel(record=desk.record))
        await channel.connect()
        actor = channel_actor.build(
            channel, shop, desk, stock=stock, raw=raw, database=database, now=now, rng=rng, poll_seconds=0.2,
            public_url=None,
        )  # fmt: skip
        if running:
            tasks.start_soon(actor.run)
        yield House(dsn, folder, stock, actor, Snapshots(database, stock, {LEGACY: channel}, {LEGACY: desk}, now))
        tasks.cancel_scope.cancel()


async def test_a_legacy_system_counts_its_warehouse(database: str, tmp_path: Path) -> None:
    async with house_at(database, tmp_path, authority=True, stock=FULL) as house:
        await house.drop("stock-1.csv", "sku,qty\nTEE,5\nCAP,7\nMUG,1\n")
        assert await house.levels() == {"TEE": (5, 0), "CAP": (7, 0), "MUG": (1, 0)}

        await house.drop("stock-2.csv", "sku,qty\nTEE,4\nCAP,7\nPEN,3\n")
        assert await house.levels() == {"TEE": (4, 0), "CAP": (7, 0), "MUG": (0, 0), "PEN": (3, 0)}
        await house.drop("stock-3.csv", "sku,qty\nTEE,4\nPEN,many\n")

        levels = await house.levels()
        assert (levels["CAP"], levels["PEN"]) == ((0, 0), (3, 0)), "a bad row is not an absent one"
        conflicts = await house.rows("SELECT kind, facts FROM conflicts WHERE state = 'open'")
        assert [row["kind"] for row in conflicts] == ["quarantined"]
        assert "PEN: many is not a number" in conflicts[0]["facts"]["reason"]


async def test_the_lines_of_an_order_file_are_booked_by_our_own_skus(database: str, tmp_path: Path) -> None:
    header = "order,line,sku,qty,order date,shipped\n"
    async with house_at(database, tmp_path, authority=False, orders=ORDERS) as house:
        await house.stock.ask(SetCount(key=LevelKey(Sku("TEE"), HOUSE), on_hand=10, reason="count", actor="anna"))
        await house.drop("orders-1.csv", header + "1,1,TEE,3,2099-01-01,0\n1,2,NEW,1,2099-01-01,0\n")

        assert await house.levels() == {"TEE": (10, 3)}
        (open_one,) = await house.rows("SELECT kind, facts FROM conflicts WHERE state = 'open'")
        assert (open_one["kind"], open_one["facts"]["sku_text"]) == ("unmapped", "NEW")

        await house.stock.ask(SetCount(key=LevelKey(Sku("NEW"), HOUSE), on_hand=2, reason="count", actor="anna"))
        await house.actor.reconciler.link()
        assert (await house.levels())["NEW"] == (2, 1), "the SKU is there now: its order is booked"
        await house.drop("orders-2.csv", header + "1,1,TEE,3,2099-01-01,3\n1,2,NEW,1,2099-01-01,0\n")

        assert await house.levels() == {"TEE": (7, 0), "NEW": (2, 1)}
        assert await house.rows("SELECT 1 FROM conflicts WHERE state = 'open'") == []


async def test_a_sale_at_the_other_side_lowers_what_it_is_told_next(database: str, tmp_path: Path) -> None:
    keys = {"orders": ORDERS, "export": {"location": "MAIN"}}
    async with house_at(database, tmp_path, authority=False, running=True, **keys) as house:
        (tmp_path / "items.csv").write_text("sku\nTEE\n")
        await house.stock.ask(SetCount(key=LevelKey(Sku("TEE"), HOUSE), on_hand=10, reason="count", actor="anna"))
        await told(house, {"TEE": 10})
        sale = f"1,1,TEE,2,{now().isoformat()}\n"
        (tmp_path / "in" / "orders-1.csv").write_text("order,line,sku,qty,order date\n" + sale)
        await expecting(house, 8)
        assert house.exported() == {"TEE": 10}, "it has lowered its own figure by itself"

        await house.stock.ask(SetCount(key=LevelKey(Sku("TEE"), HOUSE), on_hand=9, reason="lost", actor="anna"))

        await told(house, {"TEE": 7})
        assert await house.rows("SELECT 1 FROM conflicts WHERE state = 'open'") == []


async def test_every_write_reads_the_order_files_first(database: str, tmp_path: Path) -> None:
    """A sale whose file is there is never overwritten, wherever in the step it came."""
    keys = {"orders": ORDERS, "export": {"location": "MAIN"}}
    async with house_at(database, tmp_path, authority=False, running=True, **keys) as house:
        (tmp_path / "items.csv").write_text("sku\nTEE\n")
        house.actor.poller.every_seconds = 3600
        await house.stock.ask(SetCount(key=LevelKey(Sku("TEE"), HOUSE), on_hand=10, reason="count", actor="anna"))
        await told(house, {"TEE": 10})
        sale = f"1,1,TEE,2,{now().isoformat()}\n"
        (tmp_path / "in" / "orders-1.csv").write_text("order,line,sku,qty,order date\n" + sale)
        await house.stock.ask(SetCount(key=LevelKey(Sku("TEE"), HOUSE), on_hand=15, reason="found", actor="anna"))

        await told(house, {"TEE": 13})


async def told(house: House, expected: dict[str, int]) -> None:
    with anyio.fail_after(30):
        while house.exported() != expected:
            await anyio.sleep(0.02)


async def expecting(house: House, units: int) -> None:
    with anyio.fail_after(30):
        while True:
            rows = await house.rows("SELECT expected, state FROM listings WHERE sku = 'TEE'")
            if [(row["expected"], row["state"]) for row in rows] == [(units, "synced")]:
                return
            await anyio.sleep(0.02)


async def test_a_file_half_taken_when_the_daemon_died_is_booked_once(database: str, tmp_path: Path) -> None:
    data = "sku,qty\n" + "".join(f"SKU-{n:05},{n % 7}\n" for n in range(60_000))
    async with house_at(database, tmp_path, authority=True, stock=FULL) as house:
        (tmp_path / "in" / "stock.csv").write_text(data)
        pages = house.actor.channel.poll_orders(None)
        page = await anext(aiter(pages))
        await house.actor.poller._take(page)
        await pages.aclose()  # type: ignore[attr-defined]  # every such iterator is a generator
        assert await house.levels() == {}
    async with house_at(database, tmp_path, authority=True, stock=FULL) as house:
        await house.poll()

        assert len(await house.levels()) == 60_000
        (sums,) = await house.rows("SELECT sum(delta) AS units, count(*) AS entries FROM ledger")
        assert sums["units"] == sum(n % 7 for n in range(60_000))
        assert sums["entries"] == sum(1 for n in range(60_000) if n % 7)


async def test_a_delta_file_says_nothing_of_what_it_does_not_name(database: str, tmp_path: Path) -> None:
    async with house_at(database, tmp_path, authority=True, stock=STOCK) as house:
        await house.drop("stock-1.csv", "sku,qty\n" + "".join(f"SKU-{n},5\n" for n in range(20)))
        await house.drop("stock-2.csv", "sku,qty\n" + "".join(f"SKU-{n},6\n" for n in range(10)))

        levels = await house.levels()
        assert [levels[f"SKU-{n}"][0] for n in range(20)] == [6] * 10 + [5] * 10
