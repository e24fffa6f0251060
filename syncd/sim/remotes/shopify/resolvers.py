"""What each field answers. Fields not named here read the record's attribute of the same name."""

from collections.abc import Callable, Mapping
from typing import Any

from syncd.sim.remotes.shopify import inventory_views, mutations, order_views, roots
from syncd.sim.remotes.shopify.bulk import BulkOperation
from syncd.sim.remotes.shopify.inventory_views import VariantView
from syncd.sim.remotes.shopify.inventory_writes import AdjustmentGroup
from syncd.sim.remotes.shopify.order_views import DispositionView, FulfilmentOrderLineView, ReverseLineView, ReverseView
from syncd.sim.remotes.shopify.records import (
    Fulfilment,
    FulfilmentLine,
    FulfilmentOrder,
    Item,
    Level,
    Line,
    Location,
    Order,
    Product,
    Refund,
    Return,
    ReturnLine,
)
from syncd.sim.remotes.shopify.subscriptions import Subscription

Resolver = Callable[..., Any]

RESOLVERS: Mapping[str, Mapping[str, Resolver]] = {
    "QueryRoot": roots.QUERY,
    "Mutation": mutations.MUTATION,
    **roots.TYPES,
    **inventory_views.TYPES,
    **order_views.TYPES,
}

_TYPE_NAMES: Mapping[type, str] = {
    Location: "Location",
    Product: "Product",
    Item: "InventoryItem",
    VariantView: "ProductVariant",
    Level: "InventoryLevel",
    AdjustmentGroup: "InventoryAdjustmentGroup",
    Order: "Order",
    Line: "LineItem",
    Fulfilment: "Fulfillment",
    FulfilmentLine: "FulfillmentLineItem",
    FulfilmentOrder: "FulfillmentOrder",
    FulfilmentOrderLineView: "FulfillmentOrderLineItem",
    Refund: "Refund",
    Return: "Return",
    ReturnLine: "ReturnLineItem",
    ReverseView: "ReverseFulfillmentOrder",
    ReverseLineView: "ReverseFulfillmentOrderLineItem",
    DispositionView: "ReverseFulfillmentOrderDisposition",
    Subscription: "WebhookSubscription",
    BulkOperation: "BulkOperation",
    roots.EndpointView: "WebhookHttpEndpoint",
}


def type_name(value: object) -> str:
    return _TYPE_NAMES[type(value)]
