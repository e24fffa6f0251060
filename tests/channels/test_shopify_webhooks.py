"""What each topic says, on the vendor's own samples and on bodies made up here."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from syncd.channels.shopify.webhooks import NEEDED, READERS, WELCOME
from syncd.domain.errors import Refused
from syncd.domain.listings import Span
from syncd.domain.orders import Restock
from syncd.ports import Facts, ItemChange, Observation, ShopFacts, ShopLocation

Body = Callable[[str], bytes]


def millis(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000


def parsed(channel: Any, topic: str, body: Any) -> Any:
    return channel.parse(topic, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def one_location(channel: Any, *names: str) -> Any:
    places = tuple(ShopLocation(f"gid://shopify/Location/{name}", name, True) for name in names or ("1",))
    channel.learn(ShopFacts(identity="real.myshopify.com", locations=places))
    return channel


def an_order(**changes: Any) -> dict[str, Any]:
    line = {
        "id": 11,
        "variant_id": 21,
        "product_id": 31,
        "sku": "MUG",
        "quantity": 2,
        "current_quantity": 2,
        "fulfillable_quantity": 2,
        "variant_inventory_management": "shopify",
        "product_exists": True,
        "gift_card": False,
    }
    order = {
        "id": 820982911946154508,
        "name": "#1001",
        "created_at": "2026-11-23T07:00:00-05:00",
        "updated_at": "2026-11-23T07:00:01-05:00",
        "cancelled_at": None,
        "location_id": None,
        "line_items": [line],
        "fulfillments": [],
        "refunds": [],
        "returns": [],
    }
    line.update(changes.pop("line", {}))
    return {**order, **changes}


def test_the_sample_orders_create_json(a_channel: Any, webhook_body: Body) -> None:
    facts = parsed(a_channel(), "orders/create", webhook_body("orders_create"))

    (order,) = facts.orders
    assert order.order_id == "820982911946154508"  # a float would have made ...500 of it
    assert order.name == "#9999"
    assert order.placed_at == millis("2021-12-31T19:00:00-05:00")
    assert order.cancelled_at == order.placed_at
    assert [line.ordered for line in order.lines.values()] == [1, 1, 1, 1, 1]
    mug = order.lines["487817672276298554"]
    assert (mug.item, mug.sku_text, mug.no_stock) == (None, "SKU2006-001", "")  # its variant is gone, its product not
    assert order.lines["789012345678901234"].no_stock == "custom line"
    assert facts.faults == ()


def test_the_sample_orders_create_draft_order_2023_json_of_a_real_shop(a_channel: Any, webhook_body: Body) -> None:
    facts = parsed(one_location(a_channel()), "orders/create", webhook_body("orders_create.draft-order-2023"))

    (order,) = facts.orders
    (line,) = order.lines.values()
    assert (line.line_id, line.item, line.ordered, line.removed) == ("13925006311734", "44872881439030", 1, 0)
    assert line.location == "gid://shopify/Location/1"
    assert facts.faults == facts.fetch == ()


def test_the_sample_fulfillments_create_json(a_channel: Any, webhook_body: Body) -> None:
    facts = parsed(a_channel(), "fulfillments/create", webhook_body("fulfillments_create"))

    (order,) = facts.orders
    assert (order.order_id, order.placed_at, order.lines) == ("820982911946154500", None, {})
    (shipment,) = order.fulfilments.values()
    assert (shipment.part_id, shipment.location, shipment.cancelled_at) == ("123456", None, None)
    assert ("487817672276298554", 1) in shipment.lines
    assert facts.fetch == ()


def test_the_sample_refunds_create_json(a_channel: Any, webhook_body: Body) -> None:
    facts = parsed(a_channel(), "refunds/create", webhook_body("refunds_create"))

    (order,) = facts.orders
    first = order.refunds["890088186047892319:487817672276298600"]
    assert (first.line_id, first.units, first.restock) == ("487817672276298554", 1, Restock.NONE)
    assert len(order.refunds) == 5
    assert facts.faults == ()


def test_the_sample_inventory_levels_update_json(a_channel: Any, webhook_body: Body) -> None:
    facts = parsed(a_channel(), "inventory_levels/update", webhook_body("inventory_levels_update"))

    at = millis("2021-12-31T19:00:00-05:00")
    assert facts.observations == (
        Observation(
            "gid://shopify/InventoryItem/271878346596884015", "gid://shopify/Location/24826418", 10, Span(at, at + 999)
        ),
    )


def test_the_sample_inventory_levels_disconnect_json(a_channel: Any, webhook_body: Body) -> None:
    facts = parsed(a_channel(), "inventory_levels/disconnect", webhook_body("inventory_levels_disconnect"))

    (change,) = facts.items
    assert change.gone
    assert change.remote_id == "gid://shopify/InventoryItem/271878346596884000"
    assert change.remote_location == "gid://shopify/Location/24826418"


def test_the_sample_inventory_items_update_json(a_channel: Any, webhook_body: Body) -> None:
    facts = parsed(a_channel(), "inventory_items/update", webhook_body("inventory_items_update"))

    item = "gid://shopify/InventoryItem/271878346596884015"
    assert facts.items == (ItemChange(remote_id=item, sku_text="example-sku", tracked=True),)


def test_the_sample_orders_edited_json_asks_for_the_order(a_channel: Any, webhook_body: Body) -> None:
    facts = parsed(a_channel(), "orders/edited", webhook_body("orders_edited"))

    assert facts.fetch == ("820982911946154500",)
    assert facts.orders == ()


def test_the_sample_locations_deactivate_json(a_channel: Any, webhook_body: Body) -> None:
    facts = parsed(a_channel(), "locations/deactivate", webhook_body("locations_deactivate"))

    assert facts.items == (ItemChange(gone=True, remote_location="gid://shopify/Location/866550311766439020"),)
    assert "Example Shop" in facts.note


def test_the_sample_app_uninstalled_json(a_channel: Any, webhook_body: Body) -> None:
    assert parsed(a_channel(), "app/uninstalled", webhook_body("app_uninstalled")).uninstalled


@pytest.mark.parametrize("sample", ["products_update", "products_delete"])
def test_products_say_nothing_that_is_used(a_channel: Any, webhook_body: Body, sample: str) -> None:
    facts = parsed(a_channel(), sample.replace("_", "/"), webhook_body(sample))

    assert facts == Facts(note=facts.note)
    assert facts.note


def test_every_topic_that_is_subscribed_to_has_a_reader(a_channel: Any) -> None:
    unread = [topic for topic in NEEDED if topic not in READERS]

    assert unread == []
    for topic in WELCOME:
        assert parsed(a_channel(), topic, {"order_id": 5}).fetch == ("5",)


def test_an_unknown_topic_is_noted_without_looking_at_its_body(a_channel: Any) -> None:
    assert parsed(a_channel(), "carts/update", b"not even JSON").note


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"gift_card": True}, "gift card"),
        ({"variant_inventory_management": None}, "untracked"),
        ({"variant_inventory_management": "my-3pl"}, "stock kept by my-3pl"),
        (
            {"variant_id": None, "product_id": None, "product_exists": False, "variant_inventory_management": None},
            "custom line",
        ),
        ({"variant_id": None, "variant_inventory_management": None}, ""),
        ({"requires_shipping": False}, ""),
    ],
    ids=["gift card", "untracked", "other service", "custom", "deleted variant", "tracked ticket"],
)
def test_why_a_line_carries_no_stock(a_channel: Any, line: dict[str, Any], why: str) -> None:
    (order,) = parsed(a_channel(), "orders/create", an_order(line=line)).orders

    assert order.lines["11"].no_stock == why
    assert order.lines["11"].sku_text == "MUG"


def test_a_sale_at_a_till_is_at_the_till_for_all_lines(a_channel: Any) -> None:
    channel = one_location(a_channel(), "1", "2")

    facts = parsed(channel, "orders/create", an_order(location_id=2, source_name="pos"))

    assert facts.orders[0].lines["11"].location == "gid://shopify/Location/2"
    assert facts.fetch == ()


def test_the_location_at_which_a_draft_was_made_is_not_where_its_lines_ship_from(a_channel: Any) -> None:
    channel = one_location(a_channel(), "1", "2")

    facts = parsed(channel, "orders/create", an_order(location_id=2, source_name="shopify_draft_order"))

    assert facts.orders[0].lines["11"].location is None
    assert facts.fetch == ("820982911946154508",)


def test_an_untracked_item_is_observed_without_a_figure(a_channel: Any) -> None:
    body = {"inventory_item_id": 1, "location_id": 2, "available": None, "updated_at": "2026-11-23T12:00:00Z"}

    assert parsed(a_channel(), "inventory_levels/connect", body).observations[0].units is None


def test_a_figure_below_zero_is_taken_as_it_is(a_channel: Any) -> None:
    body = {"inventory_item_id": 1, "location_id": 2, "available": -3, "updated_at": "2026-11-23T12:00:00Z"}

    assert parsed(a_channel(), "inventory_levels/update", body).observations[0].units == -3


@pytest.mark.parametrize("status", ["cancelled", "error", "failure"])
def test_a_fulfilment_that_failed_ships_nothing(a_channel: Any, status: str) -> None:
    shipment = {
        "id": 5,
        "status": status,
        "created_at": "2026-11-23T12:00:00Z",
        "updated_at": "2026-11-23T12:30:00Z",
        "location_id": 1,
        "line_items": [{"id": 11, "quantity": 2}],
    }

    (order,) = parsed(a_channel(), "orders/updated", an_order(fulfillments=[shipment])).orders

    assert order.fulfilments["5"].cancelled_at == millis("2026-11-23T12:30:00+00:00")


def test_a_refund_that_belongs_to_a_return_is_left_to_the_return(a_channel: Any) -> None:
    refund = {
        "id": 7,
        "order_id": 820982911946154508,
        "created_at": "2026-11-23T12:00:00Z",
        "return": {"id": 9},
        "refund_line_items": [{"id": 8, "line_item_id": 11, "quantity": 1, "restock_type": "return"}],
    }

    alone = parsed(a_channel(), "refunds/create", refund)
    inside = parsed(one_location(a_channel()), "orders/updated", an_order(refunds=[refund]))

    assert (alone.orders, alone.fetch) == ((), ("820982911946154508",))
    assert inside.orders[0].refunds == {}
    assert inside.fetch == ("820982911946154508",)


def test_a_moved_fulfilment_order_is_asked_for_by_its_own_id(a_channel: Any) -> None:
    body = {"moved_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/77"}}

    assert parsed(a_channel(), "fulfillment_orders/moved", body).fetch == ("gid://shopify/FulfillmentOrder/77",)


BAD_UNITS = [1.5, -1, 10**10, "2", True, None, [], 10**30]


@pytest.mark.parametrize("bad", BAD_UNITS, ids=repr)
def test_a_line_with_an_unusable_quantity_is_named_and_the_others_are_kept(a_channel: Any, bad: Any) -> None:
    body = an_order()
    body["line_items"].append({**body["line_items"][0], "id": 12, "quantity": bad})

    facts = parsed(a_channel(), "orders/create", body)

    assert list(facts.orders[0].lines) == ["11"]
    (fault,) = facts.faults
    assert (fault.order_id, fault.line_id) == ("820982911946154508", "12")
    assert "12" in fault.reason


@pytest.mark.parametrize("number", ["1e400", "NaN", "Infinity", "0.1"])
def test_numbers_that_are_none_are_faults_too(a_channel: Any, number: str) -> None:
    body = json.dumps(an_order(line={"quantity": 424242})).replace("424242", number).encode()

    facts = parsed(a_channel(), "orders/create", body)

    assert facts.orders[0].lines == {}
    assert facts.faults[0].line_id == "11"


@pytest.mark.parametrize("bad", BAD_UNITS, ids=repr)
def test_a_refund_line_with_an_unusable_quantity_is_named_and_the_others_are_kept(a_channel: Any, bad: Any) -> None:
    good = {"id": 1, "line_item_id": 11, "quantity": 1, "restock_type": "cancel", "location_id": None}
    refund = {
        "id": 7,
        "order_id": 5,
        "created_at": "2026-11-23T12:00:00Z",
        "refund_line_items": [good, {**good, "id": 2, "quantity": bad}],
    }

    facts = parsed(a_channel(), "refunds/create", refund)

    assert list(facts.orders[0].refunds) == ["7:1"]
    assert [fault.line_id for fault in facts.faults] == ["11"]


def test_a_line_of_which_a_refund_cannot_be_read_is_not_taken_to_be_removed_by_an_edit(a_channel: Any) -> None:
    refund = {
        "id": 7,
        "created_at": "2026-11-23T12:00:00Z",
        "refund_line_items": [{"id": 1, "line_item_id": 11, "quantity": "?", "restock_type": "no_restock"}],
    }

    facts = parsed(a_channel(), "orders/updated", an_order(line={"current_quantity": 1}, refunds=[refund]))

    assert facts.orders[0].lines["11"].removed == 0
    assert len(facts.faults) == 1


@pytest.mark.parametrize("bad", BAD_UNITS, ids=repr)
def test_a_shipped_line_with_an_unusable_quantity_is_named_and_the_others_are_kept(a_channel: Any, bad: Any) -> None:
    shipment = {
        "id": 5,
        "order_id": 6,
        "status": "success",
        "created_at": "2026-11-23T12:00:00Z",
        "updated_at": "2026-11-23T12:00:00Z",
        "line_items": [{"id": 11, "quantity": 1}, {"id": 12, "quantity": bad}],
    }

    facts = parsed(a_channel(), "fulfillments/update", shipment)

    assert facts.orders[0].fulfilments["5"].lines == (("11", 1),)
    assert [fault.line_id for fault in facts.faults] == ["12"]


@pytest.mark.parametrize(
    ("topic", "body", "told"),
    [
        ("orders/create", b"", "not JSON"),
        ("orders/create", b"\xff\xfe", "not JSON"),
        ("orders/create", b"[" * 100_000, "not JSON"),
        ("orders/create", b'{"id":"\\ud800"}', "not JSON"),
        ("orders/create", b"[1]", "not a JSON object"),
        ("orders/create", b"{}", "order id is missing"),
        ("orders/create", b'{"id":1e18}', "order id is no id but float"),
        ("orders/create", b'{"id":1000000000000000000000000000000}', "no 64-bit id"),
        ("orders/create", b'{"id":' + b"9" * 5000 + b"}", "not JSON"),
        ("orders/create", b'{"id":1}', "created_at is missing"),
        ("orders/create", b'{"id":1,"created_at":"yesterday"}', "is no time"),
        ("orders/create", b'{"id":1,"created_at":"2026-11-23T12:00:00"}', "no offset"),
        ("orders/create", b'{"id":1,"created_at":"0001-01-01T00:00:00+23:59","updated_at":null}', "updated_at"),
        ("fulfillments/create", b'{"id":1}', "order id is missing"),
        ("refunds/create", b'{"id":1,"order_id":2}', "created_at"),
        ("inventory_levels/update", b'{"inventory_item_id":1,"location_id":2}', "available is missing"),
        ("inventory_levels/update", b'{"available":1}', "inventory item id is missing"),
        ("inventory_levels/disconnect", b"{}", "inventory item id is missing"),
        ("inventory_items/update", b"{}", "inventory item id is missing"),
        ("locations/delete", b"{}", "location id is missing"),
        ("orders/delete", b"{}", "order id is missing"),
        ("syncd/order", b"{}", "order id is missing"),
        ("syncd/order-fetched", b"{}", "without an order"),
    ],
)
def test_what_cannot_be_used_is_refused_naming_the_topic_and_what_is_wrong(
    a_channel: Any, topic: str, body: bytes, told: str
) -> None:
    with pytest.raises(Refused, match=told) as refusal:
        a_channel().parse(topic, {}, body)

    assert topic in str(refusal.value)


def test_text_that_no_database_takes_is_shown_as_broken(a_channel: Any) -> None:
    (order,) = parsed(a_channel(), "orders/create", an_order(name="#1\x00", line={"sku": "A\x00B"})).orders

    assert order.name == "#1\ufffd"
    assert order.lines["11"].sku_text == "A\ufffdB"
