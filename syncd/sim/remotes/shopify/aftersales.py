"""Refunds, cancellations and returns, and what each does to stock (the effects table of the fact sheet, 7.1)."""

from collections.abc import Sequence

from syncd.sim.remotes.shopify.records import (
    FulfilmentLine,
    Line,
    Location,
    Order,
    Refund,
    RefundLine,
    RestockType,
    Return,
    ReturnLine,
    ShopRefused,
)
from syncd.sim.remotes.shopify.sales import Sales, WishLike

RefundWish = tuple[Line, int, RestockType, Location | None]


class AfterSales(Sales):
    """The complaints desk.

    `edits_record_refunds`: whether units removed by an order edit are listed under the order's refunds as well; the
    vendor's pages do not say, and a reader must not count them twice.
    """

    edits_record_refunds = False

    def refund(
        self, order: Order, lines: Sequence[RefundWish], *, return_: Return | None = None, note: str | None = None
    ) -> Refund:
        """Refund (line, quantity, restock type, location) parts; no parts at all is money only.

        `cancel` wants unshipped units and `return` shipped ones; `no_restock` takes unshipped units first, and, for a
        return, none: those units came back by the return itself.
        """
        self._refuse_refund(lines, return_)
        with self.acting("staff") as act:
            refund = Refund(id=self.numbers.next("Refund"), order=order, created_at=self.second, return_=return_)
            refund.note = note
            for line, quantity, restock_type, location in lines:
                self._refund_line(refund, line, quantity, restock_type, location)
            self._keep(refund)
            self.touch(order)
            act.tell("refunds/create", refund)
            act.tell("orders/updated", order)
        return refund

    def cancel(self, order: Order, *, restock: bool, reason: str = "customer") -> None:
        """Cancel all that is not shipped; restocking leaves a refund of type `cancel` behind.

        Units assigned to a location that was deactivated do not come back: an unpaid order loses them, a paid one
        cannot be cancelled (the vendor's note on orderCancel).
        """
        if order.cancelled_at is not None:
            raise ShopRefused(f"{order.name} is cancelled already")
        dead = any(f.remaining and not f.location.active for f in order.fulfilment_orders)
        if dead and order.paid and restock:
            raise ShopRefused(f"{order.name}: its location is deactivated")
        with self.acting("staff") as act:
            if restock and not dead:
                refund = Refund(id=self.numbers.next("Refund"), order=order, created_at=self.second)
                for line in order.lines:
                    self._refund_line(refund, line, line.unfulfilled, "cancel", None)
                if refund.lines:
                    self._keep(refund)
                    act.tell("refunds/create", refund)
            else:
                for line in order.lines:
                    self._take_off(line, line.unfulfilled, restock=False)
            order.cancelled_at = order.closed_at = self.second
            order.cancel_reason = reason
            self.touch(order)
            act.tell("orders/cancelled", order)
            act.tell("orders/updated", order)

    def edit(
        self, order: Order, *, add: Sequence[WishLike] = (), remove: Sequence[tuple[Line, int, bool]] = ()
    ) -> None:
        """As `Sales.edit`; with `edits_record_refunds` the removed units show up as a refund without money, too."""
        with self.acting("staff") as act:
            super().edit(order, add=add, remove=remove)
            if not self.edits_record_refunds or not remove:
                return
            refund = Refund(id=self.numbers.next("Refund"), order=order, created_at=self.second)
            for line, quantity, restock in remove:
                where = line.default_location if restock else None
                self._write(refund, line, quantity, "cancel" if restock else "no_restock", where)
            self._keep(refund)
            act.tell("refunds/create", refund)

    def process_return(
        self, order: Order, lines: Sequence[tuple[Line, int]], *, restock_location: Location | None
    ) -> Return:
        """Goods came back and were looked at, without any refund yet; None as location: taken back, not restocked."""
        with self.acting("staff") as act:
            return_ = Return(
                id=self.numbers.next("Return"),
                reverse_id=self.numbers.next("ReverseFulfillmentOrder"),
                order=order,
                name=f"{order.name}-R{len(order.returns) + 1}",
                created_at=self.second,
            )
            for line, quantity in lines:
                self._return_line(return_, line, quantity, restock_location)
            order.returns.append(return_)
            self.returns[return_.id] = return_
            self.touch(order)
            act.tell("returns/approve", return_)
            act.tell("returns/process", return_)
            act.tell("orders/updated", order)
        return return_

    def close_return(self, return_: Return) -> None:
        with self.acting("staff") as act:
            return_.closed_at = self.second
            self.touch(return_.order)
            act.tell("returns/close", return_)

    def _refuse_refund(self, lines: Sequence[RefundWish], return_: Return | None) -> None:
        unshipped = {line: line.unfulfilled for line, *_ in lines}
        shipped = {line: line.shipped - line.returned for line, *_ in lines}
        for line, quantity, restock_type, _ in lines:
            if quantity <= 0:
                raise ShopRefused("a refund line needs a quantity")
            if return_ is not None:
                if restock_type != "no_restock":
                    raise ShopRefused("units of a return are restocked by the return, not by its refund")
                continue
            first, second = (shipped, unshipped) if restock_type == "return" else (unshipped, shipped)
            from_first = min(quantity, first[line])
            first[line] -= from_first
            if restock_type in ("cancel", "return") and from_first < quantity:
                raise ShopRefused(f"{restock_type}: only {from_first} of {quantity} units are in that state")
            second[line] -= quantity - from_first
            if second[line] < 0:
                raise ShopRefused("more units than were sold")

    def _refund_line(
        self, refund: Refund, line: Line, quantity: int, restock_type: RestockType, location: Location | None
    ) -> None:
        if refund.return_ is not None:
            self._refund_of_return(refund.return_, line, quantity)
            self._write(refund, line, quantity, restock_type, None)
            return
        before = quantity if restock_type == "return" else 0
        unshipped = 0 if before else min(quantity, line.unfulfilled)
        restocked = restock_type in ("cancel", "legacy_restock")
        if restocked and location is not None:
            self._assign(line, unshipped, location)
        taken = self._take_off(line, unshipped, restock=restocked) if unshipped else []
        if restocked:
            for where, units in taken:
                self._write(refund, line, units, restock_type, where)
        after = quantity - unshipped
        if restock_type == "no_restock":
            line.returned += after
            self._write(refund, line, quantity, restock_type, None)
        elif after:
            where = location or line.default_location
            line.returned += after
            self._effect("returned", line, where, after)
            self._write(refund, line, after, restock_type, where)

    def _write(
        self, refund: Refund, line: Line, quantity: int, restock_type: RestockType, location: Location | None
    ) -> None:
        number = self.numbers.next("RefundLineItem")
        refund.lines.append(
            RefundLine(id=number, line=line, quantity=quantity, restock_type=restock_type, location=location)
        )

    def _refund_of_return(self, return_: Return, line: Line, quantity: int) -> None:
        for part in return_.lines:
            if part.fulfilment_line.line is line:
                some = min(quantity, part.quantity - part.refunded)
                part.refunded += some
                quantity -= some
        if quantity:
            raise ShopRefused("more units than the return holds")

    def _return_line(self, return_: Return, line: Line, quantity: int, location: Location | None) -> None:
        if quantity <= 0 or quantity > line.shipped - line.returned:
            raise ShopRefused("more units than were shipped and not yet returned")
        line.returned += quantity
        if location is not None:
            self._effect("returned", line, location, quantity)
        for source in self._shipped_parts(line):
            some = min(quantity, source.quantity)
            return_.lines.append(
                ReturnLine(
                    id=self.numbers.next("ReturnLineItem"),
                    disposition_id=self.numbers.next("ReverseFulfillmentOrderDisposition"),
                    fulfilment_line=source,
                    quantity=some,
                    location=location,
                )
            )
            quantity -= some
            if not quantity:
                return

    @staticmethod
    def _shipped_parts(line: Line) -> list[FulfilmentLine]:
        return [
            part
            for fulfilment in line.order.fulfilments
            if fulfilment.status != "cancelled"
            for part in fulfilment.lines
            if part.line is line
        ]

    def _keep(self, refund: Refund) -> None:
        refund.order.refunds.append(refund)
        self.refunds[refund.id] = refund
