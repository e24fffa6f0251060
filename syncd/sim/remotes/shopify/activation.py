"""Stocking an item at a location and taking it off again (fact sheet 4.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncd.sim.remotes.shopify.ids import number_of
from syncd.sim.remotes.shopify.inventory_writes import BILLION
from syncd.sim.remotes.shopify.records import Item, Level
from syncd.sim.remotes.shopify.subscriptions import UserError

if TYPE_CHECKING:
    from syncd.sim.remotes.shopify.shop import Shop


@dataclass(frozen=True, slots=True, kw_only=True)
class Activated:
    inventory_level: Level | None = None
    user_errors: list[UserError] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deactivated:
    user_errors: list[UserError] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toggled:
    inventory_item: Item | None = None
    inventory_levels: list[Level] | None = None
    user_errors: list[UserError] = field(default_factory=list)


def activate(shop: "Shop", args: Mapping[str, Any]) -> Activated:
    """One quantity may come along, but only where the item was not stocked yet."""
    item = shop.items.get(number_of(args["inventoryItemId"], "InventoryItem") or 0)
    location = shop.locations.get(number_of(args["locationId"], "Location") or 0)
    if item is None:
        return Activated(
            user_errors=[UserError(["inventoryItemId"], "The specified inventory item could not be found.")]
        )
    if location is None or not location.active:
        return Activated(user_errors=[UserError(["locationId"], "The specified location could not be found.")])
    given = {name: args[name] for name in ("available", "onHand") if args.get(name) is not None}
    why = f"The product couldn't be stocked at {location.name} because "
    if len(given) == 2:
        told = why + "not allowed to set available and on_hand quantities at the same time."
        return Activated(user_errors=[UserError([name], told) for name in given])
    level = shop.level(item, location)
    if level is not None and level.active:
        return Activated(inventory_level=level, user_errors=[UserError([name], _already(name)) for name in given])
    wrong = [UserError([name], f"{why}the quantity needs to be between -1 billion and 1 billion.")
             for name, value in given.items() if abs(value) > BILLION]  # fmt: skip
    if wrong:
        return Activated(user_errors=wrong)
    with shop.acting("app"):
        level = shop.stock_at(item, location)
        for name, value in given.items():
            delta = value - level.quantities["on_hand" if name == "onHand" else "available"]
            shop.move(level, "activated by API", "inventoryActivate", available=delta, on_hand=delta)
    return Activated(inventory_level=level)


def deactivate(shop: "Shop", global_id: str) -> Deactivated:
    """Stock of any kind does not stand in the way; being the item's last location does."""
    level = shop.levels_by_id.get(number_of(global_id, "InventoryLevel") or 0)
    if level is None:
        return Deactivated(
            user_errors=[UserError(["inventoryLevelId"], "The specified inventory level could not be found.")]
        )
    if level.active and len(shop.levels_of(level.item)) <= 1:
        told = (
            f"The product couldn't be unstocked from {level.location.name} because products need to be stocked "
            "at a minimum of 1 location."
        )
        return Deactivated(user_errors=[UserError(["inventoryLevelId"], told)])
    if level.active:
        shop.deactivate_level(level.item, level.location)
    return Deactivated()


def toggle(shop: "Shop", args: Mapping[str, Any]) -> Toggled:
    item = shop.items.get(number_of(args["inventoryItemId"], "InventoryItem") or 0)
    if item is None:
        told = "The inventory item couldn't be found."
        return Toggled(user_errors=[UserError(["inventoryItemId"], told, "INVENTORY_ITEM_NOT_FOUND")])
    errors, touched = [], []
    with shop.acting("app"):
        for index, update in enumerate(args["inventoryItemUpdates"]):
            location = shop.locations.get(number_of(update["locationId"], "Location") or 0)
            at = ["inventoryItemUpdates", str(index), "locationId"]
            if location is None:
                errors.append(UserError(at, "The location couldn't be found.", "LOCATION_NOT_FOUND"))
            elif update["activate"]:
                touched.append(shop.stock_at(item, location))
            elif len(shop.levels_of(item)) <= 1:
                told = "The inventory item is stocked at this location only."
                errors.append(UserError(at, told, "CANNOT_DEACTIVATE_FROM_ONLY_LOCATION"))
            else:
                shop.deactivate_level(item, location)
    return Toggled(inventory_item=item, inventory_levels=touched, user_errors=errors)


def _already(name: str) -> str:
    quantity = "an on_hand" if name == "onHand" else "an available"
    return f"Not allowed to set {quantity} quantity when the item is already active at the location."
