"""Every GraphQL document that is sent, with what it costs, valid against version 2026-10 of the Admin API.

Plain documents: variables, `nodes`, `pageInfo`. Nothing about customers is ever asked for. The costs follow the model
of the fact sheet (section 2); they only make the first guess, the answers then say what a document really costs.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

LINES_FIRST: Final = 10
RETURNED_FIRST: Final = 50
FULFILMENT_ORDERS_FIRST: Final = 5
LARGEST_PAGE: Final = 250
PAGE_INFO: Final = "pageInfo { hasNextPage endCursor }"


LOCATION_FIELDS: Final = frozenset({"fulfillmentOrders", "assignedLocation"})
RETURN_FIELDS: Final = frozenset({"return", "returns", "reverseFulfillmentOrders"})
OPTIONAL_FIELDS: Final = LOCATION_FIELDS | RETURN_FIELDS
"""What orders are read without where the shop does not let us ask for it."""


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    text: str
    changes: bool = False
    """A mutation: without an answer nobody knows what became of it."""


@dataclass(frozen=True, slots=True)
class OrderParts:
    """What is asked of an order; parts for which the app lacks a scope are left out."""

    locations: bool = True
    returns: bool = True


def connection_cost(first: int, node: int) -> int:
    return 2 + max(1, math.floor(2 * math.log(max(1, first)))) * max(1, node)


# --- orders ---

_LINE = (
    "id sku quantity currentQuantity unfulfilledQuantity isGiftCard product { id } "
    "variant { id inventoryItem { id tracked } }"
)
_SHIPPED = "quantity lineItem { id }"
_REFUNDED = "id quantity restockType location { id } lineItem { id }"
_ASSIGNED = "totalQuantity remainingQuantity lineItem { id }"
_RETURNED = "fulfillmentLineItem { id lineItem { id } } dispositions { id type quantity createdAt location { id } }"


def _connection(field: str, nodes: str, first: int = LINES_FIRST) -> str:
    return f"{field}(first: {first}) {{ nodes {{ {nodes} }} {PAGE_INFO} }}"


_FULFILMENT_ORDER = (
    f"id status updatedAt assignedLocation {{ location {{ id }} }} {_connection('lineItems', _ASSIGNED)}"
)
_GOODS_BACK = f"id {_connection('lineItems', _RETURNED, RETURNED_FIRST)}"
_RETURN = f"id {_connection('reverseFulfillmentOrders', _GOODS_BACK, 3)}"


def _order(parts: OrderParts) -> str:
    selected = [
        "id name createdAt updatedAt cancelledAt displayFulfillmentStatus returnStatus retailLocation { id }",
        _connection("lineItems", _LINE),
        "fulfillments { id status createdAt updatedAt location { id } "
        f"{_connection('fulfillmentLineItems', _SHIPPED)} }}",
        f"refunds {{ id createdAt processedAt {'return { id } ' if parts.returns else ''}"
        f"{_connection('refundLineItems', _REFUNDED)} }}",
    ]
    if parts.locations:
        selected.append(_connection("fulfillmentOrders", _FULFILMENT_ORDER, FULFILMENT_ORDERS_FIRST))
    return " ".join(selected)


def order_cost(parts: OrderParts) -> int:
    lines = connection_cost(LINES_FIRST, 1 + 1 + 2)
    fulfilments = 1 + 1 + connection_cost(LINES_FIRST, 1 + 1)
    refunds = 1 + int(parts.returns) + connection_cost(LINES_FIRST, 1 + 2)
    assigned = connection_cost(FULFILMENT_ORDERS_FIRST, 1 + 2 + connection_cost(LINES_FIRST, 1 + 1))
    return 1 + 1 + lines + fulfilments + refunds + (assigned if parts.locations else 0)


@cache
def orders_page(parts: OrderParts) -> Document:
    """Orders by the time they changed; `query` narrows them."""
    return Document(
        "Orders",
        "query Orders($first: Int!, $after: String, $query: String) { "
        "orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) "
        f"{{ nodes {{ {_order(parts)} }} {PAGE_INFO} }} }}",
    )


@cache
def orders_by_id(parts: OrderParts) -> Document:
    return Document(
        "OrdersById",
        f"query OrdersById($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Order {{ {_order(parts)} }} }} }}",
    )


RETURNS_BY_ORDER: Final = Document(
    "ReturnsByOrder",
    "query ReturnsByOrder($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { id "
    f"{_connection('returns', _RETURN, 5)} }} }} }}",
)
RETURNS_COST: Final = 1 + connection_cost(5, 1 + connection_cost(3, 1 + connection_cost(RETURNED_FIRST, 1 + 2 + 2)))

ORDERS_OF_FULFILMENT_ORDERS: Final = Document(
    "OrdersOfFulfillmentOrders",
    "query OrdersOfFulfillmentOrders($ids: [ID!]!) { nodes(ids: $ids) { ... on FulfillmentOrder { id orderId } } }",
)

_CONNECTIONS: Final = {
    ("Order", "lineItems"): _LINE,
    ("Order", "fulfillmentOrders"): _FULFILMENT_ORDER,
    ("Order", "returns"): _RETURN,
    ("Fulfillment", "fulfillmentLineItems"): _SHIPPED,
    ("Refund", "refundLineItems"): _REFUNDED,
    ("FulfillmentOrder", "lineItems"): _ASSIGNED,
    ("Return", "reverseFulfillmentOrders"): _GOODS_BACK,
    ("ReverseFulfillmentOrder", "lineItems"): _RETURNED,
}
"""Every connection inside an order: more of one is read through its owner."""


@cache
def more_of(owner: str, field: str) -> Document:
    """The pages after the first of a connection that belongs to one record."""
    nodes = _CONNECTIONS.get((owner, field)) or _LEVEL
    name = f"More{owner}{field[0].upper()}{field[1:]}"
    return Document(
        name,
        f"query {name}($id: ID!, $first: Int!, $after: String) {{ node(id: $id) {{ ... on {owner} "
        f"{{ id {field}(first: $first, after: $after) {{ nodes {{ {nodes} }} {PAGE_INFO} }} }} }} }}",
    )


MORE_FIRST: Final = 50
MORE_COST: Final = 600
"""The dearest of them, more returns; the answers soon say what each really costs."""

# --- stock ---

_LEVEL = 'location { id } isActive quantities(names: ["available", "committed"]) { name quantity }'
_ITEM = "id sku tracked variant { id title product { title } }"


def item_cost(levels: int) -> int:
    return 1 + 2 + connection_cost(levels, 1 + 1 + 1)


ITEMS: Final = Document(
    "InventoryItems",
    "query InventoryItems($first: Int!, $after: String, $levels: Int!) { inventoryItems(first: $first, after: $after) "
    f"{{ nodes {{ {_ITEM} inventoryLevels(first: $levels) {{ nodes {{ {_LEVEL} }} {PAGE_INFO} }} }} {PAGE_INFO} }} }}",
)
ITEMS_BY_ID: Final = Document(
    "InventoryItemsById",
    "query InventoryItemsById($ids: [ID!]!, $levels: Int!) { nodes(ids: $ids) { ... on InventoryItem "
    f"{{ {_ITEM} inventoryLevels(first: $levels) {{ nodes {{ {_LEVEL} }} {PAGE_INFO} }} }} }} }}",
)

ALL_ITEMS: Final = (
    "{ inventoryItems { edges { node { id sku tracked variant { id title product { title } } "
    "inventoryLevels { edges { node { id location { id } isActive "
    'quantities(names: ["available", "committed"]) { name quantity updatedAt } } } } } } } }'
)
"""What a bulk operation runs: `edges` only, every node with its id."""

RUN_BULK: Final = Document(
    "RunBulk",
    "mutation RunBulk($query: String!, $groupObjects: Boolean!) { "
    "bulkOperationRunQuery(query: $query, groupObjects: $groupObjects) "
    "{ bulkOperation { id status createdAt } userErrors { code field message } } }",
    changes=True,
)
BULK: Final = Document(
    "Bulk",
    "query Bulk($id: ID!) { bulkOperation(id: $id) { id status errorCode createdAt completedAt objectCount url } }",
)

MUTATION_COST: Final = 10

SET_AVAILABLE: Final = Document(
    "SetAvailable",
    "mutation SetAvailable($input: InventorySetQuantitiesInput!, $key: String!) { "
    "inventorySetQuantities(input: $input) @idempotent(key: $key) "
    "{ inventoryAdjustmentGroup { id createdAt } userErrors { code field message } } }",
    changes=True,
)
ACTIVATE: Final = Document(
    "Activate",
    "mutation Activate($inventoryItemId: ID!, $locationId: ID!, $key: String!) { "
    "inventoryActivate(inventoryItemId: $inventoryItemId, locationId: $locationId) @idempotent(key: $key) "
    "{ inventoryLevel { id isActive } userErrors { field message } } }",
    changes=True,
)

# --- the shop ---

SHOP: Final = Document("Shop", "query Shop { shop { id name myshopifyDomain } }")
SCOPES: Final = Document("Scopes", "query Scopes { currentAppInstallation { accessScopes { handle } } }")
LOCATIONS: Final = Document(
    "Locations",
    "query Locations($after: String) { locations(first: 250, after: $after, includeInactive: true) "
    f"{{ nodes {{ id name isActive }} {PAGE_INFO} }} }}",
)
SUBSCRIPTIONS: Final = Document(
    "WebhookSubscriptions",
    "query WebhookSubscriptions($after: String) { webhookSubscriptions(first: 250, after: $after) "
    f"{{ nodes {{ id topic uri }} {PAGE_INFO} }} }}",
)
SUBSCRIBE: Final = Document(
    "Subscribe",
    "mutation Subscribe($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) { "
    "webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) "
    "{ webhookSubscription { id topic uri } userErrors { field message } } }",
    changes=True,
)


def every_document() -> tuple[Document, ...]:
    """All there are, for holding them against the vendor's schema."""
    parts = [OrderParts(a, b) for a in (True, False) for b in (True, False)]
    paged = [more_of(owner, field) for owner, field in (*_CONNECTIONS, ("InventoryItem", "inventoryLevels"))]
    return (
        *(orders_page(each) for each in parts),
        *(orders_by_id(each) for each in parts),
        *paged,
        RETURNS_BY_ORDER,
        ORDERS_OF_FULFILMENT_ORDERS,
        ITEMS,
        ITEMS_BY_ID,
        RUN_BULK,
        BULK,
        SET_AVAILABLE,
        ACTIVATE,
        SHOP,
        SCOPES,
        LOCATIONS,
        SUBSCRIPTIONS,
        SUBSCRIBE,
    )
