"""What became of refunded units. Pure.

A refund says how many units of a line it takes and when, not whether they went back into stock; that is known only as
a sum over all refunds of the line. So the refunds that restocked are those whose units add up to it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple

from syncd.channels.woocommerce.values import Unusable, instant, level, line_id, named, number, objects
from syncd.domain.ids import Instant, LineId, PartId

TRIED_AT_MOST: Final = 12
"""Refunds of one line beyond this are taken in order of time instead of by trying."""


class Refunded(NamedTuple):
    part_id: PartId
    at: Instant
    units: int


class Split(NamedTuple):
    """The refunds of a line that have to be told beside what was taken off the order before shipping."""

    returned: tuple[Refunded, ...] = ()
    """After shipping, back in stock."""
    written_off: tuple[Refunded, ...] = ()
    """Before shipping, not put back."""


def read_refunds(raw: Iterable[Any], fault: Callable[[str], None]) -> Mapping[LineId, Sequence[Refunded]]:
    """The refunded units by order line, in order of time; a refund of money alone has none."""
    found: dict[LineId, list[Refunded]] = {}
    for refund in raw:
        try:
            refund_id = number(named(refund, "refund").get("id"), "refund id")
            at = instant(refund.get("date_created_gmt"), f"date_created_gmt of refund {refund_id}")
            for each in objects(refund.get("line_items"), f"line_items of refund {refund_id}"):
                line, quantity = _refunded_line(each)
                if quantity:
                    part_id = PartId(f"{refund_id}:{line}")
                    found.setdefault(line, []).append(Refunded(part_id, at, quantity))
        except Unusable as error:
            fault(str(error))
    return {line: sorted(parts, key=lambda part: (part.at, part.part_id)) for line, parts in found.items()}


def split(refunds: Sequence[Refunded], restocked: int, *, shipped_at: Instant | None) -> Split:
    """Tell what came back after shipping, and what was given up before it."""
    if not refunds:
        return Split()
    back = _adding_up(refunds, restocked)
    early = [part for part in refunds if shipped_at is None or part.at < shipped_at]
    return Split(
        returned=tuple(part for part in refunds if part in back and part not in early),
        written_off=tuple(part for part in early if part not in back),
    )


def _refunded_line(raw: Any) -> tuple[LineId, int]:
    """The order's line that a refund's line is about, and its units, which are told below zero."""
    quantity = -level(named(raw, "refund line").get("quantity"), "refunded quantity")
    meta = [each for each in objects(raw.get("meta_data"), "meta_data") if type(each) is dict]
    of = next((each.get("value") for each in meta if each.get("key") == "_refunded_item_id"), None)
    return line_id(of), max(0, quantity)


def _adding_up(refunds: Sequence[Refunded], restocked: int) -> Sequence[Refunded]:
    """The refunds whose units come to `restocked`, the earliest first where there are several choices."""
    if restocked <= 0:
        return ()
    if restocked >= sum(part.units for part in refunds):
        return refunds
    if len(refunds) <= TRIED_AT_MOST:
        for size in range(1, len(refunds)):
            for chosen in combinations(refunds, size):
                if sum(part.units for part in chosen) == restocked:
                    return chosen
    chosen_in_order: list[Refunded] = []
    for part in refunds:
        if part.units <= restocked:
            chosen_in_order.append(part)
            restocked -= part.units
    return chosen_in_order
