"""The books for one group of changes: what is touched, loaded once; what is changed, to be stored once.

Pure: somebody loads a `Books`, applies facts and commands to it (`booking`, `showing`), and stores what it says has
changed in one transaction. Levels change through `adjust` alone, which writes the ledger entry.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.domain.authority import Standing
from syncd.domain.conflicts import Conflict, Resolution
from syncd.domain.errors import InvariantBroken
from syncd.domain.ids import (
    Alias,
    ChannelId,
    EventId,
    Instant,
    LevelKey,
    LineId,
    ListingKey,
    LocationId,
    OrderKey,
    RemoteId,
    Sku,
)
from syncd.domain.ledger import Cause, Entry
from syncd.domain.listings import Account
from syncd.domain.orders import Order
from syncd.domain.policy import Override, Policy, layered
from syncd.domain.quantities import Level, Quantity
from syncd.domain.setup import Setup
from syncd.domain.writes import SentWrite

NO_LEVEL = Level()


@dataclass(slots=True)
class Need:
    """What a group of changes is about, so that it can be loaded first."""

    orders: set[OrderKey] = field(default_factory=set)
    aliases: set[tuple[ChannelId, Alias]] = field(default_factory=set)
    items: set[tuple[ChannelId, RemoteId]] = field(default_factory=set)
    skus: set[Sku] = field(default_factory=set)
    new_skus: set[Sku] = field(default_factory=set)
    """SKUs that may have to be created: whether they exist is looked up too."""
    documents: set[tuple[ChannelId, str]] = field(default_factory=set)
    """Documents of authorities, by number: which of them are known is looked up."""


@dataclass(slots=True, kw_only=True)
class Listing:
    """A listing as it is worked on; only `Books` and its callers in the domain change one."""

    key: ListingKey
    alias: Alias | None = None
    sku_text: str = ""
    title: str = ""
    tracked: bool = True
    active: bool = True
    sku: Sku | None = None
    linked_by: str | None = None
    paused: bool = False
    held: str = ""
    rejected: str = ""
    drifting: bool = False
    account: Account = field(default_factory=Account)
    desired: int | None = None
    observed: int | None = None
    observed_at: Instant | None = None
    write_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRecord:
    """What is remembered of a channel beside its listings."""

    channel: ChannelId
    kind: str
    first_synced_at: datetime | None = None
    paused: bool = False
    frozen: bool = False
    blocked: bool = False
    facts: Mapping[str, object] | None = None
    """Who answered when it was last connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A change that a person made."""

    actor: str
    action: str
    target: str
    reason: str = ""


@dataclass(slots=True)
class Committed:
    """Units that an order line holds at a location."""

    sku: Sku
    units: int
    placed_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPart:
    """A stored delivery that is part of a snapshot, to be judged with its other parts."""

    channel: ChannelId
    name: str
    number: int
    inbox_id: int
    last: bool


CommitmentKey = tuple[OrderKey, LineId, LocationId]


@dataclass(slots=True)
class Books:
    """Loaded state first, then what this group changed."""

    setup: Setup
    now: Instant
    """Wall time of the group."""
    orders: dict[OrderKey, Order] = field(default_factory=dict)
    levels: dict[LevelKey, Level] = field(default_factory=dict)
    counted_at: dict[LevelKey, Instant] = field(default_factory=dict)
    listings: dict[ListingKey, Listing] = field(default_factory=dict)
    overrides: dict[tuple[str, Sku], Override] = field(default_factory=dict)
    known_skus: set[Sku] = field(default_factory=set)
    blocked_channels: frozenset[ChannelId] = frozenset()

    order_events: dict[OrderKey, EventId] = field(default_factory=dict)
    """The delivery that last changed each order."""
    standings: dict[LevelKey, Standing] = field(default_factory=dict)
    promises: dict[LevelKey, dict[tuple[OrderKey, LineId], tuple[str, int]]] = field(default_factory=dict)
    """Units that order lines hold, with the order's name; loaded where documents may ask for them."""
    known_documents: set[tuple[ChannelId, str, LevelKey]] = field(default_factory=set)

    entries: list[Entry] = field(default_factory=list)
    new_skus: set[Sku] = field(default_factory=set)
    changed_orders: set[OrderKey] = field(default_factory=set)
    changed_levels: set[LevelKey] = field(default_factory=set)
    changed_listings: set[ListingKey] = field(default_factory=set)
    touched_skus: set[Sku] = field(default_factory=set)
    changed_overrides: set[tuple[str, Sku]] = field(default_factory=set)
    commitments: dict[CommitmentKey, Committed] = field(default_factory=dict)
    conflicts: list[Conflict | Resolution] = field(default_factory=list)
    wanted: set[OrderKey] = field(default_factory=set)
    read: set[OrderKey] = field(default_factory=set)
    last_write_id: int = 0
    begun: list[SentWrite] = field(default_factory=list)
    doubted: list[int] = field(default_factory=list)
    confirmed: list[tuple[ListingKey, int]] = field(default_factory=list)
    """Listings whose write took effect, and what they show since."""
    ended: list[int] = field(default_factory=list)
    audits: list[Audited] = field(default_factory=list)
    channel_records: dict[ChannelId, ChannelRecord] = field(default_factory=dict)
    unknown_items: set[ChannelId] = field(default_factory=set)
    """Channels whose orders name items that no catalogue reading has shown yet."""
    changed_standings: set[LevelKey] = field(default_factory=set)
    new_documents: list[tuple[ChannelId, str, LevelKey]] = field(default_factory=list)
    snapshot_parts: list[SnapshotPart] = field(default_factory=list)
    ended_snapshots: list[tuple[ChannelId, str]] = field(default_factory=list)

    _by_sku: dict[Sku, list[Listing]] = field(default_factory=dict)
    _by_alias: dict[tuple[ChannelId, Alias], list[Listing]] = field(default_factory=dict)
    _sku_levels: dict[Sku, list[LevelKey]] = field(default_factory=dict)
    _short_before: set[Sku] = field(default_factory=set)
    _policies: dict[tuple[ChannelId, Sku | None], Policy] = field(default_factory=dict)

    def add_listing(self, listing: Listing) -> None:
        self.listings[listing.key] = listing
        if listing.sku is not None:
            self._by_sku.setdefault(listing.sku, []).append(listing)
        if listing.alias is not None:
            self._by_alias.setdefault((listing.key.channel, listing.alias), []).append(listing)

    def add_level(self, key: LevelKey, level: Level, counted_at: Instant | None) -> None:
        """Enter a stored level; what is short now can be relieved by this group."""
        self.levels[key] = level
        self.known_skus.add(key.sku)
        self._sku_levels.setdefault(key.sku, []).append(key)
        if counted_at is not None:
            self.counted_at[key] = counted_at
        if level.available < 0:
            self._short_before.add(key.sku)

    def level(self, key: LevelKey) -> Level:
        return self.levels.get(key, NO_LEVEL)

    def levels_of(self, sku: Sku) -> Iterable[tuple[LevelKey, Level]]:
        return [(key, self.levels[key]) for key in self._sku_levels.get(sku, ())]

    def listings_of(self, sku: Sku) -> Iterable[Listing]:
        return self._by_sku.get(sku, ())

    def item(self, channel: ChannelId, alias: Alias | None) -> list[Listing]:
        """The listings of one of the channel's items, one per location."""
        return self._by_alias.get((channel, alias), []) if alias is not None else []

    def relink(self, listing: Listing, sku: Sku | None, by: str | None) -> None:
        if listing.sku is not None:
            self._by_sku[listing.sku].remove(listing)
            self.touched_skus.add(listing.sku)
        listing.sku, listing.linked_by = sku, by
        if sku is not None:
            self._by_sku.setdefault(sku, []).append(listing)
            self.touched_skus.add(sku)
        else:
            listing.desired = None
        self.changed_listings.add(listing.key)

    def policy(self, channel: ChannelId, sku: Sku) -> Policy:
        """Defaults < channel < SKU < (channel, SKU)."""
        narrowed = ("", sku) in self.overrides or (channel, sku) in self.overrides
        place = (channel, sku if narrowed else None)
        found = self._policies.get(place)
        if found is None:
            found = self._policies[place] = layered(self._layers(channel, sku))
        return found

    def set_override(self, channel: str, sku: Sku, override: Override) -> None:
        self.overrides[channel, sku] = override
        self.changed_overrides.add((channel, sku))
        self._policies.clear()
        self.touched_skus.add(sku)

    def _layers(self, channel: ChannelId, sku: Sku) -> Iterable[Override]:
        setup = self.setup.channels.get(channel)
        if self.setup.policy is not None:
            yield self.setup.policy
        if setup is not None:
            yield setup.policy
        for layer in (self.overrides.get(("", sku)), self.overrides.get((channel, sku))):
            if layer is not None:
                yield layer
        if channel in self.blocked_channels:
            yield Override(blocked=True)

    def next_write_id(self) -> int:
        self.last_write_id += 1
        return self.last_write_id

    def create_sku(self, sku: Sku) -> None:
        if sku not in self.known_skus:
            self.known_skus.add(sku)
            self.new_skus.add(sku)

    def adjust(self, key: LevelKey, quantity: Quantity, delta: int, reason: str, cause: Cause) -> None:
        """Move a level and say why; the only way a level ever changes."""
        if not delta:
            return
        self.create_sku(key.sku)
        if key not in self.levels:
            self._sku_levels.setdefault(key.sku, []).append(key)
        level = self.level(key).moved(quantity, delta)
        balance = level.of(quantity)
        if quantity is Quantity.COMMITTED and balance < 0:
            raise InvariantBroken(f"{key.sku} at {key.location}: committed would become {balance} ({reason}, {cause})")
        self.levels[key] = level
        self.changed_levels.add(key)
        self.touched_skus.add(key.sku)
        self.entries.append(
            Entry(
                sku=key.sku,
                location=key.location,
                quantity=quantity,
                delta=delta,
                balance=balance,
                reason=reason,
                cause=cause,
            )
        )

    def set_count(self, key: LevelKey, on_hand: int, as_of: Instant, reason: str, cause: Cause) -> int:
        """Enter a physical count; returns the difference it made."""
        self.create_sku(key.sku)
        if key not in self.levels:
            self._sku_levels.setdefault(key.sku, []).append(key)
            self.levels[key] = NO_LEVEL
        delta = on_hand - self.level(key).on_hand
        self.adjust(key, Quantity.ON_HAND, delta, reason, cause)
        self.counted_at[key] = as_of
        self.changed_levels.add(key)
        self.touched_skus.add(key.sku)
        return delta

    def set_standing(self, key: LevelKey, standing: Standing) -> None:
        if standing != self.standings.get(key):
            self.standings[key] = standing
            self.changed_standings.add(key)

    def enter_document(self, channel: ChannelId, number: str, key: LevelKey) -> bool:
        """Remember an authority's document; False when it is known."""
        entry = (channel, number, key)
        if entry in self.known_documents:
            return False
        self.known_documents.add(entry)
        self.new_documents.append(entry)
        return True

    def promised(self, key: LevelKey) -> Iterable[tuple[OrderKey, str, int]]:
        """What order lines hold at a level, with their orders' names."""
        held = dict(self.promises.get(key, {}))
        for (order, line_id, location), committed in self.commitments.items():
            if committed.sku == key.sku and location == key.location:
                held[order, line_id] = (self.orders[order].name, committed.units)
        return [(order, name, units) for (order, _), (name, units) in held.items()]

    @property
    def short(self) -> Mapping[Sku, list[LevelKey]]:
        """Touched SKUs with fewer than no units available somewhere, and where."""
        found = {s: [k for k, level in self.levels_of(s) if level.available < 0] for s in self.touched_skus}
        return {sku: keys for sku, keys in found.items() if keys}

    @property
    def relieved(self) -> set[Sku]:
        """SKUs that were short and are no longer."""
        return {sku for sku in self._short_before & self.touched_skus if sku not in self.short}
