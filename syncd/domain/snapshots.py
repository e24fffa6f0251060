"""An authority's snapshot enters the books: what a level's count comes to, and what a person is asked about it."""

from dataclasses import dataclass

from syncd.domain.authority import (
    NEW,
    Count,
    Document,
    Judgement,
    Promised,
    Snapshot,
    Standing,
    Unbooked,
    enter,
    first,
    judge,
    release,
    tell,
    trust,
)
from syncd.domain.books import Audited, Books, Need
from syncd.domain.conflicts import Conflict, ConflictKind, Resolution
from syncd.domain.errors import InvalidChange
from syncd.domain.ids import ChannelId, LevelKey, OrderId, OrderKey
from syncd.domain.ledger import SYNCD, Cause
from syncd.domain.quantities import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSnapshot:
    """Counts of an authority, each judged against what has moved; said again, it changes nothing more.

    Returns how many of the counts were older than what is known already.
    """

    snapshot: Snapshot
    zeroes: bool = False
    """These counts are of SKUs that the authority left out of a snapshot that it marked complete."""

    def need(self) -> Need:
        skus = {key.sku for key, _ in self.snapshot.counts} | {key.sku for key, _ in self.snapshot.documents or ()}
        numbers = {(self.snapshot.channel, document.number) for _, document in self.snapshot.documents or ()}
        return Need(skus=skus, new_skus=set(skus), documents=numbers)

    def apply(self, books: Books) -> int:
        return take(books, self.snapshot, zeroes=self.zeroes)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSnapshot:
    """A snapshot that came in parts has been judged, and booked or held."""

    channel: ChannelId
    name: str
    closes: str = ""
    """A question about an earlier snapshot, which this one answers."""

    def need(self) -> Need:
        return Need()

    def apply(self, books: Books) -> None:
        books.ended_snapshots.append((self.channel, self.name))
        if self.closes:
            how = "a later snapshot of everything took its place"
            books.conflicts.append(Resolution(kind=ConflictKind.MASS_CHANGE, subject=self.closes, how=how))


def take(books: Books, snapshot: Snapshot, *, zeroes: bool = False) -> int:
    """Returns how many of the counts were older than what is known already."""
    documents = _new_documents(books, snapshot)
    ignored = 0
    reason = "authority_count_without_it" if zeroes else "authority_count"
    for key, units in snapshot.counts:
        told = documents.pop(key, ()) if documents is not None else None
        if books.setup.authority.get(key.location) != snapshot.channel:
            continue
        ignored += _count(books, snapshot, key, units, told, reason)
    for key, left in (documents or {}).items():
        if books.setup.authority.get(key.location) == snapshot.channel:
            standing, on_hand = books.standings.get(key, NEW), books.level(key).on_hand
            judgement = enter(standing, on_hand, left, snapshot.at, _promised(books, key))
            books.set_standing(key, judgement.standing)
            cause = Cause(actor=SYNCD, channel=snapshot.channel, event_id=snapshot.event_id)
            books.adjust(key, Quantity.ON_HAND, judgement.by, "authority_document", cause)
    return ignored


def _count(
    books: Books,
    snapshot: Snapshot,
    key: LevelKey,
    units: int,
    documents: tuple[Document, ...] | None,
    reason: str,
) -> bool:
    books.create_sku(key.sku)
    standing = books.standings.get(key, NEW)
    on_hand = books.level(key).on_hand
    within = books.setup.books_within.get(key.location, 0)
    count = Count(units, snapshot.at, within, documents)
    cause = Cause(actor=SYNCD, channel=snapshot.channel, event_id=snapshot.event_id)
    if books.counted_at.get(key) is None:
        judgement = first(standing, on_hand, count, _promised(books, key))
        books.set_count(key, on_hand + judgement.by, snapshot.at.earliest - within, reason, cause)
    else:
        judgement = judge(standing, on_hand, count, _promised(books, key))
        books.adjust(key, Quantity.ON_HAND, judgement.by, reason, cause)
    books.set_standing(key, judgement.standing)
    _ask(books, key, standing.asked, judgement.standing, snapshot.channel)
    return judgement.ignored


def _new_documents(books: Books, snapshot: Snapshot) -> dict[LevelKey, tuple[Document, ...]] | None:
    """The documents not entered yet, by level; None where the authority shows none."""
    if snapshot.documents is None:
        return None
    found: dict[LevelKey, tuple[Document, ...]] = {key: () for key, _ in snapshot.counts}
    for key, document in snapshot.documents:
        if books.enter_document(snapshot.channel, document.number, key):
            found[key] = (*found.get(key, ()), document)
    return found


def _promised(books: Books, key: LevelKey) -> Promised:
    def units(reference: str) -> int:
        wanted = reference.removeprefix("#")
        return sum(
            held
            for order, name, held in books.promised(key)
            if wanted in (order.order_id, name, name.removeprefix("#"))
        )

    return units


def heard(books: Books, key: LevelKey, units: int, cause: Cause) -> None:
    """Stock of another authority's location was moved by somebody else: it has not entered that yet, or just now."""
    if not units:
        return
    within = books.setup.books_within[key.location]
    judgement = tell(books.standings.get(key, NEW), _movement(books, units, cause), within)
    _follow(books, key, judgement)


def given_up(books: Books, key: LevelKey, units: int, cause: Cause) -> None:
    """An order gave up units that it held, without shipping them."""
    standing = books.standings.get(key)
    if units > 0 and standing is not None and any(one.added for one in standing.booked):
        _follow(books, key, release(standing, _movement(books, units, cause)))


def _movement(books: Books, units: int, cause: Cause) -> Unbooked:
    channel, order_id = cause.channel or ChannelId(""), cause.order_id
    order = books.orders.get(OrderKey(channel, order_id)) if order_id is not None else None
    name = order.name if order is not None else ""
    return Unbooked(channel, order_id or OrderId(""), name, units, books.now)


def _follow(books: Books, key: LevelKey, judgement: Judgement) -> None:
    books.set_standing(key, judgement.standing)
    authority = books.setup.authority.get(key.location)
    cause = Cause(actor=SYNCD, channel=authority)
    books.adjust(key, Quantity.ON_HAND, judgement.by, "in_the_authoritys_count_already", cause)


def _ask(books: Books, key: LevelKey, before: int, standing: Standing, channel: ChannelId) -> None:
    """One question per level, told anew only when its units change."""
    if standing.asked == before:
        return
    subject = unbooked_subject(key)
    if not standing.asked:
        how = "the authority's count and ours agree again"
        books.conflicts.append(Resolution(kind=ConflictKind.UNBOOKED, subject=subject, how=how))
        return
    overdue = [
        {"channel": one.channel, "order_id": one.order_id, "name": one.name, "units": one.units, "heard_at": one.at}
        for one in standing.unbooked
    ]
    facts = {
        "units": standing.asked,
        "counted": standing.counted,
        "on_hand": books.level(key).on_hand,
        "unbooked": overdue[:50],
        "why": f"{channel} counts {standing.asked} more than is here by our books, and has had time to enter what left",
        "what_to_do": f"see in {channel} whether it has entered these shipments; if it has, take its count "
        "(`--take adopt`), if not, enter them there",
    }
    books.conflicts.append(
        Conflict(
            kind=ConflictKind.UNBOOKED,
            subject=subject,
            sku=key.sku,
            location=key.location,
            channel=channel,
            facts=facts,
        )
    )


def unbooked_subject(key: LevelKey) -> str:
    return f"{key.location}|{key.sku}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAuthority:
    """A person says that the authority has entered what was overdue: its count is right as it stands."""

    key: LevelKey
    actor: str

    def need(self) -> Need:
        return Need(skus={self.key.sku})

    def apply(self, books: Books) -> int:
        standing = books.standings.get(self.key)
        if standing is None or not standing.asked:
            raise InvalidChange(f"nothing is asked any more about {self.key.sku} at {self.key.location}")
        judgement = trust(standing)
        books.set_standing(self.key, judgement.standing)
        cause = Cause(actor=self.actor, channel=books.setup.authority.get(self.key.location))
        books.adjust(self.key, Quantity.ON_HAND, judgement.by, "authority_count_taken", cause)
        how = f"its count was taken by {self.actor}"
        books.conflicts.append(Resolution(kind=ConflictKind.UNBOOKED, subject=unbooked_subject(self.key), how=how))
        target = f"{self.key.sku} at {self.key.location}"
        books.audits.append(Audited(actor=self.actor, action="stock.trust", target=target, reason=f"{judgement.by:+d}"))
        return judgement.by
