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
    """Join two accounts of the same order."""
    ties = [False]
    lines = _union(known.lines, arrived.lines, lambda a, b: _join_line(a, b, ties))
    if known.lines and arrived.lines:
        lines = _date_late_lines(lines, known, arrived)
    order = Order(
        order_id=known.order_id,
        name=max((known.updated_at, known.name), (arrived.updated_at, arrived.name))[1] or known.name or arrived.name,
        placed_at=_earliest(known.placed_at, arrived.placed_at),
        updated_at=max(known.updated_at, arrived.updated_at),
        cancelled_at=_earliest(known.cancelled_at, arrived.cancelled_at),
        lines=lines,
        fulfilments=_union(known.fulfilments, arrived.fulfilments, lambda a, b: _join_fulfilment(a, b, ties)),
        refunds=_union(known.refunds, arrived.refunds, lambda a, b: max(a, b, key=_refund_content)),
        bindings={**arrived.bindings, **known.bindings},
        in_count=known.in_count | arrived.in_count,
    )
    return Merged(order, ties[0])


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

    def plus(self, **more: int) -> "Parts":
        return Parts(*(value + more.get(name, 0) for name, value in zip(self._fields, self, strict=True)))


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
    result: dict[Place, Parts] = {}
    for line in order.lines.values():
        if line.at <= until and not line.no_stock:
            _line_effect(order, line, until, result)
    return result


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


def timeline(order: Order) -> dict[tuple[Place, Instant], int]:
    """How the channel's own `available` moves by this order: dated steps, which sum up to its effect."""
    steps: dict[tuple[Place, Instant], int] = {}
    before: dict[Place, Parts] = {}
    for instant in _instants(order):
        after = effect(order, until=instant)
        for place in before.keys() | after.keys():
            step = after.get(place, _NOTHING).stock.available - before.get(place, _NOTHING).stock.available
            # What is in our count moved the channel's figure all the same.
            step -= after.get(place, _NOTHING).in_count - before.get(place, _NOTHING).in_count
            if step:
                steps[place, instant] = step
        before = after
    return steps


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


def _line_effect(order: Order, line: Line, until: Instant, result: dict[Place, Parts]) -> None:
    home_location = home(order, line)

    def add(location: RemoteLocation | None, **more: int) -> None:
        where = (line.line_id, location if location is not None else home_location)
        result[where] = result.get(where, _NOTHING).plus(**more)

    def ship(shipment: Fulfilment, units: int) -> None:
        """Units leave from the shipment's location; promised elsewhere, the promise moves there first."""
        if shipment.location is not None and shipment.location != home_location:
            add(None, ordered=-units)
            add(shipment.location, ordered=units)
        add(shipment.location, shipped=units, in_count=units if shipment.part_id in order.in_count else 0)

    add(None, ordered=line.ordered)
    shipped = 0
    for shipment, units in _shipments(order, line.line_id, until):
        if shipment.cancelled_at is not None and shipment.cancelled_at <= until:
            came_back = shipment.part_id in order.in_count and cancellation_of(shipment.part_id) not in order.in_count
            add(shipment.location, in_count=units if came_back else 0)
            continue
        units = min(units, line.ordered - shipped)
        shipped += units
        ship(shipment, units)
    returned = refunded = restocked = counted = 0
    for refund in _refunds(order, line.line_id, until):
        if refund.restock is Restock.RETURNED:
            units = min(refund.units, shipped - returned)
            returned += units
            add(refund.location, returned=units, in_count=-units if refund.part_id in order.in_count else 0)
            continue
        refunded += refund.units
        if refund.restock is Restock.BEFORE_SHIPPING:
            restocked += refund.units
        elif refund.part_id in order.in_count:
            counted += refund.units
    removed = line.removed if line.removed_at <= until else 0
    cancelled = min(line.ordered - shipped, removed + refunded)
    if order.cancelled_at is not None and order.cancelled_at <= until:
        cancelled = line.ordered - shipped
        counted = line.ordered if CANCELLATION in order.in_count else counted
    put_back = min(cancelled, removed + restocked)
    written_off = cancelled - put_back
    add(None, put_back=put_back, written_off=written_off, in_count=min(written_off, counted))


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


def _instants(order: Order) -> list[Instant]:
    found = {line.at for line in order.lines.values()}
    found |= {line.removed_at for line in order.lines.values() if line.removed}
    found |= {f.at for f in order.fulfilments.values()}
    found |= {f.cancelled_at for f in order.fulfilments.values() if f.cancelled_at is not None}
    found |= {r.at for r in order.refunds.values()}
    if order.cancelled_at is not None:
        found.add(order.cancelled_at)
    return sorted(found)


_K = TypeVar("_K")
_V = TypeVar("_V")


def _union(a: Mapping[_K, _V], b: Mapping[_K, _V], join: Callable[[_V, _V], _V]) -> Mapping[_K, _V]:
    if not a or not b:
        return a or b
    return {**a, **{key: join(a[key], value) if key in a else value for key, value in b.items()}}


def _earliest(a: Instant | None, b: Instant | None) -> Instant | None:
    return b if a is None else a if b is None else min(a, b)


def _join_line(a: Line, b: Line, ties: list[bool]) -> Line:
    """The newer account of the line; what two accounts agree on keeps the earliest date it was seen at."""
    told = (a.ordered, a.removed), (b.ordered, b.removed)
    if a.version == b.version and told[0] != told[1]:
        ties[0] = True
    newer = max(a, b, key=lambda line: (line.version, line.ordered, line.removed, line.no_stock, line.sku_text))
    removed_at = min(a.removed_at, b.removed_at) if a.removed == b.removed else newer.removed_at
    named = max(a, b, key=lambda line: (line.location is not None, line.location_version, line.location or ""))
    return replace(
        newer,
        item=newer.item or a.item or b.item,
        at=max(a.at, b.at),
        removed_at=removed_at,
        location=named.location,
        location_version=named.location_version,
    )


def _join_fulfilment(a: Fulfilment, b: Fulfilment, ties: list[bool]) -> Fulfilment:
    if a.version == b.version and a.lines != b.lines:
        ties[0] = True
    newer = max(a, b, key=lambda f: (f.version, f.lines, f.location or ""))
    return replace(
        newer,
        at=min(a.at, b.at),
        location=newer.location or a.location or b.location,
        cancelled_at=_earliest(a.cancelled_at, b.cancelled_at),
    )


def _refund_content(refund: RefundLine) -> tuple[object, ...]:
    return refund.units, refund.restock, refund.location or "", refund.at


def _date_late_lines(lines: Mapping[LineId, Line], a: Order, b: Order) -> Mapping[LineId, Line]:
    """A line that only the newer account has was added by an edit, not when the order was placed."""
    older, newer = (a, b) if a.updated_at <= b.updated_at else (b, a)
    if older.updated_at == newer.updated_at:
        return lines
    late = newer.lines.keys() - older.lines.keys()
    return {i: replace(line, at=max(line.at, line.version)) if i in late else line for i, line in lines.items()}
