"""Reading orders from the API: what changed since a cursor, or some by their ids.

Pages of a list that is changing shift: an order that is changed moves to the end, and the next page skips one. So the
list is never paged by number where it can be begun anew from the newest time that was seen.
"""

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

import anyio
from pydantic_core import to_json

from syncd.channels.woocommerce.api import Api, Missing, Reply
from syncd.channels.woocommerce.order_facts import CLOSED, UNPAID, variations_of
from syncd.channels.woocommerce.products import ProductReader
from syncd.channels.woocommerce.settings import Settings
from syncd.channels.woocommerce.values import SECOND, Unusable, gmt, instant, number, text
from syncd.domain.errors import AuthFailed, Rejected
from syncd.domain.ids import Instant, OrderId
from syncd.ports import Cursor, OrdersPage, Record

POLLED: Final = "syncd/order"
FETCHED: Final = "syncd/order-fetched"
FIELDS: Final = (
    "id,number,status,date_created_gmt,date_modified_gmt,date_paid_gmt,date_completed_gmt,line_items,refunds"
)
"""Nothing of the customer is ever asked for."""
WIDE_EVERY_SECONDS: Final = 60.0
NARROWEST_OVERLAP_SECONDS: Final = 10.0
REFUNDS_KEPT: Final = 2000
FETCH_AT_ONCE: Final = 50
SETTLE_SECONDS: Final = 2.0
_OPEN: Final = ("on-hold", "processing")


class OrderReader:
    """Keeps nothing that a restart would miss: the cursor is the caller's."""

    def __init__(self, api: Api, settings: Settings, products: ProductReader) -> None:
        self._api = api
        self._settings = settings
        self._products = products
        self._wide_at: float | None = None
        self._refunds: OrderedDict[str, Sequence[Any]] = OrderedDict()

    async def pages(self, cursor: Cursor | None) -> AsyncIterator[OrdersPage]:
        """Without a cursor every order still open, then all that changed since; else what changed since the cursor.

        The cursor is a time taken from the orders themselves, never from a clock; only the very first one is the
        shop's `Date`, as there may be no order yet. A first reading that breaks off goes on where it was.
        """
        held = dict(cursor or {})
        if "changed" not in held:
            async for page in self._open_orders(held.get("open"), held.get("since")):
                held = dict(page.cursor)
                yield page
        async for page in self._changed_orders(instant(held["changed"], "cursor")):
            yield page

    async def fetch(self, order_ids: Sequence[OrderId]) -> Sequence[Record]:
        """Whole orders by their ids; one that the shop no longer has is absent.

        An order that was changed within this very second is read once more after it: then no later account of that
        second can follow.
        """
        records: list[Record] = []
        wanted = list(order_ids)
        for again in (True, False):
            unsettled: list[OrderId] = []
            for some in (wanted[start : start + FETCH_AT_ONCE] for start in range(0, len(wanted), FETCH_AT_ONCE)):
                reply = await self._api.get("orders", include=some, per_page=100, status="any", _fields=FIELDS)
                for order in reply.data if type(reply.data) is list else ():
                    record = await self._record(FETCHED, order, reply)
                    if record is None:
                        continue
                    records.append(record)
                    if not _is_final(order, reply):
                        unsettled.append(OrderId(str(order["id"])))
            if not unsettled or not again:
                break
            wanted = unsettled
            await anyio.sleep(SETTLE_SECONDS)
        return records

    async def _open_orders(self, begin: str | None, since: str | None) -> AsyncIterator[OrdersPage]:
        statuses = await self._open_statuses()
        newest = instant(begin, "cursor") if begin else None
        async for orders, reply, last in self._listed("date", newest, status=statuses):
            # What changes while this goes on is found by the reading of changes that follows it.
            since = since or gmt(reply.at.earliest)
            newest = _newest("date_created_gmt", newest, orders, reply)
            cursor = {"changed": since} if last else {"open": gmt(newest) if newest else "", "since": since}
            yield OrdersPage(records=await self._records(orders, reply), cursor=cursor)

    async def _changed_orders(self, since: Instant) -> AsyncIterator[OrdersPage]:
        newest: Instant | None = since
        first: Reply | None = None
        begin = since - int(self._overlap_seconds() * SECOND)
        async for orders, reply, last in self._listed("modified", begin, status="any"):
            first = first or reply
            newest = _newest("date_modified_gmt", newest, orders, reply)
            reached = first.at.earliest - int(self._settings.orders_lag_seconds * SECOND) if last else None
            cursor = {"changed": gmt(newest or since)}
            yield OrdersPage(records=await self._records(orders, reply), cursor=cursor, reached=reached)

    def _overlap_seconds(self) -> float:
        """Wide once a minute; in between no wider than the list may lag, many times over."""
        now = anyio.current_time()
        if self._wide_at is None or now - self._wide_at >= WIDE_EVERY_SECONDS:
            self._wide_at = now
            return self._settings.overlap_seconds
        return min(
            self._settings.overlap_seconds, max(NARROWEST_OVERLAP_SECONDS, 5 * self._settings.orders_lag_seconds)
        )

    async def _listed(
        self, by: str, begin: Instant | None, **narrowed: object
    ) -> AsyncIterator[tuple[list[Any], Reply, bool]]:
        """Pages of orders by when they were made or modified: the orders, the answer, and whether it was the last."""
        after = "modified_after" if by == "modified" else "after"
        dated = "date_modified_gmt" if by == "modified" else "date_created_gmt"
        page = 1
        while True:
            since = {after: gmt(begin), "dates_are_gmt": "true"} if begin is not None else {}
            orders, reply = await self._api.page(
                "orders", number=page, orderby=by, order="asc", _fields=FIELDS, **since, **narrowed
            )
            last = self._api.is_last(orders, reply, page)
            yield orders, reply, last
            if last:
                return
            newest = _newest(dated, None, orders, reply)
            if newest is not None and (begin is None or newest - SECOND > begin):
                begin, page = newest - SECOND, 1
            else:
                page += 1

    async def _open_statuses(self) -> Sequence[str]:
        """Those in which an order holds stock and has not left, plugins' own included."""
        try:
            reply = await self._api.get("reports", "orders", "totals")
        except (Rejected, AuthFailed):
            return _OPEN
        told = [text(each.get("slug")) for each in reply.data or () if type(each) is dict]
        known = [slug for slug in told if slug and slug not in CLOSED and slug not in UNPAID]
        return known or _OPEN

    async def _records(self, orders: Iterable[Any], reply: Reply) -> tuple[Record, ...]:
        orders = list(orders)
        await self._products.resolve(pair for order in orders if type(order) is dict for pair in variations_of(order))
        records = [await self._record(POLLED, order, reply) for order in orders]
        return tuple(record for record in records if record is not None)

    async def _record(self, topic: str, order: Any, reply: Reply) -> Record | None:
        """The order as it was read, with its refunds in full; its id, version and content are the key."""
        if type(order) is not dict:
            return None
        variations = variations_of(order)
        await self._products.resolve(variations)
        body: dict[str, Any] = {"order": order, "final": _is_final(order, reply)}
        if variations:
            body["holders"] = {str(each): self._products.holders.get(each, True) for _, each in sorted(variations)}
        if order.get("refunds"):
            body["refunds"] = await self._refunds_of(order)
        content = to_json(body)
        digest = hashlib.sha256(content).hexdigest()[:20]
        what = "order" if topic == POLLED else "fetched"
        key = f"{what}:{order.get('id')}:{order.get('date_modified_gmt')}"[:100]
        return Record(key=f"{key}:{digest}", topic=topic, body=content)

    async def _refunds_of(self, order: Mapping[str, Any]) -> Sequence[Any]:
        """The refunds that the order names; one that was made since it was read belongs to its next telling."""
        named = {each.get("id") for each in order["refunds"] if type(each) is dict}
        known = f"{order.get('id')}:{sorted(str(each) for each in named)}"
        if known not in self._refunds:
            try:
                listed = await self._list_refunds(number(order.get("id"), "order id"))
            except (Missing, Unusable):
                listed = []
            self._refunds[known] = [each for each in listed if type(each) is dict and each.get("id") in named]
            if len(self._refunds) > REFUNDS_KEPT:
                self._refunds.popitem(last=False)
        return self._refunds[known]

    async def _list_refunds(self, order: int) -> Sequence[Any]:
        found: list[Any] = []
        page = 1
        while True:
            listed, reply = await self._api.page(
                "orders", order, "refunds", number=page, _fields="id,date_created_gmt,line_items"
            )
            found += listed
            if self._api.is_last(listed, reply, page):
                return found
            page += 1


def _is_final(order: Mapping[str, Any], reply: Reply) -> bool:
    """Was it surely read after the second in which it was last modified?"""
    try:
        modified = instant(order.get("date_modified_gmt"), "date_modified_gmt")
    except Unusable:
        return False
    return modified // SECOND < reply.at.earliest // SECOND


def _newest(dated: str, newest: Instant | None, orders: Iterable[Any], reply: Reply) -> Instant | None:
    """The latest time seen; one from the future would hide every order that follows it."""
    times = [] if newest is None else [newest]
    for order in orders:
        try:
            at = instant(order.get(dated), dated)
        except (Unusable, AttributeError):
            continue
        if at <= reply.at.latest:
            times.append(at)
    return max(times, default=None)
