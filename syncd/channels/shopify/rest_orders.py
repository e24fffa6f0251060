"""Orders, fulfilments and refunds as webhooks tell them (REST-shaped bodies; fact sheet 6.4).

Only ids, quantities and times are required. A part that cannot be used becomes a fault that names its order and line,
and the rest is kept. The bodies name no location for a line: it is the shop's only one, or has to be asked for.
"""

from collections.abc import Mapping
from typing import Any

from syncd.channels.shopify.order_parts import LEGACY, RESTOCK, STOPPED, Account, Traits
from syncd.channels.shopify.values import (
    Object,
    Unusable,
    alias,
    instant,
    line_id,
    location_gid,
    named,
    objects,
    order_id,
    part_id,
    text,
    units,
)
from syncd.domain.errors import Refused
from syncd.domain.ids import Alias, LineId, OrderId, PartId, RemoteLocation
from syncd.domain.orders import Fulfilment, Line, Order, RefundLine, Restock
from syncd.ports import Facts

_NO_FULFILMENTS: Mapping[PartId, Fulfilment] = {}


def read_order(body: Object, topic: str, traits: Traits) -> Facts:
    """A whole order. Asks for a fetch where only the API can say which location a line is assigned to."""
    try:
        cancelled = body.get("cancelled_at")
        account = Account(
            order_id(body.get("id")),
            instant(body.get("created_at"), "created_at"),
            instant(body.get("updated_at"), "updated_at"),
            None if cancelled is None else instant(cancelled, "cancelled_at"),
        )
        raw_lines = body.get("line_items")
        if type(raw_lines) is not list:
            raise Unusable("line_items is missing or no list")
    except Unusable as error:
        raise Refused(f"{topic}: order {_shown_id(body)}: {error}") from error
    account.has_returns = bool(body.get("returns"))
    fulfilments = _fulfilments(body.get("fulfillments"), account) if body.get("fulfillments") else _NO_FULFILMENTS
    refunds = _refunds(body.get("refunds"), account, traits) if body.get("refunds") else {}
    location = traits.location_of_sale(_till(body, account))
    lines: dict[LineId, Line] = {}
    for raw in raw_lines:
        line = _line(raw, account, location)
        if line is not None:
            lines[line.line_id] = line
    order = Order(
        order_id=account.order_id,
        name=text(body.get("name")),
        placed_at=account.created,
        updated_at=account.updated,
        cancelled_at=account.cancelled,
        lines=lines,
        fulfilments=fulfilments,
        refunds=account.settled(refunds, lines, fulfilments) if account.legacy else refunds,
    )
    asks = (account.has_returns and traits.returns_readable) or (location is None and _needs_location(account, lines))
    return Facts(orders=(order,), fetch=(account.order_id,) if asks else (), faults=tuple(account.faults))


def read_fulfilment(body: Object, topic: str) -> Facts:
    """One fulfilment of an order that may not have been heard of yet."""
    account = _part_of(body, topic)
    try:
        fulfilment = _fulfilment(body, account)
    except Unusable as error:
        raise Refused(f"{topic}: order {account.order_id}: {error}") from error
    order = Order(order_id=account.order_id, fulfilments={fulfilment.part_id: fulfilment})
    return Facts(orders=(order,), faults=tuple(account.faults))


def read_refund(body: Object, topic: str, traits: Traits) -> Facts:
    """One refund. One that belongs to a return, or does not say what it put back, is read with the whole order."""
    account = _part_of(body, topic)
    refunds: dict[PartId, RefundLine] = {}
    try:
        _refund(body, account, traits, refunds)
    except Unusable as error:
        raise Refused(f"{topic}: order {account.order_id}: {error}") from error
    for part in account.legacy:  # only the whole order tells what these were
        refunds.pop(part.part_id, None)
    asks = bool(account.legacy) or (account.has_returns and traits.returns_readable)
    orders = (Order(order_id=account.order_id, refunds=refunds),) if refunds else ()
    note = "" if orders or asks or account.faults else "a refund of money only"
    return Facts(orders=orders, fetch=(account.order_id,) if asks else (), faults=tuple(account.faults), note=note)


def _part_of(body: Object, topic: str) -> Account:
    try:
        return Account(order_id(body.get("order_id")), 0, 0, None)
    except Unusable as error:
        raise Refused(f"{topic}: {_shown_id(body)}: {error}") from error


def _line(raw: Any, account: Account, location: RemoteLocation | None) -> Line | None:
    found: LineId | None = None
    try:
        found = line_id(named(raw, "line").get("id"))
        ordered = units(raw.get("quantity"), "quantity")
        item, no_stock = _item(raw)
    except Unusable as error:
        account.fault(f"order {account.order_id}, line {found or '?'}: {error}", found)
        return None
    current, unfulfilled = raw.get("current_quantity", ordered), raw.get("fulfillable_quantity")
    try:
        current = units(current, "current_quantity")
        unfulfilled = None if unfulfilled is None else units(unfulfilled, "fulfillable_quantity")
    except Unusable as error:
        account.fault(f"order {account.order_id}, line {found}: {error}", found)
        current, unfulfilled = ordered, None
    return account.line(
        found,
        item=item,
        sku_text=text(raw.get("sku")),
        no_stock=no_stock,
        ordered=ordered,
        current=current,
        unfulfilled=unfulfilled,
        location=location,
    )


def _item(raw: Object) -> tuple[Alias | None, str]:
    """The variant, and why the line carries no stock, if so.

    A deleted variant leaves the product behind: such a line does carry stock, of an item that is not known any more.
    Goods that need no shipping (tickets) carry stock all the same where the shop keeps it.
    """
    variant, managed_by = raw.get("variant_id"), raw.get("variant_inventory_management", "shopify")
    item = None if variant is None else alias(variant)
    if raw.get("gift_card") is True:
        return item, "gift card"
    if item is None:
        custom = raw.get("product_id") is None and not raw.get("product_exists") and managed_by != "shopify"
        return None, "custom line" if custom else ""
    if managed_by == "shopify":
        return item, ""
    return item, "untracked" if managed_by is None else f"stock kept by {text(managed_by) or 'another service'}"


def _fulfilments(raw: Any, account: Account) -> Mapping[PartId, Fulfilment]:
    found: dict[PartId, Fulfilment] = {}
    for each in _each(raw, "fulfillments", account):
        try:
            fulfilment = _fulfilment(named(each, "fulfilment"), account)
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
    updated = instant(raw.get("updated_at"), f"updated_at of fulfilment {part}")
    shipped: dict[LineId, int] = {}
    for each in objects(raw.get("line_items"), f"line_items of fulfilment {part}"):
        line: LineId | None = None
        try:
            line = line_id(named(each, "line").get("id"))
            quantity = units(each.get("quantity"), "quantity")
        except Unusable as error:
            account.fault(f"order {account.order_id}, fulfilment {part}, line {line or '?'}: {error}", line)
            continue
        shipped[line] = shipped.get(line, 0) + quantity
    return Fulfilment(
        part_id=part,
        at=instant(raw.get("created_at"), f"created_at of fulfilment {part}"),
        version=updated,
        lines=tuple(sorted(shipped.items())),
        location=_location(raw.get("location_id"), account),
        cancelled_at=updated if text(raw.get("status")) in STOPPED else None,
    )


def _refunds(raw: Any, account: Account, traits: Traits) -> dict[PartId, RefundLine]:
    found: dict[PartId, RefundLine] = {}
    for each in _each(raw, "refunds", account):
        try:
            _refund(named(each, "refund"), account, traits, found)
        except Unusable as error:
            account.fault(f"order {account.order_id}: {error}")
    return found


def _refund(raw: Object, account: Account, traits: Traits, found: dict[PartId, RefundLine]) -> None:
    refund = part_id(raw.get("id"), "refund id")
    at = instant(raw.get("created_at") or raw.get("processed_at"), f"created_at of refund {refund}")
    of_return = bool(raw.get("return"))
    account.has_returns = account.has_returns or of_return
    for each in objects(raw.get("refund_line_items"), f"refund_line_items of refund {refund}"):
        line: LineId | None = None
        try:
            line = line_id(named(each, "refund line").get("line_item_id"))
            part = PartId(f"{refund}:{part_id(each.get('id'), 'refund line id')}")
            quantity = units(each.get("quantity"), "quantity")
            restock = RESTOCK.get(text(each.get("restock_type")))
            if restock is None:
                told = f"order {account.order_id}, refund {refund}, line {line}"
                account.fault(f"{told}: unknown restock_type, taken for no restock", line)
                restock = Restock.NONE
        except Unusable as error:
            account.fault(f"order {account.order_id}, refund {refund}, line {line or '?'}: {error}", line)
            continue
        if (
            of_return
            and restock is not Restock.BEFORE_SHIPPING
            and (traits.returns_readable or restock is Restock.NONE)
        ):
            continue  # what the return put back is read from the API; its refund moves nothing
        account.refunded(line, restock, quantity, at)
        found[part] = RefundLine(
            part_id=part,
            at=at,
            line_id=line,
            units=quantity,
            restock=restock,
            location=_location(each.get("location_id"), account),
        )
        if each.get("restock_type") == LEGACY:
            account.legacy.append(found[part])


def _each(raw: Any, what: str, account: Account) -> list[Any]:
    try:
        return objects(raw, what)
    except Unusable as error:
        account.fault(f"order {account.order_id}: {error}")
        return []


def _location(value: object, account: Account) -> RemoteLocation | None:
    if value is None:
        return None
    try:
        return location_gid(value)
    except Unusable as error:
        account.fault(f"order {account.order_id}: {error}")
        return None


def _till(body: Object, account: Account) -> RemoteLocation | None:
    """Where an order was rung up. Other orders name a location too, at which they were only made (drafts)."""
    return _location(body.get("location_id"), account) if body.get("source_name") == "pos" else None


def _needs_location(account: Account, lines: Mapping[LineId, Line]) -> bool:
    """Does a line still promise stock somewhere? What is wholly shipped names its location in the fulfilment."""
    tallies = account.tallies
    return any(
        not line.no_stock and (line.line_id not in tallies or line.ordered > tallies[line.line_id].shipped)
        for line in lines.values()
    )


def _shown_id(body: Object) -> str:
    """What names the thing in a refusal, whatever was sent."""
    return repr(body.get("name") or body.get("id"))[:60]


def hinted_order(body: Object) -> OrderId | None:
    """The order that a body of another shape (edits, returns) speaks of."""
    for holder in (body.get("order_edit"), body.get("return"), body):
        if type(holder) is not dict:
            continue
        order = holder.get("order")
        for value in (holder.get("order_id"), order.get("id") if type(order) is dict else order):
            if value is not None:
                try:
                    return order_id(value)
                except Unusable:
                    continue
    return None
