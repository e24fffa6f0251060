"""Reading orders: the first time, from a cursor, in pages, by their ids, and with scopes missing."""

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from syncd.channels.shopify import orders as reading
from syncd.domain.errors import AuthFailed, Retry
from syncd.domain.ids import OrderId

pytestmark = pytest.mark.anyio


def numbers(pages: Any) -> list[str]:
    return [record.key.split(":")[1] for page in pages for record in page.records]


def millis(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def sent(w: Any, operation: str) -> list[Any]:
    return [call for call in w.server.calls if call.operation == operation]


async def test_the_first_reading_takes_every_open_order_and_none_that_is_done(world: Any) -> None:
    async with world() as w:
        item = w.item(available={w.locations[0]: 100})
        waiting, partly, shipped, cancelled = (w.shop.place_order([(item, 2)]) for _ in range(4))
        w.shop.fulfil(partly, [(partly.lines[0], 1)])
        w.shop.fulfil_all(shipped)
        w.shop.cancel(cancelled, restock=True)
        w.clock.advance(days=3)

        pages = await w.poll()

        assert set(numbers(pages)) == {str(waiting.id), str(partly.id)}
        assert pages[-1].cursor == {"changed": "2026-11-26T11:59:59Z"}  # the channel's clock, less the call's own time
        assert [page.reached is None for page in pages] == [True] * (len(pages) - 1) + [False]


async def test_what_happens_while_the_open_orders_are_read_is_read_right_after(world: Any) -> None:
    async with world(orders_page=2) as w:
        item = w.item(available={w.locations[0]: 100})
        placed = [w.shop.place_order([(item, 1)]) for _ in range(5)]
        w.clock.advance(days=1)
        seen: list[str] = []
        pages = w.channel.poll_orders(None)
        first = await anext(pages)
        seen += numbers([first])
        w.shop.fulfil_all(placed[4])  # no longer open before its page came

        rest = [page async for page in pages]

        assert str(placed[4].id) in numbers(rest)


async def test_a_first_reading_that_broke_off_goes_on_where_it_was(world: Any) -> None:
    async with world(orders_page=2) as w:
        item = w.item(available={w.locations[0]: 100})
        placed = []
        for _ in range(6):
            placed.append(w.shop.place_order([(item, 1)]))
            w.clock.advance(hours=1)
        pages = w.channel.poll_orders(None)
        seen = numbers([await anext(pages), cut := await anext(pages)])
        await pages.aclose()

        rest = await w.poll(cut.cursor)

        assert set(seen) | set(numbers(rest)) == {str(order.id) for order in placed}
        assert str(placed[0].id) not in numbers(rest)


async def test_a_cursor_is_the_newest_change_seen_and_never_a_clock(world: Any) -> None:
    async with world() as w:
        item = w.item()
        w.shop.place_order([(item, 1)])
        w.clock.advance(hours=5)

        (page,) = await w.poll({"changed": "2026-11-20T00:00:00Z"})
        (again,) = await w.poll(page.cursor)

        assert page.cursor == again.cursor == {"changed": "2026-11-23T12:00:00Z"}


async def test_an_order_dated_in_the_future_does_not_hide_those_that_follow(world: Any) -> None:
    async with world() as w:
        item = w.item()
        odd = w.shop.place_order([(item, 1)])
        odd.updated_at = datetime.fromisoformat("2031-01-01T00:00:00+00:00")

        (page,) = await w.poll({"changed": "2026-11-20T00:00:00Z"})

        assert numbers([page]) == [str(odd.id)]
        assert page.cursor == {"changed": "2026-11-20T00:00:00Z"}


async def test_polls_overlap_widely_now_and_then_and_narrowly_in_between(world: Any) -> None:
    async with world() as w:
        item = w.item()
        old = w.shop.place_order([(item, 1)])
        w.clock.advance(seconds=60)
        new = w.shop.place_order([(item, 1)])
        cursor = {"changed": "2026-11-23T12:01:00Z"}

        wide, narrow = await w.poll(cursor), await w.poll(cursor)

        assert numbers(wide) == [str(old.id), str(new.id)]
        assert numbers(narrow) == [str(new.id)]


async def test_reading_the_same_again_gives_the_same_records_and_a_change_another(world: Any) -> None:
    async with world() as w:
        order = w.shop.place_order([(w.item(), 2)])
        cursor = {"changed": "2026-11-20T00:00:00Z"}
        first, again = await w.poll(cursor), await w.poll(cursor)
        w.shop.fulfil(order, [(order.lines[0], 1)])  # within the same second: the version alone would not tell
        changed = await w.poll(cursor)

        assert [page.records for page in first] == [page.records for page in again]
        assert first[0].records[0].key != changed[0].records[0].key


async def test_what_was_reached_is_when_the_first_page_was_read_less_the_lag_of_the_list(world: Any) -> None:
    async with world(orders_page=1, orders_lag_seconds=3.0) as w:
        item = w.item()
        for _ in range(3):
            w.shop.place_order([(item, 1)])

        pages = await w.poll({"changed": "2026-11-20T00:00:00Z"})

        second = millis(w.clock.at)
        assert [page.reached for page in pages[:-1]] == [None] * (len(pages) - 1)
        assert second - 3000 - 1000 < pages[-1].reached < second - 3000


async def test_a_page_for_each_few_orders_and_all_of_them_in_the_end(world: Any) -> None:
    async with world(orders_page=3) as w:
        item = w.item(available={w.locations[0]: 100})
        placed = [w.shop.place_order([(item, 1)]) for _ in range(10)]

        pages = await w.poll({"changed": "2026-11-20T00:00:00Z"})

        assert numbers(pages) == [str(order.id) for order in placed]
        assert len(sent(w, "Orders")) == 4


async def test_a_listing_longer_than_paging_allows_begins_anew(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGING_ENDS", 4)
    async with world(orders_page=2) as w:
        item = w.item(available={w.locations[0]: 100})
        placed = []
        for _ in range(11):
            placed.append(w.shop.place_order([(item, 1)]))
            w.clock.advance(seconds=10)

        pages = await w.poll({"changed": "2026-11-20T00:00:00Z"})

        assert set(numbers(pages)) == {str(order.id) for order in placed}
        assert [page.reached is None for page in pages].count(False) == 1


async def test_an_order_with_more_of_everything_than_a_page_is_read_whole(world: Any, stock: Any) -> None:
    async with world(places=("Warehouse", "High Street")) as w:
        items = [w.item(f"SKU-{number}", available={w.locations[0]: 100}) for number in range(40)]
        order = w.shop.place_order([(item, 3) for item in items])
        w.clock.advance(seconds=5)
        w.shop.move_order(order, w.locations[1])
        w.shop.fulfil(order, [(line, 2) for line in order.lines])
        w.clock.advance(seconds=5)
        w.shop.refund(order, [(line, 1, "cancel", None) for line in order.lines])
        w.clock.advance(seconds=5)
        back = [(line, 1) for line in order.lines]
        w.shop.process_return(order, back, restock_location=w.locations[0])
        await w.channel.connect()

        assert stock(await w.told_by_polling()) == w.own_stock()
        (record,) = await w.channel.fetch_orders([OrderId(str(order.id))])
        assert b"pageInfo" not in record.body
        assert len(json.loads(record.body)["order"]["lineItems"]["nodes"]) == 40


async def test_orders_are_fetched_in_one_call_and_a_missing_one_is_absent(world: Any) -> None:
    async with world() as w:
        item = w.item(available={w.locations[0]: 100})
        placed = [w.shop.place_order([(item, 1)]) for _ in range(20)]

        records = await w.channel.fetch_orders([*(OrderId(str(order.id)) for order in placed), OrderId("404")])

        assert len(records) == 20
        assert len(sent(w, "OrdersById")) == 1
        told = [w.channel.parse(record.topic, {}, record.body) for record in records]
        assert [facts.fetched for facts in told] == [(str(order.id),) for order in placed]


async def test_an_order_asked_for_by_its_fulfilment_order_answers_to_both_names(world: Any) -> None:
    async with world(places=("Warehouse", "High Street")) as w:
        order = w.shop.place_order([(w.item(), 1)])
        w.shop.move_order(order, w.locations[1])
        (moved,) = (hook for hook in w.hooks if hook.topic == "fulfillment_orders/moved")
        (asked,) = w.channel.parse(moved.topic, {}, moved.body).fetch

        (record,) = await w.channel.fetch_orders([asked])

        facts = w.channel.parse(record.topic, {}, record.body)
        assert facts.fetched == (asked, str(order.id))
        assert {line.location for line in facts.orders[0].lines.values()} == {w.locations[1].gid}


async def test_the_assigned_location_is_newer_than_any_guess(world: Any) -> None:
    async with world(places=("Warehouse", "High Street")) as w:
        order = w.shop.place_order([(w.item(), 1)], source="pos", location=w.locations[0])
        w.clock.advance(seconds=30)
        w.shop.move_order(order, w.locations[1])

        orders = await w.told_by_webhooks()
        for told in (await w.told_by_polling()).values():
            orders[told.order_id] = told

        (line,) = orders[str(order.id)].lines.values()
        assert line.location == w.locations[1].gid
        assert line.location_version >= millis(w.clock.at)


SCOPES = ("read_products", "read_inventory", "write_inventory", "read_locations", "read_orders", "read_fulfillments")


async def test_without_the_scope_for_fulfilment_orders_orders_are_read_without_their_locations(
    world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    scopes = (*SCOPES, "read_returns")
    async with world(places=("Warehouse", "High Street"), shop_options={"scopes": scopes}) as w:
        w.shop.place_order([(w.item(), 1)])
        capsys.readouterr()

        for _ in range(2):
            (order,) = (await w.told_by_polling()).values()

        assert {line.location for line in order.lines.values()} == {None}
        assert capsys.readouterr().out.count("scope.missing") == 1


async def test_without_the_scope_for_returns_the_refunds_alone_count(world: Any, stock: Any) -> None:
    scopes = (*SCOPES, "read_merchant_managed_fulfillment_orders")
    async with world(shop_options={"scopes": scopes}) as w:
        order = w.shop.place_order([(w.item(), 3)])
        w.shop.fulfil_all(order)
        w.clock.advance(seconds=5)
        back = w.shop.process_return(order, [(order.lines[0], 2)], restock_location=w.locations[0])
        w.shop.refund(order, [(order.lines[0], 2, "no_restock", None)], return_=back)

        polled, hooked = stock(await w.told_by_polling()), stock(await w.told_by_webhooks())

    variant = str(order.lines[0].item.variant_id)
    assert polled == hooked == {(variant, w.locations[0].gid): (-3, 0)}


async def test_a_shop_that_cannot_answer_an_optional_field_is_read_without_it(answering: Any) -> None:
    told = {"message": "Cannot return null for non-nullable field Order.fulfillmentOrders."}
    broken = {"data": None, "errors": [{**told, "path": ["orders", "nodes", 0, "fulfillmentOrders"]}]}
    whole = {"data": {"orders": {"nodes": [], "pageInfo": {"hasNextPage": False}}}}
    async with answering(broken, whole) as (channel, _):
        (page,) = [page async for page in channel.poll_orders({"changed": "2026-11-20T00:00:00Z"})]

    assert page.reached is not None


async def test_without_the_scope_for_orders_a_person_is_called(world: Any) -> None:
    async with world(shop_options={"scopes": ("read_products", "read_inventory", "read_locations")}) as w:
        with pytest.raises(AuthFailed, match="read_orders"):
            await w.poll()


async def test_a_page_that_is_too_dear_is_made_smaller_once_and_for_all(world: Any) -> None:
    from syncd.sim.remotes.shopify import Plan

    async with world(plan=Plan(maximum=300, restore=1000), orders_page=100) as w:
        item = w.item(available={w.locations[0]: 100})
        placed = [w.shop.place_order([(item, 1)]) for _ in range(30)]

        pages = await w.poll({"changed": "2026-11-20T00:00:00Z"})
        asked = len(sent(w, "Orders"))
        await w.poll({"changed": "2026-11-20T00:00:00Z"})

        assert numbers(pages) == [str(order.id) for order in placed]
        assert all(call.requested_cost <= 300 for call in sent(w, "Orders")[asked:])


async def test_orders_too_dear_to_fetch_at_once_are_fetched_in_halves(answering: Any) -> None:
    dear = {"errors": [{"message": "too dear", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}
    halves = [{"data": {"nodes": [{"id": f"gid://shopify/Order/{number}"}]}} for number in (1, 2)]
    async with answering(dear, *halves) as (channel, _):
        records = await channel.fetch_orders([OrderId("1"), OrderId("2")])

    assert [record.key.split(":")[1] for record in records] == ["1", "2"]


async def test_a_broken_answer_in_the_middle_keeps_the_pages_before_it(world: Any) -> None:
    async with world(orders_page=2) as w:
        item = w.item(available={w.locations[0]: 100})
        for _ in range(6):
            w.shop.place_order([(item, 1)])
        pages = w.channel.poll_orders({"changed": "2026-11-20T00:00:00Z"})
        first = await anext(pages)
        w.server.faults.script("error_after_effect", on="orders")

        with pytest.raises(Retry):
            await anext(pages)

        assert len(first.records) == 2


RETURN = {
    "id": "gid://shopify/Return/9",
    "reverseFulfillmentOrders": {
        "nodes": [
            {
                "id": "gid://shopify/ReverseFulfillmentOrder/1",
                "lineItems": {
                    "nodes": [
                        {
                            "fulfillmentLineItem": {"lineItem": {"id": "gid://shopify/LineItem/11"}},
                            "dispositions": [
                                {
                                    "id": "gid://shopify/ReverseFulfillmentOrderDisposition/4",
                                    "type": "RESTOCKED",
                                    "quantity": 2,
                                    "createdAt": "2026-11-23T13:00:00Z",
                                    "location": {"id": "gid://shopify/Location/1"},
                                }
                            ],
                        }
                    ]
                },
            }
        ]
    },
}


def refund_of_return(units: int, at: str, number: int = 7) -> dict[str, Any]:
    line = {
        "id": f"gid://shopify/RefundLineItem/{number}1",
        "quantity": units,
        "restockType": "RETURN",
        "location": {"id": "gid://shopify/Location/1"},
        "lineItem": {"id": "gid://shopify/LineItem/11"},
    }
    return {
        "id": f"gid://shopify/Refund/{number}",
        "createdAt": at,
        "return": {"id": "gid://shopify/Return/9"},
        "refundLineItems": {"nodes": [line]},
    }


def a_node(**parts: Any) -> bytes:
    line = {
        "id": "gid://shopify/LineItem/11",
        "quantity": 5,
        "currentQuantity": 5,
        "unfulfilledQuantity": 0,
        "product": {"id": "gid://shopify/Product/1"},
        "variant": {"id": "gid://shopify/ProductVariant/21", "inventoryItem": {"tracked": True}},
    }
    shipment = {
        "id": "gid://shopify/Fulfillment/3",
        "status": "SUCCESS",
        "createdAt": "2026-11-23T12:00:00Z",
        "updatedAt": "2026-11-23T12:00:00Z",
        "fulfillmentLineItems": {"nodes": [{"quantity": 5, "lineItem": {"id": "gid://shopify/LineItem/11"}}]},
    }
    node = {
        "id": "gid://shopify/Order/5",
        "createdAt": "2026-11-23T11:00:00Z",
        "updatedAt": "2026-11-23T14:00:00Z",
        "cancelledAt": None,
        "lineItems": {"nodes": [line]},
        "fulfillments": [shipment],
        "refunds": [],
        "returns": {"nodes": [RETURN]},
    }
    return json.dumps({**node, **parts}).encode()


@pytest.mark.parametrize(
    ("refunds", "expected"),
    [
        ([], 2),
        ([refund_of_return(2, "2026-11-23T13:30:00Z")], 2),
        ([refund_of_return(2, "2026-11-23T12:30:00Z")], 2),
        ([refund_of_return(1, "2026-11-23T12:30:00Z")], 2),
        ([refund_of_return(3, "2026-11-23T13:30:00Z")], 3),
        ([refund_of_return(1, "2026-11-23T12:30:00Z"), refund_of_return(1, "2026-11-23T13:30:00Z", 8)], 2),
    ],
    ids=["no refund", "refund after", "refund before", "smaller refund", "larger refund", "two refunds"],
)
def test_units_of_a_return_that_are_refunded_with_restock_too_are_counted_once(
    a_channel: Any, refunds: list[Any], expected: int
) -> None:
    (order,) = a_channel().parse("syncd/order", {}, a_node(refunds=refunds)).orders

    assert sum(part.units for part in order.refunds.values()) == expected


def test_what_an_event_of_a_return_counted_for_never_changes_as_later_ones_come(a_channel: Any) -> None:
    channel = a_channel()
    early = refund_of_return(1, "2026-11-23T12:30:00Z")
    late = refund_of_return(2, "2026-11-23T13:30:00Z", 8)

    told = [
        channel.parse("syncd/order", {}, a_node(**parts)).orders[0].refunds
        for parts in ({"refunds": [early], "returns": {"nodes": []}}, {"refunds": [early]}, {"refunds": [early, late]})
    ]

    for before, after in pairwise(told):
        assert before.items() <= after.items()


def assigned(number: int, location: int, left: int, total: int, status: str = "OPEN") -> dict[str, Any]:
    line = {"totalQuantity": total, "remainingQuantity": left, "lineItem": {"id": "gid://shopify/LineItem/11"}}
    return {
        "id": f"gid://shopify/FulfillmentOrder/{number}",
        "status": status,
        "updatedAt": "2026-11-23T14:00:00Z",
        "assignedLocation": {"location": {"id": f"gid://shopify/Location/{location}"}},
        "lineItems": {"nodes": [line]},
    }


@pytest.mark.parametrize(
    ("orders", "location"),
    [
        ([assigned(1, 1, 2, 2), assigned(2, 2, 3, 3)], 2),
        ([assigned(1, 1, 3, 3), assigned(2, 2, 2, 2)], 1),
        ([assigned(1, 1, 0, 4, "CLOSED"), assigned(2, 2, 1, 1)], 2),
        ([assigned(1, 1, 4, 4, "CANCELLED"), assigned(2, 2, 1, 1)], 2),
        ([assigned(1, 1, 0, 4, "CLOSED"), assigned(2, 2, 0, 1, "CLOSED")], 1),
    ],
    ids=["more left at the second", "more left at the first", "one shipped", "one cancelled", "all shipped"],
)
def test_a_line_split_over_locations_is_at_the_one_that_holds_most_of_what_is_left(
    a_channel: Any, orders: list[Any], location: int
) -> None:
    body = a_node(fulfillmentOrders={"nodes": orders}, returns=None)

    (order,) = a_channel().parse("syncd/order", {}, body).orders

    assert order.lines["11"].location == f"gid://shopify/Location/{location}"


def test_a_part_of_an_order_that_cannot_be_read_is_a_fault_and_the_rest_is_kept(a_channel: Any) -> None:
    broken = {**refund_of_return(1, "not a time"), "return": None}
    facts = a_channel().parse("syncd/order", {}, a_node(refunds=[broken, None, 5], fulfillments=[{"id": 1.5}]))

    assert len(facts.orders[0].lines) == 1
    assert len(facts.faults) == 4
    assert {fault.order_id for fault in facts.faults} == {"5"}
