"""Whatever arrives, parsing ends in facts, faults or a refusal, and never in a crash."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.channels.shopify.graph_orders import read_order_node
from syncd.channels.shopify.order_parts import Traits
from syncd.channels.shopify.values import decode
from syncd.channels.shopify.webhooks import READERS, parse_webhook
from syncd.domain.errors import Refused
from syncd.domain.orders import effect, merge, timeline
from syncd.domain.quantities import LARGEST
from syncd.ports import Facts

AT = "2026-11-23T12:00:00-05:00"
LINE = {
    "id": 11,
    "variant_id": 21,
    "product_id": 31,
    "sku": "MUG",
    "quantity": 2,
    "current_quantity": 1,
    "fulfillable_quantity": 1,
    "variant_inventory_management": "shopify",
}
SHIPMENT = {
    "id": 5,
    "order_id": 1,
    "status": "success",
    "created_at": AT,
    "updated_at": AT,
    "location_id": 1,
    "line_items": [{"id": 11, "quantity": 1}],
}
REFUND = {
    "id": 7,
    "order_id": 1,
    "created_at": AT,
    "return": None,
    "refund_line_items": [
        {"id": 8, "line_item_id": 11, "quantity": 1, "restock_type": "return", "location_id": 1},
    ],
}
ORDER = {
    "id": 1,
    "name": "#1",
    "created_at": AT,
    "updated_at": AT,
    "cancelled_at": AT,
    "location_id": 1,
    "source_name": "pos",
    "line_items": [LINE],
    "fulfillments": [SHIPMENT],
    "refunds": [REFUND],
    "returns": [{"id": 1}],
}
NODE = {
    "id": "gid://shopify/Order/1",
    "name": "#1",
    "createdAt": AT,
    "updatedAt": AT,
    "cancelledAt": AT,
    "retailLocation": {"id": "gid://shopify/Location/1"},
    "lineItems": {
        "nodes": [
            {
                "id": "gid://shopify/LineItem/11",
                "sku": "MUG",
                "quantity": 2,
                "currentQuantity": 1,
                "unfulfilledQuantity": 1,
                "isGiftCard": False,
                "product": {"id": "gid://shopify/Product/1"},
                "variant": {"id": "gid://shopify/ProductVariant/21", "inventoryItem": {"tracked": True}},
            }
        ]
    },
    "fulfillments": [
        {
            "id": "gid://shopify/Fulfillment/5",
            "status": "SUCCESS",
            "createdAt": AT,
            "updatedAt": AT,
            "location": {"id": "gid://shopify/Location/1"},
            "fulfillmentLineItems": {"nodes": [{"quantity": 1, "lineItem": {"id": "gid://shopify/LineItem/11"}}]},
        }
    ],
    "refunds": [
        {
            "id": "gid://shopify/Refund/7",
            "createdAt": AT,
            "return": {"id": "gid://shopify/Return/9"},
            "refundLineItems": {
                "nodes": [
                    {
                        "id": "gid://shopify/RefundLineItem/8",
                        "quantity": 1,
                        "restockType": "RETURN",
                        "location": {"id": "gid://shopify/Location/1"},
                        "lineItem": {"id": "gid://shopify/LineItem/11"},
                    }
                ]
            },
        }
    ],
    "fulfillmentOrders": {
        "nodes": [
            {
                "id": "gid://shopify/FulfillmentOrder/1",
                "status": "OPEN",
                "updatedAt": AT,
                "assignedLocation": {"location": {"id": "gid://shopify/Location/1"}},
                "lineItems": {
                    "nodes": [
                        {"totalQuantity": 2, "remainingQuantity": 1, "lineItem": {"id": "gid://shopify/LineItem/11"}}
                    ]
                },
            }
        ]
    },
    "returns": {
        "nodes": [
            {
                "id": "gid://shopify/Return/9",
                "reverseFulfillmentOrders": {
                    "nodes": [
                        {
                            "lineItems": {
                                "nodes": [
                                    {
                                        "fulfillmentLineItem": {"lineItem": {"id": "gid://shopify/LineItem/11"}},
                                        "dispositions": [
                                            {
                                                "id": "gid://shopify/ReverseFulfillmentOrderDisposition/4",
                                                "type": "RESTOCKED",
                                                "quantity": 1,
                                                "createdAt": AT,
                                                "location": None,
                                            }
                                        ],
                                    }
                                ]
                            }
                        }
                    ]
                },
            }
        ]
    },
}
LEVEL = {"inventory_item_id": 1, "location_id": 2, "available": 3, "updated_at": AT}
OTHERS = {
    "id": 1,
    "order_id": 1,
    "sku": "MUG",
    "tracked": True,
    "name": "x",
    "order_edit": {"order_id": 1},
    "moved_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/1"},
}
BODIES: dict[str, dict[str, Any]] = {topic: ORDER for topic in READERS if topic.startswith("orders/")}
BODIES |= {"fulfillments/create": SHIPMENT, "refunds/create": REFUND, "inventory_levels/update": LEVEL}
BODIES |= {topic: LEVEL for topic in READERS if topic.startswith("inventory_levels/")}
BODIES |= {topic: OTHERS for topic in (*READERS, "returns/process", "fulfillment_orders/moved") if topic not in BODIES}

ODD = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        -1,
        1.5,
        10**30,
        -(10**30),
        2**63,
        float("inf"),
        float("nan"),
        "",
        "x",
        "1",
        "gid://shopify/Order/",
        "gid://shopify/Order/\u0661",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "2026-11-23T12:00:00",
        "\x00",
        "\U0010ffff" * 300,
        [],
        [None],
        [[]],
        {},
        {"nodes": None},
        {"nodes": [None, 1, {}]},
        {"id": {}},
    ]
)
KINDS: list[tuple[str, Callable[[bytes], Facts]]] = [
    *((topic, lambda body, topic=topic: parse_webhook(topic, body, Traits())) for topic in sorted(BODIES)),
    ("node", lambda body: read_order_node(decode(body, "syncd/order"), "syncd/order", Traits())),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from places(inside, (*path, key))
    if isinstance(value, list):
        for index, inside in enumerate(value):
            yield from places(inside, (*path, index))


def changed(value: Any, path: tuple[Any, ...], odd: Any, *, remove: bool) -> Any:
    if not path:
        return odd
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and remove:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], odd, remove=remove)
    return copy


def survives(parse: Callable[[bytes], Facts], body: bytes) -> None:
    try:
        facts = parse(body)
    except Refused:
        return
    for order in facts.orders:
        text = "".join((order.name, *(line.sku_text for line in order.lines.values())))
        assert "\x00" not in text
        assert all(0 <= line.ordered <= LARGEST for line in order.lines.values())
        merged = merge(order, order).order
        effect(merged)
        timeline(merged)


@pytest.mark.parametrize(("topic", "parse"), KINDS, ids=[topic for topic, _ in KINDS])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_body_with_odd_values_anywhere_never_crashes(
    topic: str, parse: Callable[[bytes], Facts], data: st.DataObject
) -> None:
    body: Any = NODE if topic == "node" else BODIES[topic]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(body))))
        body = changed(body, path, data.draw(ODD), remove=data.draw(st.booleans()))

    survives(parse, json.dumps(body).encode())


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 6))
def test_a_body_with_broken_bytes_never_crashes(seed: int, edits: int) -> None:
    rng = random.Random(seed)
    body = bytearray(json.dumps(ORDER).encode())
    for _ in range(edits):
        place = rng.randrange(len(body))
        match rng.randrange(3):
            case 0:
                body[place] = rng.randrange(256)
            case 1:
                del body[place : place + rng.randrange(20)]
            case _:
                body[place:place] = bytes(rng.randrange(256) for _ in range(rng.randrange(8)))
        body = body or bytearray(b"{")

    survives(lambda raw: parse_webhook("orders/updated", raw, Traits()), bytes(body))


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_bytes_at_all_never_crash(body: bytes) -> None:
    survives(lambda raw: parse_webhook("orders/create", raw, Traits()), body)


def test_a_key_given_twice_counts_once_as_last_given() -> None:
    body = json.dumps(ORDER).replace('"quantity": 2', '"quantity": 9, "quantity": 2').encode()

    (order,) = parse_webhook("orders/create", body, Traits()).orders

    assert order.lines["11"].ordered == 2


def test_an_order_of_ten_thousand_lines_is_read() -> None:
    body = {**ORDER, "line_items": [{**LINE, "id": number} for number in range(1, 10_001)]}

    (order,) = parse_webhook("orders/create", json.dumps(body).encode(), Traits()).orders

    assert len(order.lines) == 10_000
