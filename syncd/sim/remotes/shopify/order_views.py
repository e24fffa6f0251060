"""Orders, fulfilments, refunds and returns as GraphQL shows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncd.sim.remotes.shopify.fields import Info, Resolver, connection, paged, reading, require
from syncd.sim.remotes.shopify.ids import gid
from syncd.sim.remotes.shopify.inventory_views import VariantView
from syncd.sim.remotes.shopify.records import (
    Fulfilment,
    FulfilmentOrder,
    Item,
    Line,
    Location,
    OpenUnits,
    Order,
    Refund,
    Return,
    ReturnLine,
)


@dataclass(frozen=True, slots=True)
class AssignedView:
    location: Location

    @property
    def name(self) -> str:
        return self.location.name


@dataclass(frozen=True, slots=True)
class FulfilmentOrderLineView:
    units: OpenUnits

    @property
    def id(self) -> int:
        return self.units.id


@dataclass(frozen=True, slots=True)
class DispositionView:
    line: ReturnLine
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReverseLineView:
    line: ReturnLine
    created_at: datetime

    @property
    def id(self) -> int:
        return self.line.id


@dataclass(frozen=True, slots=True)
class ReverseView:
    return_: Return

    @property
    def id(self) -> int:
        return self.return_.reverse_id


@dataclass(frozen=True, slots=True)
class OrderAppView:
    id: str
    name: str


def _present(item: Item | None) -> Item | None:
    return item if item is not None and not item.deleted else None


def _display_fulfilment(order: Order) -> str:
    return {None: "UNFULFILLED", "partial": "PARTIALLY_FULFILLED", "fulfilled": "FULFILLED", "restocked": "RESTOCKED"}[
        order.fulfillment_status
    ]


def _return_status(order: Order) -> str:
    if not order.returns:
        return "NO_RETURN"
    return "RETURNED" if all(each.closed_at for each in order.returns) else "IN_PROGRESS"


def _fulfilments(order: Order, info: Info, **args: Any) -> list[Fulfilment]:
    first = args.get("first")
    return order.fulfilments if first is None else order.fulfilments[:first]


def _refunds(order: Order, info: Info, **args: Any) -> list[Refund]:
    first = args.get("first")
    return order.refunds if first is None else order.refunds[:first]


def _fulfilment_orders(order: Order, info: Info, **args: Any) -> Any:
    require(info, "read_merchant_managed_fulfillment_orders")
    return paged(info, order.fulfilment_orders, args)


def _returns(order: Order, info: Info, **args: Any) -> Any:
    require(info, "read_returns")
    return paged(info, order.returns, args)


def _unit_lines(each: FulfilmentOrder) -> list[FulfilmentOrderLineView]:
    return [FulfilmentOrderLineView(units) for units in each.lines if units.total]


def _reverse(return_: Return) -> list[ReverseView]:
    return [ReverseView(return_)]


def _dispositions(view: ReverseLineView) -> list[DispositionView]:
    return [DispositionView(view.line, view.created_at)]


def _stock_item(line: Line) -> str | None:
    item = _present(line.item)
    return item.gid if item else None


def _gid(kind: str) -> Resolver:
    return reading(lambda each: gid(kind, each.id))


def _variant(line: Line) -> VariantView | None:
    item = _present(line.item)
    return VariantView(item) if item else None


TYPES: dict[str, dict[str, Resolver]] = {
    "Order": {
        "id": _gid("Order"),
        "legacyResourceId": reading(lambda each: each.id),
        "app": reading(lambda each: OrderAppView(gid("App", 580111), each.source_name)),
        "confirmed": reading(lambda each: True),
        "closed": reading(lambda each: each.closed_at is not None),
        "fulfillable": reading(lambda each: any(line.unfulfilled for line in each.lines)),
        "processedAt": reading(lambda each: each.created_at),
        "cancelReason": reading(lambda each: each.cancel_reason and each.cancel_reason.upper()),
        "displayFinancialStatus": reading(lambda each: each.financial_status.upper()),
        "displayFulfillmentStatus": reading(_display_fulfilment),
        "returnStatus": reading(_return_status),
        "tags": reading(lambda each: []),
        "physicalLocation": reading(lambda each: each.retail_location),
        "lineItems": connection(lambda each: each.lines),
        "fulfillments": _fulfilments,
        "fulfillmentOrders": _fulfilment_orders,
        "refunds": _refunds,
        "returns": _returns,
    },
    "LineItem": {
        "id": _gid("LineItem"),
        "name": reading(lambda each: each.title),
        "variantTitle": reading(lambda each: None),
        "vendor": reading(lambda each: None),
        "unfulfilledQuantity": reading(lambda each: each.unfulfilled),
        "nonFulfillableQuantity": reading(lambda each: each.quantity - each.unfulfilled),
        "fulfillableQuantity": reading(lambda each: each.unfulfilled),
        "refundableQuantity": reading(lambda each: each.current_quantity),
        "isGiftCard": reading(lambda each: each.gift_card),
        "restockable": reading(lambda each: each.carries_stock and not (each.item and each.item.deleted)),
        "product": reading(lambda each: each.item.product if _present(each.item) else None),
        "variant": reading(_variant),
        "lineItemGroup": reading(lambda each: None),
    },
    "Fulfillment": {
        "id": _gid("Fulfillment"),
        "legacyResourceId": reading(lambda each: each.id),
        "status": reading(lambda each: each.status.upper()),
        "totalQuantity": reading(lambda each: sum(part.quantity for part in each.lines)),
        "requiresShipping": reading(lambda each: any(part.line.requires_shipping for part in each.lines)),
        "fulfillmentLineItems": connection(lambda each: each.lines),
    },
    "FulfillmentLineItem": {"id": _gid("FulfillmentLineItem"), "lineItem": reading(lambda each: each.line)},
    "FulfillmentOrder": {
        "id": _gid("FulfillmentOrder"),
        "orderId": reading(lambda each: each.order.gid),
        "assignedLocation": reading(lambda each: AssignedView(each.location)),
        "lineItems": connection(_unit_lines),
    },
    "FulfillmentOrderLineItem": {
        "id": _gid("FulfillmentOrderLineItem"),
        "inventoryItemId": reading(lambda each: _stock_item(each.units.line)),
        "lineItem": reading(lambda each: each.units.line),
        "totalQuantity": reading(lambda each: each.units.total),
        "remainingQuantity": reading(lambda each: each.units.remaining),
        "sku": reading(lambda each: each.units.line.sku),
        "requiresShipping": reading(lambda each: each.units.line.requires_shipping),
    },
    "Refund": {
        "id": _gid("Refund"),
        "legacyResourceId": reading(lambda each: each.id),
        "processedAt": reading(lambda each: each.created_at),
        "updatedAt": reading(lambda each: each.created_at),
        "return": reading(lambda each: each.return_),
        "refundLineItems": connection(lambda each: each.lines),
    },
    "RefundLineItem": {
        "id": _gid("RefundLineItem"),
        "lineItem": reading(lambda each: each.line),
        "restockType": reading(lambda each: each.restock_type.upper()),
        "restocked": reading(lambda each: each.restock_type != "no_restock"),
    },
    "Return": {
        "id": _gid("Return"),
        "status": reading(lambda each: "CLOSED" if each.closed_at else "OPEN"),
        "refunds": connection(lambda each: [refund for refund in each.order.refunds if refund.return_ is each]),
        "returnLineItems": connection(lambda each: each.lines),
        "reverseFulfillmentOrders": connection(_reverse),
    },
    "ReturnLineItem": {
        "id": _gid("ReturnLineItem"),
        "processedQuantity": reading(lambda each: each.quantity),
        "refundedQuantity": reading(lambda each: each.refunded),
        "fulfillmentLineItem": reading(lambda each: each.fulfilment_line),
    },
    "ReverseFulfillmentOrder": {
        "id": _gid("ReverseFulfillmentOrder"),
        "order": reading(lambda each: each.return_.order),
        "status": reading(lambda each: "CLOSED" if each.return_.closed_at else "OPEN"),
        "lineItems": connection(
            lambda each: [ReverseLineView(line, each.return_.created_at) for line in each.return_.lines]
        ),
    },
    "ReverseFulfillmentOrderLineItem": {
        "id": _gid("ReverseFulfillmentOrderLineItem"),
        "totalQuantity": reading(lambda each: each.line.quantity),
        "fulfillmentLineItem": reading(lambda each: each.line.fulfilment_line),
        "dispositions": reading(_dispositions),
    },
    "ReverseFulfillmentOrderDisposition": {
        "id": reading(lambda each: gid("ReverseFulfillmentOrderDisposition", each.line.disposition_id)),
        "location": reading(lambda each: each.line.location),
        "quantity": reading(lambda each: each.line.quantity),
        "type": reading(lambda each: "RESTOCKED" if each.line.location else "NOT_RESTOCKED"),
    },
}
