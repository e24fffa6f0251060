"""The WooCommerce channel: the port's methods, each handed to the module that does it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncd.channels.woocommerce.api import Api
from syncd.channels.woocommerce.deliveries import identify
from syncd.channels.woocommerce.order_facts import Told, read_order
from syncd.channels.woocommerce.orders import FETCHED, POLLED, OrderReader
from syncd.channels.woocommerce.products import ProductReader
from syncd.channels.woocommerce.settings import CAPABILITIES, Settings
from syncd.channels.woocommerce.subscriptions import subscribe
from syncd.channels.woocommerce.values import decode, text
from syncd.channels.woocommerce.webhooks import Traits, parse_webhook
from syncd.channels.woocommerce.writes import StockWriter
from syncd.domain.errors import AuthFailed, Refused, Rejected, Retry
from syncd.domain.ids import ListingKey, OrderId
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
    Tokens,
    WriteBatch,
)


class WooCommerceChannel:
    def __init__(self, settings: Settings, now: Now) -> None:
        self.capabilities = replace(
            CAPABILITIES,
            batch=settings.batch,
            orders_lag_seconds=settings.orders_lag_seconds,
            lands_within_seconds=settings.lands_within_seconds,
        )
        self._secrets = settings.webhook_secrets()
        self._shipped = tuple(settings.shipped_statuses)
        self._api = Api(settings, now)
        self._products = ProductReader(self._api)
        self._orders = OrderReader(self._api, settings, self._products)
        self._writer = StockWriter(self._api)

    def learn(self, facts: ShopFacts) -> None:
        """Nothing of the shop has to be known before its deliveries can be verified."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> Delivery | None:
        return identify(headers, body, self._secrets)

    def parse(self, topic: str, headers: Mapping[str, str], body: bytes) -> Facts:
        """What a stored webhook, or an order that was read, says. Raises Refused and nothing else."""
        if topic in (POLLED, FETCHED):
            return self._read_record(decode(body, topic), topic)
        return parse_webhook(topic, body, Traits(self._products.holders, self._shipped))

    def tokens(self) -> Tokens:
        return self._api.tokens()

    async def connect(self) -> ShopFacts:
        """Who answers, and whether the key is accepted and the shop keeps stock at all."""
        index = (await self._api.index()).data
        held = index if type(index) is dict else {}
        if "wc/v3" not in (held.get("namespaces") or ()):
            raise AuthFailed(
                "no WooCommerce REST API v3 answers here; check endpoint, the plugin and pretty permalinks"
            )
        await self._api.get("orders", per_page=1, _fields="id")
        identity = text(held.get("home")) or text(held.get("url")) or text(held.get("name"))
        return ShopFacts(identity=identity, warnings=tuple(await self._warnings()))

    async def subscribe(self, address: str) -> Sequence[str]:
        return await subscribe(self._api, address, self._secrets[0].decode() if self._secrets else None)

    def poll_orders(self, cursor: Cursor | None) -> AsyncIterator[OrdersPage]:
        return self._orders.pages(cursor)

    async def fetch_orders(self, order_ids: Sequence[OrderId]) -> Sequence[Record]:
        return await self._orders.fetch(order_ids)

    def read_catalogue(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        return self._products.read()

    async def read_levels(self, keys: Sequence[ListingKey]) -> Sequence[CatalogueRow]:
        return await self._products.levels(keys)

    async def write(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        return await self._writer.write(batch)

    async def close(self) -> None:
        await self._api.close()

    def _read_record(self, body: Mapping[str, Any], topic: str) -> Facts:
        order = body.get("order")
        if type(order) is not dict:
            raise Refused(f"{topic}: without an order")
        holders = {int(variation): holds is True for variation, holds in (body.get("holders") or {}).items()}
        told = Told(body=order, refunds=body.get("refunds"), holders=holders, final=body.get("final") is True)
        facts = read_order(told, topic, self._shipped)
        return replace(facts, fetched=(facts.orders[-1].order_id,)) if topic == FETCHED else facts

    async def _warnings(self) -> Sequence[str]:
        """What a shop does not tell is taken as it should be."""
        try:
            reply = await self._api.get("settings", "products", "woocommerce_manage_stock")
        except (Rejected, Retry, AuthFailed):
            return ()
        if type(reply.data) is dict and reply.data.get("value") == "no":
            return ("the shop keeps no stock: WooCommerce > Settings > Products > Inventory > Enable stock management",)
        return ()
