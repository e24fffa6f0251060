"""What a shop keeps: products and variations, orders with their lines and refunds, webhooks, and its stock's books."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

REDUCING: Final = frozenset({"processing", "completed", "on-hold"})
"""Coming into one of these takes the stock, once."""
RESTORING: Final = frozenset({"cancelled", "pending"})
"""Coming into one of these puts it back. `failed` and `refunded` do not (wc-stock-functions.php)."""
STATUSES: Final = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft")


class ShopRefused(Exception):
    """The shop does not let its staff do this."""


class SoldOut(ShopRefused):
    """A buyer wanted more than there is."""


@dataclass(slots=True, kw_only=True, eq=False)
class Product:
    """A product, or a variation of one (`parent` set)."""

    id: int
    name: str
    sku: str
    type: str
    manage_stock: bool
    stock: int | None
    created: datetime
    modified: datetime
    backorders: Literal["no", "notify", "yes"] = "no"
    status: str = "publish"
    parent: "Product | None" = None
    option: str = ""
    variations: "list[Product]" = field(default_factory=list)

    @property
    def holder(self) -> "Product | None":
        """Whose stock is sold: its own, its product's, or nobody's."""
        if self.manage_stock:
            return self
        return self.parent if self.parent is not None and self.parent.manage_stock else None

    @property
    def remote_id(self) -> str:
        return str(self.id) if self.parent is None else f"{self.parent.id}:{self.id}"


@dataclass(slots=True, kw_only=True, eq=False)
class Line:
    """`reduced` is the line's `_reduced_stock`, `restocked` its `_restock_refunded_items`; None while there is none."""

    id: int
    product: Product
    quantity: int
    name: str
    sku: str
    reduced: int | None = None
    restocked: int | None = None
    odd_quantity: object = None
    """What the body shows in place of the quantity, as a plugin might."""


@dataclass(slots=True, kw_only=True, eq=False)
class Refund:
    id: int
    created: datetime
    lines: list[tuple[int, Line, int]]
    """Number, line of the order, units."""
    reason: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    id: int
    status: str
    created: datetime
    modified: datetime
    lines: list[Line]
    paid: datetime | None = None
    completed: datetime | None = None
    refunds: list[Refund] = field(default_factory=list)
    stock_reduced: bool = False
    payment_method: str = "bacs"


@dataclass(slots=True, kw_only=True, eq=False)
class Webhook:
    id: int
    name: str
    topic: str
    delivery_url: str
    secret: str
    status: str
    created: datetime
    modified: datetime
    failure_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One step of a stock figure; `cause` is `order:<id>`, `staff` or `app`."""

    at: datetime
    product: Product
    delta: int
    after: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that a webhook may tell: of what, not with what content."""

    topic: str
    subject: int
