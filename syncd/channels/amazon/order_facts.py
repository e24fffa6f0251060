"""What an Amazon order does to stock, from either version of the Orders API (fact sheet 2.3). Pure.

| status | units of a merchant-fulfilled line |
| --- | --- |
| PENDING_AVAILABILITY, PENDING | promised at once, before the payment is authorised: Amazon lowers its figure then |
| UNSHIPPED | stay promised |
| PARTIALLY_SHIPPED | what is fulfilled has left, the rest stays promised |
| SHIPPED, InvoiceUnconfirmed | have left; what the order never shipped is put back |
| CANCELLED | put back, as many as were promised and have not left, whatever quantity the cancelled order tells |

Lines that Amazon ships, and orders placed elsewhere (NON_AMAZON), carry no stock here. That a buyer asked for a
cancellation changes nothing; that it was executed does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from syncd.channels.amazon.values import MFN, Unusable, get, ident, inside, instant, named, objects, text, units
from syncd.domain.errors import Refused
from syncd.domain.ids import Alias, Instant, LineId, OrderId, PartId
from syncd.domain.orders import Fulfilment, Line, Order, RefundLine, Restock
from syncd.domain.quantities import LARGEST
from syncd.ports import Facts, Fault

BY_AMAZON: Final = "shipped by Amazon"
ELSEWHERE: Final = "not placed on Amazon: the channel where it was placed counts it"
CANCELLED: Final = "CANCELLED"
SHIPPED: Final = "SHIPPED"

_V0_STATUS: Final = {
    "PendingAvailability": "PENDING_AVAILABILITY",
    "Pending": "PENDING",
    "Unshipped": "UNSHIPPED",
    "PartiallyShipped": "PARTIALLY_SHIPPED",
    "Shipped": SHIPPED,
    "InvoiceUnconfirmed": SHIPPED,
    "Canceled": CANCELLED,
    "Cancelled": CANCELLED,
    "Unfulfillable": "UNFULFILLABLE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One order item in the words of neither version."""

    raw: Mapping[str, Any]
    line_id: object
    sku: object
    ordered: object
    fulfilled: object
    open_units: object = None
    executed: bool = False
    """A cancellation of the item was carried out."""


@dataclass(slots=True)
class Found:
    lines: dict[LineId, Line] = field(default_factory=dict)
    fulfilments: dict[PartId, Fulfilment] = field(default_factory=dict)
    refunds: dict[PartId, RefundLine] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    order_id: OrderId
    placed: Instant
    updated: Instant
    status: str
    no_stock: str


def read_order(node: Mapping[str, Any], topic: str) -> Facts:
    """An order as searchOrders and getOrder (2026-01-01) tell it."""
    try:
        order_id = OrderId(ident(node.get("orderId"), "orderId"))
        fulfilment = inside(node.get("fulfillment"))
        channel = inside(node.get("salesChannel"))
        head = Head(
            order_id=order_id,
            placed=instant(node.get("createdTime"), "createdTime"),
            updated=instant(node.get("lastUpdatedTime"), "lastUpdatedTime"),
            status=text(fulfilment.get("fulfillmentStatus")).upper(),
            no_stock=_no_stock(text(fulfilment.get("fulfilledBy")), text(channel.get("channelName"))),
        )
    except Unusable as error:
        raise Refused(_told(topic, node.get("orderId"), error)) from error
    if not fulfilment:
        raise Refused(_told(topic, order_id, "without its fulfilment status; it is read again with the next change"))
    return _facts(head, _items(node))


def read_order_v0(body: Mapping[str, Any], topic: str) -> Facts:
    """An order of getOrders (v0) beside its items from getOrderItems."""
    node = inside(body.get("order"))
    try:
        status = text(node.get("OrderStatus"))
        head = Head(
            order_id=OrderId(ident(node.get("AmazonOrderId"), "AmazonOrderId")),
            placed=instant(node.get("PurchaseDate"), "PurchaseDate"),
            updated=instant(node.get("LastUpdateDate"), "LastUpdateDate"),
            status=_V0_STATUS.get(status, status.upper()),
            no_stock=_no_stock(
                {"AFN": "AMAZON", "MFN": "MERCHANT"}.get(text(node.get("FulfillmentChannel")), ""),
                "NON_AMAZON" if text(node.get("SalesChannel")).lower().startswith("non-amazon") else "",
            ),
        )
    except Unusable as error:
        raise Refused(_told(topic, node.get("AmazonOrderId"), error)) from error
    return _facts(head, _items_v0(body))


def _no_stock(fulfilled_by: str, channel_name: str) -> str:
    """Why the order moves none of our stock. One that does not say who ships is taken for ours, which sells less."""
    if channel_name.upper() == "NON_AMAZON":
        return ELSEWHERE
    return BY_AMAZON if fulfilled_by.upper() == "AMAZON" else ""


def _items(node: Mapping[str, Any]) -> Iterator[Item]:
    for raw in objects(node.get("orderItems")):
        fulfilment = inside(raw.get("fulfillment"))
        yield Item(
            raw=raw,
            line_id=raw.get("orderItemId"),
            sku=inside(raw.get("product")).get("sellerSku"),
            ordered=raw.get("quantityOrdered"),
            fulfilled=fulfilment.get("quantityFulfilled"),
            open_units=fulfilment.get("quantityUnfulfilled"),
            executed=bool(inside(inside(raw.get("cancellation")).get("cancellationExecution"))),
        )


def _items_v0(body: Mapping[str, Any]) -> Iterator[Item]:
    for raw in objects(body.get("items")):
        yield Item(
            raw=raw,
            line_id=raw.get("OrderItemId"),
            sku=raw.get("SellerSKU"),
            ordered=raw.get("QuantityOrdered"),
            fulfilled=raw.get("QuantityShipped"),
        )


def _facts(head: Head, items: Iterator[Item]) -> Facts:
    found = Found()
    for item in items:
        line_id: LineId | None = None
        try:
            line_id = LineId(ident(item.line_id, "the item's id"))
            _take(head, item, line_id, found)
        except Unusable as error:
            where = f"order {head.order_id}, item {line_id or '?'}"
            found.faults.append(Fault(f"{where}: {error}", head.order_id, line_id))
    order = Order(
        order_id=head.order_id,
        name=head.order_id,
        placed_at=head.placed,
        updated_at=head.updated,
        cancelled_at=head.updated if head.status == CANCELLED else None,
        lines=found.lines,
        fulfilments=found.fulfilments,
        refunds=found.refunds,
    )
    return Facts(orders=(order,), faults=tuple(found.faults), note=head.no_stock)


def _take(head: Head, item: Item, line_id: LineId, found: Found) -> None:
    ordered = units(item.ordered, "quantity ordered")
    fulfilled = units(item.fulfilled, "quantity fulfilled") if item.fulfilled is not None else 0
    if head.status == SHIPPED and not fulfilled:
        fulfilled = ordered
    back = _put_back(head, item, ordered, fulfilled)
    if back:
        part = PartId(f"{line_id}/cancelled")
        found.refunds[part] = RefundLine(
            part_id=part,
            at=head.updated,
            line_id=line_id,
            units=back,
            restock=Restock.BEFORE_SHIPPING,
            location=None,
        )
    if head.status == CANCELLED and not ordered:
        return  # the quantity of a cancelled order may read 0: what was ordered is known from before, or never counted
    sku = ident(item.sku, "sellerSku")
    found.lines[line_id] = Line(
        line_id=line_id,
        item=Alias(sku),
        ordered=ordered,
        version=head.updated,
        at=head.placed,
        sku_text=text(sku),
        no_stock=head.no_stock,
        location=MFN,
        location_version=head.updated,
    )
    if fulfilled:
        part = PartId(f"{line_id}/shipped")
        found.fulfilments[part] = Fulfilment(
            part_id=part, at=head.updated, version=head.updated, lines=((line_id, fulfilled),), location=MFN
        )


def _put_back(head: Head, item: Item, ordered: int, fulfilled: int) -> int:
    """Units that will not be shipped; without a figure of their own, all that have not left (capped in the record)."""
    if head.status == CANCELLED or (head.status == SHIPPED and fulfilled < ordered):
        return LARGEST
    if not item.executed:
        return 0
    left = units(item.open_units, "quantity unfulfilled") if item.open_units is not None else 0
    return max(0, ordered - fulfilled - left) if left else LARGEST


def order_of(body: Mapping[str, Any], topic: str) -> Mapping[str, Any]:
    try:
        return named(get(body, "order"), "order")
    except Unusable as error:
        raise Refused(f"{topic}: {error}") from error


def _told(topic: str, order_id: object, why: object) -> str:
    known = order_id if isinstance(order_id, str) else "without an id"
    return f"{topic}: order {known[:60]}: {why}"
