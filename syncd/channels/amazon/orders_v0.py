"""The Orders API v0, until it ends on 2027-03-27: a list of orders, and the items of each by a call of their own."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from syncd.channels.amazon.api import GET_ORDER_ITEMS_V0, GET_ORDER_V0, GET_ORDERS_V0, Api
from syncd.channels.amazon.settings import Settings
from syncd.channels.amazon.values import inside, iso, objects, text
from syncd.domain.ids import Instant
from syncd.domain.listings import Span

PATH: Final = ("orders", "v0", "orders")
ENDS: Final = "2027-03-27"
OPEN: Final = "PendingAvailability,Pending,Unshipped,PartiallyShipped"
MOST_KNOWN: Final = 5000


class OrdersV0:
    """Items are read once for each change of an order; repeated readings of the list are then cheap."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._api = api
        self._settings = settings
        self._items: dict[tuple[str, str], list[Any]] = {}

    async def page(
        self, *, only_open: bool, after: Instant, token: str
    ) -> tuple[Sequence[Mapping[str, Any]], str, str, Span]:
        """Orders beside their items, the token of the next page, up to when the list tells, and when it was read."""
        query = {
            "MarketplaceIds": ",".join(self._settings.marketplaces),
            "MaxResultsPerPage": "100",
            "CreatedAfter" if only_open else "LastUpdatedAfter": iso(after),
        }
        if only_open:
            query["OrderStatuses"] = OPEN
        if token:
            query["NextToken"] = token
        reply = await self._api.call(GET_ORDERS_V0, "GET", PATH, query)
        payload = inside(reply.body.get("payload"))
        bodies = [await self._with_items(node) for node in objects(payload.get("Orders"))]
        following = payload.get("NextToken")
        until = text(payload.get("LastUpdatedBefore") or payload.get("CreatedBefore"))
        return bodies, following if isinstance(following, str) else "", until, reply.at

    async def order(self, order_id: str) -> Mapping[str, Any] | None:
        reply = await self._api.call(GET_ORDER_V0, "GET", (*PATH, order_id))
        node = inside(reply.body.get("payload"))
        return await self._with_items(node) if node else None

    async def _with_items(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        known = text(node.get("AmazonOrderId")), text(node.get("LastUpdateDate"))
        items = self._items.get(known)
        if items is None:
            items = await self._read_items(known[0]) if known[0] else []
            self._items[known] = items
            while len(self._items) > MOST_KNOWN:
                del self._items[next(iter(self._items))]
        return {"order": node, "items": items}

    async def _read_items(self, order_id: str) -> list[Any]:
        items: list[Any] = []
        query: dict[str, str] = {}
        while True:
            reply = await self._api.call(GET_ORDER_ITEMS_V0, "GET", (*PATH, order_id, "orderItems"), query or None)
            payload = inside(reply.body.get("payload"))
            items += objects(payload.get("OrderItems"))
            following = payload.get("NextToken")
            if not isinstance(following, str) or not following:
                return items
            query = {"NextToken": following}
