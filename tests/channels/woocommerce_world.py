"""A simulated WooCommerce shop with a channel connected to it, whose webhooks are kept instead of being sent."""

import json
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from syncd.channels.woocommerce import Settings, WooCommerceChannel
from syncd.config.secrets import Surroundings
from syncd.domain.ids import ChannelId, ListingKey, OrderId, RemoteId, RemoteLocation
from syncd.domain.orders import Order, effect, merge
from syncd.ports import CatalogueRow, Facts, OrdersPage, WriteBatch, WriteRow
from syncd.sim.remotes.woocommerce import Faults, Product, Shop, WooCommerceServer
from syncd.sim.remotes.woocommerce.bodies import encoded, order_body, product_body
from syncd.sim.remotes.woocommerce.records import Event

SECRETS = {"KEY_SECRET": "cs_simulated", "HOOKS": "shhh", "OLD": "an-older-secret"}
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """The shop's clock, which moves only when told to."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **parts: float) -> None:
        self.at += timedelta(**parts)


@dataclass
class Hook:
    topic: str
    body: bytes


@dataclass
class World:
    shop: Shop
    server: WooCommerceServer
    clock: Clock
    channel: WooCommerceChannel
    hooks: list[Hook] = field(default_factory=list)
    """The bodies of all webhooks so far, each built at its event."""
    _keys: int = 0

    @staticmethod
    def key(product: Product | str) -> ListingKey:
        return listing(product if isinstance(product, str) else product.remote_id)

    def batch(self, *rows: tuple[Product | str, int]) -> WriteBatch:
        self._keys += 1
        made = tuple(WriteRow(key=self.key(product), target=target, was=0) for product, target in rows)
        return WriteBatch(idempotency_key=f"key-{self._keys}", rows=made)

    async def poll(self, cursor: Mapping[str, str] | None = None) -> list[OrdersPage]:
        return [page async for page in self.channel.poll_orders(cursor)]

    async def catalogue(self) -> dict[str, CatalogueRow]:
        return {row.remote_id: row async for rows in self.channel.read_catalogue() for row in rows}

    async def polled(self, known: dict[OrderId, Order] | None = None) -> dict[OrderId, Order]:
        """What a poll of everything adds to what is known."""
        orders = {} if known is None else known
        for page in await self.poll({"changed": "2026-11-01T00:00:00"}):
            for record in page.records:
                join(orders, self.channel.parse(record.topic, {}, record.body))
        return orders

    async def told(self, hooks: Iterable[Hook]) -> dict[OrderId, Order]:
        """The orders as webhooks tell them, with what they ask to be fetched."""
        orders: dict[OrderId, Order] = {}
        asked: dict[OrderId, None] = {}
        for hook in hooks:
            facts = self.channel.parse(hook.topic, {}, hook.body)
            assert facts.faults == ()
            join(orders, facts)
            asked.update(dict.fromkeys(facts.fetch))
        for record in await self.channel.fetch_orders(list(asked)) if asked else ():
            join(orders, self.channel.parse(record.topic, {}, record.body))
        return orders

    def own_figures(self) -> dict[str, int]:
        """By how much orders moved the shop's own figures."""
        moved: dict[str, int] = {}
        for movement in self.shop.books:
            if movement.cause.startswith("order:"):
                moved[movement.product.remote_id] = moved.get(movement.product.remote_id, 0) + movement.delta
        return {product: delta for product, delta in moved.items() if delta}


def figures_of(orders: Mapping[OrderId, Order]) -> dict[str, int]:
    """By how much the orders move what the shop shows, as we have it."""
    moved: dict[str, int] = {}
    for order in orders.values():
        for (line, _), parts in effect(order).items():
            item = str(order.lines[line].item)
            moved[item] = moved.get(item, 0) + parts.shown
    return {item: delta for item, delta in moved.items() if delta}


def stock_of(orders: Mapping[OrderId, Order]) -> dict[str, tuple[int, int]]:
    """(on_hand, committed) by item."""
    moved: dict[str, tuple[int, int]] = {}
    for order in orders.values():
        for (line, _), parts in effect(order).items():
            item = str(order.lines[line].item)
            on_hand, committed = moved.get(item, (0, 0))
            moved[item] = on_hand + parts.stock.on_hand, committed + parts.stock.committed
    return {item: figures for item, figures in moved.items() if figures != (0, 0)}


def join(orders: dict[OrderId, Order], facts: Facts) -> None:
    for order in facts.orders:
        known = orders.get(order.order_id)
        orders[order.order_id] = merge(known, order).order if known else order


def listing(remote_id: str) -> ListingKey:
    return ListingKey(ChannelId("shop"), RemoteId(remote_id), RemoteLocation(""))


def settings_for(url: str, **keys: Any) -> Settings:
    """Settings as the configuration makes them; secrets are named, as in a file."""
    given = {
        "endpoint": url,
        "consumer_key": "ck_simulated",
        "consumer_secret": {"env": "KEY_SECRET"},
        "webhook_secret": {"env": "HOOKS"},
        **keys,
    }
    around = Surroundings(environ=SECRETS, folder=Path("/"))
    return Settings.model_validate_json(json.dumps({k: v for k, v in given.items() if v is not None}), context=around)


def a_channel(**keys: Any) -> WooCommerceChannel:
    """A channel that is never connected: for what is pure."""
    return WooCommerceChannel(settings_for("https://shop.example", **keys), lambda: START)


@asynccontextmanager
async def open_world(*, faults: Faults | None = None, connect: bool = True, **settings: Any) -> AsyncIterator[World]:
    clock = Clock()
    shop = Shop(now=clock, rng=random.Random(7))
    hooks: list[Hook] = []
    async with WooCommerceServer(shops=[shop], faults=faults) as server:
        url = server.url(shop)

        def keep(event: Event) -> None:
            order, product = shop.orders.get(event.subject), shop.products.get(event.subject)
            body: object = {"id": event.subject}
            if event.topic.startswith("order") and not event.topic.endswith("deleted") and order is not None:
                body = order_body(shop, order, url)
            elif event.topic.startswith("product") and not event.topic.endswith("deleted") and product is not None:
                body = product_body(product, url)
            hooks.append(Hook(event.topic, encoded(body)))

        shop.listeners.append(keep)
        channel = WooCommerceChannel(settings_for(url, **settings), clock)
        try:
            if connect:
                await channel.connect()
            yield World(shop, server, clock, channel, hooks)
        finally:
            await channel.close()
