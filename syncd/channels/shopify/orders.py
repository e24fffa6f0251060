"""Reading orders from the Admin API: what changed since a cursor, or some by their ids."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import anyio
import structlog

from syncd.channels.shopify.api import Api, Denied, TooDear
from syncd.channels.shopify.documents import (
    LOCATION_FIELDS,
    MORE_COST,
    MORE_FIRST,
    ORDERS_OF_FULFILMENT_ORDERS,
    RETURN_FIELDS,
    RETURNS_BY_ORDER,
    RETURNS_COST,
    Document,
    OrderParts,
    connection_cost,
    more_of,
    order_cost,
    orders_by_id,
    orders_page,
)
from syncd.channels.shopify.order_records import (
    FETCHED,
    INSIDE,
    POLLED,
    chunks,
    iso,
    listing,
    newest_of,
    next_page,
    record_of,
    waiting_at,
)
from syncd.channels.shopify.settings import Settings
from syncd.channels.shopify.values import instant, text
from syncd.channels.shopify.webhooks import FULFILMENT_ORDER
from syncd.domain.errors import Retry
from syncd.domain.ids import OrderId
from syncd.ports import Cursor, OrdersPage, Record
from syncd.wire.graphql import Reply

log = structlog.get_logger(__name__)

ORDER: Final = "gid://shopify/Order/"
PAGING_ENDS: Final = 20_000
"""Before the vendor's limit of 25,000 objects by paging, a listing begins anew from the newest order seen."""
WIDE_EVERY_SECONDS: Final = 60.0
NARROWEST_OVERLAP_SECONDS: Final = 10.0
FETCH_AT_ONCE: Final = 50


class OrderReader:
    """Keeps nothing that a restart would miss: the cursor is the caller's."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._api = api
        self._settings = settings
        self._page = settings.orders_page
        self._wide_at: float | None = None
        self.parts = OrderParts()
        self.places: set[str] = set()
        """Every location at which goods of an order were seen to be waiting."""

    async def pages(self, cursor: Cursor | None) -> AsyncIterator[OrdersPage]:
        """Without a cursor every order still open, then all that changed since; else what changed since the cursor.

        The cursor is a time taken from the orders themselves, never from a clock; only the very first one is the
        channel's `Date`, as there may be no order yet. A first reading that breaks off goes on where it was.
        """
        changed = dict(cursor or {})
        if "changed" not in changed:
            async for page in self._open_orders(changed.get("open"), changed.get("since")):
                changed = dict(page.cursor)
                yield page
        async for page in self._changed_orders(changed["changed"]):
            yield page

    async def fetch(self, order_ids: Sequence[OrderId]) -> Sequence[Record]:
        """Whole orders by their ids; one that the shop no longer has is absent."""
        asked = await self._owners(order_ids)
        records: list[Record] = []
        for some in chunks(list(asked), FETCH_AT_ONCE):
            nodes = await self._by_id(some)
            await self._complete(nodes)
            records += [record_of(FETCHED, node, asked.get(node["id"], ())) for node in nodes]
        return records

    async def _open_orders(self, begin: str | None, since: str | None) -> AsyncIterator[OrdersPage]:
        newest = begin
        async for nodes, reply, last in self._listed("status:open", newest):
            # What changes while this goes on is found by the reading of changes that follows it.
            since = since or iso(reply.at.earliest)
            newest = newest_of(newest, nodes, reply)
            await self._complete(nodes)
            waiting = [node for node in nodes if node.get("displayFulfillmentStatus") != "FULFILLED"]
            cursor = {"changed": since} if last else {"open": newest or "", "since": since}
            yield OrdersPage(records=tuple(record_of(POLLED, node) for node in waiting), cursor=cursor)

    async def _changed_orders(self, since: str) -> AsyncIterator[OrdersPage]:
        newest: str | None = since
        first: Reply | None = None
        begin = iso(instant(since, "cursor") - int(self._overlap_seconds() * 1000))
        async for nodes, reply, last in self._listed("", begin):
            first = first or reply
            newest = newest_of(newest, nodes, reply)
            await self._complete(nodes)
            reached = first.at.earliest - int(self._settings.orders_lag_seconds * 1000) if last else None
            records = tuple(record_of(POLLED, node) for node in nodes)
            yield OrdersPage(records=records, cursor={"changed": newest or since}, reached=reached)

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
        self, narrowed: str, begin: str | None
    ) -> AsyncIterator[tuple[list[dict[str, Any]], Reply, bool]]:
        """Pages of orders by time of change: their nodes, the answer, and whether it was the last."""
        after: str | None = None
        listed = 0
        while True:
            query = " ".join(part for part in (narrowed, f"updated_at:>='{begin}'" if begin else "") if part)
            reply = await self._affordable(partial(self._orders, query, after))
            connection = (reply.data or {}).get("orders") or {}
            nodes = [node for node in listing(connection, "nodes") if isinstance(node, dict)]
            listed += len(nodes)
            more, after = next_page(connection)
            if more and listed >= PAGING_ENDS:
                begin, after, listed = newest_of(begin, nodes, reply), None, 0
            yield nodes, reply, not more
            if not more:
                return

    async def _orders(self, query: str, after: str | None) -> Reply:
        variables = {"first": self._page, "after": after, "query": query or None}
        cost = connection_cost(self._page, order_cost(self.parts))
        return await self._api.call(orders_page(self.parts), variables, cost=cost)

    async def _by_id(self, ids: list[str]) -> list[dict[str, Any]]:
        """The orders that are there; asked for in halves where all at once are too dear for this shop."""

        async def ask() -> Reply:
            return await self._api.call(orders_by_id(self.parts), {"ids": ids}, cost=order_cost(self.parts))

        try:
            reply = await self._permitted(ask)
        except TooDear:
            if len(ids) == 1:
                raise
            half = len(ids) // 2
            return [*await self._by_id(ids[:half]), *await self._by_id(ids[half:])]
        return [node for node in listing(reply.data, "nodes") if isinstance(node, dict) and node.get("id")]

    async def _affordable(self, call: Callable[[], Awaitable[Reply]]) -> Reply:
        """Make the call with a page small enough for this shop, from then on."""
        while True:
            try:
                return await self._permitted(call)
            except TooDear:
                if self._page == 1:
                    raise
                self._page = max(1, self._page // 2)

    async def _permitted(self, call: Callable[[], Awaitable[Reply]]) -> Reply:
        """Make the call without what we may not ask for, which it looks up anew each time."""
        while True:
            try:
                return await call()
            except Denied as denied:
                self._do_without(denied)

    def _do_without(self, denied: Denied) -> None:
        """Locations come from the default then, and returns from refunds; said once, as it happens once."""
        if denied.field in LOCATION_FIELDS and self.parts.locations:
            self.parts = replace(self.parts, locations=False)
            scope = "read_merchant_managed_fulfillment_orders"
        elif denied.field in RETURN_FIELDS and self.parts.returns:
            self.parts = replace(self.parts, returns=False)
            scope = "read_returns"
        else:
            raise denied
        log.warning("scope.missing", scope=scope, error=str(denied))

    async def _complete(self, nodes: list[dict[str, Any]]) -> None:
        """Read what did not fit on the page: returns where there are any, and the rest of long lists."""
        if self.parts.returns:
            await self._add_returns([node for node in nodes if node.get("returnStatus") not in (None, "NO_RETURN")])
        for node in nodes:
            await self._finish("Order", node)
            self.places |= waiting_at(node)

    async def _add_returns(self, nodes: list[dict[str, Any]]) -> None:
        for some in chunks(nodes, FETCH_AT_ONCE):
            ids = [node["id"] for node in some]
            try:
                reply = await self._api.call(RETURNS_BY_ORDER, {"ids": ids}, cost=RETURNS_COST)
            except Denied as denied:
                self._do_without(denied)
                return
            held = {
                each["id"]: each for each in listing(reply.data, "nodes") if isinstance(each, dict) and "id" in each
            }
            for node in some:
                node["returns"] = held.get(node["id"], {}).get("returns")

    async def _finish(self, owner: str, record: dict[str, Any]) -> None:
        """Complete every connection of the record and of what it holds, and drop the page marks."""
        for field, kind in INSIDE.get(owner, ()):
            held = record.get(field)
            if isinstance(held, dict):
                await self._read_on(owner, record, field, held)
            inner = held.get("nodes") if isinstance(held, dict) else held
            for each in inner if isinstance(inner, list) else ():
                if isinstance(each, dict):
                    await self._finish(kind, each)

    async def _read_on(self, owner: str, record: Mapping[str, Any], field: str, held: dict[str, Any]) -> None:
        more, after = next_page(held)
        while more:
            document: Document = more_of(owner, field)
            variables = {"id": record["id"], "first": MORE_FIRST, "after": after}
            reply = await self._api.call(document, variables, cost=MORE_COST)
            found = ((reply.data or {}).get("node") or {}).get(field)
            if not isinstance(found, dict):
                raise Retry(f"{document.name}: {record['id']} is not there any more")
            held["nodes"] += listing(found, "nodes")
            more, after = next_page(found)
        held.pop("pageInfo", None)

    async def _owners(self, order_ids: Sequence[OrderId]) -> dict[str, tuple[OrderId, ...]]:
        """The orders asked for, by global id, with the ids they were asked by (some by a fulfilment order's)."""
        asked: dict[str, tuple[OrderId, ...]] = {}
        indirect = [each for each in order_ids if each.startswith(FULFILMENT_ORDER)]
        for each in order_ids:
            if not each.startswith("gid://"):
                asked[ORDER + each] = (each,)
        for some in chunks(indirect, FETCH_AT_ONCE):
            if not self.parts.locations:
                break
            try:
                reply = await self._api.call(ORDERS_OF_FULFILMENT_ORDERS, {"ids": some}, cost=1)
            except Denied as denied:
                self._do_without(Denied(str(denied), "fulfillmentOrders"))
                break
            for node in listing(reply.data, "nodes"):
                if isinstance(node, dict) and isinstance(node.get("orderId"), str):
                    asked[node["orderId"]] = (*asked.get(node["orderId"], ()), OrderId(text(node.get("id"))))
        return asked
