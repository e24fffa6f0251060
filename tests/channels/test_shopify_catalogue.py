"""Reading what the shop shows: page by page, by a bulk operation, and some listings now."""

from typing import Any

import pytest

from syncd.domain.errors import Retry
from syncd.domain.ids import ListingKey
from syncd.sim.remotes.shopify import Plan

pytestmark = pytest.mark.anyio


def millis(w: Any) -> int:
    return int(w.clock.at.timestamp()) * 1000


def shown(rows: Any) -> dict[tuple[str, str], tuple[int | None, int, bool]]:
    return {(row.remote_id, row.remote_location): (row.units, row.committed, row.active) for row in rows}


def sent(w: Any, operation: str) -> int:
    return sum(call.operation == operation for call in w.server.calls)


@pytest.mark.parametrize(
    "ways", [{}, {"bulk_above": 1, "items_page": 1, "bulk_poll_seconds": 0.05}], ids=["paged", "bulk"]
)
async def test_every_item_at_every_mapped_location_with_its_figures(world: Any, ways: dict[str, Any]) -> None:
    async with world(places=("Warehouse", "High Street", "Not mapped"), mapped=2, **ways) as w:
        here, there, _ = w.locations
        both = w.item("  both ", available={here: 4, there: -2})
        one = w.item("one", available={here: 7})
        loose = w.item(None, title="Loose", tracked=False, available={here: 0, there: 0})
        w.shop.place_order([(one, 3)])

        rows = await w.catalogue()

    assert shown(rows) == {
        (both.gid, here.gid): (4, 0, True),
        (both.gid, there.gid): (-2, 0, True),
        (one.gid, here.gid): (4, 3, True),
        (one.gid, there.gid): (0, 0, False),
        (loose.gid, here.gid): (None, 0, True),
        (loose.gid, there.gid): (None, 0, True),
    }
    assert {row.remote_id: row.sku_text for row in rows} == {both.gid: "  both ", one.gid: "one", loose.gid: ""}
    assert {row.remote_id: row.alias for row in rows} == {i.gid: str(i.variant_id) for i in (both, one, loose)}
    assert all(row.title for row in rows)


async def test_a_page_is_as_of_its_own_answer(world: Any) -> None:
    async with world() as w:
        w.item()

        (row,) = await w.catalogue()

        assert millis(w) - 2000 < row.at.earliest <= row.at.latest == millis(w) + 999


async def test_a_large_catalogue_takes_few_calls(world: Any) -> None:
    async with world(items_page=250) as w:
        for number in range(600):
            w.item(f"SKU-{number}")

        rows = await w.catalogue()

        assert len(rows) == 600
        assert sent(w, "InventoryItems") == 3


async def test_an_item_stocked_at_more_locations_than_a_page_is_read_whole(world: Any) -> None:
    names = [f"Place {number}" for number in range(70)]
    async with world(places=names) as w:
        w.channel._catalogue.levels_first = 10
        item = w.item()

        assert len(await w.catalogue()) == 70
        assert len(await w.channel.read_levels([w.key(item, place) for place in w.locations])) == 70


async def test_a_page_too_dear_for_the_shop_is_made_smaller(world: Any) -> None:
    async with world(plan=Plan(maximum=40, restore=1000)) as w:
        for number in range(60):
            w.item(f"SKU-{number}")

        assert len(await w.catalogue()) == 60


async def test_some_listings_are_read_in_one_call_and_what_is_gone_is_absent(world: Any) -> None:
    async with world(places=("Warehouse", "High Street")) as w:
        kept, gone = w.item("A"), w.item("B")
        w.shop.delete_item(gone)
        calls = len(w.server.calls)

        rows = await w.channel.read_levels([w.key(kept, w.locations[1]), w.key(gone)])

        assert shown(rows) == {(kept.gid, w.locations[1].gid): (10, 0, True)}
        assert len(w.server.calls) == calls + 1


async def test_listings_too_dear_to_read_at_once_are_read_in_halves(answering: Any, world: Any) -> None:
    dear = {"errors": [{"message": "too dear", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}

    def item(number: int) -> dict[str, Any]:
        level = {
            "location": {"id": "gid://shopify/Location/1"},
            "quantities": [{"name": "available", "quantity": number}],
        }
        return {"id": f"gid://shopify/InventoryItem/{number}", "inventoryLevels": {"nodes": [level]}}

    keys = [
        ListingKey("shop", f"gid://shopify/InventoryItem/{number}", "gid://shopify/Location/1") for number in (1, 2)
    ]
    halves = [{"data": {"nodes": [item(number)]}} for number in (1, 2)]
    async with answering(dear, *halves) as (channel, _):
        rows = await channel.read_levels(keys)

    assert [row.units for row in rows] == [1, 2]


async def test_nothing_to_read_makes_no_call(world: Any) -> None:
    async with world() as w:
        calls = len(w.server.calls)

        assert await w.channel.read_levels([]) == []
        assert len(w.server.calls) == calls


async def test_a_level_that_moved_while_the_bulk_operation_ran_is_as_of_no_exact_moment(world: Any) -> None:
    async with world(bulk_above=1, items_page=1, bulk_poll_seconds=0.05) as w:
        still, moved = w.item("A"), w.item("B")
        w.clock.advance(hours=1)
        begun = millis(w)

        rows: list[Any] = []
        async for some in w.channel.read_catalogue():
            rows += some
            if len(rows) == 1:  # the page that was read before turning to the bulk operation
                continue
        first_page, bulk = rows[:1], rows[1:]
        assert len(first_page) == 1
        assert {row.at for row in bulk} == {(begun, begun + 999)}

        original = w.shop.bulk.on_created

        def sell_meanwhile(operation: Any) -> None:
            w.clock.advance(seconds=30)
            w.shop.place_order([(moved, 1)])
            original(operation)

        w.shop.bulk.on_created = sell_meanwhile
        begun = millis(w)
        spans = {row.remote_id: row.at for row in (await w.catalogue())[1:]}

        assert spans[still.gid] == (begun, begun + 999)
        assert spans[moved.gid] == (begun, begun + 30_999)


async def test_a_bulk_operation_that_fails_is_tried_again_later(world: Any) -> None:
    async with world(bulk_above=1, items_page=1, bulk_poll_seconds=0.05) as w:
        w.item("A"), w.item("B")

        def fail(operation: Any) -> None:
            operation.status = "FAILED"
            operation.error_code = "INTERNAL_SERVER_ERROR"

        w.shop.bulk.on_created = fail

        with pytest.raises(Retry, match="INTERNAL_SERVER_ERROR"):
            await w.catalogue()


async def test_levels_that_stand_apart_from_their_item_are_read_singly(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syncd.sim.remotes.shopify.bulk import BulkOperations

    async with world(bulk_above=1, items_page=1, bulk_poll_seconds=0.05) as w:
        items = [w.item(f"SKU-{number}", available={w.locations[0]: number}) for number in range(4)]
        finish = BulkOperations.finish

        def finish_shuffled(self: Any, operation: Any, *rest: Any) -> None:
            finish(self, operation, *rest)
            lines = operation.lines.splitlines()
            operation.lines = b"\n".join(sorted(lines, key=lambda line: b"__parentId" not in line)) + b"\n"

        monkeypatch.setattr(BulkOperations, "finish", finish_shuffled)
        rows = await w.catalogue()

        last = shown(rows)  # a later reading of a listing counts
        assert {key[0]: figures[0] for key, figures in last.items()} == {
            item.gid: number for number, item in enumerate(items)
        }


@pytest.mark.parametrize(
    "item",
    [
        {"id": 1.5},
        {"id": "gid://shopify/InventoryItem/1", "inventoryLevels": {"nodes": [{"location": {"id": None}}]}},
        {
            "id": "gid://shopify/InventoryItem/1",
            "inventoryLevels": {
                "nodes": [
                    {
                        "location": {"id": "gid://shopify/Location/1"},
                        "quantities": [{"name": "available", "quantity": 1.5}],
                    }
                ]
            },
        },
        {
            "id": "gid://shopify/InventoryItem/1",
            "inventoryLevels": {"nodes": [{"location": {"id": "gid://shopify/Location/1"}, "quantities": []}]},
        },
    ],
    ids=["bad id", "bad location", "fraction", "no figure"],
)
async def test_an_item_whose_figures_cannot_be_read_is_left_out(answering: Any, item: dict[str, Any]) -> None:
    body = {"data": {"inventoryItems": {"nodes": [item], "pageInfo": {"hasNextPage": False}}}}
    async with answering(body) as (channel, _):
        assert [row async for rows in channel.read_catalogue() for row in rows] == []
