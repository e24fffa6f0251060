"""A seller account's truth: listings, orders, what Amazon holds; what buyers and staff do to it.

Amazon lowers a merchant's figure when an order is placed, whatever its payment does afterwards, and raises it again on
a cancellation unless the reason is that there was none. A submission takes force only later, and then overwrites
whatever happened meanwhile; that is kept in the books.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from syncd.sim.remotes.amazon.state import (
    DEFAULT,
    FbaStock,
    Item,
    Landing,
    Listing,
    Movement,
    Order,
    OutOfStock,
    Plan,
    later,
)

UK = "A1F83G8C2ARO7P"
AMAZON_EU = "AMAZON_EU"
NO_INVENTORY = "No Inventory"

Listener = Callable[[str, object], None]


class Seller:
    """`listeners` hear (notification type, the order, listing or FBA row that changed)."""

    def __init__(
        self,
        *,
        seller_id: str = "A2SIMSELLER01",
        marketplaces: Sequence[str] = (UK,),
        now: Callable[[], datetime] | None = None,
        rng: random.Random | None = None,
        plan: Plan | None = None,
    ) -> None:
        self.seller_id = seller_id
        self.marketplaces = tuple(marketplaces)
        self.plan = plan or Plan()
        self.rng = rng or random.Random(1)  # noqa: S311 - a simulation
        self.listings: dict[str, Listing] = {}
        self.orders: dict[str, Order] = {}
        self.fba: dict[str, FbaStock] = {}
        self.books: list[Movement] = []
        self.landings: list[Landing] = []
        self.listeners: list[Listener] = []
        self._now = now or (lambda: datetime.now(UTC))
        self._serial = 0

    def now(self) -> datetime:
        return self._now()

    def number(self) -> int:
        self._serial += 1
        return self._serial

    def add_listing(
        self,
        sku: str,
        quantity: int | None = 10,
        *,
        title: str = "",
        marketplaces: Sequence[str] | None = None,
        handling_days: int | None = None,
        product_type: str = "HOME",
    ) -> Listing:
        """A merchant's listing; `quantity` None: without any entry yet."""
        entry = {"quantity": quantity} if quantity is not None else None
        if entry is not None and handling_days is not None:
            entry["lead_time_to_ship_max_days"] = handling_days
        now = self.now()
        made = self.listings[sku] = Listing(
            sku=sku,
            asin=f"B{self.number():09d}",
            title=title or f"Item {sku}",
            product_type=product_type,
            marketplaces=tuple(marketplaces or self.marketplaces),
            created=now,
            updated=now,
            entries={DEFAULT: dict(entry)} if entry is not None else {},
            submitted={DEFAULT: dict(entry)} if entry is not None else {},
        )
        return made

    def add_fba(self, sku: str, fulfillable: int = 10, *, title: str = "", inbound: int = 0) -> FbaStock:
        listing = self.add_listing(sku, None, title=title)
        listing.entries[AMAZON_EU] = {}
        made = self.fba[sku] = FbaStock(
            sku=sku,
            asin=listing.asin,
            fnsku=f"X{self.number():09d}",
            title=listing.title,
            fulfillable=fulfillable,
            inbound=inbound,
            updated=self.now(),
        )
        return made

    def shows(self, sku: str) -> int | None:
        """The merchant's figure in force now."""
        self.settle()
        return self.listings[sku].shows

    def order(
        self,
        items: Mapping[str, int],
        *,
        by_amazon: bool = False,
        on_amazon: bool = True,
        marketplace: str = "",
        status: str = "PENDING",
        listed_after: float = 0.0,
        oversell: bool = False,
    ) -> Order:
        """A buyer orders. Raises OutOfStock where Amazon shows less, unless `oversell`."""
        self.settle()
        now = self.now()
        for sku, units in items.items():
            if not by_amazon and on_amazon and not oversell and (self.listings[sku].shows or 0) < units:
                raise OutOfStock(sku)
            if by_amazon and self.fba[sku].fulfillable < units:
                raise OutOfStock(sku)
        order_id = f"026-{self.number():07d}-{self.rng.randrange(10**7):07d}"
        made = self.orders[order_id] = Order(
            order_id=order_id,
            created=now,
            updated=now,
            status=status,
            by_amazon=by_amazon,
            on_amazon=on_amazon,
            marketplace=marketplace or self.marketplaces[0],
            items=[self._item(sku, units) for sku, units in items.items()],
            listed_from=now + timedelta(seconds=listed_after) if listed_after else None,
        )
        for sku, units in items.items():
            if by_amazon:
                self._reserve(sku, units)
            elif on_amazon:
                self._moved(sku, -units, f"order:{order_id}")
        self._tell("ORDER_CHANGE", made)
        return made

    def authorise(self, order: Order) -> None:
        self._changed(order, "UNSHIPPED")

    def ship(self, order: Order, units: Mapping[str, int] | None = None) -> None:
        """Ship some units by SKU, or all that is left."""
        for item in order.items:
            left = item.ordered - item.shipped
            shipped = left if units is None else min(left, units.get(item.sku, 0))
            item.shipped += shipped
            if order.by_amazon and shipped:
                row = self.fba[item.sku]
                row.pending -= min(row.pending, shipped)
        whole = all(item.shipped >= item.ordered for item in order.items)
        self._changed(order, "SHIPPED" if whole else "PARTIALLY_SHIPPED")

    def cancel(self, order: Order, *, by: str = "BUYER", reason: str = "", zero: bool = True) -> None:
        """`zero`: the order's quantities read 0 from then on."""
        for item in order.items:
            left = item.ordered - item.shipped
            item.cancelled_by, item.cancel_reason = by, reason or "OTHER"
            if order.by_amazon:
                row = self.fba[item.sku]
                row.pending -= left
                row.fulfillable += left
            elif order.on_amazon and reason != NO_INVENTORY:
                self._moved(item.sku, left, f"cancel:{order.order_id}")
        order.zero_quantities = zero
        self._changed(order, "CANCELLED")

    def cancel_item(self, order: Order, sku: str, *, by: str = "MERCHANT") -> None:
        """One item of the order is cancelled; the others stay."""
        for item in order.items:
            if item.sku == sku and not item.cancelled_by:
                item.cancelled_by, item.cancel_reason = by, "OTHER"
                self._moved(sku, item.ordered - item.shipped, f"cancel:{order.order_id}")
        self._changed(order, order.status)

    def ask_to_cancel(self, order: Order) -> None:
        """A buyer's wish; nothing is cancelled by it."""
        for item in order.items:
            item.asked_to_cancel = True
        self._changed(order, order.status)

    def touch(self, order: Order) -> None:
        """Some other member of the order changed."""
        self._changed(order, order.status)

    def set_by_hand(self, sku: str, quantity: int) -> None:
        """Staff types a quantity into Seller Central; it counts at once."""
        self.settle()
        listing = self.listings[sku]
        self._moved(sku, quantity - (listing.shows or 0), "by hand")
        listing.submitted[DEFAULT] = dict(listing.entries[DEFAULT])

    def receive_fba(self, sku: str, units: int) -> None:
        row = self.fba[sku]
        row.fulfillable += units
        row.updated = self.now()
        self._tell("FBA_INVENTORY_AVAILABILITY_CHANGES", row)

    def remove_listing(self, sku: str) -> None:
        listing = self.listings.pop(sku)
        self._tell("LISTINGS_ITEM_STATUS_CHANGE", listing)

    def submit(self, sku: str, code: str, values: Mapping[str, int], *, whole: bool, cause: str) -> None:
        """A write was accepted; it takes force after the lag."""
        self.settle()
        listing = self.listings[sku]
        known = {} if whole else dict(listing.submitted.get(code) or listing.entries.get(code) or {})
        listing.submitted[code] = {**known, **values}
        due = later(self.now(), self.plan.write_lag)
        self.landings.append(Landing(due=due, sku=sku, code=code, values=dict(values), whole=whole, cause=cause))
        self.settle()

    def settle(self) -> None:
        """Let everything take force that is due by now."""
        now = self.now()
        due = sorted((each for each in self.landings if each.due <= now), key=lambda each: each.due)
        self.landings = [each for each in self.landings if each.due > now]
        for each in due:
            self._land(each)

    def overwritten(self) -> list[Movement]:
        """Submissions that raised a figure over what was shown: some may have restored what was sold."""
        return [each for each in self.books if each.cause.startswith("write:") and each.after > each.before]

    def _land(self, landing: Landing) -> None:
        listing = self.listings.get(landing.sku)
        if listing is None:
            return
        if landing.code == DEFAULT and any(code.startswith("AMAZON_") for code in listing.entries):
            listing.stranded = True
        before = listing.shows or 0
        entry = {} if landing.whole else listing.entries.get(landing.code, {})
        listing.entries[landing.code] = {**entry, **landing.values}
        listing.updated = landing.due
        if landing.code == DEFAULT:
            after = listing.shows or 0
            cause = f"write:{landing.cause}"
            self.books.append(Movement(at=landing.due, sku=landing.sku, before=before, after=after, cause=cause))
            self._tell("LISTINGS_ITEM_MFN_QUANTITY_CHANGE", listing)

    def _moved(self, sku: str, delta: int, cause: str) -> None:
        self.settle()
        listing = self.listings.get(sku)
        if listing is None:
            return
        before = listing.shows or 0
        after = max(0, before + delta)
        listing.entries.setdefault(DEFAULT, {})["quantity"] = after
        listing.updated = self.now()
        self.books.append(Movement(at=self.now(), sku=sku, before=before, after=after, cause=cause))
        self._tell("LISTINGS_ITEM_MFN_QUANTITY_CHANGE", listing)

    def _reserve(self, sku: str, units: int) -> None:
        row = self.fba[sku]
        row.fulfillable -= units
        row.pending += units
        row.updated = self.now()
        self._tell("FBA_INVENTORY_AVAILABILITY_CHANGES", row)

    def _item(self, sku: str, units: int) -> Item:
        listing = self.listings.get(sku)
        asin = listing.asin if listing is not None else "B000000000"
        return Item(item_id=f"{68_828_574_000_000 + self.number()}", sku=sku, asin=asin, ordered=units)

    def _changed(self, order: Order, status: str) -> None:
        order.status = status
        order.updated = self.now()
        self._tell("ORDER_CHANGE", order)

    def _tell(self, kind: str, what: object) -> None:
        for listener in self.listeners:
            listener(kind, what)
