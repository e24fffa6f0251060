"""What the listings of a group should show, what was heard of them, and what is owed to their channels."""

from typing import NamedTuple

from syncd.domain import listings as account
from syncd.domain.books import Books, Listing
from syncd.domain.conflicts import Conflict, ConflictKind, Resolution, listing_subject
from syncd.domain.ids import Instant, LevelKey, ListingKey, Sku
from syncd.domain.ledger import SYNCD, Cause
from syncd.domain.listings import Reading, Seen, Verdict
from syncd.domain.policy import Desired, desired
from syncd.domain.quantities import Quantity
from syncd.domain.setup import DriftRule
from syncd.domain.snapshots import heard

SETTLE: Instant = 5000
"""A difference counts as drift when it still stands after this."""


def refresh(books: Books) -> None:
    """Set what every listing of the touched SKUs should show."""
    for sku in books.touched_skus:
        for listing in books.listings_of(sku):
            if not books.setup.ours(listing.key.channel, listing.key.remote_location):
                continue  # an item that only orders name, or a location that is mapped no longer
            units = should_show(books, listing, sku).units
            if units != listing.desired:
                listing.desired = units
                if listing.rejected:
                    listing.rejected = ""
                books.changed_listings.add(listing.key)


def should_show(books: Books, listing: Listing, sku: Sku) -> Desired:
    ours = books.setup.ours(listing.key.channel, listing.key.remote_location)
    return desired(
        [books.level(LevelKey(sku, location)) for location in ours],
        books.policy(listing.key.channel, sku),
        authority=books.setup.is_authority(listing.key.channel, listing.key.remote_location),
    )


def state(books: Books, listing: Listing) -> str:
    """The listing's state in one word, for scripts and screens."""
    if listing.sku is None:
        return "unmapped"
    write = listing.account.write
    if write is not None:
        return "in_doubt" if write.in_doubt else "in_flight"
    if listing.rejected:
        return "rejected"
    if listing.paused or listing.held or not listing.tracked or listing.account.base is None:
        return "held"
    if listing.desired is not None and account.owed(listing.account, listing.desired):
        return "owed"
    return "blocked" if books.policy(listing.key.channel, listing.sku).blocked else "synced"


class Owed(NamedTuple):
    """A listing that waits for a write: the riskiest goes first (falls before rises, near zero before plenty)."""

    key: ListingKey
    risk: int


RISE = 1 << 40


def owes(books: Books, listing: Listing) -> Owed | None:
    """The listing's place in its channel's queue, or None when nothing is owed or it may not be written."""
    wanted, expected = listing.desired, listing.account.expected
    if state(books, listing) != "owed" or wanted is None or expected is None:
        return None
    return Owed(listing.key, max(wanted, 0) + (RISE if wanted > expected else 0))


def hear(books: Books, key: ListingKey, reading: Reading | None) -> bool:
    """A stock event of the channel; True when it raises a question that a reading has to answer."""
    listing = books.listings.get(key)
    if listing is None:
        return False
    if reading is None:
        listing.tracked = False
        books.changed_listings.add(key)
        return False
    verdict = account.hear(listing.account, reading)
    _seen(books, listing, verdict, reading)
    return verdict.account.asked


def observe(books: Books, key: ListingKey, reading: Reading) -> None:
    """A reading that we asked for; it waits for its cover."""
    listing = books.listings.get(key)
    if listing is not None:
        _seen(books, listing, account.observe(listing.account, reading), reading)


def cover(
    books: Books, key: ListingKey, reached: Instant, *, settle: Instant = SETTLE, may_enforce: bool = True
) -> Seen:
    """Judge the waiting reading of a listing now that the channel's orders are known up to `reached`."""
    listing = books.listings[key]
    verdict = account.cover(listing.account, reached, settle=settle)
    if verdict.account is not listing.account:
        listing.account = verdict.account
        books.changed_listings.add(key)
        if listing.sku is not None:
            books.touched_skus.add(listing.sku)
    if verdict.seen is Seen.DRIFT:
        _drift(books, listing, verdict, may_enforce=may_enforce)
    elif verdict.seen is Seen.AGREES and listing.drifting and not _owed(listing):
        settle_drift(books, listing, "the channel shows what is expected again")
    return verdict.seen


def settle_drift(books: Books, listing: Listing, how: str) -> None:
    listing.drifting, listing.held = False, ""
    books.changed_listings.add(listing.key)
    books.conflicts.append(Resolution(kind=ConflictKind.DRIFT, subject=listing_subject(listing.key), how=how))


def confirmed(books: Books, listing: Listing) -> None:
    """A write took effect: a drift or refusal that stood open on the listing is over."""
    books.changed_listings.add(listing.key)
    listing.rejected = ""
    if listing.drifting and not _owed(listing):
        settle_drift(books, listing, "overwritten")


def reject(books: Books, listing: Listing, why: str) -> None:
    listing.rejected = why
    books.changed_listings.add(listing.key)
    books.conflicts.append(
        Conflict(
            kind=ConflictKind.REJECTED,
            subject=listing_subject(listing.key),
            sku=listing.sku,
            channel=listing.key.channel,
            facts={"reason": why, "desired": listing.desired, "remote_id": listing.key.remote_id},
        )
    )


def adopt(books: Books, listing: Listing, units: int, reason: str) -> None:
    """Take over a difference that the channel shows as a movement at the location it stands for."""
    ours = books.setup.ours(listing.key.channel, listing.key.remote_location)
    if listing.sku is None or not ours:
        return
    pack = books.policy(listing.key.channel, listing.sku).pack
    cause = Cause(actor=SYNCD, channel=listing.key.channel)
    key = LevelKey(listing.sku, ours[0])
    books.adjust(key, Quantity.ON_HAND, units * pack, reason, cause)
    if key.location in books.setup.books_within:
        heard(books, key, units * pack, cause)


def _owed(listing: Listing) -> bool:
    return listing.desired is not None and account.owed(listing.account, listing.desired)


def _seen(books: Books, listing: Listing, verdict: Verdict, reading: Reading) -> None:
    if listing.observed_at is None or reading.at.latest >= listing.observed_at:
        listing.observed, listing.observed_at = reading.units, reading.at.latest
    listing.account = verdict.account
    books.changed_listings.add(listing.key)


def _drift(books: Books, listing: Listing, verdict: Verdict, *, may_enforce: bool) -> None:
    if verdict.observed is None or verdict.expected is None or listing.sku is None:
        return
    difference = verdict.observed - verdict.expected
    channel = listing.key.channel
    if books.setup.is_authority(channel, listing.key.remote_location):
        adopt(books, listing, difference, "authority_movement")
        return
    rule = books.setup.channels[channel].drift
    if rule is DriftRule.ENFORCE and not may_enforce:
        rule = DriftRule.ASK
    facts = {
        "expected": verdict.expected,
        "observed": verdict.observed,
        "difference": difference,
        "desired": listing.desired,
        "rule": rule.value,
        "remote_id": listing.key.remote_id,
        "remote_location": listing.key.remote_location,
    }
    ours = books.setup.ours(channel, listing.key.remote_location)
    books.conflicts.append(
        Conflict(
            kind=ConflictKind.DRIFT,
            subject=listing_subject(listing.key),
            sku=listing.sku,
            location=ours[0] if ours else None,
            channel=channel,
            facts=facts,
        )
    )
    listing.drifting = True
    listing.held = "drift: waiting for a person" if rule is DriftRule.ASK else ""
    books.changed_listings.add(listing.key)
    if rule is DriftRule.ADOPT:
        adopt(books, listing, difference, "drift_adopted")
        settle_drift(books, listing, "taken over into the stock")
    elif not _owed(listing):
        settle_drift(books, listing, "what the channel shows is what is wanted")
