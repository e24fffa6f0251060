"""Webhooks of the simulated shop: their content and signature, their retries, and how they go wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from syncd.sim.remotes.shopify import DeliverySettings, Faults, Item, Location, Shop, gift_card, signature
from syncd.sim.remotes.shopify.delivery import RETRY_WAITS_SECONDS

pytestmark = pytest.mark.anyio

SUBSCRIBE = """mutation($topic: WebhookSubscriptionTopic!, $uri: String!, $name: String) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri, name: $name}) {
    webhookSubscription { id topic uri } userErrors { field message } } }"""
LIST = "{ webhookSubscriptions(first: 250) { nodes { id topic uri } } }"

# The fields of fact 6.4 that a body must always carry.
ORDER = {
    "id",
    "admin_graphql_api_id",
    "name",
    "created_at",
    "updated_at",
    "processed_at",
    "cancelled_at",
    "cancel_reason",
    "closed_at",
    "confirmed",
    "test",
    "financial_status",
    "fulfillment_status",
    "source_name",
    "location_id",
    "user_id",
    "app_id",
    "line_items",
    "fulfillments",
    "refunds",
    "returns",
}
LINE = {
    "id",
    "admin_graphql_api_id",
    "variant_id",
    "product_id",
    "product_exists",
    "sku",
    "quantity",
    "current_quantity",
    "fulfillable_quantity",
    "fulfillment_status",
    "fulfillment_service",
    "requires_shipping",
    "gift_card",
    "variant_inventory_management",
    "properties",
    "sales_line_item_group_id",
}
FULFILMENT = {"id", "order_id", "status", "location_id", "created_at", "updated_at", "shipment_status", "line_items"}
REFUND = {"id", "order_id", "created_at", "processed_at", "restock", "return", "refund_line_items", "order_adjustments"}
REFUND_LINE = {"id", "line_item_id", "quantity", "restock_type", "location_id", "line_item"}
LEVEL = {"inventory_item_id", "location_id", "available", "updated_at", "admin_graphql_api_id"}


@pytest.fixture
def main(shop: Shop) -> Location:
    return next(iter(shop.locations.values()))


@pytest.fixture
def cup(shop: Shop, main: Location) -> Item:
    return shop.add_item("CUP", available={main: 10})


def quickly(**options: Any) -> DeliverySettings:
    return DeliverySettings(time_factor=1e-6, **options)


async def heard_of(shop: Shop, serving: Any, listener: Any, act: Callable[[], Any]) -> dict[str, Any]:
    """The last body of each topic that `act` brought about."""
    shop.webhook_address = listener.url
    async with serving() as (server, _):
        act()
        await server.drained()
    return {hook.topic: json.loads(hook.body) for hook in listener.heard}


# --- bodies ---


async def test_an_order_carries_every_field_and_nothing_the_vendor_does_not_know(
    specs: Path, shop: Shop, cup: Item, main: Location, serving: Any, listener: Any
) -> None:
    def trade() -> None:
        order = shop.place_order([(cup, 3), gift_card()])
        shop.fulfil(order, [(order.lines[0], 2)])
        shop.refund(order, [(order.lines[0], 1, "return", main)])

    bodies = await heard_of(shop, serving, listener, trade)
    order, sample = bodies["orders/updated"], json.loads((specs / "shopify/webhooks/orders_create.json").read_text())

    assert ORDER <= set(order) <= set(sample)
    for line in order["line_items"]:
        assert LINE <= set(line) <= set(sample["line_items"][0])
    assert [line["current_quantity"] for line in order["line_items"]] == [2, 1]
    assert [line["fulfillable_quantity"] for line in order["line_items"]] == [1, 1]
    assert order["line_items"][1]["variant_id"] is None
    assert order["fulfillments"][0]["line_items"][0]["quantity"] == 2
    assert order["refunds"][0]["refund_line_items"][0]["restock_type"] == "return"


async def test_fulfilments_and_refunds_carry_every_field(
    specs: Path, shop: Shop, cup: Item, main: Location, serving: Any, listener: Any
) -> None:
    def trade() -> None:
        order = shop.place_order([(cup, 3)])
        shop.fulfil(order, [(order.lines[0], 2)])
        shop.refund(order, [(order.lines[0], 1, "return", main), (order.lines[0], 1, "cancel", None)])

    bodies = await heard_of(shop, serving, listener, trade)
    fulfilment, refund = bodies["fulfillments/create"], bodies["refunds/create"]
    their_fulfilment = json.loads((specs / "shopify/webhooks/fulfillments_create.json").read_text())
    their_refund = json.loads((specs / "shopify/webhooks/refunds_create.json").read_text())

    assert FULFILMENT <= set(fulfilment) <= set(their_fulfilment)
    assert set(fulfilment["line_items"][0]) <= set(their_fulfilment["line_items"][0])
    assert REFUND <= set(refund) <= set(their_refund)
    for part in refund["refund_line_items"]:
        assert REFUND_LINE <= set(part) <= set(their_refund["refund_line_items"][0])
        assert set(part["line_item"]) <= set(their_refund["refund_line_items"][0]["line_item"])
        assert part["location_id"] == main.id


@pytest.mark.parametrize(
    ("topic", "sample", "act"),
    [
        ("inventory_levels/update", "inventory_levels_update", lambda s, i, p: s.set_available(i, p, 4)),
        ("inventory_levels/disconnect", "inventory_levels_disconnect", lambda s, i, p: s.deactivate_level(i, p)),
        ("inventory_items/update", "inventory_items_update", lambda s, i, p: s.rename_sku(i, "MUG")),
        ("products/update", "products_update", lambda s, i, p: s.rename_sku(i, "MUG")),
        ("products/delete", "products_delete", lambda s, i, p: s.delete_item(i)),
        ("locations/deactivate", "locations_deactivate", lambda s, i, p: s.deactivate_location(p)),
        ("orders/edited", "orders_edited", lambda s, i, p: s.edit(s.place_order([(i, 2)]), add=[(i, 1)])),
    ],
)
async def test_other_bodies_hold_only_what_the_vendor_sends(
    topic: str, sample: str, act: Any, specs: Path, shop: Shop, cup: Item, main: Location, serving: Any, listener: Any
) -> None:
    bodies = await heard_of(shop, serving, listener, lambda: act(shop, cup, main))
    theirs = json.loads((specs / f"shopify/webhooks/{sample}.json").read_text())

    assert set(bodies[topic]) <= set(theirs)
    for key, value in bodies[topic].items():
        if isinstance(value, dict):
            assert set(value) <= set(theirs[key])
    if topic == "inventory_levels/update":
        assert set(bodies[topic]) == LEVEL
        assert bodies[topic]["available"] == 4


async def test_ids_are_too_long_for_a_float(shop: Shop, cup: Item, serving: Any, listener: Any) -> None:
    order = (await heard_of(shop, serving, listener, lambda: shop.place_order([(cup, 1)])))["orders/create"]

    for number in (order["id"], order["line_items"][0]["id"], order["line_items"][0]["variant_id"]):
        assert number > 2**53
        assert int(float(number)) != number
    assert order["admin_graphql_api_id"] == f"gid://shopify/Order/{order['id']}"


async def test_an_untracked_item_shows_no_figure(shop: Shop, main: Location, serving: Any, listener: Any) -> None:
    loose = shop.add_item("LOOSE", tracked=False, available={main: 1})
    bodies = await heard_of(shop, serving, listener, lambda: shop.set_available(loose, main, 3))

    assert bodies["inventory_levels/update"]["available"] is None


async def test_times_carry_the_shops_offset(shop: Shop, cup: Item, serving: Any, listener: Any) -> None:
    order = (await heard_of(shop, serving, listener, lambda: shop.place_order([(cup, 1)])))["orders/create"]

    assert order["created_at"] == "2026-11-23T07:00:00-05:00"


# --- what is told, and to whom ---


async def test_one_act_shares_one_event_id_over_all_its_topics(
    shop: Shop, cup: Item, main: Location, serving: Any, listener: Any
) -> None:
    shop.webhook_address = listener.url
    saucer = shop.add_item("SAUCER", available={main: 5})
    async with serving() as (server, _):
        shop.place_order([(cup, 1), (saucer, 1)])
        await server.drained()

    assert sorted(set(listener.topics())) == [
        "inventory_levels/update",
        "orders/create",
        "orders/paid",
        "orders/updated",
        "products/update",
    ]
    assert listener.topics().count("inventory_levels/update") == 2
    assert len({hook.headers["x-shopify-event-id"] for hook in listener.heard}) == 1
    assert len({hook.headers["x-shopify-webhook-id"] for hook in listener.heard}) == len(listener.heard)


@pytest.mark.parametrize("every_change", [False, True])
async def test_a_fulfilment_leaves_available_and_so_tells_of_no_level(
    every_change: bool, shop: Shop, cup: Item, serving: Any, listener: Any
) -> None:
    order = shop.place_order([(cup, 1)])
    shop.announce_every_change = every_change

    bodies = await heard_of(shop, serving, listener, lambda: shop.fulfil(order))

    assert ("inventory_levels/update" in bodies) == every_change


async def test_headers_name_shop_topic_and_version_and_the_signature_holds(
    shop: Shop, cup: Item, serving: Any, listener: Any
) -> None:
    async with serving() as (server, app):
        given = {"topic": "ORDERS_CREATE", "uri": listener.url, "name": "orders"}
        await app.data(SUBSCRIBE, given)
        shop.place_order([(cup, 1)])
        await server.drained()

    (hook,) = listener.heard
    assert hook.headers["x-shopify-topic"] == "orders/create"
    assert hook.headers["x-shopify-shop-domain"] == "simulated.myshopify.com"
    assert hook.headers["x-shopify-api-version"] == "2026-10"
    assert hook.headers["x-shopify-name"] == "orders"
    assert hook.headers["x-shopify-triggered-at"] == "2026-11-23T12:00:00Z"
    assert hook.headers["x-shopify-hmac-sha256"] == signature("simulated-secret", hook.body)


async def test_a_rotated_secret_signs_as_the_old_one_until_told_otherwise(
    shop: Shop, cup: Item, serving: Any, listener: Any
) -> None:
    shop.webhook_address = listener.url
    shop.credentials.signing_secret, shop.credentials.client_secret = shop.credentials.client_secret, "brand-new"
    async with serving() as (server, _):
        shop.place_order([(cup, 1)])
        await server.drained()

    assert listener.heard[0].headers["x-shopify-hmac-sha256"] == signature("simulated-secret", listener.heard[0].body)


async def test_a_write_by_api_comes_back_as_a_level_update(
    shop: Shop, cup: Item, main: Location, serving: Any, listener: Any
) -> None:
    async with serving() as (server, app):
        await app.data(SUBSCRIBE, {"topic": "INVENTORY_LEVELS_UPDATE", "uri": listener.url})
        rows = [{"inventoryItemId": cup.gid, "locationId": main.gid, "quantity": 4, "changeFromQuantity": 10}]
        await app.data(
            """mutation($input: InventorySetQuantitiesInput!) {
              inventorySetQuantities(input: $input) @idempotent(key: "a") { userErrors { message } } }""",
            {"input": {"name": "available", "reason": "correction", "quantities": rows}},
        )
        await server.drained()

    assert [json.loads(hook.body)["available"] for hook in listener.heard] == [4]


# --- delivery ---


def test_eight_retries_span_four_hours() -> None:
    assert len(RETRY_WAITS_SECONDS) == 8
    assert sum(RETRY_WAITS_SECONDS) == pytest.approx(4 * 3600)


async def test_after_the_last_retry_a_subscription_made_by_api_is_deleted(
    shop: Shop, cup: Item, serving: Any, listener: Any
) -> None:
    listener.status = 500
    async with serving(delivery=quickly()) as (server, app):
        await app.data(SUBSCRIBE, {"topic": "ORDERS_CREATE", "uri": listener.url})
        shop.place_order([(cup, 1)])
        await shop.wait_until(lambda s: not s.subscriptions.asked_by_api())
        counts = server.site(shop).webhooks.counts
        left = await app.data(LIST)

    assert left["webhookSubscriptions"]["nodes"] == []
    assert len(listener.heard) == 9
    assert len({(hook.body, hook.headers["x-shopify-webhook-id"]) for hook in listener.heard}) == 1
    assert (counts.sent, counts.retried, counts.given_up, counts.subscriptions_deleted) == (9, 8, 1, 1)


async def test_an_address_from_the_apps_configuration_survives_failures(
    shop: Shop, cup: Item, serving: Any, listener: Any
) -> None:
    listener.status = 500
    shop.send_webhooks_to(listener.url, topics=["orders/create"])
    async with serving(delivery=quickly()) as (server, app):
        shop.place_order([(cup, 1)])
        await server.drained()
        assert (await app.data(LIST))["webhookSubscriptions"]["nodes"] == []

        listener.status = 200
        shop.place_order([(cup, 1)])
        await server.drained()
        counts = server.site(shop).webhooks.counts

    assert counts.given_up == 1
    assert counts.acknowledged == 1


async def test_deliveries_keep_their_order(shop: Shop, cup: Item, serving: Any, listener: Any) -> None:
    shop.send_webhooks_to(listener.url, topics=["orders/create"])
    async with serving() as (server, _):
        placed = [shop.place_order([(cup, 1)]).id for _ in range(5)]
        await server.drained()

    assert [json.loads(hook.body)["id"] for hook in listener.heard] == placed


async def test_a_delivery_waiting_for_its_retry_holds_up_nobody(
    shop: Shop, cup: Item, serving: Any, listener: Any
) -> None:
    listener.status = 500
    shop.send_webhooks_to(listener.url, topics=["orders/create"])
    async with serving() as (server, _):
        shop.place_order([(cup, 1)])
        with anyio.fail_after(5):
            while server.site(shop).webhooks.counts.retried == 0:
                await anyio.sleep(0.01)
        listener.status = 200
        second = shop.place_order([(cup, 1)])
        with anyio.fail_after(5):
            while server.site(shop).webhooks.counts.acknowledged == 0:
                await anyio.sleep(0.01)

        assert server.site(shop).webhooks.pending == 1
    assert json.loads(listener.heard[-1].body)["id"] == second.id


async def test_what_waits_is_bounded(shop: Shop, cup: Item, serving: Any) -> None:
    shop.webhook_address = "http://127.0.0.1:9/nobody"
    async with serving(delivery=DeliverySettings(max_pending=3)) as (server, _):
        shop.place_order([(cup, 1)])

        assert server.site(shop).webhooks.pending == 3
        assert server.site(shop).webhooks.counts.overflowed == 2


@pytest.mark.parametrize(
    ("fault", "bodies", "ids"), [("webhook_duplicate", 2, 1), ("webhook_unchanged", 2, 2), ("webhook_drop", 0, 0)]
)
async def test_deliveries_go_wrong_on_demand(
    fault: str, bodies: int, ids: int, shop: Shop, cup: Item, serving: Any, listener: Any
) -> None:
    shop.send_webhooks_to(listener.url, topics=["orders/create"])
    async with serving(faults=Faults(**{fault: 1.0}), delivery=quickly()) as (server, _):
        shop.place_order([(cup, 1)])
        await server.drained()

    assert len(listener.heard) == bodies
    assert len({hook.headers["x-shopify-webhook-id"] for hook in listener.heard}) == ids
    assert len({hook.body for hook in listener.heard}) == min(bodies, 1)


async def test_a_wrong_secret_breaks_the_signature(shop: Shop, cup: Item, serving: Any, listener: Any) -> None:
    shop.send_webhooks_to(listener.url, topics=["orders/create"])
    async with serving(faults=Faults(webhook_wrong_secret=1.0)) as (server, _):
        shop.place_order([(cup, 1)])
        await server.drained()

    assert listener.heard[0].headers["x-shopify-hmac-sha256"] != signature("simulated-secret", listener.heard[0].body)


async def test_reordering_lets_later_news_overtake(shop: Shop, cup: Item, serving: Any, listener: Any) -> None:
    shop.send_webhooks_to(listener.url, topics=["orders/create"])
    async with serving(faults=Faults(webhook_reorder=0.5), delivery=DeliverySettings(time_factor=0.1)) as (server, _):
        placed = [shop.place_order([(cup, 1)]).id for _ in range(10)]
        await server.drained()

    heard = [json.loads(hook.body)["id"] for hook in listener.heard]
    assert sorted(heard) == sorted(placed)
    assert heard != placed


async def test_only_named_fields_are_sent_when_a_subscription_names_some(
    shop: Shop, cup: Item, serving: Any, listener: Any
) -> None:
    async with serving() as (server, app):
        await app.data(
            """mutation($uri: String!) { webhookSubscriptionCreate(topic: ORDERS_CREATE,
              webhookSubscription: {uri: $uri, includeFields: ["id", "name"]}) { userErrors { message } } }""",
            {"uri": listener.url},
        )
        shop.place_order([(cup, 1)])
        await server.drained()

    assert set(json.loads(listener.heard[0].body)) == {"id", "name"}


async def test_an_uninstalled_app_hears_it_and_then_nothing(shop: Shop, cup: Item, serving: Any, listener: Any) -> None:
    async with serving() as (server, app):
        await app.data(SUBSCRIBE, {"topic": "APP_UNINSTALLED", "uri": listener.url})
        await app.data(SUBSCRIBE, {"topic": "ORDERS_CREATE", "uri": listener.url})
        shop.uninstall_app()
        shop.place_order([(cup, 1)])
        await server.drained()
        assert (await app.raw(LIST))[0] == 401

    assert listener.topics() == ["app/uninstalled"]
    assert json.loads(listener.heard[0].body)["myshopify_domain"] == shop.domain
