"""What people and actors ask of the books; each says what it needs and is applied in a group like any delivery.

A command either raises `InvalidChange` before it has touched anything, or does the whole of what it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from syncd.domain.booking import line_subject, rebook
from syncd.domain.books import Audited, Books, ChannelRecord, Listing, Need
from syncd.domain.conflicts import Conflict, ConflictKind, Resolution, item_subject, listing_subject
from syncd.domain.errors import InvalidChange, NotFound
from syncd.domain.ids import ChannelId, Instant, LevelKey, LocationId, OrderKey, RemoteId, Sku
from syncd.domain.ledger import SYNCD, Cause
from syncd.domain.policy import Override
from syncd.domain.quantities import Level, Quantity
from syncd.domain.showing import adopt, settle_drift

NOBODY: Final = "nobody"
"""Who linked an item that a person said is none of our SKUs."""

R_co = TypeVar("R_co", covariant=True)


class Command(Protocol[R_co]):
    def need(self) -> Need: ...

    def apply(self, books: Books) -> R_co: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCount:
    """A physical count of one SKU at one location."""

    key: LevelKey
    on_hand: int
    reason: str
    actor: str

    def need(self) -> Need:
        return Need(skus={self.key.sku}, new_skus={self.key.sku})

    def apply(self, books: Books) -> Level:
        refuse_foreign(books, self.key.location)
        books.create_sku(self.key.sku)
        books.set_count(self.key, self.on_hand, books.now, self.reason, Cause(actor=self.actor))
        books.audits.append(_audit(self.actor, "stock.set", self.key, f"{self.on_hand}: {self.reason}"))
        return books.level(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustStock:
    """Units came or went; `by` may be negative."""

    key: LevelKey
    by: int
    reason: str
    actor: str

    def need(self) -> Need:
        return Need(skus={self.key.sku}, new_skus={self.key.sku})

    def apply(self, books: Books) -> Level:
        refuse_foreign(books, self.key.location)
        if self.key.sku not in books.known_skus:
            raise NotFound(f"there is no SKU {self.key.sku}; `stock set` or `stock import` creates one")
        books.adjust(self.key, Quantity.ON_HAND, self.by, self.reason, Cause(actor=self.actor))
        books.audits.append(_audit(self.actor, "stock.adjust", self.key, f"{self.by:+d}: {self.reason}"))
        return books.level(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCounts:
    """Many counts with one as-of and one reason, as a file brings them."""

    counts: Sequence[tuple[LevelKey, int]]
    as_of: Instant
    reason: str
    actor: str

    def need(self) -> Need:
        skus = {key.sku for key, _ in self.counts}
        return Need(skus=skus, new_skus=skus)

    def apply(self, books: Books) -> int:
        changed = 0
        for key, on_hand in self.counts:
            changed += bool(books.set_count(key, on_hand, self.as_of, self.reason, Cause(actor=self.actor)))
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A person says which SKU an item of a channel is."""

    channel: ChannelId
    remote_id: RemoteId
    sku: Sku
    actor: str
    waiting: frozenset[OrderKey] = frozenset()
    """Orders of the channel with lines that could not be bound yet."""

    def need(self) -> Need:
        return Need(
            items={(self.channel, self.remote_id)}, skus={self.sku}, new_skus={self.sku}, orders=set(self.waiting)
        )

    def apply(self, books: Books) -> int:
        if self.sku not in books.known_skus:
            raise NotFound(f"there is no SKU {self.sku}; `stock set` or `stock import` creates one")
        found = item_listings(books, self.channel, self.remote_id)
        if not found:
            raise NotFound(f"{self.channel} has no item {self.remote_id}; see `listings list`")
        link(books, found, self.sku, self.actor)
        books.audits.append(_audited(self.actor, "listing.link", f"{self.channel} {self.remote_id}", self.sku))
        rebook_waiting(books, self.waiting)
        return len(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlink:
    """The item is none of our SKUs; orders that were booked through the link keep what they booked."""

    channel: ChannelId
    remote_id: RemoteId
    actor: str

    def need(self) -> Need:
        return Need(items={(self.channel, self.remote_id)})

    def apply(self, books: Books) -> int:
        found = item_listings(books, self.channel, self.remote_id)
        if not found:
            raise NotFound(f"{self.channel} has no item {self.remote_id}; see `listings list`")
        for listing in found:
            if listing.account.write is not None:
                raise InvalidChange(f"{self.remote_id} has a write in flight; try again in a moment")
        for listing in found:
            books.relink(listing, None, NOBODY)
            unmapped(books, listing, f"unlinked by {self.actor}")
        books.audits.append(_audited(self.actor, "listing.unlink", f"{self.channel} {self.remote_id}"))
        return len(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBySku:
    """Link items whose SKU text names exactly one SKU of ours and one item of the channel; ask about the others."""

    channel: ChannelId
    pairs: Sequence[tuple[RemoteId, Sku]] = ()
    puzzles: Sequence[tuple[RemoteId, str]] = ()
    """Items that cannot be linked, each with the reason."""
    waiting: frozenset[OrderKey] = frozenset()

    def need(self) -> Need:
        items = {(self.channel, remote_id) for remote_id, _ in (*self.pairs, *self.puzzles)}
        return Need(items=items, skus={sku for _, sku in self.pairs}, orders=set(self.waiting))

    def apply(self, books: Books) -> int:
        for remote_id, sku in self.pairs:
            link(books, item_listings(books, self.channel, remote_id), sku, SYNCD)
        for remote_id, why in self.puzzles:
            for listing in item_listings(books, self.channel, remote_id):
                if listing.sku is None:
                    unmapped(books, listing, why)
        rebook_waiting(books, self.waiting)
        return len(self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPolicy:
    """One layer of policy for one SKU, on one channel or ('') on all."""

    channel: str
    sku: Sku
    override: Override
    actor: str

    def need(self) -> Need:
        return Need(skus={self.sku}, new_skus={self.sku})

    def apply(self, books: Books) -> None:
        if self.sku not in books.known_skus:
            raise NotFound(f"there is no SKU {self.sku}")
        books.set_override(self.channel, self.sku, self.override)
        books.audits.append(_audited(self.actor, "policy.set", f"{self.channel or 'every channel'} {self.sku}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideDrift:
    """A person's word on a listing that drifted: overwrite what the channel shows, or take it over."""

    channel: ChannelId
    remote_id: RemoteId
    remote_location: str
    take_over: bool
    difference: int
    actor: str

    def need(self) -> Need:
        return Need(items={(self.channel, self.remote_id)})

    def apply(self, books: Books) -> None:
        for listing in item_listings(books, self.channel, self.remote_id):
            if listing.key.remote_location != self.remote_location:
                continue
            if self.take_over:
                adopt(books, listing, self.difference, "drift_adopted")
            settle_drift(books, listing, f"{'taken over' if self.take_over else 'overwritten'} by {self.actor}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Open conflicts, and close those whose facts have stopped to hold."""

    conflicts: Sequence[Conflict | Resolution]

    def need(self) -> Need:
        return Need()

    def apply(self, books: Books) -> None:
        books.conflicts.extend(self.conflicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetWanted:
    """These orders have been read from the channel, as far as it knows them."""

    keys: frozenset[OrderKey]

    def need(self) -> Need:
        return Need()

    def apply(self, books: Books) -> None:
        books.read |= self.keys


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveChannel:
    """Store what is remembered of a channel; a person's change is audited."""

    record: ChannelRecord
    audit: Audited | None = None

    def need(self) -> Need:
        return Need()

    def apply(self, books: Books) -> None:
        books.channel_records[self.record.channel] = self.record
        if self.audit is not None:
            books.audits.append(self.audit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Compute anew what the listings of some SKUs should show, after the configuration or a block changed."""

    skus: frozenset[Sku]

    def need(self) -> Need:
        return Need(skus=set(self.skus))

    def apply(self, books: Books) -> None:
        books.touched_skus |= self.skus


def refuse_foreign(books: Books, location: LocationId) -> None:
    """Counts are entered only where syncd is the authority."""
    if location not in books.setup.locations:
        known = ", ".join(books.setup.locations) or "none"
        raise NotFound(f"there is no location {location}; the configuration has: {known}")
    owner = books.setup.authority.get(location)
    if owner is not None:
        raise InvalidChange(f"the stock at {location} is {owner}'s to say; change it there")


def item_listings(books: Books, channel: ChannelId, remote_id: RemoteId) -> list[Listing]:
    return [row for key, row in books.listings.items() if key.channel == channel and key.remote_id == remote_id]


def link(books: Books, found: Sequence[Listing], sku: Sku, by: str) -> None:
    for listing in found:
        if listing.sku != sku:
            books.relink(listing, sku, by)
        how = f"linked to {sku} by {by}"
        subject = item_subject(listing.key)
        books.conflicts.append(Resolution(kind=ConflictKind.UNMAPPED, subject=subject, how=how))


def unmapped(books: Books, listing: Listing, why: str) -> None:
    facts = {
        "remote_id": listing.key.remote_id,
        "remote_location": listing.key.remote_location,
        "sku_text": listing.sku_text,
        "title": listing.title,
        "why": why,
        "what_to_do": f"syncd listings link {listing.key.channel} {listing.key.remote_id} SKU",
    }
    subject = item_subject(listing.key)
    books.conflicts.append(
        Conflict(kind=ConflictKind.UNMAPPED, subject=subject, channel=listing.key.channel, facts=facts)
    )


def rebook_waiting(books: Books, waiting: frozenset[OrderKey]) -> None:
    """Book the lines that waited for a link, and close the questions about those that are bound now."""
    for key in sorted(waiting):
        if key not in books.orders:
            continue
        rebook(books, key)
        order = books.orders[key]
        for line in order.lines.values():
            if line.line_id in order.bindings:
                subject = line_subject(key.channel, line)
                books.conflicts.append(
                    Resolution(kind=ConflictKind.UNMAPPED, subject=subject, how="the item is linked now")
                )


def _audit(actor: str, action: str, key: LevelKey, reason: str) -> Audited:
    return _audited(actor, action, f"{key.sku} at {key.location}", reason)


def _audited(actor: str, action: str, target: str, reason: str = "") -> Audited:
    return Audited(actor=actor, action=action, target=target, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeCounts:
    """Counts as of an earlier moment, each with what the books had then: what moved since stays on top.

    A level counted at that moment or later is left alone, so saying it again changes nothing.
    """

    counts: Sequence[tuple[LevelKey, int, int]]
    """Where, what was counted, and what the books had at `as_of`."""
    as_of: Instant
    reason: str
    actor: str

    def need(self) -> Need:
        skus = {key.sku for key, _, _ in self.counts}
        return Need(skus=skus, new_skus=skus)

    def apply(self, books: Books) -> int:
        for location in {key.location for key, _, _ in self.counts}:
            refuse_foreign(books, location)
        changed = 0
        for key, counted, had in self.counts:
            if books.counted_at.get(key, -1) >= self.as_of:
                continue
            on_hand = books.level(key).on_hand + counted - had
            changed += bool(books.set_count(key, on_hand, self.as_of, self.reason, Cause(actor=self.actor)))
        return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshChannel:
    """Compute anew what a channel's listings of some SKUs should show, and the state of each of them."""

    channel: ChannelId
    skus: frozenset[Sku]

    def need(self) -> Need:
        return Need(skus=set(self.skus))

    def apply(self, books: Books) -> None:
        books.touched_skus |= self.skus
        books.changed_listings |= {key for key in books.listings if key.channel == self.channel}


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """A person says that a write the channel refused may be made again."""

    channel: ChannelId
    remote_id: RemoteId
    remote_location: str
    actor: str

    def need(self) -> Need:
        return Need(items={(self.channel, self.remote_id)})

    def apply(self, books: Books) -> None:
        for listing in item_listings(books, self.channel, self.remote_id):
            if listing.key.remote_location == self.remote_location:
                listing.rejected = ""
                books.changed_listings.add(listing.key)
                subject = listing_subject(listing.key)
                how = f"{self.actor} says to try again"
                books.conflicts.append(Resolution(kind=ConflictKind.REJECTED, subject=subject, how=how))
