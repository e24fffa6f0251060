"""The query root: lists, single records, nodes by id, and the app's own affairs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from syncd.sim.remotes.shopify.fields import Info, Resolver, call_of, guarded, paged, reading, require
from syncd.sim.remotes.shopify.ids import gid, kind_of, number_of
from syncd.sim.remotes.shopify.inventory_views import CountView, VariantView, variant_key
from syncd.sim.remotes.shopify.paging import Key
from syncd.sim.remotes.shopify.records import Item, Order, Product
from syncd.sim.remotes.shopify.search import Getter, compile_search
from syncd.sim.remotes.shopify.subscriptions import Subscription, enum_of


@dataclass(frozen=True, slots=True)
class EndpointView:
    callback_url: str


@dataclass(frozen=True, slots=True)
class VersionView:
    handle: str
    supported: bool

    @property
    def display_name(self) -> str:
        return self.handle


@dataclass(frozen=True, slots=True)
class ScopeView:
    handle: str

    @property
    def description(self) -> str:
        return self.handle.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class AppView:
    id: str
    title: str
    handle: str
    api_key: str


@dataclass(frozen=True, slots=True)
class InstallationView:
    id: str
    access_scopes: list[ScopeView]
    app: AppView


ITEM_SEARCH: dict[str, Getter] = {
    "": lambda item: item.sku,
    "id": lambda item: item.inventory_item_id,
    "sku": lambda item: item.sku,
    "updated_at": lambda item: item.updated_at,
    "created_at": lambda item: item.created_at,
}
VARIANT_SEARCH: dict[str, Getter] = {
    "": lambda view: (view.item.sku, view.item.title),
    "id": lambda view: view.item.variant_id,
    "sku": lambda view: view.item.sku,
    "barcode": lambda view: view.item.barcode,
    "title": lambda view: view.item.title,
    "product_id": lambda view: view.item.product.id,
    "inventory_item_id": lambda view: view.item.inventory_item_id,
    "updated_at": lambda view: view.item.updated_at,
    "managed": lambda view: view.item.tracked,
}
PRODUCT_SEARCH: dict[str, Getter] = {
    "": lambda product: product.title,
    "id": lambda product: product.id,
    "title": lambda product: product.title,
    "sku": lambda product: tuple(item.sku for item in product.items),
    "updated_at": lambda product: product.updated_at,
}
ORDER_SEARCH: dict[str, Getter] = {
    "": lambda order: (order.name, order.name.lstrip("#")),
    "id": lambda order: order.id,
    "name": lambda order: (order.name, order.name.lstrip("#")),
    "created_at": lambda order: order.created_at,
    "processed_at": lambda order: order.created_at,
    "status": lambda order: ("any", _status(order), *(("closed",) if _status(order) == "cancelled" else ())),
    "fulfillment_status": lambda order: _fulfilment_words(order),
    "financial_status": lambda order: (order.financial_status, "any"),
    "test": lambda order: order.test,
    "source_name": lambda order: order.source_name,
    "sku": lambda order: tuple(line.sku for line in order.lines),
    "location_id": lambda order: order.retail_location.id if order.retail_location else None,
}


def _status(order: Order) -> str:
    if order.cancelled_at is not None:
        return "cancelled"
    return "closed" if order.closed_at is not None else "open"


def _fulfilment_words(order: Order) -> tuple[str, ...]:
    words = {None: ("unfulfilled", "unshipped"), "partial": ("partial",), "fulfilled": ("fulfilled", "shipped")}
    return words.get(order.fulfillment_status, ("restocked",))


def _searched(info: Info, records: Iterable[Any], text: str | None, fields: dict[str, Getter]) -> list[Any]:
    search = compile_search(text, fields)
    if search.ignored:
        call_of(info).search_notes.append(
            {
                "path": [info.field_name],
                "query": text,
                "warnings": [
                    {"field": name, "message": "Invalid search field for this query.", "code": "invalid_field"}
                    for name in search.ignored
                ],
            }
        )
    return [record for record in records if search.matches(record)]


def _locations(root: Any, info: Info, **args: Any) -> Any:
    shown = [each for each in call_of(info).shop.locations.values() if each.active or args.get("includeInactive")]
    if not args.get("includeLegacy"):
        shown = [each for each in shown if not each.is_fulfillment_service]
    fields: dict[str, Getter] = {"": lambda e: e.name, "name": lambda e: e.name, "id": lambda e: e.id}
    keys: dict[str, Key] = {"NAME": lambda each: (each.name, each.id)}
    return paged(info, _searched(info, shown, args.get("query"), fields), args, keys.get(args["sortKey"], _by_number))


def _by_number(each: Any) -> tuple[int, int]:
    return each.id, each.id


def _location(root: Any, info: Info, id: str | None = None) -> Any:
    locations = call_of(info).shop.locations
    if id is None:
        return next(iter(locations.values()), None)
    return locations.get(number_of(id, "Location") or 0)


def _item_key(item: Item) -> tuple[int, int]:
    return item.inventory_item_id, item.inventory_item_id


def _items(root: Any, info: Info, **args: Any) -> Any:
    return paged(
        info, _searched(info, call_of(info).shop.items.values(), args.get("query"), ITEM_SEARCH), args, _item_key
    )


_VARIANT_KEYS: dict[str, Key] = {
    "SKU": lambda view: (view.item.sku or "", view.item.variant_id),
    "TITLE": lambda view: (view.item.title, view.item.variant_id),
}


def _variants(root: Any, info: Info, **args: Any) -> Any:
    found = _found_variants(info, args.get("query"))
    return paged(info, found, args, _VARIANT_KEYS.get(args["sortKey"], variant_key))


def _variants_count(root: Any, info: Info, **args: Any) -> CountView:
    return CountView(len(_found_variants(info, args.get("query"))))


def _found_variants(info: Info, text: str | None) -> list[Any]:
    views = (VariantView(item) for item in call_of(info).shop.variants.values())
    return _searched(info, views, text, VARIANT_SEARCH)


_PRODUCT_KEYS: dict[str, Key] = {
    "TITLE": lambda each: (each.title, each.id),
    "CREATED_AT": lambda each: (each.created_at, each.id),
    "UPDATED_AT": lambda each: (each.updated_at, each.id),
}


def _products(root: Any, info: Info, **args: Any) -> Any:
    found: list[Product] = _searched(info, call_of(info).shop.products.values(), args.get("query"), PRODUCT_SEARCH)
    return paged(info, found, args, _PRODUCT_KEYS.get(args["sortKey"], _by_number))


def _orders(root: Any, info: Info, **args: Any) -> Any:
    """Orders as the search index has them, which with a lag knows neither the youngest orders nor changes."""
    indexed = _indexed(info)
    fields = {**ORDER_SEARCH, "updated_at": lambda order: indexed[order]}
    keys: dict[str, Key] = {
        "UPDATED_AT": lambda order: (indexed[order], order.id),
        "CREATED_AT": lambda order: (order.created_at, order.id),
        "PROCESSED_AT": lambda order: (order.created_at, order.id),
        "ORDER_NUMBER": lambda order: (order.number, order.id),
    }
    found = _searched(info, indexed, args.get("query"), fields)
    return paged(info, found, args, keys.get(args["sortKey"], _by_number))


def _orders_count(root: Any, info: Info, **args: Any) -> CountView:
    indexed = _indexed(info)
    fields = {**ORDER_SEARCH, "updated_at": lambda order: indexed[order]}
    return CountView(len(_searched(info, indexed, args.get("query"), fields)))


def _indexed(info: Info) -> dict[Order, Any]:
    call = call_of(info)
    if call.search_lag_seconds <= 0:
        return {order: order.updated_at for order in call.shop.orders.values()}
    edge = call.shop.now() - timedelta(seconds=call.search_lag_seconds)
    indexed = {}
    for order in call.shop.orders.values():
        updated = next((shown for at, shown in reversed(order.seen_by_search) if at <= edge), None)
        if updated is not None:
            indexed[order] = updated
    return indexed


def _subscriptions(root: Any, info: Info, **args: Any) -> Any:
    topics, uri = args.get("topics"), args.get("uri") or args.get("callbackUrl")
    shown = [
        each
        for each in call_of(info).shop.subscriptions.asked_by_api()
        if (not topics or enum_of(each.topic) in topics)
        and (uri is None or each.uri == uri)
        and (args.get("format") in (None, each.format))
    ]
    return paged(info, shown, args)


def _single(kind: str, scope: str | None = None) -> Resolver:
    def resolve(root: Any, info: Info, id: str) -> Any:
        if scope:
            require(info, scope)
        return find(info, id) if kind_of(id) in (kind, None) else None

    return resolve


def _node(root: Any, info: Info, id: str) -> Any:
    return find(info, id)


def _nodes(root: Any, info: Info, ids: list[str]) -> list[Any]:
    return [find(info, each) for each in ids]


def find(info: Info, global_id: str) -> Any:
    """The record behind a global id, None for an unknown one."""
    kind, number = kind_of(global_id), number_of(global_id)
    finder = _FINDERS.get(kind or "")
    if finder is None or number is None:
        return None
    scope, table = finder
    if scope:
        require(info, scope)
    found = table(call_of(info).shop).get(number)
    return VariantView(found) if kind == "ProductVariant" and found is not None else found


_FINDERS: dict[str, tuple[str | None, Callable[[Any], dict[int, Any]]]] = {
    "InventoryItem": ("read_inventory", lambda shop: shop.items),
    "InventoryLevel": ("read_inventory", lambda shop: shop.levels_by_id),
    "ProductVariant": ("read_products", lambda shop: shop.variants),
    "Product": ("read_products", lambda shop: shop.products),
    "Location": ("read_locations", lambda shop: shop.locations),
    "Order": ("read_orders", lambda shop: shop.orders),
    "Fulfillment": ("read_orders", lambda shop: shop.fulfilments),
    "FulfillmentOrder": ("read_merchant_managed_fulfillment_orders", lambda shop: shop.fulfilment_orders),
    "Refund": ("read_orders", lambda shop: shop.refunds),
    "Return": ("read_returns", lambda shop: shop.returns),
    "WebhookSubscription": (None, lambda shop: {each.id: each for each in shop.subscriptions.asked_by_api()}),
    "BulkOperation": (None, lambda shop: shop.bulk.by_id),
}


def _installation(root: Any, info: Info, **args: Any) -> InstallationView:
    held = call_of(info).shop.credentials
    app = AppView(gid("App", 1), "syncd", "syncd", held.client_id)
    return InstallationView(gid("AppInstallation", 1), [ScopeView(each) for each in sorted(held.scopes)], app)


def _versions(root: Any, info: Info) -> list[VersionView]:
    from syncd.sim.remotes.shopify.shop import RELEASE_CANDIDATE, VERSIONS  # the shop imports the stores, not us

    return [*(VersionView(each, True) for each in VERSIONS), VersionView(RELEASE_CANDIDATE, False)]


def _bulk_operations(root: Any, info: Info, **args: Any) -> Any:
    return paged(info, call_of(info).shop.bulk.by_id.values(), args)


def _current_bulk(root: Any, info: Info, **args: Any) -> Any:
    return next(reversed(call_of(info).shop.bulk.by_id.values()), None)


QUERY: dict[str, Resolver] = {
    "shop": lambda root, info: call_of(info).shop,
    "publicApiVersions": _versions,
    "currentAppInstallation": _installation,
    "appInstallation": _installation,
    "node": _node,
    "nodes": _nodes,
    "location": guarded("read_locations", _location),
    "locations": guarded("read_locations", _locations),
    "inventoryItem": _single("InventoryItem", "read_inventory"),
    "inventoryItems": guarded("read_inventory", _items),
    "inventoryLevel": _single("InventoryLevel", "read_inventory"),
    "inventoryProperties": guarded("read_inventory", lambda root, info: root or object()),
    "product": _single("Product", "read_products"),
    "products": guarded("read_products", _products),
    "productVariant": _single("ProductVariant", "read_products"),
    "productVariants": guarded("read_products", _variants),
    "productVariantsCount": guarded("read_products", _variants_count),
    "order": _single("Order", "read_orders"),
    "orders": guarded("read_orders", _orders),
    "ordersCount": guarded("read_orders", _orders_count),
    "fulfillment": _single("Fulfillment", "read_orders"),
    "refund": _single("Refund", "read_orders"),
    "return": _single("Return", "read_returns"),
    "fulfillmentOrder": _single("FulfillmentOrder", "read_merchant_managed_fulfillment_orders"),
    "webhookSubscription": _single("WebhookSubscription"),
    "webhookSubscriptions": _subscriptions,
    "bulkOperation": _single("BulkOperation"),
    "bulkOperations": _bulk_operations,
    "currentBulkOperation": _current_bulk,
}


def _api_version(subscription: Subscription, info: Info) -> VersionView:
    return VersionView(call_of(info).shop.api_version, True)


TYPES: dict[str, dict[str, Resolver]] = {
    "Shop": {
        "id": reading(lambda shop: gid("Shop", shop.id)),
        "myshopifyDomain": reading(lambda shop: shop.domain),
        "url": reading(lambda shop: f"https://{shop.domain}"),
        "ianaTimezone": reading(lambda shop: "Etc/UTC"),
    },
    "WebhookSubscription": {
        "id": reading(lambda each: each.gid),
        "legacyResourceId": reading(lambda each: each.id),
        "topic": reading(lambda each: enum_of(each.topic)),
        "callbackUrl": reading(lambda each: each.uri),
        "endpoint": reading(lambda each: EndpointView(each.uri)),
        "apiVersion": _api_version,
    },
    "BulkOperation": {"id": reading(lambda each: each.gid)},
}
