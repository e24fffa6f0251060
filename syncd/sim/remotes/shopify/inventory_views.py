"""Items, levels and quantities as GraphQL shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphql import GraphQLError

from syncd.sim.remotes.shopify.fields import Info, Resolver, call_of, connection, paged, reading, require
from syncd.sim.remotes.shopify.ids import number_of
from syncd.sim.remotes.shopify.records import QUANTITY_NAMES, UNAVAILABLE_NAMES, Item, Level, Location, Product
from syncd.sim.remotes.shopify.search import compile_search

LEVEL_SEARCH = {
    "id": lambda level: level.id,
    "inventory_item_id": lambda level: level.item.inventory_item_id,
    "location_id": lambda level: level.location.id,
    "updated_at": lambda level: level.updated_at,
    "created_at": lambda level: level.created_at,
}


@dataclass(frozen=True, slots=True)
class QuantityView:
    id: str
    name: str
    quantity: int
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class VariantView:
    """The variant's side of an item."""

    item: Item


@dataclass(frozen=True, slots=True)
class QuantityNameView:
    name: str
    display_name: str
    belongs_to: list[str]
    comprises: list[str]
    is_in_use: bool = True


_PARTS = ["available", "committed", *UNAVAILABLE_NAMES]

QUANTITY_NAME_VIEWS = [
    QuantityNameView(
        name,
        name.replace("_", " ").capitalize(),
        ["on_hand"] if name in _PARTS else [],
        _PARTS if name == "on_hand" else [],
    )
    for name in QUANTITY_NAMES
]


def _quantities(level: Level, info: Info, names: list[str]) -> list[QuantityView]:
    call = call_of(info)
    held = level.quantities if call.as_of is None else call.shop.quantities_at(level, call.as_of)
    views = []
    for name in names:
        if name not in held:
            raise GraphQLError(
                f"The quantity name '{name}' is invalid.", extensions={"code": "INVALID_FIELD_ARGUMENTS"}
            )
        changed = None if name == "on_hand" else level.changed_at.get(name, level.created_at)
        views.append(QuantityView(f"gid://shopify/InventoryQuantity/{level.id}?name={name}", name, held[name], changed))
    return views


def _item_levels(item: Item, info: Info, **args: Any) -> Any:
    levels = call_of(info).shop.levels_of(item, inactive=bool(args.get("includeInactive")))
    search = compile_search(args.get("query"), LEVEL_SEARCH)
    return paged(info, [level for level in levels if search.matches(level)], args)


def _item_level(item: Item, info: Info, **args: Any) -> Level | None:
    number = number_of(args["locationId"], "Location")
    return _shown(call_of(info).shop.levels.get((item.inventory_item_id, number or 0)), args)


def _location_levels(location: Location, info: Info, **args: Any) -> Any:
    require(info, "read_inventory")
    shop = call_of(info).shop
    search = compile_search(args.get("query"), LEVEL_SEARCH)
    levels = [
        level
        for level in shop.levels.values()
        if level.location is location and not level.item.deleted and _shown(level, args) and search.matches(level)
    ]
    return paged(info, levels, args)


def _location_level(location: Location, info: Info, **args: Any) -> Level | None:
    number = number_of(args["inventoryItemId"], "InventoryItem")
    return _shown(call_of(info).shop.levels.get((number or 0, location.id)), args)


def _shown(level: Level | None, args: Mapping[str, Any]) -> Level | None:
    if level is None or args.get("includeInactive"):
        return level
    return level if level.active and level.location.active else None


def _can_deactivate(level: Level, info: Info) -> bool:
    return len(call_of(info).shop.levels_of(level.item)) > 1


def _same_sku(item: Item, info: Info) -> int:
    return sum(1 for each in call_of(info).shop.items.values() if each.sku == item.sku and each is not item)


def _variant_quantity(view: VariantView, info: Info) -> int:
    return call_of(info).shop.sellable(view.item)


def _product_total(product: Product, info: Info) -> int:
    return sum(call_of(info).shop.sellable(item) for item in product.items)


@dataclass(frozen=True, slots=True)
class CountView:
    count: int
    precision: str = "EXACT"


def variant_key(view: VariantView) -> tuple[int, int]:
    return view.item.variant_id, view.item.variant_id


def _unfulfilled_at(location: Location, info: Info) -> bool:
    return any(f.location is location and f.remaining for f in call_of(info).shop.fulfilment_orders.values())


def _stock_at(location: Location, info: Info) -> bool:
    return any(each.location is location and each.active for each in call_of(info).shop.levels.values())


TYPES: dict[str, dict[str, Resolver]] = {
    "Location": {
        "id": reading(lambda each: each.gid),
        "legacyResourceId": reading(lambda each: each.id),
        "isActive": reading(lambda each: each.active),
        "shipsInventory": reading(lambda each: each.fulfills_online_orders),
        "deactivatedAt": reading(lambda each: each.deactivated_at and each.deactivated_at.isoformat()),
        "hasActiveInventory": _stock_at,
        "hasUnfulfilledOrders": _unfulfilled_at,
        "inventoryLevel": _location_level,
        "inventoryLevels": _location_levels,
    },
    "InventoryItem": {
        "id": reading(lambda each: each.gid),
        "legacyResourceId": reading(lambda each: each.inventory_item_id),
        "duplicateSkuCount": _same_sku,
        "locationsCount": lambda item, info: CountView(len(call_of(info).shop.levels_of(item))),
        "variant": reading(VariantView),
        "variants": connection(lambda item: [VariantView(item)], variant_key),
        "inventoryLevel": _item_level,
        "inventoryLevels": _item_levels,
    },
    "InventoryLevel": {
        "id": reading(lambda each: each.gid),
        "isActive": reading(lambda each: each.active and each.location.active),
        "canDeactivate": _can_deactivate,
        "quantities": _quantities,
    },
    "InventoryProperties": {"quantityNames": reading(lambda each: QUANTITY_NAME_VIEWS)},
    "Product": {
        "id": reading(lambda each: each.gid),
        "legacyResourceId": reading(lambda each: each.id),
        "handle": reading(lambda each: each.title.lower().replace(" ", "-")),
        "status": reading(lambda each: "ACTIVE"),
        "totalInventory": _product_total,
        "tracksInventory": reading(lambda each: any(item.tracked for item in each.items)),
        "variants": connection(lambda each: [VariantView(item) for item in each.items], variant_key),
    },
    "ProductVariant": {
        "id": reading(lambda each: each.item.variant_gid),
        "legacyResourceId": reading(lambda each: each.item.variant_id),
        "sku": reading(lambda each: each.item.sku),
        "barcode": reading(lambda each: each.item.barcode),
        "title": reading(lambda each: each.item.title),
        "displayName": reading(lambda each: f"{each.item.product.title} - {each.item.title}"),
        "position": reading(lambda each: each.item.product.items.index(each.item) + 1),
        "inventoryItem": reading(lambda each: each.item),
        "inventoryPolicy": reading(lambda each: each.item.policy),
        "inventoryQuantity": _variant_quantity,
        "sellableOnlineQuantity": _variant_quantity,
        "requiresComponents": reading(lambda each: each.item.is_bundle),
        "product": reading(lambda each: each.item.product),
        "createdAt": reading(lambda each: each.item.created_at),
        "updatedAt": reading(lambda each: each.item.updated_at),
    },
}
