"""WooCommerce as the shared suite drives it."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from syncd.channels.woocommerce import WooCommerceChannel
from syncd.domain.ids import RemoteLocation
from syncd.sim.remotes.woocommerce import Order, Product, Shop, WooCommerceServer
from tests.channels.bench import now
from tests.channels.wire import Delivery, Step
from tests.channels.woocommerce_world import settings_for

SECRET = "shhh"
NOWHERE = RemoteLocation("")
TOPICS = ("order.created", "order.updated", "product.updated", "product.deleted")


@dataclass
class WooCommerceBench:
    name: str
    kind: str = "woocommerce"
    remote_location: RemoteLocation = NOWHERE
    window: frozenset[tuple[str, Step]] = frozenset({("after", Step.ORDERS), ("before", Step.WRITE)})
    steps: tuple[Step, ...] = (Step.ORDERS, Step.WRITE)
    items: dict[str, Product] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shop = Shop(name=self.name, now=now)
        self.server = WooCommerceServer(shops=[self.shop])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with self.server:
            yield

    @property
    def url(self) -> str:
        return self.server.url(self.shop)

    def channel(self, url: str) -> WooCommerceChannel:
        settings = settings_for(url, orders_lag_seconds=0.2, lands_within_seconds=1.5, call_timeout_seconds=2.0)
        return WooCommerceChannel(settings, now)

    def step_of(self, method: str, path: str, body: bytes) -> Step:
        plain, _, query = path.partition("?")
        pieces = plain.strip("/").split("/")[3:]
        if pieces[:1] == ["orders"]:
            return Step.ORDERS if len(pieces) == 1 else Step.OTHER
        if pieces[-1:] == ["batch"]:
            return Step.WRITE
        if pieces[:1] == ["products"]:
            return Step.CATALOGUE if len(pieces) == 1 and "include=" not in query else Step.LEVELS
        return Step.OTHER

    def send_webhooks_to(self, url: str) -> None:
        for topic in TOPICS:
            self.shop.add_webhook(topic, url, SECRET)

    def list_item(self, sku: str, units: int) -> None:
        self.items[sku] = self.shop.add_product(sku, units)

    def remove_item(self, sku: str) -> None:
        self.shop.delete_product(self.items[sku])

    def shows(self, sku: str) -> int:
        return self.shop.stock(self.items[sku]) or 0

    def set_by_hand(self, sku: str, units: int) -> None:
        self.shop.set_stock(self.items[sku], units)

    def sell(self, *wishes: tuple[str, int]) -> Order:
        return self.shop.place_order([(self.items[sku], units) for sku, units in wishes])

    def cancel(self, order: Order) -> None:
        self.shop.cancel(order)

    def ship(self, order: Order) -> None:
        self.shop.complete(order)

    def order_id(self, order: Order) -> str:
        return str(order.id)

    async def all_told(self) -> None:
        await self.server.drained()

    def is_about_orders(self, delivery: Delivery) -> bool:
        return delivery.headers.get("x-wc-webhook-topic", "").startswith("order.")

    def altered(self, delivery: Delivery, line: int, quantity: object) -> Delivery:
        body: dict[str, Any] = json.loads(delivery.body)
        body["line_items"][line]["quantity"] = quantity
        raw = json.dumps(body).encode()
        signature = base64.b64encode(hmac.digest(SECRET.encode(), raw, hashlib.sha256)).decode()
        return Delivery({**delivery.headers, "x-wc-webhook-signature": signature}, raw)

    def emptied(self, answer: bytes) -> bytes:
        return b"[]"

    def lock_out(self) -> None:
        self.shop.keys = {key: (f"not {secret}", may) for key, (secret, may) in self.shop.keys.items()}

    def let_in(self) -> None:
        self.shop.keys = {key: (secret.removeprefix("not "), may) for key, (secret, may) in self.shop.keys.items()}
