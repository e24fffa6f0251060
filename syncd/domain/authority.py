"""What an authority's count says about stock whose leaving is told twice: by the shop's shipment, and by the count.

A shipment or return that we know of is *unbooked* until a document of the authority names it or, where the authority
shows no documents, until it is older than `books_within`. Without documents a count is compared with a range, and what
lies outside is a movement; with them there is no range. Pure values; times are milliseconds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from syncd.domain.ids import ChannelId, EventId, Instant, LevelKey, OrderId
from syncd.domain.listings import Span

KEPT: Final[Instant] = 30 * 24 * 3600 * 1000
"""How long a document waits for a shop to tell of what it names; most of these are of orders that no shop took."""

MOST_KEPT: Final = 400
"""Movements remembered one by one, per level."""


class Unbooked(NamedTuple):
    """Stock moved here by what a shop told (a shipment is below zero), and the authority has not entered it yet."""

    channel: ChannelId
    order_id: OrderId
    name: str
    units: int
    at: Instant
    """When we heard of it, by our clock."""

    def answers_to(self, reference: str) -> bool:
        return bool(reference) and reference in (self.order_id, self.name, self.name.removeprefix("#"))


class Document(NamedTuple):
    """One entry in the authority's books about one of our orders; counted once per number."""

    number: str
    reference: str
    """The order's id or name, as the shop gave it."""
    units: int
    """How it moved the authority's count: a shipment is below zero."""


class Booked(NamedTuple):
    """What the authority has entered and no shop has told us yet."""

    reference: str
    units: int
    at: Instant
    added: int = 0
    """Units of it that count as still here, since the order holds them until the shop tells that they left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How our books and the authority's stand to each other, for one SKU at one location."""

    counted: int | None = None
    """The authority's last count."""
    counted_to: Instant | None = None
    """Its as-of; anything told of an earlier time is ignored."""
    unbooked: tuple[Unbooked, ...] = ()
    booked: tuple[Booked, ...] = ()
    waiting: tuple[Document, ...] = ()
    """Documents that came without a count of this SKU: entered with the next one."""
    risen: tuple[tuple[Instant, int], ...] = ()
    """Rises lately concluded from counts alone: each may be a return that the shop tells of later."""
    asked: int = 0
    """Units that the count is above our books for no other reason than age: a person is asked."""


NEW: Final = Standing()


class Judgement(NamedTuple):
    """What a count comes to: `by` is the movement that it shows beyond what both sides know of."""

    standing: Standing
    by: int
    ignored: bool = False


class Count(NamedTuple):
    units: int
    at: Span
    books_within: Instant
    documents: tuple[Document, ...] | None = None
    """None where the authority shows none."""

    def is_young(self, movement: Unbooked) -> bool:
        return self.at.earliest - movement.at < self.books_within


Promised = Callable[[str], int]
"""Units that an order, named by its id or name, holds at this place."""


def judge(standing: Standing, on_hand: int, count: Count, promised: Promised) -> Judgement:
    """Compare a count with the books; one from before the last count is ignored, but not its documents."""
    if _is_late(standing, count):
        return _late(standing, on_hand, count, promised)
    if count.documents is None and not (standing.unbooked or standing.booked or standing.waiting):
        by = count.units - on_hand
        risen = _risen(standing, by, count) if by > 0 or standing.risen else ()
        return Judgement(Standing(counted=count.units, counted_to=count.at.latest, risen=risen), by)
    standing = replace(standing, counted=count.units, counted_to=count.at.latest)
    if count.documents is not None:
        entered = _entered(standing, (*standing.waiting, *count.documents), count.at.earliest)
        standing = _promised_again(replace(entered, waiting=(), risen=()), count.at.earliest, promised)
        return Judgement(replace(standing, asked=_overdue(standing, count)), _by_documents(standing) - on_hand)
    return _by_age(standing, on_hand, count)


def first(standing: Standing, on_hand: int, count: Count, promised: Promised) -> Judgement:
    """The first count of a level: what is older than `books_within` is in it, the rest is taken to be not."""
    if standing == NEW and count.documents is None:
        rise = _risen(standing, max(0, count.units), count)
        return Judgement(Standing(counted=count.units, counted_to=count.at.latest, risen=rise), count.units - on_hand)
    if count.documents is not None:
        standing = judge(standing, on_hand, count, promised).standing
    young = tuple(movement for movement in standing.unbooked if count.is_young(movement))
    standing = replace(
        standing,
        counted=count.units,
        counted_to=count.at.latest,
        unbooked=young,
        booked=tuple(one for one in standing.booked if one.added),
        asked=0,
    )
    if count.documents is not None:
        return Judgement(standing, _by_documents(standing) - on_hand)
    left = sum(min(movement.units, 0) for movement in young)
    risen = _risen(standing, max(0, count.units), count)
    return Judgement(replace(standing, risen=risen), count.units + left - on_hand)


def enter(standing: Standing, on_hand: int, documents: Sequence[Document], at: Span, promised: Promised) -> Judgement:
    """Documents that came without a count of their SKU: they are in the last count, or the next is the first to know
    of them."""
    if standing.counted_to is None or at.latest > standing.counted_to:
        return Judgement(replace(standing, waiting=(*standing.waiting, *documents)), 0)
    return _late(standing, on_hand, Count(0, at, 0, tuple(documents)), promised)


def tell(standing: Standing, movement: Unbooked, books_within: Instant) -> Judgement:
    """A shop tells what moved stock; what the authority has entered already is in its count, and moves nothing now."""
    left, by = movement.units, 0
    booked: list[Booked] = []
    for one in standing.booked:
        step = _alike(left, one.units) if movement.answers_to(one.reference) else 0
        if not step:
            booked.append(one)
            continue
        held = min(one.added, abs(step))  # until now it counted as still here: the movement takes that away
        by += -step - held if step < 0 else -step
        left -= step
        if one.units != step:
            booked.append(one._replace(units=one.units - step, added=one.added - held))
    risen = [rise for rise in standing.risen if movement.at - rise[0] < books_within]
    while left > 0 and risen:  # matched wrongly, the return shows as a rise once the authority enters it
        at, units = risen.pop()
        step = min(left, units)
        left, by = left - step, by - step
        if units > step:
            risen.append((at, units - step))
    unbooked = (*standing.unbooked, movement._replace(units=left)) if left else standing.unbooked
    return Judgement(replace(standing, booked=tuple(booked), unbooked=_short(unbooked), risen=tuple(risen)), by)


def _short(movements: tuple[Unbooked, ...]) -> tuple[Unbooked, ...]:
    """While an authority says nothing for long, its oldest movements are remembered as one sum of each direction."""
    if len(movements) <= MOST_KEPT:
        return movements
    old, recent = movements[: MOST_KEPT // 2], movements[MOST_KEPT // 2 :]
    sums = (sum(min(one.units, 0) for one in old), sum(max(one.units, 0) for one in old))
    merged = Unbooked(ChannelId(""), OrderId(""), "", 0, old[-1].at)
    return (*(merged._replace(units=units) for units in sums if units), *recent)


def release(standing: Standing, movement: Unbooked) -> Judgement:
    """A shop gave up `movement.units` of an order without shipping them: what counted as still here for it does not."""
    left, by = movement.units, 0
    booked: list[Booked] = []
    for one in standing.booked:
        gone = min(one.added, left) if movement.answers_to(one.reference) else 0
        booked.append(one._replace(added=one.added - gone))
        left, by = left - gone, by - gone
    return Judgement(replace(standing, booked=tuple(booked)), by)


def trust(standing: Standing) -> Judgement:
    """A person says that the authority has entered what is overdue: its count is right as it stands."""
    if standing.counted is None or not standing.asked:
        return Judgement(standing, 0)
    left, kept = standing.asked, []
    for movement in standing.unbooked:  # the oldest are the overdue ones
        taken = min(left, max(0, -movement.units))
        left -= taken
        if movement.units + taken:
            kept.append(movement._replace(units=movement.units + taken))
    return Judgement(replace(standing, unbooked=tuple(kept), asked=0), standing.asked - left)


def _by_age(standing: Standing, on_hand: int, count: Count) -> Judgement:
    """Inside the range nothing is concluded; a rise beyond what may be unbooked is real, one within what is overdue is
    asked. What is overdue is kept only as far as the count still shows it: the rest has been entered."""
    young = tuple(movement for movement in standing.unbooked if count.is_young(movement))
    overdue = [movement for movement in standing.unbooked if not count.is_young(movement) and movement.units < 0]
    lowest = on_hand - sum(movement.units for movement in young if movement.units > 0)
    highest = on_hand - sum(movement.units for movement in young if movement.units < 0)
    above = max(0, count.units - highest)
    asked = min(above, -sum(movement.units for movement in overdue))
    by = above - asked + min(0, count.units - lowest)
    unbooked = (*_newest(overdue, asked), *young)
    return Judgement(replace(standing, unbooked=unbooked, risen=_risen(standing, by, count), asked=asked), by)


def _risen(standing: Standing, by: int, count: Count) -> tuple[tuple[Instant, int], ...]:
    lately = tuple(rise for rise in standing.risen if count.at.earliest - rise[0] < count.books_within)
    return (*lately, (count.at.latest, by)) if by > 0 else lately


def _newest(movements: Iterable[Unbooked], units: int) -> tuple[Unbooked, ...]:
    kept: list[Unbooked] = []
    for movement in reversed(list(movements)):
        taken = min(units, -movement.units)
        units -= taken
        if taken:
            kept.append(movement._replace(units=-taken))
    return tuple(reversed(kept))


def _by_documents(standing: Standing) -> int:
    """What is on hand when the authority's documents are known: its count, without what it has not entered yet, and
    with what it has entered and the shop has not told."""
    counted = standing.counted or 0
    return counted + sum(one.units for one in standing.unbooked) + sum(one.added for one in standing.booked)


def _is_late(standing: Standing, count: Count) -> bool:
    """Of two counts of one moment nobody knows which came first: the lower is believed."""
    if standing.counted_to is None or standing.counted is None or count.at.latest != standing.counted_to:
        return standing.counted_to is not None and count.at.latest < standing.counted_to
    return count.units >= standing.counted


def _late(standing: Standing, on_hand: int, count: Count, promised: Promised) -> Judgement:
    """An older count says nothing any more; its documents were in the newer one."""
    ignored = standing.counted_to is not None and count.at.latest < standing.counted_to
    if not count.documents:
        return Judgement(standing, 0, ignored)
    entered = _entered(standing, count.documents, count.at.earliest)
    standing = _promised_again(entered, count.at.earliest, promised)
    return Judgement(standing, _by_documents(standing) - on_hand, ignored)


def _entered(standing: Standing, documents: Iterable[Document], at: Instant) -> Standing:
    """Match documents with what shops told: the oldest first, the rest waits to be told."""
    unbooked, booked = list(standing.unbooked), list(standing.booked)
    for document in documents:
        left = document.units
        for place, movement in enumerate(unbooked):
            step = _alike(left, movement.units) if movement.answers_to(document.reference) else 0
            unbooked[place] = movement._replace(units=movement.units - step)
            left -= step
        if left:
            booked.append(Booked(document.reference, left, at))
    return replace(standing, unbooked=tuple(one for one in unbooked if one.units), booked=tuple(booked))


def _promised_again(standing: Standing, at: Instant, promised: Promised) -> Standing:
    """Count as still here what an order holds and the authority has sent away."""
    booked: list[Booked] = []
    held: dict[str, int] = {}
    for one in standing.booked:
        if at - one.at > KEPT:
            continue
        free = held.get(one.reference, promised(one.reference))
        added = min(free, max(0, -one.units))
        held[one.reference] = free - added
        booked.append(one._replace(added=added))
    return replace(standing, booked=tuple(booked))


def _overdue(standing: Standing, count: Count) -> int:
    """Units that left long ago without a document; what an order took and brought back again needs none."""
    by_order: dict[tuple[str, str], int] = {}
    for one in standing.unbooked:
        if not count.is_young(one):
            by_order[one.channel, one.order_id] = by_order.get((one.channel, one.order_id), 0) + one.units
    return sum(max(0, -units) for units in by_order.values())


def _alike(a: int, b: int) -> int:
    """The part that two movements of the same direction have in common; 0 when they go opposite ways."""
    if a < 0 and b < 0:
        return max(a, b)
    return min(a, b) if a > 0 and b > 0 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """An authority's counts of some levels in our own terms, with the documents that belong to them."""

    channel: ChannelId
    at: Span
    counts: Sequence[tuple[LevelKey, int]]
    documents: Sequence[tuple[LevelKey, Document]] | None = None
    event_id: EventId | None = None
    """The stored delivery that told it."""
