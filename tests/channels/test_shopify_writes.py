"""What becomes of each row of a write, by every answer that the shop may give."""

from typing import Any

import anyio
import pytest

from syncd.channels.shopify import ShopifyChannel, writes
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Retry, Throttled
from syncd.domain.ids import ListingKey
from syncd.ports import Outcome

pytestmark = pytest.mark.anyio


def kinds(outcomes: Any) -> list[Outcome]:
    return [outcome.outcome for outcome in outcomes]


def available(w: Any, item: Any) -> int:
    return int(w.shop.quantities(item, w.locations[0])["available"])


def sent(w: Any, operation: str) -> int:
    return sum(call.operation == operation for call in w.server.calls)


async def test_a_batch_is_one_call_and_confirms_every_row_within_the_second(world: Any) -> None:
    async with world() as w:
        items = [w.item(f"SKU-{number}") for number in range(100)]

        outcomes = await w.channel.write(w.batch(*((w.key(item), 3, 10) for item in items)))

        assert set(kinds(outcomes)) == {Outcome.CONFIRMED}
        assert [outcome.key for outcome in outcomes] == [w.key(item) for item in items]
        assert {available(w, item) for item in items} == {3}
        assert sent(w, "SetAvailable") == 1
        second = int(w.clock.at.timestamp()) * 1000
        assert all(second <= outcome.at.earliest <= outcome.at.latest <= second + 999 for outcome in outcomes)


async def test_on_hand_moves_with_available_and_what_is_committed_stays(world: Any) -> None:
    async with world() as w:
        item = w.item()
        w.shop.place_order([(item, 4)])

        await w.channel.write(w.batch((w.key(item), 1, 6)))

        held = w.shop.quantities(item, w.locations[0])
        assert (held["available"], held["committed"], held["on_hand"]) == (1, 4, 5)


async def test_writing_what_it_shows_already_is_confirmed(world: Any) -> None:
    async with world() as w:
        item = w.item()

        assert kinds(await w.channel.write(w.batch((w.key(item), 10, 10)))) == [Outcome.CONFIRMED]


async def test_a_stale_row_is_found_and_the_others_stay_untouched(world: Any) -> None:
    async with world() as w:
        first, sold, last = w.item("A"), w.item("B"), w.item("C")
        w.shop.place_order([(sold, 1)])

        outcomes = await w.channel.write(w.batch(*((w.key(item), 20, 10) for item in (first, sold, last))))

        assert kinds(outcomes) == [Outcome.UNTOUCHED, Outcome.STALE, Outcome.UNTOUCHED]
        assert outcomes[1].reading.units == 9
        assert [available(w, item) for item in (first, sold, last)] == [10, 9, 10]


async def test_a_stale_compare_of_which_no_row_differs_any_more_is_for_the_caller_to_judge(world: Any) -> None:
    async with world() as w:
        item = w.item()
        w.clock.advance(seconds=100)
        w.shop.set_available(item, w.locations[0], 9)
        w.server.faults.stale_seconds = 5.0
        w.server.faults.script("stale_read", on="nodes")

        outcomes = await w.channel.write(w.batch((w.key(item), 20, 10)))

        assert kinds(outcomes) == [Outcome.STALE]
        assert outcomes[0].reading.units == 10


async def test_stale_rows_that_cannot_be_read_again_are_all_stale(world: Any) -> None:
    async with world() as w:
        items = [w.item("A"), w.item("B")]
        w.shop.place_order([(items[0], 1)])
        w.server.faults.script("server_error", on="nodes")

        outcomes = await w.channel.write(w.batch(*((w.key(item), 20, 10) for item in items)))

        assert kinds(outcomes) == [Outcome.STALE, Outcome.STALE]
        assert all(outcome.reading is None for outcome in outcomes)


async def test_an_item_that_is_gone_is_named_and_the_others_stay_untouched(world: Any) -> None:
    async with world() as w:
        kept, gone = w.item("A"), w.item("B")
        w.shop.delete_item(gone)

        outcomes = await w.channel.write(w.batch((w.key(kept), 3, 10), (w.key(gone), 3, 10)))

        assert kinds(outcomes) == [Outcome.UNTOUCHED, Outcome.GONE]
        assert "INVALID_INVENTORY_ITEM" in outcomes[1].reason
        assert available(w, kept) == 10


async def test_a_location_that_is_gone_is_named(world: Any) -> None:
    async with world() as w:
        item = w.item()
        nowhere = w.key(item)._replace(remote_location="gid://shopify/Location/404")

        assert kinds(await w.channel.write(w.batch((nowhere, 3, 10)))) == [Outcome.GONE]


async def test_a_bundle_is_refused_for_what_it_is(world: Any) -> None:
    async with world() as w:
        bundle, plain = w.item("BUNDLE", is_bundle=True), w.item("A")

        outcomes = await w.channel.write(w.batch((w.key(bundle), 3, 10), (w.key(plain), 3, 10)))

        assert kinds(outcomes) == [Outcome.REJECTED, Outcome.UNTOUCHED]
        assert "NON_MUTABLE_INVENTORY_ITEM" in outcomes[0].reason


async def test_a_quantity_beyond_the_bounds_is_refused(world: Any) -> None:
    async with world() as w:
        item = w.item()

        outcomes = await w.channel.write(w.batch((w.key(item), 2_000_000_000, 10)))

        assert kinds(outcomes) == [Outcome.REJECTED]
        assert "INVALID_QUANTITY_TOO_HIGH" in outcomes[0].reason


async def test_the_same_row_twice_is_refused_on_both_and_leaves_the_third_alone(world: Any) -> None:
    async with world() as w:
        item, other = w.item("A"), w.item("B")
        rows = [(w.key(item), 3, 10), (w.key(item), 4, 10), (w.key(other), 4, 10)]

        outcomes = await w.channel.write(w.batch(*rows))

        assert kinds(outcomes)[2] is Outcome.UNTOUCHED
        assert set(kinds(outcomes)[:2]) == {Outcome.REJECTED}


async def test_an_item_not_stocked_at_the_location_is_activated_first(world: Any) -> None:
    async with world(places=("Warehouse", "High Street")) as w:
        item = w.item("A", available={w.locations[0]: 10})
        key = w.key(item, w.locations[1])

        outcomes = await w.channel.write(w.batch((key, 4, 0), active=False))

        assert kinds(outcomes) == [Outcome.CONFIRMED]
        assert w.shop.quantities(item, w.locations[1])["available"] == 4


async def test_an_item_that_had_stock_there_before_is_stale_and_not_overwritten(world: Any) -> None:
    async with world(places=("Warehouse", "High Street")) as w:
        item = w.item()
        w.shop.deactivate_level(item, w.locations[1])

        (outcome,) = await w.channel.write(w.batch((w.key(item, w.locations[1]), 4, 0), active=False))

        assert outcome.outcome is Outcome.STALE
        assert outcome.reading.units == 10


async def test_a_row_that_cannot_be_activated_is_refused_alone(world: Any) -> None:
    async with world() as w:
        gone, kept = w.item("A"), w.item("B")
        w.shop.delete_item(gone)

        outcomes = await w.channel.write(w.batch((w.key(gone), 4, 0), (w.key(kept), 4, 10), active=False))

        assert kinds(outcomes)[0] in (Outcome.GONE, Outcome.REJECTED)
        assert kinds(outcomes)[1] is Outcome.CONFIRMED


async def test_up_to_2026_07_an_unstocked_row_is_stocked_and_written_the_next_time(world: Any) -> None:
    async with world(places=("Warehouse", "High Street"), api_version="2026-07") as w:
        item = w.item("A", available={w.locations[0]: 10})
        key = w.key(item, w.locations[1])

        first = await w.channel.write(w.batch((key, 4, 0)))
        second = await w.channel.write(w.batch((key, 4, 0)))

        assert (kinds(first), kinds(second)) == ([Outcome.UNTOUCHED], [Outcome.CONFIRMED])


async def test_a_shop_that_keeps_saying_not_stocked_is_not_asked_for_ever(world: Any) -> None:
    async with world(places=("Warehouse", "High Street"), api_version="2026-07") as w:
        item = w.item("A", available={w.locations[0]: 10})
        key = w.key(item, w.locations[1])

        for _ in range(writes.ACTIVATIONS_AT_MOST):
            assert kinds(await w.channel.write(w.batch((key, 4, 0)))) == [Outcome.UNTOUCHED]
            w.shop.deactivate_level(item, w.locations[1])

        assert kinds(await w.channel.write(w.batch((key, 4, 0)))) == [Outcome.REJECTED]


IN_DOUBT = ["error_after_effect", "cut_after_effect"]
NOT_EXECUTED = ["cut_before_effect"]


@pytest.mark.parametrize("fault", [*IN_DOUBT, *NOT_EXECUTED])
async def test_a_write_without_an_answer_is_settled_by_the_same_key_and_has_one_effect(world: Any, fault: str) -> None:
    async with world() as w:
        item = w.item()
        batch = w.batch((w.key(item), 3, 10))
        w.server.faults.script(fault)

        with pytest.raises(OutcomeUnknown):
            await w.channel.write(batch)
        entered = w.clock.at
        w.clock.advance(seconds=90)
        (outcome,) = await w.channel.write(batch)

        assert outcome.outcome is Outcome.CONFIRMED
        assert available(w, item) == 3
        if fault in IN_DOUBT:  # then it was in force from the first sending on, and the repetition says so
            assert outcome.at.latest == int(entered.timestamp()) * 1000 + 999
        else:
            assert outcome.at.earliest >= int(w.clock.at.timestamp()) * 1000 - 1000


async def test_a_sale_between_the_lost_answer_and_the_repetition_is_not_overwritten(world: Any) -> None:
    async with world() as w:
        item = w.item()
        batch = w.batch((w.key(item), 3, 10))
        w.server.faults.script("cut_after_effect")

        with pytest.raises(OutcomeUnknown):
            await w.channel.write(batch)
        w.shop.place_order([(item, 1)])

        assert kinds(await w.channel.write(batch)) == [Outcome.CONFIRMED]
        assert available(w, item) == 2


async def test_an_attempt_that_failed_before_leaves_all_rows_untouched(world: Any) -> None:
    async with world() as w:
        item = w.item()
        batch = w.batch((w.key(item), 3, 10))
        w.server.faults.script("error_before_effect")

        with pytest.raises(OutcomeUnknown):
            await w.channel.write(batch)

        assert kinds(await w.channel.write(batch)) == [Outcome.UNTOUCHED]
        assert kinds(await w.channel.write(w.batch((w.key(item), 3, 10)))) == [Outcome.CONFIRMED]


async def test_another_write_under_a_used_key_is_refused_and_says_why(world: Any) -> None:
    async with world() as w:
        item = w.item()
        await w.channel.write(w.batch((w.key(item), 3, 10), key="once"))

        (outcome,) = await w.channel.write(w.batch((w.key(item), 4, 3), key="once"))

        assert outcome.outcome is Outcome.REJECTED
        assert "IDEMPOTENCY_KEY_PARAMETER_MISMATCH" in outcome.reason
        assert available(w, item) == 3


async def test_while_the_first_sending_is_at_work_the_same_is_sent_again_until_it_answers(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world() as w:
        item = w.item()
        batch = w.batch((w.key(item), 3, 10))
        w.server.faults.slow_seconds = 0.5
        w.server.faults.script("slow_after_effect")
        monkeypatch.setattr(writes, "CONCURRENT_WAITS_SECONDS", (0.05,) * 40)

        first: list[Any] = []

        async def send() -> None:
            first.append(await w.channel.write(batch))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            while not w.shop.books or w.shop.books[-1].by != "app":
                await anyio.sleep(0.005)
            second = await w.channel.write(batch)

        assert kinds(first[0]) == kinds(second) == [Outcome.CONFIRMED]
        codes = [code for call in w.server.calls for code in call.codes]
        assert "IDEMPOTENCY_CONCURRENT_REQUEST" in codes
        assert available(w, item) == 3


async def test_a_sending_that_stays_at_work_leaves_the_write_in_doubt(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world() as w:
        item = w.item()
        batch = w.batch((w.key(item), 3, 10))
        w.server.faults.slow_seconds = 0.8
        w.server.faults.script("slow_after_effect")
        monkeypatch.setattr(writes, "CONCURRENT_WAITS_SECONDS", (0.01,))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(w.channel.write, batch)
            while not w.shop.books or w.shop.books[-1].by != "app":
                await anyio.sleep(0.005)
            with pytest.raises(OutcomeUnknown, match="still at work"):
                await w.channel.write(batch)


async def test_a_server_that_breaks_leaves_the_write_in_doubt(world: Any) -> None:
    async with world() as w:
        item = w.item()
        w.server.faults.script("server_error")

        with pytest.raises(OutcomeUnknown, match="502"):
            await w.channel.write(w.batch((w.key(item), 3, 10)))


@pytest.mark.parametrize(("fault", "after"), [("too_many_requests", 2.0), ("too_many_requests_bare", None)])
async def test_too_many_requests_did_nothing_and_says_how_long_to_wait(
    world: Any, fault: str, after: float | None
) -> None:
    async with world() as w:
        item = w.item()
        w.server.faults.retry_after_seconds = 2.0
        w.server.faults.script(fault)

        with pytest.raises(Throttled) as throttled:
            await w.channel.write(w.batch((w.key(item), 3, 10)))

        assert throttled.value.after_seconds == after
        assert available(w, item) == 10


async def test_no_call_is_made_inside_the_wait_that_the_shop_asked_for(world: Any) -> None:
    async with world() as w:
        item = w.item()
        w.server.faults.retry_after_seconds = 0.5
        w.server.faults.script("too_many_requests")
        with pytest.raises(Throttled):
            await w.channel.write(w.batch((w.key(item), 3, 10)))
        refused = w.server.calls[-1].answered_at

        await w.channel.write(w.batch((w.key(item), 3, 10)))

        assert w.server.calls[-1].received_at - refused >= 0.49


async def test_a_shop_that_cannot_be_reached_was_not_written_to(world: Any, make_settings: Any) -> None:
    async with world() as w:
        item = w.item()
        unreachable = ShopifyChannel(make_settings("http://127.0.0.1:1"), [w.locations[0].gid], w.clock)
        with pytest.raises(Retry):
            await unreachable.write(w.batch((w.key(item), 3, 10)))
        await unreachable.close()


async def test_without_the_scope_to_write_a_person_is_called(world: Any) -> None:
    async with world(shop_options={"scopes": ("read_inventory", "read_locations", "read_products")}) as w:
        item = w.item()

        with pytest.raises(AuthFailed, match="write_inventory"):
            await w.channel.write(w.batch((w.key(item), 3, 10)))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("SERVICE_UNAVAILABLE", OutcomeUnknown),
        ("SET_QUANTITIES_FAILED", OutcomeUnknown),
        ("INVALID_REASON", Outcome.REJECTED),
        ("INVALID_NAME", Outcome.REJECTED),
        ("INVALID_REFERENCE_DOCUMENT", Outcome.REJECTED),
        ("COMPARE_QUANTITY_REQUIRED", Outcome.REJECTED),
        ("INVALID_QUANTITY_NEGATIVE", Outcome.REJECTED),
        ("INVALID_QUANTITY_TOO_LOW", Outcome.REJECTED),
        ("SOMETHING_NEW", Outcome.REJECTED),
    ],
)
async def test_the_codes_that_a_simulated_shop_does_not_give(answering: Any, code: str, expected: Any) -> None:
    error = {"code": code, "field": None, "message": "no"}
    body = {"data": {"inventorySetQuantities": {"inventoryAdjustmentGroup": None, "userErrors": [error]}}}
    key = ListingKey("shop", "gid://shopify/InventoryItem/1", "gid://shopify/Location/1")
    async with answering(body) as (channel, batch):
        if expected is OutcomeUnknown:
            with pytest.raises(OutcomeUnknown, match=code):
                await channel.write(batch((key, 3, 10)))
        else:
            assert kinds(await channel.write(batch((key, 3, 10)))) == [expected]
