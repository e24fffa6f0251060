"""Orders as the Admin API's GraphQL shows them, read by polling or on purpose.

They tell what webhooks do not: the location each line is assigned to, and what processed returns put back.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from syncd.channels.shopify.assignments import Assigned, assignments
from syncd.channels.shopify.nodes import line_of, listed, location_of, nodes
from syncd.channels.shopify.order_parts import LEGACY, RESTOCK, STOPPED, Account, Traits
from syncd.channels.shopify.values import (
    Object,
    Unusable,
    alias,
    instant,
    line_id,
    named,
    number,
    objects,
    order_id,
    part_id,
    text,
    units,
)
from syncd.domain.errors import Refused
from syncd.domain.ids import Alias, Instant, LineId, OrderId, PartId, RemoteLocation
from syncd.domain.orders import Fulfilment, Line, Order, RefundLine, Restock
from syncd.ports import Facts


class _Back(NamedTuple):
    """Units of a line that came back by a return: told by a disposition, by a refund, or by both for the same units."""

    at: Instant
    part: PartId
    by_refund: bool
    units: int
    location: RemoteLocation | None


def read_order_node(node: Object, topic: str, traits: Traits, fetched: Sequence[OrderId] = ()) -> Facts:
    try:
        cancelled = node.get("cancelledAt")
        account = Account(
            order_id(node.get("id")),
            instant(node.get("createdAt"), "createdAt"),
            instant(node.get("updatedAt"), "updatedAt"),
            None if cancelled is None else instant(cancelled, "cancelledAt"),
        )
        raw_lines = nodes(node.get("lineItems"), "lineItems")
    except Unusable as error:
        raise Refused(f"{topic}: order {text(node.get('name')) or text(node.get('id'))}: {error}") from error
    fulfilments = _fulfilments(node, account)
    refunds = _refunds(node, account)
    assigned = dict(assignments(node, account, fulfilments.values(), refunds.values()))
    at_till = location_of(node.get("retailLocation"), account)
    lines: dict[LineId, Line] = {}
    for raw in raw_lines:
        line = _line(raw, account, assigned, traits.location_of_sale(at_till))
        if line is not None:
            lines[line.line_id] = line
    order = Order(
        order_id=account.order_id,
        name=text(node.get("name")),
        placed_at=account.created,
        updated_at=account.updated,
        cancelled_at=account.cancelled,
        lines=lines,
        fulfilments=fulfilments,
        refunds=account.settled(refunds, lines, fulfilments) if account.legacy else refunds,
    )
    told = tuple(dict.fromkeys((*fetched, account.order_id))) if fetched else ()
    return Facts(orders=(order,), fetched=told, faults=tuple(account.faults))


def _line(
    raw: Any, account: Account, assigned: Mapping[LineId, Assigned], elsewhere: RemoteLocation | None
) -> Line | None:
    found: LineId | None = None
    try:
        found = line_id(named(raw, "line").get("id"))
        ordered = units(raw.get("quantity"), "quantity")
        item, no_stock = _item(raw)
    except Unusable as error:
        account.fault(f"order {account.order_id}, line {found or '?'}: {error}", found)
        return None
    try:
        current = units(raw.get("currentQuantity", ordered), "currentQuantity")
        unfulfilled = raw.get("unfulfilledQuantity")
        unfulfilled = None if unfulfilled is None else units(unfulfilled, "unfulfilledQuantity")
    except Unusable as error:
        account.fault(f"order {account.order_id}, line {found}: {error}", found)
        current, unfulfilled = ordered, None
    place = assigned.get(found)
    return account.line(
        found,
        item=item,
        sku_text=text(raw.get("sku")),
        no_stock=no_stock,
        ordered=ordered,
        current=current,
        unfulfilled=unfulfilled,
        location=place.location if place else elsewhere,
        location_version=place.version if place else 0,
    )


def _item(raw: Object) -> tuple[Alias | None, str]:
    variant = raw.get("variant")
    item = alias(named(variant, "variant").get("id")) if variant is not None else None
    if raw.get("isGiftCard") is True:
        return item, "gift card"
    if variant is None:
        return None, "custom line" if raw.get("product") is None else ""
    stock = variant.get("inventoryItem")
    return item, "untracked" if type(stock) is dict and stock.get("tracked") is False else ""


def _fulfilments(node: Object, account: Account) -> dict[PartId, Fulfilment]:
    found: dict[PartId, Fulfilment] = {}
    for raw in listed(node.get("fulfillments"), "fulfillments", account):
        try:
            fulfilment = _fulfilment(named(raw, "fulfilment"), account)
        except Unusable as error:
            account.fault(f"order {account.order_id}: {error}")
            continue
        found[fulfilment.part_id] = fulfilment
        if fulfilment.cancelled_at is None:
            for line, quantity in fulfilment.lines:
                account.tally(line).shipped += quantity
    return found


def _fulfilment(raw: Object, account: Account) -> Fulfilment:
    part = part_id(raw.get("id"), "fulfilment id")
    updated = instant(raw.get("updatedAt"), f"updatedAt of fulfilment {part}")
    shipped: dict[LineId, int] = {}
    for each in nodes(raw.get("fulfillmentLineItems"), f"lines of fulfilment {part}"):
        line: LineId | None = None
        try:
            line = line_of(each)
            quantity = units(each.get("quantity"), "quantity")
        except Unusable as error:
            account.fault(f"order {account.order_id}, fulfilment {part}, line {line or '?'}: {error}", line)
            continue
        shipped[line] = shipped.get(line, 0) + quantity
    return Fulfilment(
        part_id=part,
        at=instant(raw.get("createdAt"), f"createdAt of fulfilment {part}"),
        version=updated,
        lines=tuple(sorted(shipped.items())),
        location=location_of(raw.get("location"), account),
        cancelled_at=updated if text(raw.get("status")).lower() in STOPPED else None,
    )


def _refunds(node: Object, account: Account) -> dict[PartId, RefundLine]:
    """Refund lines and what returns put back, under the same ids as webhooks give them where those tell them."""
    found: dict[PartId, RefundLine] = {}
    returns = node.get("returns")
    readable = returns is not None
    backs: dict[tuple[str, LineId], list[_Back]] = {}
    if readable:
        account.has_returns = account.returns_are_exact = True
        for raw in listed(returns, "returns", account):
            _dispositions(raw, account, backs)
    for raw in listed(node.get("refunds"), "refunds", account):
        try:
            _refund(named(raw, "refund"), account, readable, backs, found)
        except Unusable as error:
            account.fault(f"order {account.order_id}: {error}")
    for (_, line), events in backs.items():
        for part in _counted_once(line, events):
            found[part.part_id] = part
    return found


def _refund(
    raw: Object,
    account: Account,
    readable: bool,
    backs: dict[tuple[str, LineId], list[_Back]],
    found: dict[PartId, RefundLine],
) -> None:
    refund = part_id(raw.get("id"), "refund id")
    at = instant(raw.get("createdAt") or raw.get("processedAt"), f"createdAt of refund {refund}")
    of_return = raw.get("return")
    return_id = number(of_return.get("id"), "return id") if type(of_return) is dict else None
    for each in nodes(raw.get("refundLineItems"), f"lines of refund {refund}"):
        line: LineId | None = None
        try:
            line = line_of(each)
            own = each.get("id")
            part = PartId(f"{refund}:{line if own is None else part_id(own, 'refund line id')}")
            quantity = units(each.get("quantity"), "quantity")
            restock = RESTOCK.get(text(each.get("restockType")).lower())
            if restock is None:
                told = f"order {account.order_id}, refund {refund}, line {line}"
                account.fault(f"{told}: unknown restockType, taken for no restock", line)
                restock = Restock.NONE
        except Unusable as error:
            account.fault(f"order {account.order_id}, refund {refund}, line {line or '?'}: {error}", line)
            continue
        location = location_of(each.get("location"), account)
        if return_id is not None and restock is not Restock.BEFORE_SHIPPING:
            if restock is Restock.NONE:
                continue  # it speaks of units that the return has dealt with
            if readable:
                backs.setdefault((return_id, line), []).append(_Back(at, part, True, quantity, location))
                continue
        account.refunded(line, restock, quantity, at)
        found[part] = RefundLine(part_id=part, at=at, line_id=line, units=quantity, restock=restock, location=location)
        if text(each.get("restockType")).lower() == LEGACY:
            account.legacy.append(found[part])


def _dispositions(raw: Any, account: Account, backs: dict[tuple[str, LineId], list[_Back]]) -> None:
    try:
        return_id = number(named(raw, "return").get("id"), "return id")
        orders_back = nodes(raw.get("reverseFulfillmentOrders"), f"returned goods of return {return_id}")
        held = [each for back in orders_back for each in nodes(named(back, "returned goods").get("lineItems"), "lines")]
    except Unusable as error:
        account.fault(f"order {account.order_id}: {error}")
        return
    for each in held:
        line: LineId | None = None
        try:
            line = line_of(named(each, "returned line").get("fulfillmentLineItem"))
            for disposition in objects(each.get("dispositions"), "dispositions"):
                _disposition(named(disposition, "disposition"), account, backs.setdefault((return_id, line), []), line)
        except Unusable as error:
            account.fault(f"order {account.order_id}, return {return_id}, line {line or '?'}: {error}", line)


def _disposition(raw: Object, account: Account, events: list[_Back], line: LineId) -> None:
    kind = text(raw.get("type"))
    quantity = units(raw.get("quantity"), "quantity")
    if kind == "PROCESSING_REQUIRED":
        return
    account.tally(line).processed += quantity
    if kind == "RESTOCKED":
        part = PartId(f"returned:{part_id(raw.get('id'), 'disposition id')}")
        at = instant(raw.get("createdAt"), "createdAt of a disposition")
        events.append(_Back(at, part, False, quantity, location_of(raw.get("location"), account)))


def _counted_once(line: LineId, events: list[_Back]) -> Iterator[RefundLine]:
    """Units of one return that came back: the larger of what dispositions and refunds have said so far.

    A return whose units were put back by a disposition may be refunded with restocking as well; those are the same
    units. Each event counts for what it adds to the larger sum, in order of time, so that no later event changes what
    an earlier one counted for.
    """
    by_goods = by_refunds = counted = 0
    for event in sorted(events, key=lambda each: (each.at, each.part)):
        if event.by_refund:
            by_refunds += event.units
        else:
            by_goods += event.units
        more = max(by_goods, by_refunds) - counted
        if more > 0:
            counted += more
            yield RefundLine(
                part_id=event.part,
                at=event.at,
                line_id=line,
                units=more,
                restock=Restock.RETURNED,
                location=event.location,
            )
