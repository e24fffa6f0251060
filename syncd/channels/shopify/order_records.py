"""What is kept of an order that was read, and the marks of pages. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic_core import to_json

from syncd.channels.shopify.values import Unusable, instant, text
from syncd.domain.ids import Instant, OrderId
from syncd.ports import Record
from syncd.wire.graphql import Reply

POLLED: Final = "syncd/order"
FETCHED: Final = "syncd/order-fetched"

INSIDE: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "Order": (
        ("lineItems", "LineItem"),
        ("fulfillments", "Fulfillment"),
        ("refunds", "Refund"),
        ("fulfillmentOrders", "FulfillmentOrder"),
        ("returns", "Return"),
    ),
    "Fulfillment": (("fulfillmentLineItems", "FulfillmentLineItem"),),
    "Refund": (("refundLineItems", "RefundLineItem"),),
    "FulfillmentOrder": (("lineItems", "FulfillmentOrderLineItem"),),
    "Return": (("reverseFulfillmentOrders", "ReverseFulfillmentOrder"),),
    "ReverseFulfillmentOrder": (("lineItems", "ReverseFulfillmentOrderLineItem"),),
}
"""The lists inside an order, with what they hold."""


def waiting_at(node: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for each in listing(node.get("fulfillmentOrders"), "nodes"):
        if each.get("status") in ("CLOSED", "CANCELLED"):
            continue
        location = (each.get("assignedLocation") or {}).get("location") or {}
        if isinstance(location.get("id"), str):
            found.add(location["id"])
    return found


def record_of(topic: str, node: Mapping[str, Any], asked_as: Sequence[OrderId] = ()) -> Record:
    """The order as it was read; its id, version and content are the key, so that the same again is the same record."""
    content = to_json(node)
    digest = hashlib.sha256(content).hexdigest()[:20]
    number = text(node.get("id")).rpartition("/")[2]
    key = f"{number}:{text(node.get('updatedAt'))}:{digest}"
    if topic == POLLED:
        return Record(key=f"order:{key}", topic=topic, body=content)
    return Record(key=f"fetched:{key}", topic=topic, body=to_json({"fetched": list(asked_as), "order": node}))


def newest_of(newest: str | None, nodes: Iterable[Mapping[str, Any]], reply: Reply) -> str | None:
    """The latest time of change seen; one from the future would hide every order that follows it."""
    times: list[Instant] = [] if not newest else [instant(newest, "cursor")]
    for node in nodes:
        try:
            at = instant(node.get("updatedAt"), "updatedAt")
        except Unusable:
            continue
        if at <= reply.at.latest:
            times.append(at)
    return iso(max(times)) if times else newest


def iso(at: Instant) -> str:
    """Whole seconds, rounded down, as the search takes them."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at // 1000)).strftime("%Y-%m-%dT%H:%M:%SZ")


def next_page(connection: Mapping[str, Any]) -> tuple[bool, str | None]:
    info = connection.get("pageInfo") or {}
    after = info.get("endCursor")
    return bool(info.get("hasNextPage")) and isinstance(after, str), after


def listing(holder: Mapping[str, Any] | None, field: str) -> list[Any]:
    held = (holder or {}).get(field)
    return held if isinstance(held, list) else []


def chunks(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
