"""Writes to a channel: chosen from what is owed, begun before they are sent, ended by what became of each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from syncd.domain import listings as account
from syncd.domain.books import Books, Listing, Need
from syncd.domain.ids import ChannelId, ListingKey
from syncd.domain.listings import Circumstances, Hold, Span, WriteKind
from syncd.domain.reading import drop
from syncd.domain.showing import confirmed, observe, owes, reject
from syncd.domain.writes import Outcome, RowOutcome, SentWrite, WriteRow


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginWrite:
    """Put the listings that may be written into one call; stored, key and rows, before anything is sent."""

    channel: ChannelId
    candidates: Sequence[ListingKey]
    when: Circumstances
    key: str

    def need(self) -> Need:
        return Need(items={(key.channel, key.remote_id) for key in self.candidates})

    def apply(self, books: Books) -> "Begun":
        write_id = books.next_write_id()
        rows: list[WriteRow] = []
        frozen: list[ListingKey] = []
        for key in self.candidates:
            row = self._begin(books, key, write_id)
            if isinstance(row, WriteRow):
                rows.append(row)
            elif row in (Hold.FROZEN, Hold.ORDERS_UNREAD):
                frozen.append(key)
        if not rows:
            return Begun(None, tuple(frozen))
        write = SentWrite(write_id=write_id, channel=self.channel, key=self.key, rows=tuple(rows))
        books.begun.append(write)
        return Begun(write, tuple(frozen))

    def _begin(self, books: Books, key: ListingKey, write_id: int) -> WriteRow | Hold:
        listing = books.listings.get(key)
        if listing is None or owes(books, listing) is None or listing.desired is None:
            return Hold.NOTHING_OWED
        write = account.next_write(listing.account, listing.desired, self.when)
        if isinstance(write, Hold):
            return write
        listing.account = account.begin(listing.account, write)
        listing.write_id = write_id
        books.changed_listings.add(key)
        return WriteRow(key=key, target=write.target, was=write.was, active=listing.active)


class Begun(NamedTuple):
    """The call to send, if any row may be written; and the rises that wait until orders can be read again."""

    write: SentWrite | None
    frozen: tuple[ListingKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtWrite:
    """No answer came: the call may or may not be in force."""

    write: SentWrite

    def need(self) -> Need:
        return _need(self.write)

    def apply(self, books: Books) -> None:
        for listing in _listings(books, self.write):
            listing.account = account.doubt(listing.account)
            books.changed_listings.add(listing.key)
        books.doubted.append(self.write.write_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndWrite:
    """What became of each row; said again, it changes nothing more. Accepted rows stay in doubt, and the call open."""

    write: SentWrite
    outcomes: Sequence[RowOutcome]
    kind: WriteKind
    more: bool = False
    """The call has further rows, not among these, that are still in doubt."""

    def need(self) -> Need:
        return _need(self.write)

    def apply(self, books: Books) -> None:
        outcomes = {outcome.key: outcome for outcome in self.outcomes}
        more = self.more
        for listing in _listings(books, self.write):
            outcome = outcomes.get(listing.key)
            if outcome is not None and outcome.outcome is Outcome.ACCEPTED:
                more = True
            else:
                listing.write_id = None
            end_row(books, listing, outcome, self.kind)
        (books.doubted if more else books.ended).append(self.write.write_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LapseWrite:
    """A call in doubt that can no longer land, on a channel that keeps no keys; `at` spans from sending until now."""

    write: SentWrite
    at: Span
    kind: WriteKind
    more: bool = False
    """As for EndWrite."""

    def need(self) -> Need:
        return _need(self.write)

    def apply(self, books: Books) -> None:
        for listing in _listings(books, self.write):
            listing.write_id = None
            listing.account = account.lapse(listing.account, self.kind, self.at)
            books.changed_listings.add(listing.key)
        (books.doubted if self.more else books.ended).append(self.write.write_id)


def end_row(books: Books, listing: Listing, outcome: RowOutcome | None, kind: WriteKind) -> None:
    books.changed_listings.add(listing.key)
    if outcome is None:
        listing.account = account.abandon(listing.account)
        return
    match outcome.outcome:
        case Outcome.CONFIRMED:
            if outcome.at is not None:
                target = listing.account.write.target if listing.account.write is not None else listing.observed
                listing.account = account.confirm(listing.account, kind, outcome.at)
                listing.observed, listing.observed_at = target, outcome.at.latest
                listing.active = True
                if target is not None:
                    books.confirmed.append((listing.key, target))
            confirmed(books, listing)
        case Outcome.ACCEPTED:
            listing.account = account.doubt(listing.account)
        case Outcome.STALE:
            listing.account = account.refuse(listing.account)
            if outcome.reading is not None:
                observe(books, listing.key, outcome.reading)
        case Outcome.UNTOUCHED:
            listing.account = account.abandon(listing.account)
        case Outcome.REJECTED:
            listing.account = account.abandon(listing.account)
            reject(books, listing, outcome.reason)
        case Outcome.GONE:
            drop(books, listing.key, outcome.reason or "the channel no longer knows the item or the location")
        case _ as never:
            assert_never(never)


def _need(write: SentWrite) -> Need:
    return Need(items={(row.key.channel, row.key.remote_id) for row in write.rows})


def _listings(books: Books, write: SentWrite) -> list[Listing]:
    """The rows' listings, as far as they still wait for this very call."""
    found = [books.listings.get(row.key) for row in write.rows]
    return [listing for listing in found if listing is not None and listing.write_id == write.write_id]
