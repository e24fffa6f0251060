"""What a seller account consists of."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

DEFAULT = "DEFAULT"


class OutOfStock(Exception):
    """Amazon sells no more than it shows."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """How slow Amazon is; all in seconds."""

    visibility: float = 120.0
    """The order list tells changes no younger than this."""
    write_lag: float = 30.0
    feed_queue: float = 20.0
    feed_work: float = 20.0
    search_lag: float = 0.0
    orders_token: float = 24 * 3600.0
    fba_token: float = 30.0
    document_life: float = 300.0


@dataclass(slots=True, kw_only=True)
class Listing:
    """`entries` are in force, by fulfilment channel code; `submitted` is what was last sent in for each."""

    sku: str
    asin: str
    title: str
    product_type: str
    marketplaces: tuple[str, ...]
    created: datetime
    updated: datetime
    entries: dict[str, dict[str, int]] = field(default_factory=dict)
    submitted: dict[str, dict[str, int]] = field(default_factory=dict)
    stranded: bool = False
    """A quantity was written to an offer that Amazon ships."""

    @property
    def shows(self) -> int | None:
        entry = self.entries.get(DEFAULT)
        return entry.get("quantity", 0) if entry is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """A submission that takes force at `due`."""

    due: datetime
    sku: str
    code: str
    values: dict[str, int]
    whole: bool
    """The entry is replaced, not merged."""
    cause: str


@dataclass(slots=True, kw_only=True)
class Item:
    item_id: str
    sku: str
    asin: str
    ordered: int
    shipped: int = 0
    cancelled_by: str = ""
    cancel_reason: str = ""
    asked_to_cancel: bool = False


@dataclass(slots=True, kw_only=True)
class Order:
    """`listed_from`: an order that the list shows only later than it should."""

    order_id: str
    created: datetime
    updated: datetime
    status: str
    by_amazon: bool
    on_amazon: bool
    marketplace: str
    items: list[Item]
    listed_from: datetime | None = None
    zero_quantities: bool = False
    """Quantities read 0, as they may on a cancelled order."""


@dataclass(slots=True, kw_only=True)
class FbaStock:
    sku: str
    asin: str
    fnsku: str
    title: str
    fulfillable: int
    pending: int = 0
    inbound: int = 0
    unfulfillable: int = 0
    updated: datetime

    @property
    def total(self) -> int:
        return self.fulfillable + self.pending + self.inbound + self.unfulfillable


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A change of a merchant's figure in force: by an order, a submission, or by hand."""

    at: datetime
    sku: str
    before: int
    after: int
    cause: str


@dataclass(slots=True, kw_only=True)
class Document:
    document_id: str
    body: bytes
    content_type: str
    made: datetime
    signature: str
    zipped: bool = False


@dataclass(slots=True, kw_only=True)
class Feed:
    feed_id: str
    feed_type: str
    marketplaces: list[str]
    document_id: str
    created: datetime
    status: str = "IN_QUEUE"
    started: datetime | None = None
    ended: datetime | None = None
    result: str = ""
    stuck: bool = False


def later(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)
