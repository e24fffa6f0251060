"""The sales of the last hours by SKU, as far as orders were read: by them a write can be known to be in force.

A listing that shows neither what was written nor what it showed before, less what was sold since, has taken the write
and sold some more; without this a busy listing would be in doubt until its write can no longer land.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from syncd.domain.ids import Instant, OrderId
from syncd.domain.listings import Reading, Span
from syncd.ports import Facts

KEPT_MILLIS: Final = 3 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    placed: Instant
    units: Mapping[str, int]
    undone_at: Instant | None
    """Some of it was cancelled, at the latest then."""


class RecentSales:
    def __init__(self) -> None:
        self._sales: dict[OrderId, Sale] = {}
        self._unclear_at: Instant | None = None
        self.reached: Instant | None = None
        """Up to when all orders are known."""

    def take(self, facts: Facts) -> None:
        for order in facts.orders:
            if order.placed_at is None or (all(line.no_stock for line in order.lines.values()) and order.lines):
                continue
            units: dict[str, int] = {}
            for line in order.lines.values():
                if line.item is not None:
                    units[line.item] = units.get(line.item, 0) + line.ordered
            undone = order.updated_at if order.refunds or order.cancelled_at is not None else None
            known = self._sales.get(order.order_id)
            if known is not None and undone is not None:
                units = {sku: max(units.get(sku, 0), known.units.get(sku, 0)) for sku in units | dict(known.units)}
            self._sales[order.order_id] = Sale(placed=order.placed_at, units=units, undone_at=undone)
        if facts.faults:
            self._unclear_at = max((order.updated_at for order in facts.orders), default=None)

    def unreadable(self, at: Instant) -> None:
        """An order could not be read: nothing from before then is concluded."""
        self._unclear_at = at

    def told_up_to(self, reached: Instant) -> None:
        self.reached = max(self.reached or reached, reached)
        for order_id in [each for each, sale in self._sales.items() if sale.placed < reached - KEPT_MILLIS]:
            del self._sales[order_id]

    def explains(self, sku: str, before: Reading, now: Reading) -> bool | None:
        """Could the listing have come from `before` to `now` by its sales alone? None while that cannot be said."""
        if self.reached is None or now.at.latest > self.reached or self.reached - before.at.earliest > KEPT_MILLIS:
            return None
        if self._unclear_at is not None and self._unclear_at >= before.at.earliest:
            return None
        certain = possible = 0
        for sale in self._sales.values():
            if sale.undone_at is not None and sale.undone_at >= before.at.earliest:
                if not sale.units or sku in sale.units:
                    return None
                continue
            units = sale.units.get(sku, 0)
            if _outside(sale.placed, before.at, now.at):
                continue
            if before.at.latest < sale.placed < now.at.earliest:
                certain += units
            else:
                possible += units
        most = before.units - certain
        return max(0, most - possible) <= now.units <= max(0, most)


def _outside(at: Instant, before: Span, now: Span) -> bool:
    return at < before.earliest or at > now.latest
