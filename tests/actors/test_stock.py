"""The stock actor on a real database: nothing lost, nothing twice, and one bad row holds nobody up."""

import anyio
import asyncpg
import pytest

from syncd.actors import raw as raw_module
from syncd.actors.stock import AnotherDaemon
from syncd.domain.commands import AdjustStock
from syncd.domain.errors import NotFound, Retry
from syncd.domain.ids import LevelKey, Sku
from tests.actors.conftest import HOUSE, SHOP, House, Opening

pytestmark = pytest.mark.anyio


async def test_what_is_delivered_is_applied_and_every_level_is_the_sum_of_its_entries(house: House) -> None:
    await house.stocked("TEE", 100)

    await house.deliver(*({"order": str(n), "item": "TEE", "units": 1} for n in range(50)))
    await house.stock.caught_up()

    assert await house.level("TEE") == {"on_hand": 100, "committed": 50}
    sums = await house.rows("SELECT quantity, sum(delta)::bigint AS units FROM ledger GROUP BY 1 ORDER BY 1")
    assert [(row["quantity"], row["units"]) for row in sums] == [("committed", 50), ("on_hand", 100)]
    numbers = [row["seq"] for row in await house.rows("SELECT seq FROM ledger ORDER BY seq")]
    assert numbers == list(range(1, len(numbers) + 1)), "numbers without gaps"


async def test_a_repeated_delivery_is_stored_once(house: House) -> None:
    await house.stocked("TEE", 10)
    told = {"order": "1", "item": "TEE", "units": 2}

    first, second = await house.deliver(told), await house.deliver(told)
    await house.stock.caught_up()

    assert (first, second) == ([True], [False])
    assert await house.level("TEE") == {"on_hand": 10, "committed": 2}


async def test_one_unusable_delivery_is_set_aside_with_its_reason_and_the_others_go_on(house: House) -> None:
    await house.stocked("TEE", 10)

    await house.deliver(
        {"order": "1", "item": "TEE", "units": 1},
        {"refuse": "a quantity of half a unit"},
        {"crash": "a fault of ours"},
        {"order": "2", "item": "TEE", "units": 1, "sku_text": "no text for a database: \0"},
        {"order": "3", "item": "TEE", "units": 1},
    )
    await house.stock.caught_up()

    assert await house.level("TEE") == {"on_hand": 10, "committed": 2}
    letters = await house.rows("SELECT reason FROM dead_letters ORDER BY id")
    assert len(letters) == 3
    assert letters[0]["reason"] == "a quantity of half a unit"
    assert "ZeroDivisionError" in letters[1]["reason"]
    assert house.desk.dead_letters == 3


async def test_a_dead_letter_is_applied_once_its_cause_is_mended(house: House) -> None:
    await house.stocked("TEE", 10)
    await house.deliver({"crash": "not yet", "order": "1", "item": "TEE", "units": 1})
    await house.stock.caught_up()
    ids = [row["id"] for row in await house.rows("SELECT id FROM dead_letters")]

    again = await house.stock.replay(ids)
    whole = house.shop.parse
    house.shop.parse = lambda topic, headers, body: whole(topic, headers, body.replace(b'"crash"', b'"was"'))  # type: ignore[method-assign]  # the mend
    mended = await house.stock.replay(ids)

    assert "ZeroDivisionError" in again[ids[0]]
    assert mended == {ids[0]: ""}
    assert await house.level("TEE") == {"on_hand": 10, "committed": 1}
    assert house.desk.dead_letters == 0


async def test_a_refused_command_does_not_hold_up_its_group(house: House) -> None:
    await house.stocked("TEE", 10)
    outcomes: dict[str, object] = {}

    async def adjust(sku: str) -> None:
        command = AdjustStock(key=LevelKey(Sku(sku), HOUSE), by=5, reason="found", actor="anna")
        try:
            outcomes[sku] = await house.stock.ask(command)
        except NotFound as refusal:
            outcomes[sku] = refusal

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(adjust, "NO-SUCH-SKU")
        tasks.start_soon(adjust, "TEE")

    assert isinstance(outcomes["NO-SUCH-SKU"], NotFound)
    assert await house.level("TEE") == {"on_hand": 15, "committed": 0}


async def test_a_restart_applies_what_was_only_stored_and_nothing_twice(opening: Opening) -> None:
    async with opening() as house:
        await house.stocked("TEE", 10)
        await house.deliver({"order": "1", "item": "TEE", "units": 1})
        await house.stock.caught_up()
    connection = await asyncpg.connect(house.dsn)
    await connection.execute(
        "INSERT INTO inbox (writer, id, channel, key, event_id, topic, body, received_at)"
        " SELECT writer, id + 1, channel, 'order-2', event_id, topic, body, received_at FROM inbox"
    )
    await connection.close()

    async with opening() as house:
        await house.stock.caught_up()
        await house.deliver({"order": "3", "item": "TEE", "units": 1})
        await house.stock.caught_up()

        assert await house.level("TEE") == {"on_hand": 10, "committed": 2}
        assert house.stock.through == 3


async def test_rows_that_memory_no_longer_holds_come_from_the_database(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.stocked("TEE", 500)
    monkeypatch.setattr(raw_module, "MOST_FRESH", 7)

    async with anyio.create_task_group() as tasks:
        for n in range(30):
            told = ({"order": f"{n}-{k}", "item": "TEE", "units": 1} for k in range(10))
            tasks.start_soon(lambda told=tuple(told): house.deliver(*told))
    await house.stock.caught_up()

    assert await house.level("TEE") == {"on_hand": 500, "committed": 300}


async def test_a_second_daemon_on_the_same_database_is_refused_and_the_first_goes_on(opening: Opening) -> None:
    async with opening() as first:
        await first.stocked("TEE", 10)

        with pytest.raises(ExceptionGroup) as refused:
            async with opening():
                pass

        assert refused.group_contains(AnotherDaemon)
        await first.deliver({"order": "1", "item": "TEE", "units": 1})
        await first.stock.caught_up()
        assert await first.level("TEE") == {"on_hand": 10, "committed": 1}


async def test_connections_that_are_cut_again_and_again_lose_nothing_and_double_nothing(house: House) -> None:
    await house.stocked("TEE", 1000)
    accepted = 0

    async def cut() -> None:
        connection = await asyncpg.connect(house.dsn)
        for _ in range(6):
            await anyio.sleep(0.05)  # the pace of the fault, not a wait for anything
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'syncd %'"
            )
        await connection.close()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cut)
        for n in range(120):
            told = {"order": str(n), "item": "TEE", "units": 1}
            while True:
                try:
                    await house.deliver(told)
                    accepted += 1
                    break
                except Retry:
                    await anyio.sleep(0.02)
    with anyio.fail_after(30):
        while True:
            try:
                await house.stock.caught_up()
                if house.stock.up:
                    break
            except Retry:
                await anyio.sleep(0.05)

    assert accepted == 120
    assert await house.level("TEE") == {"on_hand": 1000, "committed": 120}
    off = await house.rows(
        "SELECT 1 FROM levels l WHERE on_hand <> (SELECT sum(delta) FROM ledger e WHERE e.sku = l.sku"
        " AND e.location = l.location AND quantity = 'on_hand')"
    )
    assert off == []


async def test_the_ledger_cannot_be_changed(house: House) -> None:
    await house.stocked("TEE", 10)

    for statement in ("UPDATE ledger SET delta = 2", "DELETE FROM ledger"):
        with pytest.raises(asyncpg.RaiseError, match="append only"):
            await house.rows(statement)


async def test_a_listing_that_owes_a_write_is_laid_on_its_channels_desk_also_after_a_restart(opening: Opening) -> None:
    async with opening() as house:
        await house.stocked("TEE", 10)
        await house.stock.ask(AdjustStock(key=LevelKey(Sku("TEE"), HOUSE), by=5, reason="found", actor="anna"))
        assert len(house.desk.owed) == 1

    async with opening() as house:
        assert len(house.desk.owed) == 1
        assert house.desk.channel == SHOP
