"""The Protocols on one screen: what a channel is to the rest of the program, and the values that pass between them.

A channel file turns a vendor's API into these few methods and raises nothing but `domain.errors`: `Retry` and
`Throttled` (nothing happened), `OutcomeUnknown`, `AuthFailed`, `Rejected`, `Refused`, `BadSignature`, `Unverifiable`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from syncd.domain.ids import Alias, EventId, Instant, LineId, ListingKey, OrderId, RemoteId, RemoteLocation
from syncd.domain.listings import Span, WriteKind
from syncd.domain.orders import Order
from syncd.domain.reading import CatalogueRow as CatalogueRow
from syncd.domain.writes import Outcome as Outcome
from syncd.domain.writes import RowOutcome as RowOutcome
from syncd.domain.writes import WriteRow as WriteRow

Now = Callable[[], datetime]
"""Wall time, aware, in UTC."""

Cursor = Mapping[str, str]
"""Where a channel's order reading stands; made and read by the channel file alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a channel kind can do; declared, never probed for."""

    write: WriteKind
    keeps_keys: bool
    """A repeated idempotency key has one effect: a write in doubt is settled by sending it again."""
    batch: int
    """Listings per write call."""
    has_locations: bool
    has_webhooks: bool
    orders_lag_seconds: float = 0.0
    """The order list may lag by this: a list read at t reaches t - lag."""
    lands_within_seconds: float = 0.0
    """After an unanswered write: when it can no longer take effect."""
    takes_force_later: bool = False
    """Accepted writes take force later: the channel is a `LateChannel`."""
    sweep: int = 0
    """Listings read again with each poll, in turn: what webhooks lose about stock. 0: reading them is too dear."""
    tells_counts: bool = False
    """It tells stock snapshots: they are judged where it is the authority of a location."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A verified delivery, not yet parsed: what identifies it and what is kept of its headers."""

    key: str
    """What identifies the delivery within its channel; a second one with this key is a repetition."""
    event_id: EventId
    topic: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record that we read ourselves; it is stored and parsed like a delivery.

    The key says what was read (id, version, content), so that reading the same again stores nothing new.
    """

    key: str
    topic: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPage:
    records: tuple[Record, ...]
    cursor: Cursor
    """Stored in the same transaction as the records."""
    reached: Instant | None = None
    """On the last page: up to when (channel's clock, lag taken off) its orders have now been read."""


class Observation(NamedTuple):
    """The channel says by itself what a listing shows; `units` None when it does not keep stock of it."""

    remote_id: RemoteId
    remote_location: RemoteLocation
    units: int | None
    at: Span


class ItemChange(NamedTuple):
    """The channel's catalogue changed: a new SKU text, tracking switched, or the item is gone."""

    remote_id: RemoteId | None = None
    alias: Alias | None = None
    sku_text: str | None = None
    tracked: bool | None = None
    gone: bool = False
    remote_location: RemoteLocation | None = None
    """Only at this location, when given."""


class StockLine(NamedTuple):
    """A physical count of one item, whole units on hand; `units` None when it was named but its figure is unusable."""

    units: int | None
    sku_text: str = ""
    remote_id: RemoteId | None = None
    """The item as the channel's listings name it; the SKU text is used where it is not linked."""
    remote_location: RemoteLocation = RemoteLocation("")


class BookedDocument(NamedTuple):
    """An authority's own entry about one of our orders and one item, as it stands in its books."""

    number: str
    """Its number there (with the line's, where one document has several): each counts once."""
    reference: str
    """Our order: its id or its name, as the shop gave it."""
    units: int
    """How it moved the authority's count: a shipment is below zero."""
    sku_text: str = ""
    remote_id: RemoteId | None = None
    remote_location: RemoteLocation = RemoteLocation("")


@dataclass(frozen=True, slots=True, kw_only=True)
class StockSnapshot:
    """What a system that counts a location says is there, as of a moment of its own clock; whole or in parts."""

    name: str
    """What identifies the snapshot within the channel; its parts share it."""
    at: Span
    lines: tuple[StockLine, ...] = ()
    complete: bool = False
    """The source says that this is everything it has: an item that no part names is at zero. Said on the last part."""
    locations: tuple[RemoteLocation, ...] = ()
    """Of which locations it is everything, when complete; none named means every location that its lines name."""
    documents: tuple[BookedDocument, ...] | None = None
    """None where the source shows none. Else all that it entered up to `at` and did not tell in an earlier snapshot;
    telling one again is harmless, and the first snapshot should reach back as far as `books_within`."""
    part: int = 1
    last: bool = True
    """The last part; nothing of a snapshot is taken before all of its parts are here."""


class Fault(NamedTuple):
    """A part of a delivery that could not be used; the rest of it was."""

    reason: str
    order_id: OrderId | None = None
    line_id: LineId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a stored delivery says, in our terms."""

    orders: tuple[Order, ...] = ()
    """Whole orders or parts of them; merged into what is known."""
    observations: tuple[Observation, ...] = ()
    items: tuple[ItemChange, ...] = ()
    snapshot: StockSnapshot | None = None
    by_sku: bool = False
    """The lines of these orders name items by our own SKUs: they are booked without a listing."""
    fetch: tuple[OrderId, ...] = ()
    """Orders that were only hinted at: to be read from the channel."""
    fetched: tuple[OrderId, ...] = ()
    """Orders whose full state this is, read from the channel on purpose."""
    faults: tuple[Fault, ...] = ()
    uninstalled: bool = False
    """The channel withdrew our access."""
    note: str = ""
    """Why there is nothing to do, if so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBatch:
    """Rows that go out in one call under one stored idempotency key; repeated only as a whole and unchanged."""

    idempotency_key: str
    rows: tuple[WriteRow, ...]


class ShopLocation(NamedTuple):
    remote_location: RemoteLocation
    name: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFacts:
    """Who answers at the other end, learnt once after connecting."""

    identity: str
    locations: tuple[ShopLocation, ...] = ()
    warnings: tuple[str, ...] = ()


class Tokens(NamedTuple):
    """The limiter as operators see it."""

    available: float
    capacity: float
    restore_per_second: float


class Channel(Protocol):
    """One configured shop. The first three are pure; the others talk to the vendor, at the vendor's rate."""

    capabilities: Capabilities

    def learn(self, facts: ShopFacts) -> None:
        """Take over facts stored by an earlier run, so that deliveries can be verified before the first call."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> Delivery | None:
        """Check the signature on the raw bytes, in constant time. Headers are asked for by names in lower case.

        None for what says nothing and is answered well all the same, such as a vendor's unsigned ping.
        """

    def parse(self, topic: str, headers: Mapping[str, str], body: bytes) -> Facts: ...

    def tokens(self) -> Tokens: ...

    async def connect(self) -> ShopFacts:
        """Prove the credentials and learn who answers."""

    async def subscribe(self, address: str) -> Sequence[str]:
        """Make sure that every needed webhook goes to `address`; returns the topics that had to be created."""

    def poll_orders(self, cursor: Cursor | None) -> AsyncIterator[OrdersPage]:
        """Read orders changed since the cursor, with overlap; without one, every order still open."""

    async def fetch_orders(self, order_ids: Sequence[OrderId]) -> Sequence[Record]: ...

    def read_catalogue(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        """Every item at every mapped location, in batches."""

    async def read_levels(self, keys: Sequence[ListingKey]) -> Sequence[CatalogueRow]:
        """The same for some listings, read uncached now; a listing that is gone is absent from the answer."""

    async def write(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        """Send one batch and say what became of each row."""

    async def close(self) -> None: ...


class LateChannel(Channel, Protocol):
    """A channel that accepts writes which take force some time later; rows so accepted wait without holding others."""

    async def landed(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        """What became by now of rows that were accepted, perhaps by an earlier run; nothing is sent.

        ACCEPTED is said of a row that is surely still under way. A row that is absent may land until
        `lands_within_seconds` have passed since it was sent.
        """
