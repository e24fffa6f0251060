"""From an order as the shop tells it to the record it becomes. Pure.

What an order holds is said by its lines themselves: `_reduced_stock` is what the shop has taken off its figure for the
line and not put back (seen with 8.4.0; kept up by restocking refunds, by edits and by cancelling). The status decides
when that happens:

| status | the shop's figure | here |
| --- | --- | --- |
| `checkout-draft`, `pending` | untouched; put back when an order returns to it | the line carries no stock yet |
| `failed` | stays as it was | what `_reduced_stock` says, else as `pending` |
| `on-hold`, `processing` | taken off, once | promised |
| `completed` | taken off, if it was not before | shipped at `date_completed` |
| `cancelled` | put back | taken off the order |
| `refunded` | stays; only the refund's lines that restock come back | the rest is written off, or was shipped before |
| a plugin's own | stays | as `_reduced_stock` says, else promised once it was paid |

Nothing but payment and completion is dated by the vendor, so whatever else changed counts from `date_modified` on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from syncd.channels.woocommerce.refunds import Refunded, Split, read_refunds, split
from syncd.channels.woocommerce.values import (
    NOWHERE,
    SECOND,
    Object,
    Unusable,
    instant,
    item_alias,
    line_id,
    moment,
    named,
    number,
    objects,
    order_id,
    text,
    units,
)
from syncd.domain.errors import Refused
from syncd.domain.ids import Alias, Instant, LineId, OrderId, PartId
from syncd.domain.orders import FOREVER, Fulfilment, Line, Order, RefundLine, Restock
from syncd.ports import Facts, Fault

DRAFTS: Final = frozenset({"checkout-draft", "auto-draft", "draft", "new"})
UNPAID: Final = DRAFTS | {"pending", "failed"}
HOLDING: Final = frozenset({"on-hold", "processing", "completed"})
UNSHIPPED: Final = UNPAID | {"on-hold", "processing", "cancelled"}
CLOSED: Final = frozenset({"completed", "cancelled", "refunded", "failed", "trash"}) | DRAFTS
"""Orders in these need no reading at first: what they did is in every count since. The others are open."""

NOT_PAID: Final = "not paid: the shop takes no stock for it yet"
_CUSTOM: Final = 5
_RANKS: Final[Mapping[str, int]] = {
    **dict.fromkeys(DRAFTS, 0),
    "pending": 1,
    "failed": 2,
    "on-hold": 3,
    "processing": 4,
    "completed": 6,
    "cancelled": 7,
    "refunded": 8,
    "trash": 9,
}
_FINAL: Final = 500
"""Of two accounts of one second, the one that was read after that second is the last; else the later status is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An order's body with what was read beside it."""

    body: Object
    refunds: Sequence[Any] | None = None
    """The refunds in full; None where the body only names them."""
    holders: Mapping[int, bool] = field(default_factory=dict)
    """For variations: True when the variation keeps its own stock, False when its product does."""
    final: bool = False
    """Read after the second in which the order was last modified."""


@dataclass(slots=True)
class _Reading:
    """The order while it is being read."""

    order_id: OrderId
    status: str
    created: Instant
    version: Instant
    paid: Instant | None
    completed: Instant | None
    shipped: bool
    holders: Mapping[int, bool]
    refunds: Mapping[LineId, Sequence[Refunded]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    lines: dict[LineId, Line] = field(default_factory=dict)
    leaving: dict[LineId, int] = field(default_factory=dict)
    """Units that a shipment of the order takes along."""
    refunded: dict[PartId, RefundLine] = field(default_factory=dict)
    unread: bool = False
    """A line could not be read, so this account does not name them all."""


def needs_reading(body: Object, holders: Mapping[int, bool]) -> bool:
    """Must the shop be asked before this body can be used? It names refunds without their lines, and no more."""
    if body.get("refunds"):
        return True
    return any(variation not in holders for _, variation in variations_of(body))


def variations_of(body: Object) -> set[tuple[int, int]]:
    """The (product, variation) pairs that the lines name."""
    found: set[tuple[int, int]] = set()
    for raw in body.get("line_items") or ():
        if type(raw) is dict and raw.get("variation_id"):
            try:
                found.add((number(raw.get("product_id"), "product id"), number(raw["variation_id"], "variation id")))
            except Unusable:
                continue
    return found


def read_order(told: Told, topic: str, shipped_statuses: Sequence[str]) -> Facts:
    """The order as a whole. Raises Refused when not even its id and dates can be read."""
    body = told.body
    try:
        reading = _begun(told, shipped_statuses)
        raw_lines = objects(body.get("line_items"), "line_items")
        if "line_items" not in body:
            raise Unusable("line_items is missing")
    except Unusable as error:
        raise Refused(f"{topic}: order {repr(body.get('id'))[:60]}: {error}") from error
    for raw in raw_lines:
        _read_line(raw, reading)
    order = Order(
        order_id=reading.order_id,
        name=f"#{text(body.get('number')) or reading.order_id}",
        placed_at=reading.created,
        updated_at=reading.version,
        complete_at=0 if reading.unread else reading.version,
        lines=reading.lines,
        fulfilments=_fulfilments(reading),
        refunds=reading.refunded,
    )
    before = _before_payment(order, reading)
    return Facts(orders=(before, order) if before else (order,), faults=tuple(reading.faults))


def _begun(told: Told, shipped_statuses: Sequence[str]) -> _Reading:
    body = told.body
    status = text(body.get("status")).removeprefix("wc-")
    if not status:
        raise Unusable("status is missing")
    modified = instant(body.get("date_modified_gmt"), "date_modified_gmt")
    completed = moment(body.get("date_completed_gmt"), "date_completed_gmt")
    shipped = status in shipped_statuses or (completed is not None and status not in UNSHIPPED)
    reading = _Reading(
        order_id=order_id(body.get("id")),
        status=status,
        created=instant(body.get("date_created_gmt"), "date_created_gmt"),
        version=modified + (_FINAL if told.final else 0) + _RANKS.get(status, _CUSTOM),
        paid=moment(body.get("date_paid_gmt"), "date_paid_gmt"),
        completed=completed,
        shipped=shipped,
        holders=told.holders,
    )

    def fault(reason: str) -> None:
        reading.faults.append(Fault(f"order {reading.order_id}: {reason}", reading.order_id))

    reading.refunds = read_refunds(told.refunds or (), fault)
    return reading


def _read_line(raw: Any, reading: _Reading) -> None:
    found: LineId | None = None
    try:
        found = line_id(named(raw, "line").get("id"))
        line = _line(raw, found, reading)
    except Unusable as error:
        reading.unread = True
        reason = f"order {reading.order_id}, line {found or '?'}: {error}"
        reading.faults.append(Fault(reason, reading.order_id, found))
        return
    reading.lines[found] = line


def _line(raw: Object, found: LineId, reading: _Reading) -> Line:
    quantity = units(raw.get("quantity"), "quantity")
    item, no_stock = _item(raw, reading)
    reduced, restocked = _meta(raw, "_reduced_stock"), _meta(raw, "_restock_refunded_items")
    held = _held(reading, quantity, reduced)
    if held is None:
        no_stock, held = no_stock or NOT_PAID, quantity
    shares = split(
        reading.refunds.get(found, ()),
        restocked if restocked is not None else max(0, quantity - held),
        shipped_at=reading.completed if reading.shipped else None,
    )
    # A plugin may count a sale in other units than the line does: what was taken off the figure is what counts.
    ordered = max(quantity, held + sum(part.units for part in shares.returned))
    removed = ordered - held - sum(part.units for part in shares.returned)
    _keep_refunds(found, shares, ordered - removed, reading)
    return Line(
        line_id=found,
        item=item,
        ordered=ordered,
        version=reading.version,
        at=reading.created,
        removed=removed,
        removed_at=reading.version if removed else FOREVER,
        sku_text=text(raw.get("sku")),
        no_stock=no_stock,
        location=NOWHERE,
        location_version=reading.created,
    )


def _held(reading: _Reading, quantity: int, reduced: int | None) -> int | None:
    """Units that the line holds; None while the order is not one yet."""
    if reading.status == "cancelled":
        return 0
    if reduced:
        return reduced
    if reading.status in UNPAID:
        return None
    if reduced is not None:
        return 0
    if reading.status in HOLDING:
        return quantity  # the status is stored before the stock is taken, and the line told in between
    if reading.status == "trash":
        return None
    return quantity if reading.status != "refunded" and reading.paid is not None else 0


def _item(raw: Object, reading: _Reading) -> tuple[Alias | None, str]:
    """The item whose stock the line moves, and why it moves none, if so."""
    if not raw.get("product_id"):
        return None, "custom line"
    product = number(raw["product_id"], "product id")
    variation = number(raw["variation_id"], "variation id") if raw.get("variation_id") else 0
    return item_alias(product, variation if reading.holders.get(variation, True) else 0), ""


def _meta(raw: Object, key: str) -> int | None:
    for each in objects(raw.get("meta_data"), "meta_data"):
        if type(each) is dict and each.get("key") == key:
            return units(each.get("value") or 0, key)
    return None


def _keep_refunds(found: LineId, shares: Split, kept: int, reading: _Reading) -> None:
    """What left the order by refunds, beside what `removed` says; `kept` units are the line's still."""
    for restock, parts in ((Restock.RETURNED, shares.returned), (Restock.NONE, shares.written_off)):
        for part in parts:
            reading.refunded[part.part_id] = RefundLine(
                part_id=part.part_id, at=part.at, line_id=found, units=part.units, restock=restock, location=NOWHERE
            )
    left = max(0, kept - sum(part.units for part in shares.written_off))
    if reading.shipped:
        reading.leaving[found] = left
    elif reading.status == "refunded" and left:
        # Refunded as a whole and never shipped, and the shop did not put it back: the units leave the books.
        part_id = PartId(f"{reading.order_id}/refunded:{found}")
        reading.refunded[part_id] = RefundLine(
            part_id=part_id, at=reading.version, line_id=found, units=left, restock=Restock.NONE, location=NOWHERE
        )


def _fulfilments(reading: _Reading) -> dict[PartId, Fulfilment]:
    """WooCommerce knows no shipments: an order that is completed has left as a whole.

    When it is taken up again, its account names no shipment any more, though the date of it stays in the order.
    """
    if not reading.shipped:
        return {}
    which = "shipped" if reading.completed is None else f"completed/{reading.completed}"
    part_id = PartId(f"{reading.order_id}/{which}")
    shipment = Fulfilment(
        part_id=part_id,
        at=reading.version if reading.completed is None else reading.completed,
        version=reading.version,
        lines=tuple(sorted(reading.leaving.items())),
        location=NOWHERE,
    )
    return {part_id: shipment}


def _before_payment(order: Order, reading: _Reading) -> Order | None:
    """The order as it was before it was paid, where that took more than a moment.

    The shop took its stock with the payment. An order that is first heard of as paid is told twice, so that its sale
    has that date; one that is known already (as on hold, which takes stock too) is older news to what is known.
    """
    if reading.paid is None or reading.paid < reading.created + 2 * SECOND or not reading.lines:
        return None
    unpaid = {
        found: replace(
            line,
            version=reading.created,
            removed=0,
            removed_at=FOREVER,
            no_stock=line.no_stock or NOT_PAID,
        )
        for found, line in order.lines.items()
    }
    return Order(
        order_id=order.order_id,
        name=order.name,
        placed_at=order.placed_at,
        updated_at=reading.created,
        lines=unpaid,
    )
