"""Orders placed, shipped, edited and moved, and what each does to stock (the effects table of the fact sheet, 7.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncd.sim.remotes.shopify.catalogue import Catalogue
from syncd.sim.remotes.shopify.ids import to_second
from syncd.sim.remotes.shopify.records import (
    Fulfilment,
    FulfilmentLine,
    FulfilmentOrder,
    Item,
    Level,
    Line,
    Location,
    OpenUnits,
    Order,
    ShopRefused,
    SoldOut,
)

# What one unit does to (available, committed, on_hand). The unavailable quantities are never touched by orders.
EFFECTS: dict[str, tuple[int, int, int]] = {
    "sold": (-1, +1, 0),
    "released": (+1, -1, 0),
    "written off": (0, -1, -1),
    "shipped": (0, -1, -1),
    "unshipped": (0, +1, +1),
    "returned": (+1, 0, +1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One line a buyer asks for. Without an item it is a custom line, a gift card or a service: no stock."""

    item: Item | None = None
    quantity: int = 1
    title: str = "Custom item"
    sku: str | None = None
    gift_card: bool = False
    requires_shipping: bool = True
    price: str = "10.00"
    location: Location | None = None


WishLike = Wish | tuple[Item, int]


def gift_card(quantity: int = 1) -> Wish:
    return Wish(quantity=quantity, title="Gift card", gift_card=True, requires_shipping=False)


def custom_line(quantity: int = 1, *, title: str = "Custom item", sku: str | None = None) -> Wish:
    return Wish(quantity=quantity, title=title, sku=sku)


def service(quantity: int = 1, *, title: str = "Gift wrapping") -> Wish:
    return Wish(quantity=quantity, title=title, requires_shipping=False)


class Sales(Catalogue):
    """The till and the packing table."""

    _order_number = 1000

    def place_order(
        self,
        lines: Sequence[WishLike],
        *,
        location: Location | None = None,
        source: str = "web",
        test: bool = False,
        paid: bool = True,
        created_at: datetime | None = None,
        may_oversell: bool | None = None,
        moves_stock: bool = True,
    ) -> Order:
        """An order, assigned at once to `location` or to the first location that can ship each line.

        `may_oversell` None goes by each variant's policy, True lets two buyers take the last unit. `moves_stock` False
        is an order that an app imported with inventory behaviour BYPASS. SoldOut when the policy denies.
        """
        wishes = [wish if isinstance(wish, Wish) else Wish(item=wish[0], quantity=wish[1]) for wish in lines]
        placed = [(wish, wish.location or location or self._ships_from(wish)) for wish in wishes]
        if may_oversell is not True:
            self._refuse_sold_out(wishes, may_oversell)
        with self.acting("buyer") as act:
            self._order_number += 1
            at = to_second(created_at) if created_at else self.second
            order = Order(
                id=self.numbers.next("Order"),
                name=f"#{self._order_number}",
                number=self._order_number - 1000,
                created_at=at,
                updated_at=at,
                source_name=source,
                test=test,
                paid=paid,
                retail_location=location if source == "pos" else None,
            )
            self.orders[order.id] = order
            for wish, at_location in placed:
                self._add_line(order, wish, at_location, moves_stock=moves_stock)
            order.updated_at = at
            order.seen_by_search.append((created_at or self.now(), at))
            act.tell("orders/create", order)
            if paid:
                act.tell("orders/paid", order)
            act.tell("orders/updated", order)
        return order

    def fulfil(
        self, order: Order, lines: Sequence[tuple[Line, int]] | None = None, *, location: Location | None = None
    ) -> Fulfilment:
        """Ship lines from one location: the named one, else that of the first fulfilment order with such units open.

        A location other than the assigned one takes the units over first. Without `lines`: all that is open there.
        """
        ship_from = location or self._next_to_ship(order, lines)
        if lines is None:
            lines = [
                (line, sum(u.remaining for f, u in order.open_units(line) if location or f.location is ship_from))
                for line in order.lines
            ]
        asked = [(line, quantity) for line, quantity in lines if quantity > 0]
        if not asked or any(quantity > line.unfulfilled for line, quantity in asked):
            raise ShopRefused(f"{order.name}: not that many units left to ship")
        with self.acting("staff") as act:
            fulfilment = Fulfilment(
                id=self.numbers.next("Fulfillment"),
                order=order,
                location=ship_from,
                created_at=self.second,
                updated_at=self.second,
                name=f"{order.name}.{len(order.fulfilments) + 1}",
            )
            self.fulfilments[fulfilment.id] = fulfilment
            order.fulfilments.append(fulfilment)
            for line, quantity in asked:
                self._assign(line, quantity, ship_from)
                for _, taken in self._take(line, quantity, first=ship_from):
                    self._effect("shipped", line, ship_from, taken)
                line.shipped += quantity
                fulfilment.lines.append(
                    FulfilmentLine(id=self.numbers.next("FulfillmentLineItem"), line=line, quantity=quantity)
                )
            self.touch(order)
            act.tell("fulfillments/create", fulfilment)
            whole = order.fulfillment_status == "fulfilled"
            act.tell("orders/fulfilled" if whole else "orders/partially_fulfilled", order)
            act.tell("orders/updated", order)
        return fulfilment

    def fulfil_all(self, order: Order) -> list[Fulfilment]:
        """Ship everything still open, one fulfilment for each location it is assigned to."""
        done = []
        while any(line.unfulfilled for line in order.lines):
            done.append(self.fulfil(order))
        return done

    def cancel_fulfilment(self, fulfilment: Fulfilment) -> None:
        if fulfilment.status == "cancelled":
            raise ShopRefused("the fulfilment is cancelled already")
        if fulfilment.order.cancelled_at is not None:
            raise ShopRefused("the order is cancelled")
        if any(part.line.returned for part in fulfilment.lines):
            raise ShopRefused("units of it came back already")
        order = fulfilment.order
        with self.acting("staff") as act:
            fulfilment.status = "cancelled"
            fulfilment.updated_at = self.second
            for part in fulfilment.lines:
                part.line.shipped -= part.quantity
                self._open(part.line, part.quantity, fulfilment.location)
                self._effect("unshipped", part.line, fulfilment.location, part.quantity)
            self.touch(order)
            act.tell("fulfillments/update", fulfilment)
            act.tell("orders/updated", order)

    def move_order(self, order: Order, to_location: Location) -> None:
        """Assign all that is not shipped to another location."""
        with self.acting("staff") as act:
            for line in order.lines:
                for fulfilment_order, units in list(order.open_units(line)):
                    if fulfilment_order.location is not to_location:
                        self._reassign(fulfilment_order, units, units.remaining, to_location)
            self.touch(order)
            for moved in order.fulfilment_orders:
                if moved.location is to_location and moved.remaining:
                    act.tell("fulfillment_orders/moved", moved)
            act.tell("orders/updated", order)

    def edit(
        self, order: Order, *, add: Sequence[WishLike] = (), remove: Sequence[tuple[Line, int, bool]] = ()
    ) -> None:
        """Add lines, and take (line, quantity, restock) off what is not shipped; all of it or none."""
        if order.cancelled_at is not None:
            raise ShopRefused(f"{order.name} is cancelled")
        for line, quantity, _ in remove:
            if not 0 < quantity <= line.unfulfilled:
                raise ShopRefused(f"{order.name}: {quantity} is not to be removed, {line.unfulfilled} unfulfilled")
        wishes = [wish if isinstance(wish, Wish) else Wish(item=wish[0], quantity=wish[1]) for wish in add]
        with self.acting("staff") as act:
            added = [
                self._add_line(order, wish, wish.location or self._ships_from(wish), moves_stock=True)
                for wish in wishes
            ]
            for line, quantity, restock in remove:
                self._take_off(line, quantity, restock=restock)
            order.edited = True
            self.touch(order)
            act.tell(
                "orders/edited",
                order,
                edit_id=self.numbers.next("OrderEdit"),
                additions=[(line.id, line.quantity) for line in added],
                removals=[(line.id, quantity) for line, quantity, _ in remove],
            )
            act.tell("orders/updated", order)

    # --- shared by what follows an order ---

    def _effect(self, what: str, line: Line, location: Location, quantity: int) -> None:
        if not line.carries_stock or line.item is None or quantity == 0:
            return
        available, committed, on_hand = EFFECTS[what]
        self.move(
            self._level_for(line.item, location),
            what,
            f"order:{line.order.id}:line:{line.id}",
            available=available * quantity,
            committed=committed * quantity,
            on_hand=on_hand * quantity,
        )

    def _level_for(self, item: Item, location: Location) -> Level:
        return self.level(item, location) or self.stock_at(item, location)

    def _take_off(self, line: Line, quantity: int, *, restock: bool) -> list[tuple[Location, int]]:
        """Units that will never ship: back to available, or off the books. Says where they were assigned."""
        taken = self._take(line, quantity)
        for location, units in taken:
            self._effect("released" if restock else "written off", line, location, units)
        line.removed += quantity
        return taken

    def _take(self, line: Line, quantity: int, *, first: Location | None = None) -> list[tuple[Location, int]]:
        """Take units out of the line's open fulfilment orders, those at `first` before the rest."""
        taken: list[tuple[Location, int]] = []
        for fulfilment_order, units in sorted(
            line.order.open_units(line), key=lambda each: each[0].location is not first
        ):
            some = min(quantity, units.remaining)
            if some:
                units.remaining -= some
                fulfilment_order.updated_at = self.second
                taken.append((fulfilment_order.location, some))
                quantity -= some
        return taken

    def _assign(self, line: Line, quantity: int, location: Location) -> None:
        """See to it that `quantity` units of the line are open at the location, taking them from others."""
        here = sum(u.remaining for f, u in line.order.open_units(line) if f.location is location)
        missing = quantity - here
        for fulfilment_order, units in list(line.order.open_units(line)):
            if missing > 0 and fulfilment_order.location is not location:
                some = min(missing, units.remaining)
                self._reassign(fulfilment_order, units, some, location)
                missing -= some

    def _reassign(self, source: FulfilmentOrder, units: OpenUnits, quantity: int, location: Location) -> None:
        units.remaining -= quantity
        units.total -= quantity
        source.updated_at = self.second
        self._effect("released", units.line, source.location, quantity)
        self._open(units.line, quantity, location)
        self._effect("sold", units.line, location, quantity)
        if all(each.total == 0 for each in source.lines):
            source.cancelled = True

    def _open(self, line: Line, quantity: int, location: Location) -> None:
        order = line.order
        home = next((f for f in order.fulfilment_orders if f.location is location and f.status == "OPEN"), None)
        if home is None:
            home = FulfilmentOrder(
                id=self.numbers.next("FulfillmentOrder"),
                order=order,
                location=location,
                created_at=self.second,
                updated_at=self.second,
            )
            order.fulfilment_orders.append(home)
            self.fulfilment_orders[home.id] = home
        units = next((units for units in home.lines if units.line is line), None)
        if units is None:
            units = OpenUnits(id=self.numbers.next("FulfillmentOrderLineItem"), line=line, total=0, remaining=0)
            home.lines.append(units)
        units.total += quantity
        units.remaining += quantity
        home.updated_at = self.second

    def _add_line(self, order: Order, wish: Wish, location: Location, *, moves_stock: bool) -> Line:
        item = wish.item
        line = Line(
            id=self.numbers.next("LineItem"),
            order=order,
            item=item,
            title=item.title if item else wish.title,
            sku=item.sku if item else wish.sku,
            price=item.price if item else wish.price,
            quantity=wish.quantity,
            carries_stock=moves_stock and item is not None and item.carries_stock,
            requires_shipping=item.requires_shipping if item else wish.requires_shipping,
            gift_card=wish.gift_card,
            default_location=location,
        )
        order.lines.append(line)
        self._open(line, wish.quantity, location)
        self._effect("sold", line, location, wish.quantity)
        return line

    def _ships_from(self, wish: Wish) -> Location:
        """The first active location that has enough, else the first that stocks it, else the first of all."""
        usable = [location for location in self.locations.values() if location.active]
        online = [location for location in usable if location.fulfills_online_orders] or usable
        if not online:
            raise ShopRefused("the shop has no active location")
        if wish.item is None:
            return online[0]
        held = [level for level in self.levels_of(wish.item) if level.location in online]
        enough = [level for level in held if level.quantities["available"] >= wish.quantity]
        return (enough or held)[0].location if held else online[0]

    def _refuse_sold_out(self, wishes: Iterable[Wish], may_oversell: bool | None) -> None:
        wanted: dict[Item, int] = {}
        for wish in wishes:
            if wish.item is not None and wish.item.carries_stock:
                wanted[wish.item] = wanted.get(wish.item, 0) + wish.quantity
        for item, quantity in wanted.items():
            denied = may_oversell is False or item.policy == "DENY"
            if denied and self.sellable(item) < quantity:
                raise SoldOut(f"{item.sku}: {quantity} wanted, {self.sellable(item)} available")

    def _next_to_ship(self, order: Order, lines: Sequence[tuple[Line, int]] | None) -> Location:
        asked = {id(line) for line, _ in lines} if lines is not None else None
        for fulfilment_order in order.fulfilment_orders:
            for units in fulfilment_order.lines:
                if units.remaining and (asked is None or id(units.line) in asked):
                    return fulfilment_order.location
        raise ShopRefused(f"{order.name}: nothing left to ship")
