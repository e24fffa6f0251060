"""Each row of the vendor's table of effects: what webhooks tell and what polls tell both come to what the shop did."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from syncd.domain.orders import merge
from syncd.sim.remotes.shopify import Wish, custom_line, gift_card, service

pytestmark = pytest.mark.anyio

Act = Callable[[Any], None]


def placed(w: Any) -> None:
    w.shop.place_order([(w.item("A"), 3), (w.item("B"), 1)])


def fulfilled(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 3)])
    w.clock.advance(seconds=5)
    w.shop.fulfil_all(order)


def fulfilled_in_parts(w: Any) -> None:
    order = w.shop.place_order([(w.item("A"), 3), (w.item("B"), 2)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[0], 2)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[1], 1)])


def fulfilment_cancelled(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 3)])
    w.clock.advance(seconds=5)
    shipment = w.shop.fulfil(order, [(order.lines[0], 2)])
    w.clock.advance(seconds=5)
    w.shop.cancel_fulfilment(shipment)


def cancelled_and_restocked(w: Any) -> None:
    order = w.shop.place_order([(w.item("A"), 3), (w.item("B"), 1)])
    w.clock.advance(seconds=5)
    w.shop.cancel(order, restock=True)


def cancelled_in_the_second_it_was_placed(w: Any) -> None:
    w.shop.cancel(w.shop.place_order([(w.item(), 2)]), restock=True)


def cancelled_without_restocking(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 3)])
    w.clock.advance(seconds=5)
    w.shop.cancel(order, restock=False)


def cancelled_after_a_part_was_shipped(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 5)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[0], 2)])
    w.clock.advance(seconds=5)
    w.shop.cancel(order, restock=False)


def cancelled_with_restock_after_a_part_was_shipped(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 5)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[0], 2)])
    w.clock.advance(seconds=5)
    w.shop.cancel(order, restock=True)


def refunded_before_shipping(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 3)])
    w.clock.advance(seconds=5)
    w.shop.refund(order, [(order.lines[0], 2, "cancel", None)])


def refunded_and_returned(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 3)])
    w.clock.advance(seconds=5)
    w.shop.fulfil_all(order)
    w.clock.advance(seconds=5)
    w.shop.refund(order, [(order.lines[0], 2, "return", w.locations[-1])])


def refunded_and_kept_by_the_buyer(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 3)])
    w.clock.advance(seconds=5)
    w.shop.fulfil_all(order)
    w.clock.advance(seconds=5)
    w.shop.refund(order, [(order.lines[0], 1, "no_restock", None)])


def refunded_and_written_off(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 3)])
    w.clock.advance(seconds=5)
    w.shop.refund(order, [(order.lines[0], 2, "no_restock", None)])


def refunded_twice_in_different_ways(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 4)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[0], 2)])
    w.clock.advance(seconds=5)
    line = order.lines[0]
    w.shop.refund(order, [(line, 1, "cancel", None), (line, 1, "return", w.locations[0])])


def refunded_in_the_old_way(w: Any) -> None:
    order = w.shop.place_order([(w.item("A"), 4), (w.item("B"), 2)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[0], 3)])
    w.clock.advance(seconds=5)
    w.shop.refund(order, [(order.lines[0], 2, "legacy_restock", None), (order.lines[1], 1, "legacy_restock", None)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[1], 1)])


def refunded_in_the_old_way_after_shipping(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 2)])
    w.clock.advance(seconds=5)
    w.shop.fulfil_all(order)
    w.clock.advance(seconds=5)
    w.shop.refund(order, [(order.lines[0], 1, "legacy_restock", w.locations[-1])])


def refunded_in_money_only(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 1)])
    w.clock.advance(seconds=5)
    w.shop.refund(order, [])


def return_processed(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 3)])
    w.clock.advance(seconds=5)
    w.shop.fulfil_all(order)
    w.clock.advance(seconds=5)
    w.shop.process_return(order, [(order.lines[0], 2)], restock_location=w.locations[-1])


def return_processed_and_refunded(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 5)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[0], 3)])
    w.clock.advance(seconds=5)
    back = w.shop.process_return(order, [(order.lines[0], 2)], restock_location=w.locations[0])
    w.clock.advance(seconds=5)
    w.shop.refund(order, [(order.lines[0], 2, "no_restock", None)], return_=back)
    w.shop.close_return(back)


def return_not_restocked(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 2)])
    w.clock.advance(seconds=5)
    w.shop.fulfil_all(order)
    w.clock.advance(seconds=5)
    w.shop.process_return(order, [(order.lines[0], 1)], restock_location=None)


def return_not_restocked_but_refunded(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 3)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[0], 2)])
    w.clock.advance(seconds=5)
    back = w.shop.process_return(order, [(order.lines[0], 1)], restock_location=None)
    w.clock.advance(seconds=5)
    w.shop.refund(order, [(order.lines[0], 1, "no_restock", None)], return_=back)


def written_off_after_a_return(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 5)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[0], 2)])
    w.clock.advance(seconds=5)
    w.shop.process_return(order, [(order.lines[0], 1)], restock_location=w.locations[0])
    w.clock.advance(seconds=5)
    w.shop.refund(order, [(order.lines[0], 1, "no_restock", None)])


def edited(w: Any) -> None:
    order = w.shop.place_order([(w.item("A"), 3)])
    w.clock.advance(seconds=5)
    w.shop.edit(order, add=[(w.item("B"), 2)], remove=[(order.lines[0], 1, True)])


def edited_then_cancelled_with_restock(w: Any) -> None:
    edited(w)
    w.clock.advance(seconds=30)
    w.shop.cancel(next(iter(w.shop.orders.values())), restock=True)


def edited_after_a_return(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 6)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, [(order.lines[0], 3)])
    w.clock.advance(seconds=5)
    w.shop.process_return(order, [(order.lines[0], 1)], restock_location=w.locations[0])
    w.clock.advance(seconds=5)
    w.shop.edit(order, remove=[(order.lines[0], 2, True)])


def lines_without_stock(w: Any) -> None:
    untracked = w.item("U", tracked=False)
    w.shop.place_order([(untracked, 1), gift_card(), custom_line(), service(), (w.item("A"), 1)])


def sold_at_a_till(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 1)], source="pos", location=w.locations[-1])
    w.shop.fulfil_all(order)


def oversold(w: Any) -> None:
    item = w.item("A", available={w.locations[0]: 1})
    w.shop.place_order([(item, 1)], may_oversell=True)
    w.shop.place_order([(item, 1)], may_oversell=True)


ROWS: list[Act] = [
    placed,
    fulfilled,
    fulfilled_in_parts,
    fulfilment_cancelled,
    cancelled_and_restocked,
    cancelled_in_the_second_it_was_placed,
    cancelled_without_restocking,
    cancelled_after_a_part_was_shipped,
    cancelled_with_restock_after_a_part_was_shipped,
    refunded_before_shipping,
    refunded_and_returned,
    refunded_and_kept_by_the_buyer,
    refunded_and_written_off,
    refunded_twice_in_different_ways,
    refunded_in_the_old_way,
    refunded_in_the_old_way_after_shipping,
    refunded_in_money_only,
    return_processed,
    return_processed_and_refunded,
    return_not_restocked,
    return_not_restocked_but_refunded,
    written_off_after_a_return,
    edited,
    edited_then_cancelled_with_restock,
    edited_after_a_return,
    lines_without_stock,
    sold_at_a_till,
    oversold,
]


def moved_to_another_location(w: Any) -> None:
    order = w.shop.place_order([(w.item("A"), 2), (w.item("B"), 1)])
    w.clock.advance(seconds=5)
    w.shop.move_order(order, w.locations[1])


def fulfilled_from_another_location(w: Any) -> None:
    order = w.shop.place_order([(w.item(), 2)])
    w.clock.advance(seconds=5)
    w.shop.fulfil(order, location=w.locations[1], lines=[(order.lines[0], 2)])


def lines_at_different_locations(w: Any) -> None:
    first, second = w.locations
    one, two = w.item("A"), w.item("B")
    w.shop.place_order([Wish(item=one, quantity=1, location=first), Wish(item=two, quantity=2, location=second)])


ROWS_OF_TWO_LOCATIONS: list[Act] = [
    *ROWS,
    moved_to_another_location,
    fulfilled_from_another_location,
    lines_at_different_locations,
]


def names(act: Act) -> str:
    return act.__name__


@pytest.mark.parametrize("act", ROWS, ids=names)
async def test_webhooks_and_polls_tell_what_a_shop_of_one_location_did(world: Any, stock: Any, act: Act) -> None:
    async with world() as w:
        act(w)

        assert stock(await w.told_by_polling()) == w.own_stock()
        assert stock(await w.told_by_webhooks()) == w.own_stock()


@pytest.mark.parametrize("act", ROWS_OF_TWO_LOCATIONS, ids=names)
async def test_webhooks_and_polls_tell_what_a_shop_of_two_locations_did(world: Any, stock: Any, act: Act) -> None:
    async with world(places=("Warehouse", "High Street")) as w:
        act(w)

        assert stock(await w.told_by_polling()) == w.own_stock()
        assert stock(await w.told_by_webhooks()) == w.own_stock()


@pytest.mark.parametrize("act", ROWS, ids=names)
async def test_any_order_of_the_webhooks_and_any_repetition_tells_the_same(world: Any, stock: Any, act: Act) -> None:
    rng = random.Random(11)
    async with world() as w:
        act(w)

        for _ in range(6):
            hooks = [*w.hooks, *rng.choices(w.hooks, k=3)]
            rng.shuffle(hooks)
            assert stock(await w.told_by_webhooks(hooks)) == w.own_stock()


@pytest.mark.parametrize("act", ROWS, ids=names)
async def test_what_is_polled_after_the_webhooks_changes_nothing(world: Any, stock: Any, act: Act) -> None:
    async with world() as w:
        act(w)
        orders = await w.told_by_webhooks()
        before = stock(orders)

        for page in await w.poll({"changed": "2026-11-01T00:00:00Z"}):
            for record in page.records:
                for order in w.channel.parse(record.topic, {}, record.body).orders:
                    orders[order.order_id] = merge(orders[order.order_id], order).order

        assert stock(orders) == before


async def test_with_one_location_an_order_is_not_fetched(world: Any) -> None:
    async with world() as w:
        placed(w)

        told = [w.channel.parse(hook.topic, {}, hook.body) for hook in w.hooks if hook.topic.startswith("orders/")]

    assert all(facts.fetch == () for facts in told)
    assert {line.location for facts in told for order in facts.orders for line in order.lines.values()} == {
        w.locations[0].gid
    }


async def test_with_several_locations_an_order_is_fetched_for_them(world: Any) -> None:
    async with world(places=("Warehouse", "High Street")) as w:
        placed(w)
        order_id = str(next(iter(w.shop.orders)))

        told = [w.channel.parse(hook.topic, {}, hook.body) for hook in w.hooks if hook.topic == "orders/create"]

    assert [facts.fetch for facts in told] == [(order_id,)]


async def test_a_location_opened_after_connecting_is_noticed_by_the_orders_that_wait_there(world: Any) -> None:
    async with world() as w:
        item = w.item()
        opened = w.shop.add_location("High Street")
        w.shop.stock_at(item, opened)
        order = w.shop.place_order([Wish(item=item, quantity=1, location=opened)])
        hook = next(hook for hook in w.hooks if hook.topic == "orders/create")
        assert w.channel.parse(hook.topic, {}, hook.body).fetch == ()

        await w.poll({"changed": "2026-11-20T00:00:00Z"})

        assert w.channel.parse(hook.topic, {}, hook.body).fetch == (str(order.id),)


async def test_an_order_that_is_wholly_shipped_needs_no_fetch(world: Any) -> None:
    async with world(places=("Warehouse", "High Street")) as w:
        fulfilled(w)

        told = [w.channel.parse(hook.topic, {}, hook.body) for hook in w.hooks if hook.topic == "orders/fulfilled"]

    assert [facts.fetch for facts in told] == [()]


async def test_what_an_edit_removed_before_a_cancellation_without_restock_stays_put_back(
    world: Any, stock: Any
) -> None:
    async with world() as w:
        edited(w)
        w.clock.advance(seconds=30)
        w.shop.cancel(next(iter(w.shop.orders.values())), restock=False)

        assert stock(await w.told_by_webhooks()) == w.own_stock()
