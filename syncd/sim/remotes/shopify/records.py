"""What a shop keeps: catalogue, stock levels, orders and what became of them.

These are the shop's own mutable records; only the modules of this package change them.
Times are aware UTC, whole seconds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from syncd.sim.remotes.shopify.ids import gid

RestockType = Literal["cancel", "return", "no_restock", "legacy_restock"]
Policy = Literal["DENY", "CONTINUE"]

UNAVAILABLE_NAMES = ("damaged", "quality_control", "reserved", "safety_stock")
QUANTITY_NAMES = (
    "available",
    "committed",
    "damaged",
    "incoming",
    "on_hand",
    "quality_control",
    "reserved",
    "safety_stock",
)


class ShopRefused(Exception):
    """The shop does not allow this to its buyer or its staff."""


class SoldOut(ShopRefused):
    """Too few units available, and the variant's policy is to deny."""


class BooksBroken(Exception):
    """on_hand is no longer the sum of its parts: a fault of the simulator itself."""


@dataclass(slots=True, kw_only=True, eq=False)
class Location:
    id: int
    name: str
    created_at: datetime
    updated_at: datetime
    active: bool = True
    fulfills_online_orders: bool = True
    is_fulfillment_service: bool = False
    deactivated_at: datetime | None = None

    @property
    def gid(self) -> str:
        return gid("Location", self.id)


@dataclass(slots=True, kw_only=True, eq=False)
class Product:
    id: int
    title: str
    created_at: datetime
    updated_at: datetime
    items: list["Item"] = field(default_factory=list)

    @property
    def gid(self) -> str:
        return gid("Product", self.id)


@dataclass(slots=True, kw_only=True, eq=False)
class Item:
    """A variant and its inventory item, which are one to one."""

    inventory_item_id: int
    variant_id: int
    product: Product
    sku: str | None
    title: str
    barcode: str | None
    tracked: bool
    requires_shipping: bool
    policy: Policy
    is_bundle: bool
    price: str
    created_at: datetime
    updated_at: datetime
    deleted: bool = False

    @property
    def gid(self) -> str:
        return gid("InventoryItem", self.inventory_item_id)

    @property
    def variant_gid(self) -> str:
        return gid("ProductVariant", self.variant_id)

    @property
    def product_id(self) -> int:
        return self.product.id

    @property
    def carries_stock(self) -> bool:
        return self.tracked and self.requires_shipping and not self.is_bundle


@dataclass(slots=True, kw_only=True, eq=False)
class Level:
    """The stock of one item at one location. `quantities` holds all eight names, on_hand among them."""

    id: int
    item: Item
    location: Location
    created_at: datetime
    updated_at: datetime
    active: bool = True
    quantities: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUANTITY_NAMES, 0))
    changed_at: dict[str, datetime] = field(default_factory=dict)

    @property
    def gid(self) -> str:
        return f"{gid('InventoryLevel', self.id)}?inventory_item_id={self.item.inventory_item_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One entry of the shop's books; `at` is exact, not cut to the second."""

    at: datetime
    what: str
    by: str
    item: Item
    location: Location
    deltas: Mapping[str, int]
    cause: str


@dataclass(slots=True, kw_only=True, eq=False)
class Line:
    """One order line. `removed` counts units taken off before shipping, `returned` units that came off after it."""

    id: int
    order: "Order"
    item: Item | None
    title: str
    sku: str | None
    price: str
    quantity: int
    carries_stock: bool
    requires_shipping: bool
    gift_card: bool
    default_location: Location
    shipped: int = 0
    removed: int = 0
    returned: int = 0

    @property
    def gid(self) -> str:
        return gid("LineItem", self.id)

    @property
    def unfulfilled(self) -> int:
        return self.quantity - self.removed - self.shipped

    @property
    def current_quantity(self) -> int:
        return self.quantity - self.removed - self.returned


@dataclass(slots=True, kw_only=True, eq=False)
class OpenUnits:
    """A fulfilment order's line: `total` units assigned there, `remaining` of them not shipped."""

    id: int
    line: Line
    total: int
    remaining: int


@dataclass(slots=True, kw_only=True, eq=False)
class FulfilmentOrder:
    id: int
    order: "Order"
    location: Location
    created_at: datetime
    updated_at: datetime
    lines: list[OpenUnits] = field(default_factory=list)
    cancelled: bool = False

    @property
    def gid(self) -> str:
        return gid("FulfillmentOrder", self.id)

    @property
    def remaining(self) -> int:
        return sum(units.remaining for units in self.lines)

    @property
    def status(self) -> str:
        if self.cancelled:
            return "CANCELLED"
        if self.remaining == 0:
            return "CLOSED"
        partly = any(units.remaining < units.total for units in self.lines)
        return "IN_PROGRESS" if partly else "OPEN"


@dataclass(slots=True, kw_only=True, eq=False)
class FulfilmentLine:
    id: int
    line: Line
    quantity: int


@dataclass(slots=True, kw_only=True, eq=False)
class Fulfilment:
    id: int
    order: "Order"
    location: Location
    created_at: datetime
    updated_at: datetime
    lines: list[FulfilmentLine] = field(default_factory=list)
    status: str = "success"
    name: str = ""

    @property
    def gid(self) -> str:
        return gid("Fulfillment", self.id)


@dataclass(slots=True, kw_only=True, eq=False)
class RefundLine:
    id: int
    line: Line
    quantity: int
    restock_type: RestockType
    location: Location | None


@dataclass(slots=True, kw_only=True, eq=False)
class Refund:
    id: int
    order: "Order"
    created_at: datetime
    lines: list[RefundLine] = field(default_factory=list)
    return_: "Return | None" = None
    note: str | None = None

    @property
    def gid(self) -> str:
        return gid("Refund", self.id)


@dataclass(slots=True, kw_only=True, eq=False)
class ReturnLine:
    id: int
    fulfilment_line: FulfilmentLine
    quantity: int
    disposition_id: int
    location: Location | None
    refunded: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Return:
    id: int
    reverse_id: int
    order: "Order"
    name: str
    created_at: datetime
    lines: list[ReturnLine] = field(default_factory=list)
    closed_at: datetime | None = None

    @property
    def gid(self) -> str:
        return gid("Return", self.id)

    @property
    def total_quantity(self) -> int:
        return sum(line.quantity for line in self.lines)


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    id: int
    name: str
    number: int
    created_at: datetime
    updated_at: datetime
    source_name: str
    test: bool
    retail_location: Location | None
    paid: bool
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    closed_at: datetime | None = None
    edited: bool = False
    lines: list[Line] = field(default_factory=list)
    fulfilment_orders: list[FulfilmentOrder] = field(default_factory=list)
    fulfilments: list[Fulfilment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    seen_by_search: list[tuple[datetime, datetime]] = field(default_factory=list)

    @property
    def gid(self) -> str:
        return gid("Order", self.id)

    def open_units(self, line: Line) -> Iterator[tuple[FulfilmentOrder, OpenUnits]]:
        for fulfilment_order in self.fulfilment_orders:
            for units in fulfilment_order.lines:
                if units.line is line and units.remaining > 0:
                    yield fulfilment_order, units

    @property
    def fulfillment_status(self) -> str | None:
        """null | partial | fulfilled | restocked, as in webhook bodies."""
        shipped = sum(line.shipped for line in self.lines)
        waiting = sum(line.unfulfilled for line in self.lines)
        if self.cancelled_at is not None and not shipped and self.refunds:
            return "restocked"
        if shipped == 0:
            return None
        return "partial" if waiting else "fulfilled"

    @property
    def financial_status(self) -> str:
        refunded = sum(part.quantity for refund in self.refunds for part in refund.lines)
        if not self.paid:
            return "voided" if self.cancelled_at is not None else "pending"
        if refunded == 0:
            return "paid"
        return "refunded" if refunded >= sum(line.quantity for line in self.lines) else "partially_refunded"
