"""Shopify as the shared suite drives it."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncd.channels.shopify import Settings, ShopifyChannel
from syncd.config.secrets import Surroundings
from syncd.domain.ids import RemoteLocation
from syncd.sim.remotes.shopify import Item, Order, Shop, ShopifyServer
from tests.channels.bench import now
from tests.channels.wire import Delivery, Step

SECRET = "simulated-secret"
STEPS = {
    "Orders": Step.ORDERS,
    "InventoryItems": Step.CATALOGUE,
    "InventoryItemsById": Step.LEVELS,
    "SetAvailable": Step.WRITE,
}


@dataclass
class ShopifyBench:
    name: str
    kind: str = "shopify"
    window: frozenset[tuple[str, Step]] = frozenset()
    steps: tuple[Step, ...] = (Step.WRITE,)
    items: dict[str, Item] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shop = Shop(domain=f"{self.name}.myshopify.com", now=now)
        self.place = self.shop.add_location("Warehouse")
        self.server = ShopifyServer(shops=[self.shop])
        self._token = self.shop.credentials.static_token

    @property
    def remote_location(self) -> RemoteLocation:
        return RemoteLocation(self.place.gid)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with self.server:
            yield

    @property
    def url(self) -> str:
        return self.server.url(self.shop)

    def channel(self, url: str) -> ShopifyChannel:
        given = {
            "endpoint": url,
            "access_token": {"env": "TOKEN"},
            "webhook_secret": {"env": "HOOKS"},
            "orders_lag_seconds": 0.2,
            "call_timeout_seconds": 2.0,
        }
        around = Surroundings(environ={"TOKEN": "shpat_simulated", "HOOKS": SECRET}, folder=Path("/"))
        settings = Settings.model_validate_json(json.dumps(given), context=around)
        return ShopifyChannel(settings, [self.place.gid], now)

    def step_of(self, method: str, path: str, body: bytes) -> Step:
        asked = json.loads(body) if body else {}
        return STEPS.get(asked.get("operationName", ""), Step.OTHER)

    def send_webhooks_to(self, url: str) -> None:
        self.shop.send_webhooks_to(url)

    def list_item(self, sku: str, units: int) -> None:
        self.items[sku] = self.shop.add_item(sku, available={self.place: units})

    def remove_item(self, sku: str) -> None:
        self.shop.delete_item(self.items[sku])

    def shows(self, sku: str) -> int:
        return self.shop.quantities(self.items[sku], self.place)["available"]

    def set_by_hand(self, sku: str, units: int) -> None:
        self.shop.set_available(self.items[sku], self.place, units)

    def sell(self, *wishes: tuple[str, int]) -> Order:
        return self.shop.place_order([(self.items[sku], units) for sku, units in wishes])

    def cancel(self, order: Order) -> None:
        self.shop.cancel(order, restock=True)

    def ship(self, order: Order) -> None:
        self.shop.fulfil_all(order)

    def order_id(self, order: Order) -> str:
        return str(order.id)

    async def all_told(self) -> None:
        await self.server.drained()

    def is_about_orders(self, delivery: Delivery) -> bool:
        return delivery.headers.get("x-shopify-topic", "").startswith("orders/")

    def altered(self, delivery: Delivery, line: int, quantity: object) -> Delivery:
        body: dict[str, Any] = json.loads(delivery.body)
        for name in ("quantity", "current_quantity", "fulfillable_quantity"):
            body["line_items"][line][name] = quantity
        raw = json.dumps(body).encode()
        signature = base64.b64encode(hmac.digest(SECRET.encode(), raw, hashlib.sha256)).decode()
        webhook_id = f"altered-{hashlib.sha256(raw).hexdigest()[:12]}"
        headers = {**delivery.headers, "x-shopify-hmac-sha256": signature, "x-shopify-webhook-id": webhook_id}
        return Delivery(headers, raw)

    def emptied(self, answer: bytes) -> bytes:
        body = json.loads(answer)
        connection = (body.get("data") or {}).get("inventoryItems")
        if connection:
            connection["nodes"] = []
            connection["pageInfo"] = {"hasNextPage": False, "endCursor": None}
        return json.dumps(body).encode()

    def lock_out(self) -> None:
        self.shop.credentials.static_token = None

    def let_in(self) -> None:
        self.shop.credentials.static_token = self._token
