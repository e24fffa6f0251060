"""What both spellings of an order (webhook bodies and GraphQL nodes) have in common: they come to the same record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from syncd.domain.ids import Alias, Instant, LineId, OrderId, PartId, RemoteLocation
from syncd.domain.orders import FOREVER, Fulfilment, Line, RefundLine, Restock
from syncd.ports import Fault

RESTOCK: Final = {
    "cancel": Restock.BEFORE_SHIPPING,
    "return": Restock.RETURNED,
    "no_restock": Restock.NONE,
    "legacy_restock": Restock.BEFORE_SHIPPING,
}
LEGACY: Final = "legacy_restock"
"""Put back without saying whether it had been shipped: that is for `Account.settled` to find out."""
STOPPED: Final = frozenset({"cancelled", "error", "failure"})
"""A fulfilment in one of these states ships nothing (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What reading an order needs to know of the shop; until it is known, locations are asked for."""

    sole_location: RemoteLocation | None = None
    """The shop's only active location, to which every line is assigned."""
    returns_readable: bool = True
    """Without the scope for returns, the refunds alone say what came back."""

    def location_of_sale(self, at_till: RemoteLocation | None) -> RemoteLocation | None:
        return at_till or self.sole_location


@dataclass(slots=True)
class Tally:
    """Units of one line by what became of them, as far as the order says."""

    shipped: int = 0
    refunded_before: int = 0
    refunded_none: int = 0
    refunded_back: int = 0
    processed: int = 0
    """Units of processed returns, which lower the line's current quantity whether or not they are refunded."""
    unsure: bool = False
    """A part of this line could not be read: what is missing from its current quantity need not have been removed."""

    def count(self, restock: Restock, quantity: int) -> None:
        if restock is Restock.BEFORE_SHIPPING:
            self.refunded_before += quantity
        elif restock is Restock.RETURNED:
            self.refunded_back += quantity
        else:
            self.refunded_none += quantity


@dataclass(slots=True)
class Account:
    """The order while it is being read: its own dates, the tallies of its lines, and what could not be used."""

    order_id: OrderId
    created: Instant
    updated: Instant
    cancelled: Instant | None
    faults: list[Fault] = field(default_factory=list)
    tallies: dict[LineId, Tally] = field(default_factory=dict)
    refunded_at_cancellation: bool = False
    """Dated the same second: the cancellation itself says by a refund what it put back. A refund taken for one of the
    cancellation by mistake would put back units that left the books; the other mistake only forgets an edit."""
    legacy: list[RefundLine] = field(default_factory=list)
    has_returns: bool = False
    returns_are_exact: bool = False
    """The processed units of returns are in the tallies; otherwise only that there are returns is known."""

    def tally(self, line: LineId) -> Tally:
        known = self.tallies.get(line)
        if known is None:
            known = self.tallies[line] = Tally()
        return known

    def refunded(self, line: LineId, restock: Restock, quantity: int, at: Instant) -> None:
        self.tally(line).count(restock, quantity)
        if at == self.cancelled and restock is not Restock.RETURNED:
            self.refunded_at_cancellation = True

    def fault(self, reason: str, line: LineId | None = None) -> None:
        self.faults.append(Fault(reason, self.order_id, line))
        if line is not None:
            self.tally(line).unsure = True

    def line(
        self,
        line: LineId,
        *,
        item: Alias | None,
        sku_text: str,
        no_stock: str,
        ordered: int,
        current: int,
        unfulfilled: int | None,
        location: RemoteLocation | None,
        location_version: Instant = 0,
    ) -> Line:
        """The line as a record.

        An order that was cancelled without restocking has no current quantity left and no refund that says so: nothing
        new is known of what an edit had removed before, so the line speaks with the age of the order and what was
        heard before the cancellation stands.
        """
        ordered = max(ordered, current)
        silent = self.cancelled is not None and not self.refunded_at_cancellation
        removed = 0 if silent or current == ordered else self._removed(line, ordered, current, unfulfilled)
        return Line(
            line_id=line,
            item=item,
            ordered=ordered,
            version=self.created if silent else self.updated,
            at=self.created,
            removed=removed,
            removed_at=self.updated if removed else FOREVER,
            sku_text=sku_text,
            no_stock=no_stock,
            location=location,
            location_version=location_version,
        )

    def settled(
        self,
        refunds: dict[PartId, RefundLine],
        lines: Mapping[LineId, Line],
        fulfilments: Mapping[PartId, Fulfilment],
    ) -> dict[PartId, RefundLine]:
        """The refunds with the legacy ones told apart: what could not have been shipped by then was put back before.

        Only what is dated up to the refund is looked at, so that later events do not change what it counted for.
        """
        unclear = {part.part_id: part for part in self.legacy if part.line_id in lines}
        for part_id in unclear:
            refunds.pop(part_id, None)
        for part in sorted(unclear.values(), key=lambda each: each.at):
            line = lines[part.line_id]
            gone = sum(
                units
                for each in fulfilments.values()
                if each.at <= part.at and (each.cancelled_at is None or each.cancelled_at > part.at)
                for shipped, units in each.lines
                if shipped == part.line_id
            )
            gone += sum(
                each.units
                for each in refunds.values()
                if each.line_id == part.line_id and each.at <= part.at and each.restock is not Restock.RETURNED
            )
            late = self.cancelled is not None and part.at > self.cancelled
            before = 0 if late else min(part.units, max(0, line.ordered - line.removed - gone))
            if before:
                refunds[part.part_id] = replace(part, units=before)
            if part.units > before:
                back = PartId(f"{part.part_id}:returned")
                refunds[back] = replace(part, part_id=back, units=part.units - before, restock=Restock.RETURNED)
        return refunds

    def _removed(self, line: LineId, ordered: int, current: int, unfulfilled: int | None) -> int:
        """Units that an edit took off: missing from the current quantity and explained by no refund and no return."""
        tally = self.tallies.get(line)
        if tally is None:
            tally = Tally()
        if tally.unsure:
            return 0
        refunded = tally.refunded_before + tally.refunded_none + tally.refunded_back
        removed = ordered - current - refunded - tally.processed
        if self.has_returns and unfulfilled is not None:
            before_shipping = ordered - tally.shipped - unfulfilled - tally.refunded_before
            removed = min(removed, before_shipping if self.returns_are_exact else before_shipping - tally.refunded_none)
        return max(0, removed)
