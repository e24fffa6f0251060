"""An order as a record that only grows, and what it does to stock.

Channels tell of an order at least once, late and in any order, so nothing is ever counted from an event. What is
told is merged into the record (a join: commutative, associative, idempotent), and the effect on stock is a pure
function of the record. The ledger gets the difference of two effects.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from syncd.domain.ids import Alias, Instant, LineId, LocationId, OrderId, PartId, RemoteLocation, Sku

FOREVER: Final[Instant] = 1 << 62
TICK: Final = 1000
"""Channels' clocks are believed to the second only."""


class Restock(StrEnum):
    """What a refund says about the units."""

    BEFORE_SHIPPING = "before_shipping"
    RETURNED = "returned"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One order line as the channel last told it; `version` dates `ordered` and `removed`."""

    line_id: LineId
    item: Alias | None
    ordered: int
    version: Instant
    at: Instant
    removed: int = 0
    removed_at: Instant = FOREVER
    sku_text: str = ""
    no_stock: str = ""
    """Why the line carries no stock (untracked, gift card, ...); empty when it does."""
    location: RemoteLocation | None = None
    location_version: Instant = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    part_id: PartId
    at: Instant
    version: Instant
    lines: tuple[tuple[LineId, int], ...]
    location: RemoteLocation | None = None
    cancelled_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLine:
    """Units of a line that were refunded or came back; a processed return is one with RETURNED."""

    part_id: PartId
    at: Instant
    line_id: LineId
    units: int
    restock: Restock
    location: RemoteLocation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What was decided here about a line, once: kept by every later merge and replay."""

    sku: Sku
    pack: int = 1
    home: RemoteLocation | None = None
    """Where the line was put while the channel had not named a location."""
    places: tuple[tuple[RemoteLocation, LocationId], ...] = ()
    """Our location for each of the channel's that the line touches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`placed_at` is None while only parts of it have been heard of (a hole)."""

    order_id: OrderId
    name: str = ""
    placed_at: Instant | None = None
    updated_at: Instant = 0
    complete_at: Instant = 0
    """Version of the newest account that names every line and shipment there is: what is older, it lacks. Such a line
    was taken off, such a shipment undone."""
    cancelled_at: Instant | None = None
    lines: Mapping[LineId, Line] = field(default_factory=dict)
    fulfilments: Mapping[PartId, Fulfilment] = field(default_factory=dict)
    refunds: Mapping[PartId, RefundLine] = field(default_factory=dict)
    bindings: Mapping[LineId, Binding] = field(default_factory=dict)
    in_count: frozenset[PartId] = frozenset()
    """Shipments and refunds from before the count that is believed: they moved no stock since."""


class Merged(NamedTuple):
    order: Order
    tie: bool
    """Same `updated_at`, different content: decided by content for now; the order should be fetched."""


def merge(known: Order, arrived: Order) -> Merged:
    """Join two accounts of the same order; `known` itself when nothing is new in `arrived`."""
    ties: list[str] = []
    lines = _union(known.lines, arrived.lines, _join_line, ties)
    if known.updated_at != arrived.updated_at and known.lines.keys() != arrived.lines.keys():
        lines = _date_late_lines(lines, known, arrived)
    fulfilments = _union(known.fulfilments, arrived.fulfilments, _join_fulfilment, ties)
    refunds = _union(known.refunds, arrived.refunds, _join_refund, ties)
    complete_at = max(known.complete_at, arrived.complete_at)
    if complete_at:
        lines, fulfilments = _without_taken_off(lines, complete_at), _without_undone(fulfilments, complete_at)
    order = Order(
        order_id=known.order_id,
        name=_newer_name(known, arrived),
        placed_at=_earliest(known.placed_at, arrived.placed_at),
        updated_at=max(known.updated_at, arrived.updated_at),
        complete_at=complete_at,
        cancelled_at=_earliest(known.cancelled_at, arrived.cancelled_at),
        lines=lines,
        fulfilments=fulfilments,
        refunds=refunds,
        bindings={**arrived.bindings, **known.bindings} if arrived.bindings else known.bindings,
        in_count=known.in_count | arrived.in_count if arrived.in_count else known.in_count,
    )
    nothing_new = order.updated_at == known.updated_at and order == known
    return Merged(known if nothing_new else order, bool(ties))


def _newer_name(a: Order, b: Order) -> str:
    if a.name == b.name or not b.name:
        return a.name
    if not a.name:
        return b.name
    return max((a.updated_at, a.name), (b.updated_at, b.name))[1]


class Stock(NamedTuple):
    """Units moved by an order at one place; `available` moves by `on_hand - committed`."""

    on_hand: int
    committed: int

    @property
    def available(self) -> int:
        return self.on_hand - self.committed


class Parts(NamedTuple):
    """What became of the units of a line at one of the channel's locations."""

    ordered: int = 0
    shipped: int = 0
    returned: int = 0
    put_back: int = 0
    written_off: int = 0
    in_count: int = 0
    """Net units whose leaving or coming back is already in the count."""

    @property
    def stock(self) -> Stock:
        gone = self.shipped + self.written_off
        return Stock(self.returned - gone + self.in_count, self.ordered - self.put_back - gone)

    @property
    def shown(self) -> int:
        """What it all comes to in the channel's own figure, which counts for itself whatever is in our count."""
        return self.returned + self.put_back - self.ordered


Place = tuple[LineId, RemoteLocation | None]


def effect(order: Order, *, until: Instant = FOREVER) -> dict[Place, Parts]:
    """What the order does, line by line and location by location, counting only what happened up to `until`.

    Units are the channel's own (not yet multiplied by a pack). Returned and cancelled units are capped by what was
    sold and not yet returned, in order of (time, id). Without a known order (a hole) there is no effect yet.
    """
    if order.placed_at is None:
        return {}
    if not order.fulfilments and not order.refunds and order.cancelled_at is None:
        return {
            (line.line_id, home(order, line)): Parts(
                ordered=line.ordered, put_back=min(line.ordered, line.removed if line.removed_at <= until else 0)
            )
            for line in order.lines.values()
            if line.at <= until and not line.no_stock
        }
    found: dict[Place, _Tally] = {}
    for line in order.lines.values():
        if line.at <= until and not line.no_stock:
            _line_effect(order, line, until, found)
    return {place: tally.parts for place, tally in found.items()}


def home(order: Order, line: Line) -> RemoteLocation | None:
    """Where the line's units are promised: the channel's word, else the choice kept in the record."""
    if line.location is not None:
        return line.location
    binding = order.bindings.get(line.line_id)
    return binding.home if binding else None


def reason(before: Parts, after: Parts) -> str:
    """The trade's word for a change of a line's parts, for the ledger and for `why`."""
    for name, word in _REASONS:
        step = getattr(after, name) - getattr(before, name)
        if step:
            return word if step > 0 else _UNDONE[word]
    return "moved"


_REASONS: Final = (
    ("returned", "returned"),
    ("written_off", "written_off"),
    ("shipped", "fulfilled"),
    ("put_back", "cancelled"),
    ("ordered", "ordered"),
)
_UNDONE: Final = {
    "returned": "return_corrected",
    "written_off": "write_off_corrected",
    "fulfilled": "fulfilment_cancelled",
    "cancelled": "reinstated",
    "ordered": "moved",
}


def timeline(order: Order, known: Order | None = None) -> dict[tuple[Place, Instant], int]:
    """How the channel's own `available` moves by this order: dated steps, which sum up to its effect.

    A step of zero says that units went and came back at that instant. What `known` has of a line keeps its date; what
    an edit or a move changed since is dated with that.
    """
    edited = _edited(order, known) if known is not None and known.placed_at is not None else []
    steps: dict[tuple[Place, Instant], int] = {}
    before: dict[Place, Parts] = {}
    for instant in _instants(order, edited):
        after = effect(_as_of(order, edited, instant), until=instant)
        for place in before.keys() | after.keys():
            was, now = before.get(place, _NOTHING), after.get(place, _NOTHING)
            if now.shown != was.shown or now.ordered != was.ordered:
                steps[place, instant] = now.shown - was.shown
        before = after
    return steps


def own_steps(known: Order | None, order: Order) -> dict[tuple[Place, Instant], int]:
    """What is new in the timeline of an order since it was `known`, corrections of what was told included."""
    told = timeline(known) if known is not None else {}
    now = timeline(order, known)
    steps = {at: now.get(at, 0) - told.get(at, 0) for at in told.keys() | now.keys()}
    return {at: step for at, step in steps.items() if step or at not in told}


CANCELLATION: Final = PartId("cancelled")


def cancellation_of(part_id: PartId) -> PartId:
    return PartId(f"{part_id}/cancelled")


class DatedPart(NamedTuple):
    part_id: PartId
    at: Instant
    line_id: LineId
    location: RemoteLocation | None


def dated_parts(order: Order) -> Iterator[DatedPart]:
    """Everything after the sale itself that moves units, with the place whose count it may already be part of."""
    for shipment in order.fulfilments.values():
        for line_id, _ in shipment.lines:
            yield DatedPart(shipment.part_id, shipment.at, line_id, shipment.location)
            if shipment.cancelled_at is not None:
                back = cancellation_of(shipment.part_id)
                yield DatedPart(back, shipment.cancelled_at, line_id, shipment.location)
    for refund in order.refunds.values():
        yield DatedPart(refund.part_id, refund.at, refund.line_id, refund.location)
    if order.cancelled_at is not None:
        for line_id in order.lines:
            yield DatedPart(CANCELLATION, order.cancelled_at, line_id, None)


_NOTHING: Final = Parts()


@dataclass(slots=True)
class _Tally:
    """`Parts` while they are added up."""

    ordered: int = 0
    shipped: int = 0
    returned: int = 0
    put_back: int = 0
    written_off: int = 0
    in_count: int = 0

    @property
    def parts(self) -> Parts:
        return Parts(self.ordered, self.shipped, self.returned, self.put_back, self.written_off, self.in_count)


def _line_effect(order: Order, line: Line, until: Instant, found: dict[Place, _Tally]) -> None:
    home_location = home(order, line)

    def at(location: RemoteLocation | None) -> _Tally:
        place = (line.line_id, home_location if location is None else location)
        tally = found.get(place)
        if tally is None:
            tally = found[place] = _Tally()
        return tally

    promised = at(None)
    promised.ordered += line.ordered
    shipped = 0
    for shipment, told in _shipments(order, line.line_id, until):
        units, there = min(told, line.ordered - shipped), at(shipment.location)
        counted = shipment.part_id in order.in_count
        if shipment.cancelled_at is not None and shipment.cancelled_at <= until:
            if counted and cancellation_of(shipment.part_id) not in order.in_count:
                there.in_count += units
            continue
        shipped += units
        # Promised elsewhere, the units' promise moves to where they leave from.
        promised.ordered -= units
        there.ordered += units
        there.shipped += units
        there.in_count += units if counted else 0
    returned = refunded = restocked = written_off_in_count = 0
    for refund in _refunds(order, line.line_id, until):
        counted = refund.part_id in order.in_count
        if refund.restock is Restock.RETURNED:
            units, there = min(refund.units, shipped - returned), at(refund.location)
            returned += units
            there.returned += units
            there.in_count -= units if counted else 0
            continue
        refunded += refund.units
        if refund.restock is Restock.BEFORE_SHIPPING:
            restocked += refund.units
        elif counted:
            written_off_in_count += refund.units
    removed = line.removed if line.removed_at <= until else 0
    cancelled = min(line.ordered - shipped, removed + refunded)
    if order.cancelled_at is not None and order.cancelled_at <= until:
        cancelled = line.ordered - shipped
        if CANCELLATION in order.in_count:
            written_off_in_count = cancelled
    put_back = min(cancelled, removed + restocked)
    promised.put_back += put_back
    promised.written_off += cancelled - put_back
    promised.in_count += min(cancelled - put_back, written_off_in_count)


def _shipments(order: Order, line_id: LineId, until: Instant) -> list[tuple[Fulfilment, int]]:
    found = [
        (fulfilment, units)
        for fulfilment in order.fulfilments.values()
        if fulfilment.at <= until
        for line, units in fulfilment.lines
        if line == line_id
    ]
    return sorted(found, key=lambda pair: (pair[0].at, pair[0].part_id))


def _refunds(order: Order, line_id: LineId, until: Instant) -> list[RefundLine]:
    found = [refund for refund in order.refunds.values() if refund.line_id == line_id and refund.at <= until]
    return sorted(found, key=lambda refund: (refund.at, refund.part_id))


class _Edit(NamedTuple):
    """A line that the channel has changed since, and as it was."""

    line: Line
    was: Line

    def as_of(self, instant: Instant) -> Line:
        line, was = self
        if instant < line.version and _told(line) != _told(was):
            line = replace(
                line, ordered=was.ordered, removed=was.removed, removed_at=was.removed_at, no_stock=was.no_stock
            )
        if was.location is not None and instant < line.location_version:
            line = replace(line, location=was.location)
        return line


def _edited(order: Order, known: Order) -> list[_Edit]:
    pairs = [(line, known.lines.get(line_id)) for line_id, line in order.lines.items()]
    return [_Edit(line, was) for line, was in pairs if was is not None and was is not line and was != line]


def _as_of(order: Order, edited: list[_Edit], instant: Instant) -> Order:
    if not edited:
        return order
    return replace(order, lines={**order.lines, **{edit.line.line_id: edit.as_of(instant) for edit in edited}})


def _instants(order: Order, edited: list[_Edit]) -> list[Instant]:
    found: set[Instant] = set()
    for line in (*order.lines.values(), *(edit.was for edit in edited)):
        found.add(line.at)
        if line.removed:
            found.add(line.removed_at)
    for edit in edited:
        found |= {edit.line.version, edit.line.location_version}
    for shipment in order.fulfilments.values():
        found.add(shipment.at)
        if shipment.cancelled_at is not None:
            found.add(shipment.cancelled_at)
    found |= {refund.at for refund in order.refunds.values()}
    if order.cancelled_at is not None:
        found.add(order.cancelled_at)
    return sorted(found)


_K = TypeVar("_K")
_V = TypeVar("_V")


def _union(
    a: Mapping[_K, _V], b: Mapping[_K, _V], join: Callable[[_V, _V, list[str]], _V], ties: list[str]
) -> Mapping[_K, _V]:
    """Both, joined where they have the same key; `a` itself when `b` has nothing new."""
    if not a or not b:
        return a or b
    joined: dict[_K, _V] | None = None
    for key, theirs in b.items():
        ours = a.get(key)
        both = theirs if ours is None else ours if ours == theirs else join(ours, theirs, ties)
        if both is not ours:
            joined = dict(a) if joined is None else joined
            joined[key] = both
    return a if joined is None else joined


def _earliest(a: Instant | None, b: Instant | None) -> Instant | None:
    return b if a is None else a if b is None else min(a, b)


def _join_line(a: Line, b: Line, ties: list[str]) -> Line:
    """The newer account of the line; what two accounts agree on keeps the earliest date it was seen at."""
    if a.version == b.version:
        if _told(a) != _told(b):
            ties.append(a.line_id)
        newer = max(a, b, key=lambda line: (line.ordered, line.removed, line.no_stock, line.sku_text, line.item or ""))
    else:
        newer = a if a.version > b.version else b
    named = max(a, b, key=lambda line: (line.location is not None, line.location_version, line.location or ""))
    removed_at = min(a.removed_at, b.removed_at) if a.removed == b.removed else newer.removed_at
    at = max(a.at, b.at)
    item = newer.item or a.item or b.item
    place = (named.location, named.location_version)
    if (newer.at, newer.removed_at, newer.item, newer.location, newer.location_version) == (
        at,
        removed_at,
        item,
        *place,
    ):
        return newer
    return replace(newer, at=at, removed_at=removed_at, item=item, location=place[0], location_version=place[1])


def _told(line: Line) -> tuple[int, int, str]:
    return line.ordered, line.removed, line.no_stock


def _join_fulfilment(a: Fulfilment, b: Fulfilment, ties: list[str]) -> Fulfilment:
    """The newer account of the shipment. It leaves from one place: two that differ are a tie, decided by content."""
    places = {f.location for f in (a, b) if f.location is not None}
    if len(places) > 1 or (a.version == b.version and a.lines != b.lines):
        ties.append(a.part_id)
    return replace(
        max(a, b, key=lambda f: (f.version, f.lines)),
        at=min(a.at, b.at),
        location=max(places, default=None),
        cancelled_at=_earliest(a.cancelled_at, b.cancelled_at),
    )


def _join_refund(a: RefundLine, b: RefundLine, ties: list[str]) -> RefundLine:
    """Refunds never change; of two accounts that differ, the one that says more."""
    return max(a, b, key=lambda refund: (refund.units, refund.restock, refund.location or "", refund.at))


def _date_late_lines(lines: Mapping[LineId, Line], a: Order, b: Order) -> Mapping[LineId, Line]:
    """A line that only the newer account has was added by an edit, not when the order was placed."""
    older, newer = (a, b) if a.updated_at < b.updated_at else (b, a)
    late = newer.lines.keys() - older.lines.keys() if older.lines else ()
    if not late:
        return lines
    return {i: replace(line, at=max(line.at, line.version)) if i in late else line for i, line in lines.items()}


def _without_taken_off(lines: Mapping[LineId, Line], complete_at: Instant) -> Mapping[LineId, Line]:
    """The lines of an account that names them all are as new as it is; whatever is older, it lacks."""
    gone = [line for line in lines.values() if line.version < complete_at and line.removed < line.ordered]
    if not gone:
        return lines
    taken_off = {
        line.line_id: replace(line, removed=line.ordered, removed_at=complete_at, version=complete_at) for line in gone
    }
    return {**lines, **taken_off}


def _without_undone(fulfilments: Mapping[PartId, Fulfilment], complete_at: Instant) -> Mapping[PartId, Fulfilment]:
    undone = [shipment for shipment in fulfilments.values() if shipment.version < complete_at and shipment.lines]
    if not undone:
        return fulfilments
    return {
        **fulfilments,
        **{shipment.part_id: replace(shipment, lines=(), version=complete_at) for shipment in undone},
    }
