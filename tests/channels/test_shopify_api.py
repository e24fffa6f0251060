"""Calls: points, tokens, versions, refusals, and what connecting and subscribing find out."""

from typing import Any

import anyio
import pytest

from syncd.channels.shopify import ShopifyChannel
from syncd.channels.shopify.budget import Budget
from syncd.channels.shopify.webhooks import NEEDED, WELCOME
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Rejected, Retry, SyncdError, Throttled
from syncd.domain.ids import ListingKey
from syncd.sim.remotes.shopify import Plan
from syncd.wire.graphql import Cost

pytestmark = pytest.mark.anyio

KEY = ListingKey("shop", "gid://shopify/InventoryItem/1", "gid://shopify/Location/1")
CLIENT = {"access_token": None, "client_id": "simulated-client", "client_secret": {"env": "ID_SECRET"}}


def codes(w: Any) -> list[str]:
    return [code for call in w.server.calls for code in call.codes]


async def test_many_calls_at_once_are_never_throttled(world: Any) -> None:
    async with world(plan=Plan(maximum=1000, restore=2000), orders_page=100) as w:
        items = [w.item(f"SKU-{number}") for number in range(40)]
        for item in items:
            w.shop.place_order([(item, 1)])

        async def poll() -> None:
            for _ in range(4):
                await w.poll({"changed": "2026-11-20T00:00:00Z"})

        async def write() -> None:
            for item in items:
                await w.channel.write(w.batch((w.key(item), 9, 9)))

        async def read() -> None:
            for _ in range(4):
                await w.catalogue()

        async with anyio.create_task_group() as tasks:
            for task in (poll, poll, write, write, read):
                tasks.start_soon(task)

        assert "THROTTLED" not in codes(w)
        spent = sum(call.actual_cost or 0 for call in w.server.calls)
        assert spent > 1000  # more than the bucket ever held, so that waiting was needed


async def test_somebody_else_drawing_on_the_bucket_is_noticed(world: Any) -> None:
    async with world(plan=Plan(maximum=1000, restore=500), orders_page=50) as w:
        item = w.item()
        w.server.site(w.shop).bucket.take(900, anyio.current_time())

        with pytest.raises(Throttled) as throttled:
            await w.poll({"changed": "2026-11-20T00:00:00Z"})
        assert 0 < throttled.value.after_seconds < 2
        await w.poll({"changed": "2026-11-20T00:00:00Z"})
        await w.channel.write(w.batch((w.key(item), 9, 10)))

        assert codes(w).count("THROTTLED") == 1


async def test_the_limiter_shows_what_the_shop_said_last(world: Any) -> None:
    async with world(plan=Plan(maximum=4000, restore=200)) as w:
        assert w.channel.tokens().capacity == 4000
        assert w.channel.tokens().restore_per_second == 200
        assert 3900 < w.channel.tokens().available <= 4000


async def test_what_a_call_did_not_cost_comes_back_when_its_answer_is_there() -> None:
    budget = Budget()
    async with budget.spend(800) as first:
        assert budget.tokens().available == 200
        said = Cost(requested=800, actual=10, available=990, capacity=1000, restore_per_second=50)
        first.told(said, answered=True)

    assert budget.tokens().available == 990


async def test_while_another_call_is_on_its_way_a_higher_figure_is_not_believed() -> None:
    budget = Budget()
    async with budget.spend(100):
        async with budget.spend(500) as second:
            said = Cost(requested=500, actual=500, available=500, capacity=1000, restore_per_second=50)
            second.told(said, answered=True)
        assert 400 <= budget.tokens().available < 410
        async with budget.spend(10) as third:
            said = Cost(requested=10, actual=10, available=100, capacity=1000, restore_per_second=50)
            third.told(said, answered=True)
        assert 100 <= budget.tokens().available < 110


async def test_a_write_does_not_wait_behind_a_page_of_orders_that_waits_for_points() -> None:
    budget = Budget()

    async def page() -> None:
        async with budget.spend(900):
            pytest.fail("there were not that many points")

    async with budget.spend(900), anyio.create_task_group() as tasks:
        tasks.start_soon(page)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            async with budget.spend(10, writes=True):
                assert budget.tokens().available < 100
        tasks.cancel_scope.cancel()


async def test_a_shop_that_speaks_of_no_cost_is_not_held_back() -> None:
    budget = Budget()
    async with budget.spend(800) as free:
        free.told(None, answered=True)
    assert budget.tokens().available == 1000

    async with budget.spend(800) as lost:
        lost.told(None, answered=False)
    assert budget.tokens().available < 210


async def test_a_token_is_minted_once_for_all_who_wait_for_it(world: Any) -> None:
    async with world(connect=False, **CLIENT) as w:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(w.catalogue)

        assert len(w.shop.credentials.minted) == 1


async def test_a_token_that_ended_is_minted_anew_once_and_the_calls_go_on(world: Any) -> None:
    async with world(**CLIENT) as w:
        w.item()
        w.shop.credentials.minted.clear()

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(w.catalogue)

        assert len(w.shop.credentials.minted) == 1
        assert w.server.calls[-1].status == 200


async def test_a_token_that_is_refused_without_reason_is_replaced_in_mid_write(world: Any) -> None:
    async with world(**CLIENT) as w:
        item = w.item()
        w.server.faults.script("unauthorised")

        (outcome,) = await w.channel.write(w.batch((w.key(item), 3, 10)))

        assert outcome.outcome == "confirmed"


async def test_a_permanent_token_that_is_refused_calls_for_a_person(world: Any) -> None:
    async with world() as w:
        w.shop.credentials.revoke()

        with pytest.raises(AuthFailed, match="token is not accepted"):
            await w.catalogue()


async def test_a_wrong_client_secret_or_an_app_not_installed_calls_for_a_person(world: Any) -> None:
    async with world(connect=False, **{**CLIENT, "client_secret": {"env": "OLD"}}) as w:
        with pytest.raises(AuthFailed, match="Client authentication failed") as failed:
            await w.channel.connect()
        assert "old-secret" not in str(failed.value)
    async with world(connect=False, **CLIENT) as w:
        w.shop.credentials.installed = False
        with pytest.raises(AuthFailed, match="not installed"):
            await w.channel.connect()


@pytest.mark.parametrize(
    ("status", "told"), [(402, "frozen"), (403, "scopes"), (404, "endpoint"), (423, "locked"), (302, "redirected")]
)
async def test_a_shop_that_shuts_us_out_calls_for_a_person(answering: Any, status: int, told: str) -> None:
    headers = {"Location": "https://elsewhere.example/"} if status == 302 else None
    async with answering(b"no", status=status, headers=headers) as (channel, batch):
        with pytest.raises(AuthFailed, match=told):
            await channel.write(batch((KEY, 3, 10)))


def errors(code: str, **more: Any) -> dict[str, Any]:
    return {"errors": [{"message": "said so", "extensions": {"code": code}, **more}]}


@pytest.mark.parametrize(
    ("body", "reading", "writing"),
    [
        (errors("INTERNAL_SERVER_ERROR"), Retry, OutcomeUnknown),
        (errors("SHOP_INACTIVE"), AuthFailed, AuthFailed),
        (errors("ACCESS_DENIED"), AuthFailed, AuthFailed),
        (errors("THROTTLED"), Throttled, Throttled),
        (errors("BAD_REQUEST", path=["inventorySetQuantities"]), Retry, Rejected),
        (errors("INVALID_FIELD_ARGUMENTS"), Retry, Rejected),
        (errors("INVALID_VARIABLE"), Retry, Rejected),
        (errors("undefinedField"), Retry, Rejected),
        (errors("MAX_COST_EXCEEDED"), Retry, Retry),
        ({"errors": "Not Found"}, Retry, OutcomeUnknown),
        ({"errors": ["odd"]}, Retry, Rejected),
        ({"data": None}, Retry, OutcomeUnknown),
        ({}, Retry, OutcomeUnknown),
        ([], Retry, OutcomeUnknown),
        (b"<html>busy</html>", Retry, OutcomeUnknown),
        (b"", Retry, OutcomeUnknown),
        (b'{"data":{"invent', Retry, OutcomeUnknown),
        (b"[" * 50_000, Retry, OutcomeUnknown),
        ({"data": {"inventorySetQuantities": None, "inventoryItems": None}}, None, OutcomeUnknown),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict | bytes | list) else "",
)
async def test_every_kind_of_answer_becomes_what_to_do_next(
    answering: Any, body: Any, reading: type[SyncdError] | None, writing: type[SyncdError]
) -> None:
    async with answering(body) as (channel, batch):
        with pytest.raises(writing) as written:
            await channel.write(batch((KEY, 3, 10)))
        assert written.type is writing or issubclass(written.type, writing)
        if reading is None:
            assert [rows async for rows in channel.read_catalogue()] == [[]]
            return
        with pytest.raises(reading):
            [rows async for rows in channel.read_catalogue()]


async def test_a_recorded_success_is_confirmed(answering: Any, specs: Any) -> None:
    import json

    recorded = json.loads((specs / "shopify/recorded/inventory-quantity-contracts-2026-04.json").read_text())["cases"]
    response = next(case["response"] for case in recorded if case["case"] == "inventorySetQuantities")
    async with answering(response) as (channel, batch):
        (outcome,) = await channel.write(batch((KEY, 5, 0)))

        assert outcome.outcome == "confirmed"
        assert channel.tokens().capacity == 2000


RECORDED = [
    ("inventory-quantity-contracts-2026-04", "missingSetIdempotency", Rejected),
    ("inventory-quantity-contracts-2026-04", "missingSetChangeFromQuantity", Rejected),
    ("inventory-quantity-contracts-2026-04", "legacySetShape", Rejected),
    ("inventory-quantity-contracts-2026-04", "unknownIdValidation/setUnknownInventoryItem", "gone"),
    ("inventory-quantity-contracts-2026-04", "unknownIdValidation/setUnknownLocation", "gone"),
    ("inventorySetQuantities-name-validation", "cases/damaged", "rejected"),
    ("inventorySetQuantities-name-validation", "cases/onHand", "confirmed"),
    ("inventorySetQuantities-name-validation", "cases/availableTooHigh", "rejected"),
    ("inventorySetQuantities-name-validation", "cases/duplicatePair", "rejected"),
]


@pytest.mark.parametrize(("file", "case", "expected"), RECORDED, ids=[case for _, case, _ in RECORDED])
async def test_recorded_answers_are_taken_as_they_are_meant(
    answering: Any, specs: Any, file: str, case: str, expected: Any
) -> None:
    import json

    recorded = json.loads((specs / "shopify/recorded" / f"{file}.json").read_text())["cases"]
    response = next(each["response"] for each in recorded if each["case"] == case)
    async with answering(response) as (channel, batch):
        if not isinstance(expected, str):
            with pytest.raises(expected):
                await channel.write(batch((KEY, 5, 0)))
            return
        (outcome,) = await channel.write(batch((KEY, 5, 0)))
        assert outcome.outcome == expected


async def test_connecting_tells_who_answers_and_where_it_keeps_stock(world: Any) -> None:
    async with world(places=("Warehouse", "High Street"), connect=False) as w:
        w.shop.deactivate_location(w.locations[1])

        facts = await w.channel.connect()

        assert facts.identity == "real.myshopify.com"
        assert {(place.remote_location, place.name, place.active) for place in facts.locations} == {
            (w.locations[0].gid, "Warehouse", True),
            (w.locations[1].gid, "High Street", False),
        }
        assert facts.warnings == (f"location {w.locations[1].gid} (High Street) is mapped, but not active in the shop",)


async def test_connecting_warns_of_scopes_and_locations_that_are_missing(world: Any, make_settings: Any) -> None:
    scopes = ("read_products", "write_inventory", "read_locations", "read_fulfillments")
    async with world(shop_options={"scopes": scopes}, connect=False) as w:
        channel = ShopifyChannel(make_settings(w.server.url(w.shop)), ["404"], w.clock)

        warnings = (await channel.connect()).warnings
        await channel.close()

    assert "the app lacks the scope read_orders" in warnings
    assert not any("read_inventory" in warning for warning in warnings)  # the scope to write includes it
    assert any("read_returns" in warning for warning in warnings)
    assert any("Location/404 is mapped, but the shop has none such" in warning for warning in warnings)


async def test_a_retired_version_is_warned_about(world: Any) -> None:
    async with world(connect=False) as w:
        w.channel._api._path = "/admin/api/2025-01/graphql.json"
        w.channel._api._asked_version = "2025-01"

        assert "served by 2026-01" in (await w.channel.connect()).warnings[0]


async def test_a_server_that_is_no_shopify_shop_is_refused(answering: Any) -> None:
    async with answering({"data": {"shop": {"name": "?"}}}) as (channel, _):
        with pytest.raises(AuthFailed, match="myshopifyDomain"):
            await channel.connect()


ADDRESS = "https://stock.example/hooks/shop"


async def test_every_topic_is_subscribed_to_once(world: Any) -> None:
    async with world() as w:
        assert await w.channel.subscribe(ADDRESS) == [*NEEDED, *WELCOME]
        assert await w.channel.subscribe(ADDRESS) == []

        assert len(w.shop.subscriptions.asked_by_api()) == len(NEEDED) + len(WELCOME)


async def test_a_topic_that_the_shop_dropped_is_subscribed_to_again(world: Any) -> None:
    async with world() as w:
        await w.channel.subscribe(ADDRESS)
        dropped = next(each for each in w.shop.subscriptions.asked_by_api() if each.topic == "orders/create")
        w.shop.subscriptions.drop(dropped)

        assert await w.channel.subscribe(ADDRESS) == ["orders/create"]


async def test_a_subscription_to_another_address_is_not_ours(world: Any) -> None:
    async with world() as w:
        await w.channel.subscribe("https://old.example/hooks/shop")

        assert await w.channel.subscribe(ADDRESS) == [*NEEDED, *WELCOME]


async def test_an_address_that_is_taken_already_is_as_good_as_created(answering: Any) -> None:
    none = {"data": {"webhookSubscriptions": {"nodes": [], "pageInfo": {"hasNextPage": False}}}}
    told = "Address for this topic has already been taken"
    error = {"field": ["webhookSubscription", "callbackUrl"], "message": told}
    taken = {"data": {"webhookSubscriptionCreate": {"webhookSubscription": None, "userErrors": [error]}}}
    async with answering(none, taken) as (channel, _):
        assert await channel.subscribe(ADDRESS) == []


async def test_an_address_that_the_shop_does_not_take_is_said_once(
    world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world() as w:
        w.shop.subscriptions.allow_loopback = False
        capsys.readouterr()

        for _ in range(2):
            assert await w.channel.subscribe("http://stock.example/hooks/shop") == []

        told = capsys.readouterr().out
        assert told.count("protocol http:// is not supported") == len(NEEDED) + len(WELCOME)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"access_token": None}, "give either access_token"),
        ({"client_id": "id"}, "belong together"),
        ({"client_id": "id", "client_secret": {"env": "ID_SECRET"}}, "give either"),
        ({"api_version": "2026-01"}, "2026-04 or later"),
        ({"api_version": "latest"}, "pattern"),
        ({"batch": 251}, "less than or equal to 250"),
        ({"access_token": "shpat_in_plain_text"}, "not written into the file"),
        ({"colour": "red"}, "Extra inputs"),
        ({"endpoint": "http://shop.example"}, "must be https"),
    ],
)
def test_settings_that_cannot_work_are_refused(make_settings: Any, keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        make_settings(
            **{"url": "https://shop.myshopify.com", **keys} if "endpoint" not in keys else {"url": "", **keys}
        )
    assert "shpat_in_plain_text" not in str(refused.value)


def test_locations_may_be_written_as_bare_numbers(a_channel: Any) -> None:
    from syncd.channels.shopify import normal_location

    assert normal_location("123") == normal_location("gid://shopify/Location/123") == "gid://shopify/Location/123"
    with pytest.raises(ValueError, match="location id"):
        a_channel(mapped=("warehouse",))
