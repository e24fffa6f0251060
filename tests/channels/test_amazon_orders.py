"""Reading Amazon's orders: what each status does to stock, both versions of the API, and what lists leave out."""

import contextlib
import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from syncd.channels.amazon import AmazonChannel
from syncd.domain.errors import Refused, Retry, Throttled
from syncd.domain.ids import OrderId
from syncd.ports import Facts
from syncd.sim.remotes.amazon import Order, Plan
from syncd.sim.remotes.amazon.seller import Seller
from tests.channels.amazon_world import Clock, World, open_world, settings_for

pytestmark = pytest.mark.anyio

VERSIONS = ("2026-01-01", "v0")

Act = Callable[[Seller, Order], None]


def ship_one(seller: Seller, order: Order) -> None:
    seller.ship(order, {"MUG": 1})


def cancel(seller: Seller, order: Order) -> None:
    seller.cancel(order)


def cancel_plainly(seller: Seller, order: Order) -> None:
    seller.cancel(order, zero=False)


# acts, then what (on_hand, committed) of MUG has come to
EFFECTS: dict[str, tuple[list[Act], tuple[int, int] | None]] = {
    "pending is promised at once": ([], (0, 3)),
    "authorised stays promised": ([Seller.authorise], (0, 3)),
    "partly shipped": ([Seller.authorise, ship_one], (-1, 2)),
    "shipped": ([Seller.authorise, Seller.ship], (-3, 0)),
    "shipped in two goes": ([Seller.authorise, ship_one, Seller.ship], (-3, 0)),
    "cancelled while pending, quantities read 0": ([cancel], None),
    "cancelled, quantities kept": ([Seller.authorise, cancel_plainly], None),
    "cancelled after a part was shipped": ([Seller.authorise, ship_one, cancel_plainly], (-1, 0)),
    "a wish to cancel changes nothing": ([Seller.authorise, Seller.ask_to_cancel], (0, 3)),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("story", EFFECTS)
async def test_what_each_status_does_to_stock(story: str, version: str) -> None:
    acts, expected = EFFECTS[story]
    async with open_world(stock={"MUG": 10}, orders_api=version) as world:
        order = world.seller.order({"MUG": 3})
        await world.poll()
        for act in acts:
            world.clock.advance(minutes=5)
            act(world.seller, order)
            await world.poll()

    assert world.stock().get("MUG") == expected
    assert world.faults_heard == []


async def test_any_order_and_any_number_of_tellings_come_to_the_same_stock() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        order = world.seller.order({"MUG": 3})
        told = []
        for act in (Seller.touch, Seller.authorise, ship_one, cancel_plainly):
            told.append(await read(world, order))
            world.clock.advance(minutes=5)
            act(world.seller, order)
        told.append(await read(world, order))

        ends = set()
        for sequence in itertools.permutations(told):
            world.known.clear()
            for facts in (*sequence, *sequence[:2]):
                world.take(facts)
            ends.add(world.stock().get("MUG"))

    assert ends == {(-1, 0)}


async def read(world: World, order: Order) -> Facts:
    world.clock.advance(minutes=3)
    record = (await world.channel.fetch_orders([OrderId(order.order_id)]))[0]
    return world.channel.parse(record.topic, {}, record.body)


@pytest.mark.parametrize("version", VERSIONS)
async def test_orders_that_amazon_ships_or_that_were_placed_elsewhere_move_nothing(version: str) -> None:
    async with open_world(stock={"MUG": 10}, orders_api=version) as world:
        world.seller.add_fba("LAMP", 7)
        world.seller.order({"LAMP": 2}, by_amazon=True)
        world.seller.order({"MUG": 2}, on_amazon=False)
        await world.poll()

    assert len(world.known) == 2
    assert world.stock() == {}


async def test_one_item_cancelled_leaves_the_others() -> None:
    async with open_world(stock={"MUG": 10, "CUP": 10}) as world:
        order = world.seller.order({"MUG": 3, "CUP": 2})
        await world.poll()
        world.seller.cancel_item(order, "MUG")
        await world.poll()

    assert world.stock() == {"CUP": (0, 2)}


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_first_reading_takes_every_open_order_and_pages_to_the_end(version: str) -> None:
    async with open_world(stock={"MUG": 1000}, orders_api=version) as world:
        old = world.seller.order({"MUG": 1})
        world.clock.advance(days=40)
        shipped = world.seller.order({"MUG": 1})
        world.seller.ship(shipped)
        world.clock.advance(days=5)
        for _ in range(230):
            world.seller.order({"MUG": 1})
        pages = await world.poll()

    assert OrderId(old.order_id) in world.known
    assert world.stock() == {"MUG": (0, 231)}
    assert pages[-1].reached is not None
    assert set(pages[-1].cursor) == {"changed", "deep"}


async def test_a_reading_that_broke_off_goes_on_where_it_was() -> None:
    async with open_world(stock={"MUG": 1000}) as world:
        await world.poll()
        for _ in range(250):
            world.seller.order({"MUG": 1})
        world.clock.advance(minutes=5)
        world.faults.script("server_error", on="getOrder")
        first = world.channel.poll_orders(world.cursor)
        page = await anext(first)
        world.cursor = page.cursor
        for record in page.records:
            world.take(world.channel.parse(record.topic, {}, record.body))
        again = world.another()
        await world.channel.close()
        world.channel = again
        before = world.server.count("searchOrders")

        pages = await world.pages()

    assert len(page.records) == 100
    assert [len(each.records) for each in pages] == [100, 50]
    assert world.server.count("searchOrders") - before == 2
    assert world.stock() == {"MUG": (0, 250)}


async def test_a_page_token_that_has_ended_begins_the_reading_anew() -> None:
    async with open_world(stock={"MUG": 1000}, plan=Plan(orders_token=60)) as world:
        await world.poll()
        for _ in range(150):
            world.seller.order({"MUG": 1})
        world.clock.advance(minutes=5)
        page = await anext(world.channel.poll_orders(world.cursor))
        world.cursor = page.cursor
        world.clock.advance(minutes=10)

        await world.pages()

    assert world.stock() == {"MUG": (0, 150)}


async def test_the_cursor_is_the_vendors_own_time_and_overlaps() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        await world.poll()
        order = world.seller.order({"MUG": 1})
        await world.poll(seconds=100)  # too young for the list
        early = world.stock()
        await world.poll(seconds=60)
        seen = world.stock()
        again = await world.poll(seconds=60)

    assert early == {}
    assert seen == {"MUG": (0, 1)}
    assert [record.key for page in again for record in page.records if order.order_id in record.key]


async def test_a_straggler_is_found_by_the_daily_deep_reading() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        await world.poll()
        world.seller.order({"MUG": 2}, listed_after=12 * 3600)
        await world.poll(hours=1)
        await world.poll(hours=12)
        missed = world.stock()
        await world.poll(hours=12)

    assert missed == {}
    assert world.stock() == {"MUG": (0, 2)}


async def test_an_order_hinted_at_is_read_by_its_id_and_one_too_new_is_left_to_the_list() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        order = world.seller.order({"MUG": 2})
        too_new = await world.channel.fetch_orders([OrderId(order.order_id)])
        facts = await read(world, order)

    assert too_new == []
    assert facts.fetched == (OrderId(order.order_id),)


async def test_many_hints_are_read_over_several_calls() -> None:
    async with open_world(stock={"MUG": 100}, speed=1.0) as world:
        ids = [OrderId(world.seller.order({"MUG": 1}).order_id) for _ in range(36)]
        world.clock.advance(minutes=5)

        with pytest.raises(Throttled):
            await world.channel.fetch_orders(ids)
        read_so_far = world.server.count("getOrder")
        with anyio.fail_after(20):
            while world.server.count("getOrder") == 30:
                with contextlib.suppress(Throttled):
                    await world.channel.fetch_orders(ids)
                await anyio.sleep(0.1)

    assert read_so_far == 30
    assert world.server.count("getOrder") == 31  # the thirty that were read before are not read again


async def test_v0_stands_in_while_the_newer_version_refuses() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        world.faults.included_data_refused = 1.0
        world.seller.order({"MUG": 2})
        await world.poll()
        incident = world.stock()
        world.faults.clear()
        world.seller.order({"MUG": 1})
        await world.poll()

    assert incident == {"MUG": (0, 2)}
    assert world.stock() == {"MUG": (0, 3)}
    assert world.server.calls[-1] == "searchOrders"


async def test_v0_is_warned_about_and_reads_items_only_once() -> None:
    async with open_world(stock={"MUG": 10}, orders_api="v0") as world:
        facts = await world.channel.connect()
        world.seller.order({"MUG": 2})
        for _ in range(4):
            await world.poll()

    assert any("2027-03-27" in warning for warning in facts.warnings)
    assert world.server.count("getOrderItems") == 1


async def test_5xx_and_bad_json_are_tried_again_and_an_empty_page_loses_nothing() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        await world.poll()
        world.seller.order({"MUG": 2})
        world.clock.advance(seconds=125)
        for fault in ("server_error", "service_unavailable", "not_json"):
            world.faults.script(fault, on="searchOrders")
            with pytest.raises(Retry):
                await world.pages()
        world.faults.script("empty_page", on="searchOrders")
        await world.pages()
        missed = world.stock()
        await world.poll()

    assert missed == {}
    assert world.stock() == {"MUG": (0, 2)}


# Bodies that no vendor should send.


@pytest.fixture
def channel() -> AmazonChannel:
    return AmazonChannel(settings_for(), ["mfn"], Clock())


def an_order(**more: Any) -> dict[str, Any]:
    return {
        "orderId": "026-1234567-1234567",
        "createdTime": "2026-11-23T09:00:00Z",
        "lastUpdatedTime": "2026-11-23T09:05:00Z",
        "salesChannel": {"channelName": "AMAZON"},
        "fulfillment": {"fulfillmentStatus": "UNSHIPPED", "fulfilledBy": "MERCHANT"},
        "orderItems": [item()],
        **more,
    }


def item(**more: Any) -> dict[str, Any]:
    return {"orderItemId": "1", "quantityOrdered": 2, "product": {"sellerSku": "MUG"}, **more}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"quantityOrdered": 1.5}, "fraction"),
        ({"quantityOrdered": -1}, "below 0"),
        ({"quantityOrdered": 10**12}, "beyond"),
        ({"quantityOrdered": 10**60}, "over 40 digits"),
        ({"quantityOrdered": "2"}, "not a number"),
        ({"quantityOrdered": True}, "not a number"),
        ({"quantityOrdered": None}, "not a number"),
        ({"product": {}}, "sellerSku is missing"),
        ({"product": {"sellerSku": "x\x00y"}}, "no id"),
        ({"fulfillment": {"quantityFulfilled": 0.5}}, "fraction"),
        ({"orderItemId": None}, "missing"),
        ({"orderItemId": {"a": 1}}, "no id"),
    ],
)
def test_a_bad_line_is_a_fault_and_the_rest_of_the_order_counts(
    channel: AmazonChannel, bad: dict[str, Any], told: str
) -> None:
    body = json.dumps(an_order(orderItems=[item(**bad), item(orderItemId="2")])).encode()

    facts = channel.parse("syncd/order", {}, body)

    assert [line for line in facts.orders[0].lines] == ["2"]
    assert len(facts.faults) == 1
    assert told in facts.faults[0].reason
    assert "026-1234567-1234567" in facts.faults[0].reason


def test_whole_numbers_written_with_a_point_are_whole(channel: AmazonChannel) -> None:
    body = json.dumps(an_order()).replace('"quantityOrdered": 2', '"quantityOrdered": 2.0').encode()

    assert channel.parse("syncd/order", {}, body).orders[0].lines["1"].ordered == 2  # type: ignore[index] # plain text


@pytest.mark.parametrize("topic", ["syncd/order", "syncd/order-v0", "syncd/order-fetched", "ORDER_CHANGE", "nonsense"])
def test_nothing_but_a_refusal_leaves_the_parser(channel: AmazonChannel, topic: str) -> None:
    rng = random.Random(5)
    whole = json.dumps({"order": an_order(), **an_order(), "Payload": {"OrderChangeNotification": {}}})
    for _ in range(400):
        broken = list(whole)
        for _ in range(rng.randrange(1, 6)):
            broken[rng.randrange(len(broken))] = rng.choice('"{}[]:,0123456789.eE-ntf\\ ')
        with contextlib.suppress(Refused):
            channel.parse(topic, {}, "".join(broken).encode())


@pytest.mark.parametrize("field", ["orderId", "createdTime", "lastUpdatedTime", "fulfillment"])
def test_an_order_without_its_head_is_refused_by_name(channel: AmazonChannel, field: str) -> None:
    body = {key: value for key, value in an_order().items() if key != field}

    with pytest.raises(Refused, match="order without an id" if field == "orderId" else "order 026-1234567-1234567"):
        channel.parse("syncd/order", {}, json.dumps(body).encode())
