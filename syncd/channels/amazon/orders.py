"""Reading orders: what changed since a cursor, by the API version that is set, and some by their ids.

The cursor is the end of the last complete reading in the vendor's own words (`lastUpdatedBefore`), never a clock of
ours. It holds a page token while a reading is under way, so that one that runs out of rate goes on where it was.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio
import structlog
from pydantic_core import to_json

from syncd.channels.amazon.api import GET_ORDER, SEARCH_ORDERS, Api, Refusal
from syncd.channels.amazon.order_facts import read_order, read_order_v0
from syncd.channels.amazon.orders_v0 import OrdersV0
from syncd.channels.amazon.sales import RecentSales
from syncd.channels.amazon.settings import Settings
from syncd.channels.amazon.values import Unusable, inside, instant, iso, objects, text
from syncd.domain.errors import AuthFailed, Refused
from syncd.domain.ids import Instant, OrderId
from syncd.domain.listings import Span
from syncd.ports import Cursor, Now, OrdersPage, Record

log = structlog.get_logger(__name__)

POLLED: Final = "syncd/order"
POLLED_V0: Final = "syncd/order-v0"
FETCHED: Final = "syncd/order-fetched"
FETCHED_V0: Final = "syncd/order-v0-fetched"
PATH: Final = ("orders", "2026-01-01", "orders")
DATA: Final = "FULFILLMENT,CANCELLATION"
OPEN: Final = "PENDING_AVAILABILITY,PENDING,UNSHIPPED,PARTIALLY_SHIPPED"
MINUTE: Final = 60_000
DAY: Final = 24 * 60 * MINUTE
FRESH_SECONDS: Final = 3.0
"""A reading this fresh is not made again: the list lags by far more."""
REUSE_SECONDS: Final = 15.0
"""While there is no token, a reading this old still serves the writes of the same step."""
PAGE_TOKEN_MILLIS: Final = 23 * 60 * MINUTE
KEPT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of either version: order bodies as they are to be stored, and where the next one is."""

    topic: str
    bodies: Sequence[Mapping[str, Any]]
    token: str
    until: str
    """Up to when the list tells changes."""
    at: Span


class OrderReader:
    """Remembers nothing that a restart would miss: the cursor is the caller's."""

    def __init__(self, api: Api, settings: Settings, now: Now) -> None:
        self._api = api
        self._settings = settings
        self._now = now
        self._v0 = OrdersV0(api, settings)
        self._read_at: Instant | None = None
        self._reached: Instant | None = None
        self._stand_in = False
        self.sales = RecentSales()
        self._fetched: dict[OrderId, tuple[float, Record]] = {}

    async def pages(self, cursor: Cursor | None) -> AsyncIterator[OrdersPage]:
        """Without a cursor every order still open, then all that changed since; else what changed since the cursor."""
        held = dict(cursor or {})
        if self._fresh(held):
            yield OrdersPage(records=(), cursor=held, reached=self._reached)
            return
        if "changed" not in held:
            async for page in self._walk("open", held):
                held = dict(page.cursor)
                yield page
        async for page in self._walk("deep" if self._deep_is_due(held) else "changed", held):
            yield page

    async def fetch(self, order_ids: Sequence[OrderId]) -> Sequence[Record]:
        """Whole orders by their ids; one that the vendor does not (yet) know is absent.

        What was read before a token was wanting is kept for a minute, so that asking again goes on from there.
        """
        records: list[Record] = []
        for order_id in order_ids:
            kept = self._fetched.get(order_id)
            if kept is None or kept[0] < anyio.current_time() - KEPT_SECONDS:
                record = await self._fetch(order_id)
                if record is None:
                    continue
                kept = self._fetched[order_id] = (anyio.current_time(), record)
            records.append(kept[1])
        for order_id in order_ids:
            self._fetched.pop(order_id, None)
        return records

    async def _fetch(self, order_id: OrderId) -> Record | None:
        try:
            if self._settings.orders_api == "v0":
                body = await self._v0.order(order_id)
                return _record(FETCHED_V0, body) if body is not None else None
            reply = await self._api.call(GET_ORDER, "GET", (*PATH, order_id), {"includedData": DATA})
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise
        return _record(FETCHED, inside(reply.body.get("order")))

    async def _walk(self, what: str, held: dict[str, str]) -> AsyncIterator[OrdersPage]:
        now = int(self._now().timestamp() * 1000)
        after, token = self._begin(what, held, now)
        base: dict[str, str] = {key: held[key] for key in ("changed", "deep") if key in held}
        until = held.get("until", "") if token else ""
        while True:
            page = await self._page(what, after, token)
            until = until or page.until or iso(page.at.earliest - int(self._settings.orders_lag_seconds * 1000))
            records = tuple(_record(page.topic, body) for body in page.bodies)
            self._note_sales(page)
            if page.token:
                token = page.token
                under_way = {**base, "what": what, "after": iso(after), "token": token, "until": until}
                yield OrdersPage(records=records, cursor={**under_way, "since": iso(now), "api": page.topic})
                continue
            done = {**base, "changed": until}
            if what != "changed" or "deep" not in base:
                done["deep"] = until
            self._reached = self._up_to(until, page)
            self._read_at = now if what in ("changed", "deep") else None
            reached = None if what == "open" else self._reached
            if reached is not None:
                self.sales.told_up_to(reached)
            yield OrdersPage(records=records, cursor=done, reached=reached)
            return

    def _note_sales(self, page: Page) -> None:
        for body in page.bodies:
            try:
                read = read_order_v0 if page.topic == POLLED_V0 else read_order
                self.sales.take(read(body, page.topic))
            except Refused:
                self.sales.unreadable(page.at.latest)

    def _begin(self, what: str, held: Mapping[str, str], now: Instant) -> tuple[Instant, str]:
        """From when on to read, and the page token of a reading that broke off (such a token lives for a day)."""
        try:
            going_on = held.get("what") == what and now - instant(held.get("since"), "since") < PAGE_TOKEN_MILLIS
            if going_on and held.get("api") == self._topic():
                return instant(held.get("after"), "after"), held.get("token", "")
            if what == "changed":
                return instant(held.get("changed"), "changed") - int(self._settings.overlap_seconds * 1000), ""
        except Unusable:
            pass
        if what == "open":
            return now - int(self._settings.open_days * DAY), ""
        since = instant(held["changed"], "changed") if "changed" in held else now
        return min(now, since) - int(self._settings.deep_days * DAY), ""

    def _deep_is_due(self, held: Mapping[str, str]) -> bool:
        if held.get("what") in ("changed", "deep"):
            return held["what"] == "deep"
        try:
            last = instant(held.get("deep"), "deep")
        except Unusable:
            return True
        return int(self._now().timestamp() * 1000) - last >= self._settings.deep_every_hours * 60 * MINUTE

    def _fresh(self, held: Mapping[str, str]) -> bool:
        """Has the list been read just now, or so lately that it serves while there is no token for another call?"""
        if self._read_at is None or self._reached is None or "changed" not in held or "token" in held:
            return False
        age_seconds = (int(self._now().timestamp() * 1000) - self._read_at) / 1000
        wanting = self._settings.orders_api != "v0" and self._api.wait_seconds(SEARCH_ORDERS) > 1.0
        return 0 <= age_seconds < (REUSE_SECONDS if wanting else FRESH_SECONDS)

    def _up_to(self, until: str, page: Page) -> Instant:
        lag = int(self._settings.orders_lag_seconds * 1000)
        try:
            return min(instant(until, "until"), page.at.earliest - lag)
        except Unusable:
            return page.at.earliest - lag

    def _topic(self) -> str:
        return POLLED_V0 if self._settings.orders_api == "v0" or self._stand_in else POLLED

    async def _page(self, what: str, after: Instant, token: str) -> Page:
        if self._settings.orders_api == "v0":
            return await self._page_v0(what, after, token)
        try:
            page = await self._page_now(what, after, token)
        except (Refusal, AuthFailed) as refusal:
            if token and isinstance(refusal, Refusal) and not self._stand_in:
                log.warning("orders.page_lost", error=str(refusal))
                return await self._page(what, after, "")  # the token is not taken any more: from the start
            if not self._stand_in:
                log.warning("orders.stand_in", api="v0", error=str(refusal))
                self._stand_in, token = True, ""
            try:
                return await self._page_v0(what, after, token)
            except (Refusal, AuthFailed):
                raise refusal from None
        self._stand_in = False
        return page

    async def _page_now(self, what: str, after: Instant, token: str) -> Page:
        query = {
            "marketplaceIds": ",".join(self._settings.marketplaces),
            "includedData": DATA,
            "maxResultsPerPage": "100",
            "createdAfter" if what == "open" else "lastUpdatedAfter": iso(after),
        }
        if what == "open":
            query["fulfillmentStatuses"] = OPEN
        if token and not self._stand_in:
            query["paginationToken"] = token
        reply = await self._api.call(SEARCH_ORDERS, "GET", PATH, query)
        return Page(
            topic=POLLED,
            bodies=objects(reply.body.get("orders")),
            token=text_whole(inside(reply.body.get("pagination")).get("nextToken")),
            until=text(reply.body.get("lastUpdatedBefore") or reply.body.get("createdBefore")),
            at=reply.at,
        )

    async def _page_v0(self, what: str, after: Instant, token: str) -> Page:
        bodies, following, until, at = await self._v0.page(only_open=what == "open", after=after, token=token)
        return Page(topic=POLLED_V0, bodies=bodies, token=following, until=until, at=at)


def text_whole(value: object) -> str:
    """A page token, which may be of any length."""
    return value if type(value) is str else ""


def _record(topic: str, body: Mapping[str, Any]) -> Record:
    """The order as it was read; its id, version and content are the key, so that the same again is the same record."""
    content = to_json(body)
    node = inside(body.get("order")) if topic in (POLLED_V0, FETCHED_V0) else body
    order_id = text(node.get("orderId") or node.get("AmazonOrderId"))
    updated = text(node.get("lastUpdatedTime") or node.get("LastUpdateDate"))
    how = "fetched" if topic in (FETCHED, FETCHED_V0) else "order"
    return Record(
        key=f"{how}:{order_id}:{updated}:{hashlib.sha256(content).hexdigest()[:20]}", topic=topic, body=content
    )
