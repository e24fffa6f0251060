"""The Shopify channel: the port's methods, each handed to the module that does it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from syncd.channels.shopify.api import Api
from syncd.channels.shopify.catalogue import CatalogueReader
from syncd.channels.shopify.deliveries import identify
from syncd.channels.shopify.documents import LARGEST_PAGE, LOCATIONS, SCOPES, SHOP, connection_cost
from syncd.channels.shopify.graph_orders import read_order_node
from syncd.channels.shopify.order_parts import Traits
from syncd.channels.shopify.order_records import FETCHED, POLLED
from syncd.channels.shopify.orders import OrderReader
from syncd.channels.shopify.settings import CAPABILITIES, Settings
from syncd.channels.shopify.subscriptions import Subscriber
from syncd.channels.shopify.values import Unusable, decode, location_gid, objects, text
from syncd.channels.shopify.webhooks import parse_webhook
from syncd.channels.shopify.writes import StockWriter
from syncd.domain.errors import AuthFailed, Refused, Retry
from syncd.domain.ids import ListingKey, OrderId, RemoteLocation
from syncd.ports import (
    CatalogueRow,
    Cursor,
    Delivery,
    Facts,
    Now,
    OrdersPage,
    Record,
    RowOutcome,
    ShopFacts,
    ShopLocation,
    Tokens,
    WriteBatch,
)

SCOPES_NEEDED: Final = (
    "read_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
    "read_orders",
    "read_fulfillments",
)
SCOPES_WELCOME: Final = {
    "read_returns": "goods that come back without a refund are not seen",
    "read_merchant_managed_fulfillment_orders": "lines are taken to ship from the channel's first location",
}


class ShopifyChannel:
    def __init__(self, settings: Settings, mapped: Iterable[str], now: Now) -> None:
        self.capabilities = replace(CAPABILITIES, batch=settings.batch, orders_lag_seconds=settings.orders_lag_seconds)
        places = [location_gid(each) for each in mapped]
        self._secrets = settings.webhook_secrets()
        self._mapped = places
        self._shop: str | None = None
        self._sole_location: RemoteLocation | None = None
        self._traits = Traits()
        self._api = Api(settings, now)
        self._subscriber = Subscriber(self._api)
        self._orders = OrderReader(self._api, settings)
        self._catalogue = CatalogueReader(self._api, settings, places)
        self._writer = StockWriter(self._api, self._catalogue.levels)

    def learn(self, facts: ShopFacts) -> None:
        active = [place.remote_location for place in facts.locations if place.active]
        self._shop = facts.identity.lower() or None
        self._sole_location = active[0] if len(active) == 1 else None
        if active:
            self._catalogue.levels_first = min(LARGEST_PAGE, max(1, len(active)))

    def verify(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        return identify(headers, body, self._secrets, self._shop)

    def parse(self, topic: str, headers: Mapping[str, str], body: bytes) -> Facts:
        """What a stored webhook, or an order that was read, says. Raises Refused and nothing else."""
        if topic == POLLED:
            return read_order_node(decode(body, topic), topic, self._known())
        if topic == FETCHED:
            return self._fetched(decode(body, topic), topic)
        return parse_webhook(topic, body, self._known())

    def tokens(self) -> Tokens:
        return self._api.tokens()

    async def connect(self) -> ShopFacts:
        """Who answers, its locations, and what the app may not do. The answer is learnt at once."""
        reply = await self._api.call(SHOP, {}, cost=1)
        shop = (reply.data or {}).get("shop") or {}
        identity = text(shop.get("myshopifyDomain")).lower()
        if not identity:
            raise AuthFailed("the shop does not say its myshopifyDomain; is the endpoint a Shopify shop?")
        locations = [place async for place in self._locations()]
        warnings = [warning for warning in (self._api.version_warning,) if warning]
        warnings += await self._missing_scopes()
        warnings += self._odd_locations(locations)
        facts = ShopFacts(identity=identity, locations=tuple(locations), warnings=tuple(warnings))
        self.learn(facts)
        return facts

    async def subscribe(self, address: str) -> Sequence[str]:
        return await self._subscriber.subscribe(address)

    def poll_orders(self, cursor: Cursor | None) -> AsyncIterator[OrdersPage]:
        return self._orders.pages(cursor)

    async def fetch_orders(self, order_ids: Sequence[OrderId]) -> Sequence[Record]:
        return await self._orders.fetch(order_ids)

    def read_catalogue(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        return self._catalogue.read()

    async def read_levels(self, keys: Sequence[ListingKey]) -> Sequence[CatalogueRow]:
        return await self._catalogue.levels(keys)

    async def write(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        return await self._writer.write(batch)

    async def close(self) -> None:
        await self._api.close()

    def _fetched(self, body: Mapping[str, Any], topic: str) -> Facts:
        node = body.get("order")
        if type(node) is not dict:
            raise Refused(f"{topic}: without an order")
        try:
            asked = [OrderId(text(each)) for each in objects(body.get("fetched"), "fetched")]
        except Unusable as error:
            raise Refused(f"{topic}: {error}") from error
        facts = read_order_node(node, topic, self._known())
        told = dict.fromkeys((*asked, *(order.order_id for order in facts.orders)))
        return replace(facts, fetched=tuple(told))

    def _known(self) -> Traits:
        """What is known by now; a location opened since we connected shows in the orders that wait there."""
        sole = self._sole_location
        if sole is not None and self._orders.places - {sole}:
            sole = None
        known = self._traits
        if (known.sole_location, known.returns_readable) != (sole, self._orders.parts.returns):
            known = self._traits = Traits(sole_location=sole, returns_readable=self._orders.parts.returns)
        return known

    async def _locations(self) -> AsyncIterator[ShopLocation]:
        after: str | None = None
        while True:
            reply = await self._api.call(LOCATIONS, {"after": after}, cost=connection_cost(LARGEST_PAGE, 1))
            connection = (reply.data or {}).get("locations") or {}
            for each in connection.get("nodes") or ():
                try:
                    place = location_gid(each.get("id"))
                except Unusable:
                    continue
                yield ShopLocation(place, text(each.get("name")), each.get("isActive") is not False)
            info = connection.get("pageInfo") or {}
            after = info.get("endCursor")
            if not info.get("hasNextPage") or not after:
                return

    async def _missing_scopes(self) -> list[str]:
        """What the app was not granted; a shop that does not tell is taken at its word later, call by call."""
        try:
            reply = await self._api.call(SCOPES, {}, cost=2)
        except (Retry, AuthFailed):
            return []
        installation = (reply.data or {}).get("currentAppInstallation") or {}
        granted = {
            text(each.get("handle")) for each in installation.get("accessScopes") or () if isinstance(each, dict)
        }
        if not granted:
            return []
        missing = [scope for scope in SCOPES_NEEDED if not _grants(granted, scope)]
        told = [f"the app lacks the scope {scope}" for scope in missing]
        told += [
            f"the app lacks the scope {scope}: {why}"
            for scope, why in SCOPES_WELCOME.items()
            if not _grants(granted, scope)
        ]
        return told

    def _odd_locations(self, locations: Sequence[ShopLocation]) -> list[str]:
        known = {place.remote_location: place for place in locations}
        told = [
            f"location {place} is mapped, but the shop has none such" for place in self._mapped if place not in known
        ]
        told += [
            f"location {place} ({known[place].name}) is mapped, but not active in the shop"
            for place in self._mapped
            if place in known and not known[place].active
        ]
        return told


def _grants(granted: set[str], scope: str) -> bool:
    """A scope to write includes the one to read."""
    return scope in granted or scope.replace("read_", "write_", 1) in granted


def normal_location(remote: str) -> RemoteLocation:
    """A location as the configuration may write it (a bare number, or the global id), as the channel names it.

    ValueError when it is neither.
    """
    return location_gid(remote)
