"""What each webhook topic says (fact sheet 6.2), as a table from topic to reader. Pure: bytes in, facts out."""

from collections.abc import Callable, Mapping
from typing import Final

from syncd.channels.shopify.order_parts import Traits
from syncd.channels.shopify.rest_orders import hinted_order, read_fulfilment, read_order, read_refund
from syncd.channels.shopify.values import (
    Object,
    Unusable,
    decode,
    item_gid,
    level,
    location_gid,
    order_id,
    second,
    text,
)
from syncd.domain.errors import Refused
from syncd.domain.ids import OrderId
from syncd.ports import Facts, ItemChange, Observation

FULFILMENT_ORDER: Final = "gid://shopify/FulfillmentOrder/"

Reader = Callable[[Object, str, Traits], Facts]

NEEDED: Final = (
    "orders/create",
    "orders/updated",
    "orders/cancelled",
    "orders/edited",
    "fulfillments/create",
    "fulfillments/update",
    "refunds/create",
    "inventory_levels/update",
    "inventory_levels/connect",
    "inventory_levels/disconnect",
    "inventory_items/update",
    "inventory_items/delete",
    "products/delete",
    "locations/deactivate",
    "locations/delete",
    "app/uninstalled",
)
"""What has to be subscribed to. The paid and fulfilled topics tell nothing that orders/updated does not."""

WELCOME: Final = ("returns/process", "fulfillment_orders/moved", "fulfillment_orders/order_routing_complete")
"""Subscribed to where the app's scopes allow; without them the order poll finds the same, later."""


def parse_webhook(topic: str, body: bytes, traits: Traits) -> Facts:
    reader = READERS.get(topic)
    if reader is None:
        reader = _FAMILIES.get(topic.partition("/")[0])
        if reader is None:
            return Facts(note=f"{topic} says nothing about stock")
    return reader(decode(body, topic), topic, traits)


def _fulfilment(body: Object, topic: str, traits: Traits) -> Facts:
    return read_fulfilment(body, topic)


def _level(body: Object, topic: str, traits: Traits) -> Facts:
    """The `available` of one item at one location; null when the item is not tracked. Evidence, never a movement."""
    try:
        if "available" not in body:
            raise Unusable("available is missing")
        available = body["available"]
        seen = Observation(
            item_gid(body.get("inventory_item_id")),
            location_gid(body.get("location_id")),
            None if available is None else level(available, "available"),
            second(body.get("updated_at"), "updated_at"),
        )
    except Unusable as error:
        raise Refused(f"{topic}: item {_shown(body.get('inventory_item_id'))}: {error}") from error
    return Facts(observations=(seen,))


def _level_gone(body: Object, topic: str, traits: Traits) -> Facts:
    try:
        gone = ItemChange(
            remote_id=item_gid(body.get("inventory_item_id")),
            remote_location=location_gid(body.get("location_id")),
            gone=True,
        )
    except Unusable as error:
        raise Refused(f"{topic}: item {_shown(body.get('inventory_item_id'))}: {error}") from error
    return Facts(items=(gone,))


def _item(body: Object, topic: str, traits: Traits) -> Facts:
    tracked = body.get("tracked")
    try:
        change = ItemChange(
            remote_id=item_gid(body.get("id")),
            sku_text=text(body.get("sku")) if "sku" in body else None,
            tracked=tracked if type(tracked) is bool else None,
        )
    except Unusable as error:
        raise Refused(f"{topic}: {error}") from error
    return Facts(items=(change,))


def _item_gone(body: Object, topic: str, traits: Traits) -> Facts:
    try:
        return Facts(items=(ItemChange(remote_id=item_gid(body.get("id")), gone=True),))
    except Unusable as error:
        raise Refused(f"{topic}: {error}") from error


def _location_gone(body: Object, topic: str, traits: Traits) -> Facts:
    """All stock at the location is out of every sum, without a level event for any item: a change without an item."""
    try:
        gone = ItemChange(remote_location=location_gid(body.get("id")), gone=True)
    except Unusable as error:
        raise Refused(f"{topic}: {error}") from error
    return Facts(items=(gone,), note=f"location {text(body.get('name')) or gone.remote_location} is out of use")


def _hint(body: Object, topic: str, traits: Traits) -> Facts:
    """A body that names an order without telling its state."""
    order = hinted_order(body)
    if order is None:
        return Facts(note=f"{topic} names no order; the next poll finds what changed")
    return Facts(fetch=(order,))


def _routed(body: Object, topic: str, traits: Traits) -> Facts:
    """Fulfilment orders carry global ids only and mostly no order: the fulfilment order is asked for its order."""
    order = hinted_order(body)
    if order is not None:
        return Facts(fetch=(order,))
    for key in ("moved_fulfillment_order", "fulfillment_order", "original_fulfillment_order"):
        held = body.get(key)
        if type(held) is dict:
            order = hinted_order(held)
            if order is not None:
                return Facts(fetch=(order,))
            named = text(held.get("id"))
            if named.startswith(FULFILMENT_ORDER) and named.removeprefix(FULFILMENT_ORDER).isdigit():
                return Facts(fetch=(OrderId(named),))
    return Facts(note=f"{topic} names no order; the next poll finds what changed")


def _order_deleted(body: Object, topic: str, traits: Traits) -> Facts:
    """Only cancelled, archived or test orders can be deleted: asked for once more, in case it still exists."""
    try:
        return Facts(fetch=(order_id(body.get("id")),))
    except Unusable as error:
        raise Refused(f"{topic}: {error}") from error


def _uninstalled(body: Object, topic: str, traits: Traits) -> Facts:
    return Facts(uninstalled=True)


def _ignored(why: str) -> Reader:
    def read(body: Object, topic: str, traits: Traits) -> Facts:
        return Facts(note=why)

    return read


def _shown(value: object) -> str:
    return repr(value)[:40]


_SUMS: Final = "products/* carries sums over all locations, which lag; levels are told by inventory_levels/*"

READERS: Final[Mapping[str, Reader]] = {
    "orders/create": read_order,
    "orders/updated": read_order,
    "orders/paid": read_order,
    "orders/cancelled": read_order,
    "orders/fulfilled": read_order,
    "orders/partially_fulfilled": read_order,
    "orders/edited": _hint,
    "orders/delete": _order_deleted,
    "fulfillments/create": _fulfilment,
    "fulfillments/update": _fulfilment,
    "refunds/create": read_refund,
    "inventory_levels/update": _level,
    "inventory_levels/connect": _level,
    "inventory_levels/disconnect": _level_gone,
    "inventory_items/create": _item,
    "inventory_items/update": _item,
    "inventory_items/delete": _item_gone,
    "products/create": _ignored(_SUMS),
    "products/update": _ignored(_SUMS),
    "products/delete": _ignored("the items of a deleted product are told one by one by inventory_items/delete"),
    "locations/deactivate": _location_gone,
    "locations/delete": _location_gone,
    "app/uninstalled": _uninstalled,
}

_FAMILIES: Final[Mapping[str, Reader]] = {
    "returns": _hint,
    "reverse_fulfillment_orders": _hint,
    "reverse_deliveries": _hint,
    "fulfillment_orders": _routed,
    "locations": _ignored("the shop's locations are read again when connecting"),
}
