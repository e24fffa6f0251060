"""What the shop's staff does to the catalogue and to the figures in the admin."""

from syncd.sim.remotes.shopify.records import (
    UNAVAILABLE_NAMES,
    Item,
    Level,
    Location,
    Policy,
    Product,
    ShopRefused,
)
from syncd.sim.remotes.shopify.state import ShopState


class Catalogue(ShopState):
    """Locations, items, levels, and a person's hand on them."""

    def add_location(
        self,
        name: str,
        *,
        location_id: int | None = None,
        fulfills_online_orders: bool = True,
        is_fulfillment_service: bool = False,
    ) -> Location:
        with self.acting("staff") as act:
            location = Location(
                id=location_id or self.numbers.next("Location"),
                name=name,
                created_at=self.second,
                updated_at=self.second,
                fulfills_online_orders=fulfills_online_orders,
                is_fulfillment_service=is_fulfillment_service,
            )
            self.locations[location.id] = location
            act.tell("locations/create", location)
        return location

    def add_product(self, title: str) -> Product:
        product = Product(id=self.numbers.next("Product"), title=title, created_at=self.second, updated_at=self.second)
        self.products[product.id] = product
        return product

    def add_item(
        self,
        sku: str | None,
        *,
        tracked: bool = True,
        available: dict[Location, int] | None = None,
        barcode: str | None = None,
        title: str | None = None,
        product: Product | None = None,
        policy: Policy = "DENY",
        requires_shipping: bool = True,
        is_bundle: bool = False,
        price: str = "10.00",
        inventory_item_id: int | None = None,
    ) -> Item:
        """A new variant, stocked at the locations named in `available` (default: at the first, with none)."""
        with self.acting("staff") as act:
            new_product = product is None
            home = product or self.add_product(title or sku or "Untitled")
            item = Item(
                inventory_item_id=inventory_item_id or self.numbers.next("InventoryItem"),
                variant_id=self.numbers.next("ProductVariant"),
                product=home,
                sku=sku,
                title=title or sku or "Untitled",
                barcode=barcode,
                tracked=tracked,
                requires_shipping=requires_shipping,
                policy=policy,
                is_bundle=is_bundle,
                price=price,
                created_at=self.second,
                updated_at=self.second,
            )
            home.items.append(item)
            self.items[item.inventory_item_id] = item
            self.variants[item.variant_id] = item
            act.tell("products/create" if new_product else "products/update", home)
            act.tell("inventory_items/create", item)
            wanted = {loc: 0 for loc in list(self.locations.values())[:1]} if available is None else available
            for location, quantity in wanted.items():
                level = self.stock_at(item, location)
                self.move(level, "opening stock", "staff", available=quantity, on_hand=quantity)
        return item

    def stock_at(self, item: Item, location: Location) -> Level:
        """The item's level there, made or made active again when need be; quantities of before come back with it."""
        level = self.level(item, location)
        if level is not None and level.active:
            return level
        with self.acting("staff") as act:
            if level is None:
                level = Level(
                    id=self.numbers.next("InventoryLevel"),
                    item=item,
                    location=location,
                    created_at=self.second,
                    updated_at=self.second,
                )
                self.levels[item.inventory_item_id, location.id] = level
                self.levels_by_id[level.id] = level
            level.active = True
            level.updated_at = self.second
            act.tell("inventory_levels/connect", level)
        return level

    def activate_level(self, item: Item, location: Location, *, available: int | None = None) -> Level:
        with self.acting("staff"):
            level = self.stock_at(item, location)
            if available is not None:
                self.set_available(item, location, available)
        return level

    def deactivate_level(self, item: Item, location: Location) -> None:
        """No longer stocked there; its quantities leave every sum, without any inventory_levels/update."""
        level = self._held(item, location)
        with self.acting("staff") as act:
            level.active = False
            level.updated_at = self.second
            act.tell("inventory_levels/disconnect", level)

    def set_available(self, item: Item, location: Location, value: int, *, by: str = "staff", cause: str = "") -> None:
        level = self._held(item, location)
        delta = value - level.quantities["available"]
        with self.acting(by):
            self.move(level, "available set", cause or by, available=delta, on_hand=delta)

    def set_on_hand(self, item: Item, location: Location, value: int, *, by: str = "staff", cause: str = "") -> None:
        level = self._held(item, location)
        delta = value - level.quantities["on_hand"]
        with self.acting(by):
            self.move(level, "on hand set", cause or by, available=delta, on_hand=delta)

    def adjust(
        self,
        item: Item,
        location: Location,
        delta: int,
        *,
        name: str = "available",
        by: str = "staff",
        cause: str = "",
    ) -> None:
        level = self._held(item, location)
        if name == "committed" or name == "on_hand":
            raise ShopRefused(f"{name} is not adjusted directly")
        with self.acting(by):
            if name == "incoming":
                self.move(level, "incoming adjusted", cause or by, incoming=delta)
            else:
                self.move(level, f"{name} adjusted", cause or by, **{name: delta}, on_hand=delta)

    def hold_back(self, item: Item, location: Location, quantity: int, name: str = "damaged") -> None:
        """Move units from available to one of the unavailable states; they stay on hand."""
        if name not in UNAVAILABLE_NAMES:
            raise ShopRefused(f"{name} is no unavailable state")
        level = self._held(item, location)
        with self.acting("staff"):
            self.move(level, f"held back as {name}", "staff", available=-quantity, **{name: quantity})

    def rename_sku(self, item: Item, sku: str | None) -> None:
        with self.acting("staff") as act:
            item.sku = sku
            item.updated_at = item.product.updated_at = self.second
            act.tell("inventory_items/update", item)
            act.tell("products/update", item.product)

    def set_tracked(self, item: Item, tracked: bool) -> None:
        with self.acting("staff") as act:
            item.tracked = tracked
            item.updated_at = self.second
            act.tell("inventory_items/update", item)

    def delete_item(self, item: Item) -> None:
        """The variant goes, and with its last variant the product; orders keep their lines without a variant."""
        with self.acting("staff") as act:
            item.deleted = True
            self.items.pop(item.inventory_item_id, None)
            self.variants.pop(item.variant_id, None)
            for level in self.levels_of(item, inactive=True):
                level.active = False
            item.product.items.remove(item)
            item.product.updated_at = self.second
            act.tell("inventory_items/delete", item)
            if item.product.items:
                act.tell("products/update", item.product)
            else:
                self.products.pop(item.product.id, None)
                act.tell("products/delete", item.product)

    def deactivate_location(self, location: Location) -> None:
        with self.acting("staff") as act:
            location.active = False
            location.deactivated_at = location.updated_at = self.second
            act.tell("locations/deactivate", location)

    def activate_location(self, location: Location) -> None:
        with self.acting("staff") as act:
            location.active = True
            location.deactivated_at = None
            location.updated_at = self.second
            act.tell("locations/activate", location)

    def _held(self, item: Item, location: Location) -> Level:
        level = self.level(item, location)
        if level is None:
            raise ShopRefused(f"{item.sku} is not stocked at {location.name}")
        return level
