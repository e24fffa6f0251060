"""Where the lines of an order are assigned to, from its fulfilment orders. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from syncd.channels.shopify.nodes import line_of, listed, location_of, nodes
from syncd.channels.shopify.order_parts import Account
from syncd.channels.shopify.values import Object, Unusable, instant, named, text, units
from syncd.domain.ids import Instant, LineId, RemoteLocation
from syncd.domain.orders import Fulfilment, RefundLine, Restock


class Assigned(NamedTuple):
    """Where a line is to be shipped from, and since when that is known."""

    location: RemoteLocation
    version: Instant


@dataclass(slots=True)
class _Held:
    """Units of a line assigned to one location: `left` to ship, `total` ever."""

    left: int = 0
    total: int = 0


def assignments(
    node: Object, account: Account, fulfilments: Iterable[Fulfilment], refunds: Iterable[RefundLine]
) -> Iterator[tuple[LineId, Assigned]]:
    """For each line the location that holds most of what is left to ship; else of what was never settled.

    A line that is split over locations can be told of one only; the rest follows when it ships.
    """
    assigned = node.get("fulfillmentOrders")
    if assigned is None:
        return
    held: dict[LineId, dict[RemoteLocation, _Held]] = {}
    version = account.updated
    for raw in listed(assigned, "fulfillmentOrders", account):
        try:
            version = max(version, instant(named(raw, "fulfilment order").get("updatedAt"), "updatedAt"))
            location = location_of(named(raw.get("assignedLocation"), "assignedLocation").get("location"), account)
            if location is None:
                continue
            is_open = text(raw.get("status")) not in ("CLOSED", "CANCELLED")
            for each in nodes(raw.get("lineItems"), "lines of a fulfilment order"):
                place = held.setdefault(line_of(each), {}).setdefault(location, _Held())
                place.left += units(each.get("remainingQuantity"), "remainingQuantity") if is_open else 0
                place.total += units(each.get("totalQuantity"), "totalQuantity")
        except Unusable as error:
            account.fault(f"order {account.order_id}, fulfilment order: {error}")
    settled = _settled_at(fulfilments, refunds)
    for line, places in held.items():
        # The later of two that hold as much: fulfilment orders come in the order in which they were made.
        best = max(
            enumerate(places),
            key=lambda each: (
                places[each[1]].left,
                places[each[1]].total - settled.get((line, each[1]), 0),
                each[0],
            ),
        )
        yield line, Assigned(best[1], version)


def _settled_at(
    fulfilments: Iterable[Fulfilment], refunds: Iterable[RefundLine]
) -> dict[tuple[LineId, RemoteLocation], int]:
    """Units of lines that were shipped from a location, or put back there before shipping."""
    settled: dict[tuple[LineId, RemoteLocation], int] = {}
    for each in fulfilments:
        if each.cancelled_at is None and each.location is not None:
            for line, quantity in each.lines:
                settled[line, each.location] = settled.get((line, each.location), 0) + quantity
    for part in refunds:
        if part.restock is Restock.BEFORE_SHIPPING and part.location is not None:
            settled[part.line_id, part.location] = settled.get((part.line_id, part.location), 0) + part.units
    return settled
