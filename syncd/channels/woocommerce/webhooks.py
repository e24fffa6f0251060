"""What each webhook topic says. Pure but for what was learnt of variations: bytes in, facts out.

A body is built when it is delivered, which may be long after the event; it is dated by what it tells.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from syncd.channels.woocommerce.order_facts import Told, needs_reading, read_order
from syncd.channels.woocommerce.products import STOCKLESS, units_kept
from syncd.channels.woocommerce.values import (
    NOWHERE,
    Object,
    Unusable,
    decode,
    instant,
    item_id,
    number,
    order_id,
    second,
    text,
)
from syncd.domain.errors import Refused
from syncd.domain.ids import RemoteId
from syncd.ports import Facts, ItemChange, Observation

NEEDED: Final = (
    "order.created",
    "order.updated",
    "order.deleted",
    "order.restored",
    "product.created",
    "product.updated",
    "product.deleted",
    "product.restored",
)


@dataclass(frozen=True, slots=True)
class Traits:
    """What reading a delivery needs to know of the shop."""

    holders: Mapping[int, bool]
    """For variations known by now: True when the variation keeps its own stock, False when its product does."""
    shipped_statuses: Sequence[str]


Reader = Callable[[Object, str, Traits], Facts]


def parse_webhook(topic: str, body: bytes, traits: Traits) -> Facts:
    reader = READERS.get(topic)
    if reader is None:
        return Facts(note=f"{topic} says nothing about stock")
    return reader(decode(body, topic), topic, traits)


def _order(body: Object, topic: str, traits: Traits) -> Facts:
    """A hint, where the body names refunds without their lines, or variations without saying whose stock they are."""
    if needs_reading(body, traits.holders):
        return _hint(body, topic, traits)
    return read_order(Told(body=body, holders=traits.holders), topic, traits.shipped_statuses)


def _hint(body: Object, topic: str, traits: Traits) -> Facts:
    try:
        return Facts(fetch=(order_id(body.get("id")),))
    except Unusable as error:
        raise Refused(f"{topic}: {error}") from error


def _order_deleted(body: Object, topic: str, traits: Traits) -> Facts:
    """The shop does not put back what a deleted order had taken, so neither do we."""
    return Facts(note=f"{topic}: order {text(body.get('id')) or body.get('id')} keeps its units, as in the shop")


def _product(body: Object, topic: str, traits: Traits) -> Facts:
    kind = text(body.get("type"))
    if kind in STOCKLESS:
        return Facts(note=f"a {kind} product holds no stock")
    try:
        remote_id = _named(body)
        if body.get("status") == "trash":
            return Facts(items=(ItemChange(remote_id=remote_id, gone=True),))
        units = units_kept(body)
        seen = Observation(
            remote_id, NOWHERE, units, second(instant(body.get("date_modified_gmt"), "date_modified_gmt"))
        )
    except Unusable as error:
        raise Refused(f"{topic}: product {repr(body.get('id'))[:40]}: {error}") from error
    if body.get("manage_stock") == "parent":
        return Facts(note="the variation sells from its product's stock")
    if kind.startswith("variable"):
        note = "" if units is not None else "the product's variations keep the stock"
        return Facts(observations=(seen,) if units is not None else (), note=note)
    change = ItemChange(remote_id=remote_id, sku_text=text(body.get("sku")), tracked=units is not None)
    return Facts(observations=(seen,), items=(change,))


def _named(body: Object) -> RemoteId:
    item = number(body.get("id"), "product id")
    if body.get("type") != "variation":
        return item_id(item)
    return item_id(number(body.get("parent_id"), "parent id"), item)


def _product_gone(body: Object, topic: str, traits: Traits) -> Facts:
    """Names the item alone, be it a product or a variation; a variation is found missing when it is next read."""
    try:
        return Facts(items=(ItemChange(remote_id=item_id(number(body.get("id"), "product id")), gone=True),))
    except Unusable as error:
        raise Refused(f"{topic}: {error}") from error


READERS: Final[Mapping[str, Reader]] = {
    "order.created": _order,
    "order.updated": _order,
    "order.restored": _order,
    "order.deleted": _order_deleted,
    "product.created": _product,
    "product.updated": _product,
    "product.restored": _product,
    "product.deleted": _product_gone,
}
