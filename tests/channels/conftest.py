"""A simulated shop with a channel connected to it, whose webhooks are kept instead of being sent."""

import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from graphql import GraphQLSchema, build_schema

from syncd.channels.shopify import Settings, ShopifyChannel
from syncd.config.secrets import Surroundings
from syncd.domain.ids import ChannelId, ListingKey, OrderId, RemoteId, RemoteLocation
from syncd.domain.orders import Order, effect, merge
from syncd.ports import CatalogueRow, Facts, OrdersPage, WriteBatch, WriteRow
from syncd.sim.remotes.shopify import Faults, Item, Location, Plan, Shop, ShopifyServer
from syncd.sim.remotes.shopify.bodies import body_of

SECRETS = {
    "TOKEN": "shpat_simulated",
    "HOOKS": "simulated-secret",
    "ID_SECRET": "simulated-secret",
    "OLD": "old-secret",
}
Stock = dict[tuple[str, str], tuple[int, int]]


@dataclass
class Clock:
    """The shop's clock, which moves only when told to."""

    at: datetime = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

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
    """What tests act on. `hooks` are the bodies of all webhooks so far, in the order in which the shop told them."""

    shop: Shop
    server: ShopifyServer
    clock: Clock
    locations: list[Location]
    settings: Callable[..., Settings]
    channel: ShopifyChannel
    hooks: list[Hook] = field(default_factory=list)
    _keys: int = 0

    def item(self, sku: str = "SKU", **more: Any) -> Item:
        return self.shop.add_item(sku, **{"available": {place: 10 for place in self.locations}, **more})

    def key(self, item: Item, place: Location | None = None) -> ListingKey:
        return listing(item.gid, (place or self.locations[0]).gid)

    def batch(self, *rows: tuple[ListingKey, int, int], key: str | None = None, active: bool = True) -> WriteBatch:
        """Rows as (listing, target, was) under a key of their own."""
        self._keys += 1
        return WriteBatch(
            idempotency_key=key or f"key-{self._keys}",
            rows=tuple(WriteRow(key=k, target=target, was=was, active=active) for k, target, was in rows),
        )

    async def poll(self, cursor: Mapping[str, str] | None = None) -> list[OrdersPage]:
        return [page async for page in self.channel.poll_orders(cursor)]

    async def catalogue(self) -> list[CatalogueRow]:
        return [row async for rows in self.channel.read_catalogue() for row in rows]

    async def told_by_polling(self) -> dict[OrderId, Order]:
        orders: dict[OrderId, Order] = {}
        for page in await self.poll({"changed": "2026-11-01T00:00:00Z"}):
            for record in page.records:
                join(orders, self.channel.parse(record.topic, {}, record.body))
        return orders

    async def told_by_webhooks(self, hooks: Iterable[Hook] | None = None) -> dict[OrderId, Order]:
        """The orders as webhooks tell them, with what they ask to be fetched."""
        orders: dict[OrderId, Order] = {}
        asked: dict[OrderId, None] = {}
        for hook in self.hooks if hooks is None else hooks:
            facts = self.channel.parse(hook.topic, {}, hook.body)
            assert facts.faults == ()
            join(orders, facts)
            asked.update(dict.fromkeys(facts.fetch))
        for record in await self.channel.fetch_orders(list(asked)) if asked else ():
            facts = self.channel.parse(record.topic, {}, record.body)
            assert set(facts.fetched) & asked.keys()
            join(orders, facts)
        return orders

    def own_stock(self) -> Stock:
        """What orders did to the shop's own books: (on_hand, committed) by variant and location."""
        moved: Stock = {}
        for movement in self.shop.books:
            if not movement.cause.startswith("order:"):
                continue
            place = str(movement.item.variant_id), movement.location.gid
            on_hand, committed = moved.get(place, (0, 0))
            deltas = movement.deltas
            moved[place] = on_hand + deltas.get("on_hand", 0), committed + deltas.get("committed", 0)
        return without_nothing(moved)


def join(orders: dict[OrderId, Order], facts: Facts) -> None:
    for order in facts.orders:
        known = orders.get(order.order_id)
        orders[order.order_id] = merge(known, order).order if known else order


def listing(item: str, place: str) -> ListingKey:
    return ListingKey(ChannelId("shop"), RemoteId(item), RemoteLocation(place))


def without_nothing(moved: Stock) -> Stock:
    return {place: figures for place, figures in moved.items() if figures != (0, 0)}


def stock_of(orders: Mapping[OrderId, Order]) -> Stock:
    """The effects of orders summed by variant and location."""
    moved: Stock = {}
    for order in orders.values():
        for (line, location), parts in effect(order).items():
            place = str(order.lines[line].item), str(location)
            on_hand, committed = moved.get(place, (0, 0))
            moved[place] = on_hand + parts.stock.on_hand, committed + parts.stock.committed
    return without_nothing(moved)


def settings_for(url: str, **keys: Any) -> Settings:
    """Settings as the configuration makes them; secrets are named, as in a file."""
    given = {"endpoint": url, "access_token": {"env": "TOKEN"}, "webhook_secret": {"env": "HOOKS"}, **keys}
    given = {key: value for key, value in given.items() if value is not None}
    around = Surroundings(environ=SECRETS, folder=Path("/"))
    return Settings.model_validate_json(json.dumps(given), context=around)


@asynccontextmanager
async def open_world(
    *,
    places: Sequence[str] = ("Warehouse",),
    mapped: int | None = None,
    plan: Plan | None = None,
    faults: Faults | None = None,
    connect: bool = True,
    shop_options: Mapping[str, Any] | None = None,
    **keys: Any,
) -> AsyncIterator[World]:
    clock = Clock()
    shop = Shop(domain="real.myshopify.com", now=clock, rng=random.Random(7), plan=plan, **(shop_options or {}))
    locations = [shop.add_location(name) for name in places]
    hooks: list[Hook] = []
    shop.listeners.append(lambda event: hooks.append(Hook(event.topic, orjson.dumps(body_of(shop, event)))))
    async with ShopifyServer(shops=[shop], faults=faults) as server:

        def settings(**more: Any) -> Settings:
            return settings_for(server.url(shop), **{**keys, **more})

        channel = ShopifyChannel(settings(), [place.gid for place in locations[:mapped]], clock)
        world = World(shop, server, clock, locations, settings, channel, hooks)
        try:
            if connect:
                await channel.connect()
            hooks.clear()
            yield world
        finally:
            await channel.close()


OpenWorld = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def world() -> OpenWorld:
    return open_world


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    return settings_for


@pytest.fixture
def stock() -> Callable[[Mapping[OrderId, Order]], Stock]:
    return stock_of


@pytest.fixture
def a_channel() -> Callable[..., ShopifyChannel]:
    """A channel that is never connected: for what is pure."""

    def make(mapped: Sequence[str] = ("1",), **keys: Any) -> ShopifyChannel:
        settings = settings_for("https://shop.myshopify.com", **keys)
        return ShopifyChannel(settings, mapped, lambda: datetime(2026, 11, 23, tzinfo=UTC))

    return make


@pytest.fixture(scope="session")
def admin_schema(specs: Path) -> GraphQLSchema:
    """The vendor's published schema."""
    return build_schema((specs / "shopify" / "admin-2026-10.graphql").read_text(), assume_valid=True)


@pytest.fixture
def webhook_body(specs: Path) -> Callable[[str], bytes]:
    """The body of one of the vendor's published samples, by file name."""
    return lambda name: (specs / "shopify" / "webhooks" / f"{name}.json").read_bytes()


@pytest.fixture
def answering() -> Callable[..., AbstractAsyncContextManager[tuple[ShopifyChannel, Callable[..., WriteBatch]]]]:
    """A channel whose shop gives the same answers one after the other, the last one for ever."""

    @asynccontextmanager
    async def open_channel(
        *bodies: Any, status: int = 200, headers: Mapping[str, str] | None = None, **keys: Any
    ) -> AsyncIterator[tuple[ShopifyChannel, Callable[..., WriteBatch]]]:
        left = list(bodies)

        async def answer(request: web.Request) -> web.Response:
            body = left.pop(0) if len(left) > 1 else left[0]
            raw = body if isinstance(body, bytes) else orjson.dumps(body)
            return web.Response(status=status, body=raw, content_type="application/json", headers=headers)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        channel = ShopifyChannel(settings_for(url, **keys), ["1"], lambda: datetime.now(UTC))

        def batch(*rows: tuple[ListingKey, int, int]) -> WriteBatch:
            made = tuple(WriteRow(key=key, target=target, was=was) for key, target, was in rows)
            return WriteBatch(idempotency_key="key", rows=made)

        try:
            yield channel, batch
        finally:
            await channel.close()
            await runner.cleanup()

    return open_channel
