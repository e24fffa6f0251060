"""What was read of a channel's catalogue and levels enters the books; covered readings are judged."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from syncd.domain.books import Books, Listing, Need
from syncd.domain.commands import NOBODY, item_listings, link, unmapped
from syncd.domain.ids import Alias, ChannelId, Instant, LevelKey, ListingKey, RemoteId, RemoteLocation, Sku
from syncd.domain.ledger import SYNCD, Cause
from syncd.domain.listings import Reading, Seen, Span
from syncd.domain.showing import SETTLE, cover, hear, observe


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueRow:
    """An item of the channel at one of its locations; `units` None when the channel keeps no stock of it."""

    remote_id: RemoteId
    remote_location: RemoteLocation
    alias: Alias | None
    sku_text: str
    title: str
    units: int | None
    committed: int
    at: Span
    active: bool = True
    """False: the item is not stocked at the location and has to be activated before a write."""

    def key(self, channel: ChannelId) -> ListingKey:
        return ListingKey(channel, self.remote_id, self.remote_location)

    @property
    def reading(self) -> Reading | None:
        return None if self.units is None else Reading(self.units, self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeReadings:
    """Rows of a catalogue or of single levels; new items become listings without a SKU."""

    channel: ChannelId
    rows: Sequence[CatalogueRow]
    gone: Sequence[ListingKey] = ()
    """Asked for and not known to the channel any more."""

    def need(self) -> Need:
        items = [row.remote_id for row in self.rows] + [key.remote_id for key in self.gone]
        aliases = {(self.channel, row.alias) for row in self.rows if row.alias is not None}
        return Need(items={(self.channel, remote_id) for remote_id in items}, aliases=aliases)

    def apply(self, books: Books) -> None:
        for row in self.rows:
            key = row.key(self.channel)
            listing = books.listings.get(key)
            if listing is None:
                listing = Listing(key=key)
                books.add_listing(listing)
            if listing.sku is None and row.units is not None:
                _take_over_link(books, listing, row)
            told = (row.alias, row.sku_text, row.title, row.active, row.units is not None)
            if told != (listing.alias, listing.sku_text, listing.title, listing.active, listing.tracked):
                listing.alias, listing.sku_text, listing.title, listing.active, listing.tracked = told
                books.changed_listings.add(listing.key)
            if row.reading is not None:
                observe(books, key, row.reading)
        for key in self.gone:
            drop(books, key, "the channel no longer knows the item at this location")


def _take_over_link(books: Books, listing: Listing, row: CatalogueRow) -> None:
    """A further location of an item is its SKU too, and so is an item that was linked for its order lines."""
    key = listing.key
    known = item_listings(books, key.channel, key.remote_id) + books.item(key.channel, row.alias)
    linked = next((other for other in known if other.sku is not None), None)
    if linked is not None and linked.sku is not None and listing.linked_by != NOBODY:
        link(books, [listing], linked.sku, linked.linked_by or SYNCD)


def drop(books: Books, key: ListingKey, why: str) -> None:
    """The channel has no such listing any more: nothing is written to it, and a person sees why."""
    listing = books.listings.get(key)
    if listing is None:
        return
    listing.account = replace(listing.account, write=None, reading=None, asked=False, base=None, written=0)
    if listing.sku is not None:
        books.relink(listing, None, None)
    listing.tracked = False
    unmapped(books, listing, why)
    books.changed_listings.add(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """The channel's orders are known up to `reached`: judge what was read before."""

    keys: Sequence[ListingKey]
    reached: Instant
    settle: Instant = SETTLE
    may_enforce: bool = True

    def need(self) -> Need:
        return Need(items={(key.channel, key.remote_id) for key in self.keys})

    def apply(self, books: Books) -> Counter[Seen]:
        return Counter(
            cover(books, key, self.reached, settle=self.settle, may_enforce=self.may_enforce)
            for key in self.keys
            if key in books.listings
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptCounts:
    """Take what the channel has as the physical counts: available and committed, as of the reading.

    SKUs that are new are created from the channel's own SKU texts.
    """

    channel: ChannelId
    rows: Sequence[CatalogueRow]
    skus: Sequence[Sku]
    """For each row the SKU it is, or is to become."""

    def need(self) -> Need:
        return Need(items={(self.channel, row.remote_id) for row in self.rows}, new_skus=set(self.skus))

    def apply(self, books: Books) -> int:
        counted = 0
        for row, sku in zip(self.rows, self.skus, strict=True):
            ours = books.setup.ours(self.channel, row.remote_location)
            if row.units is None or row.reading is None or not ours:
                continue
            books.create_sku(sku)
            listing = books.listings.get(row.key(self.channel))
            if listing is not None and listing.sku != sku:
                link(books, [listing], sku, SYNCD)
            cause = Cause(actor=SYNCD, channel=self.channel)
            pack = books.policy(self.channel, sku).pack
            as_of = row.reading.at.earliest
            books.set_count(LevelKey(sku, ours[0]), (row.units + row.committed) * pack, as_of, "adopted", cause)
            counted += 1
        return counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A stock event of the channel."""

    channel: ChannelId
    remote_id: RemoteId
    remote_location: RemoteLocation
    reading: Reading | None

    def apply(self, books: Books) -> None:
        hear(books, ListingKey(self.channel, self.remote_id, self.remote_location), self.reading)
