"""A simulated Amazon seller with a channel connected to it, and one listing's account kept as the program keeps it."""

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from syncd.channels.amazon import AmazonChannel, Settings
from syncd.config.secrets import Surroundings
from syncd.domain.ids import ChannelId, ListingKey, OrderId, RemoteId, RemoteLocation
from syncd.domain.orders import Order, effect, merge
from syncd.ports import CatalogueRow, Cursor, Facts, OrdersPage, Outcome, RowOutcome, WriteBatch, WriteRow
from syncd.sim.remotes.amazon import AmazonServer, Faults, Plan, Seller

SECRETS = {
    "LWA": "amzn1.oa2-cs.v1.sim",
    "REFRESH": "Atzr|sim",
    "HOOKS": "forwarder-secret",
    "NEW": "new-forwarder-secret",
}
UK, DE = "A1F83G8C2ARO7P", "A1PA6795UKMFR9"


@dataclass
class Clock:
    at: datetime = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **parts: float) -> None:
        self.at += timedelta(**parts)


def settings_for(url: str = "https://sellingpartnerapi-eu.amazon.com", **keys: Any) -> Settings:
    given = {
        "endpoint": url,
        "token_endpoint": f"{url}/auth/o2/token",
        "client_id": "amzn1.application-oa2-client.sim",
        "client_secret": {"env": "LWA"},
        "refresh_token": {"env": "REFRESH"},
        "seller_id": "A2SIMSELLER01",
        "marketplaces": [UK],
        "webhook_secret": {"env": "HOOKS"},
        **keys,
    }
    given = {key: value for key, value in given.items() if value is not None}
    around = Surroundings(environ=SECRETS, folder=Path("/"))
    return Settings.model_validate_json(json.dumps(given), context=around)


def listing(sku: str, place: str = "mfn") -> ListingKey:
    return ListingKey(ChannelId("amazon"), RemoteId(sku), RemoteLocation(place))


@dataclass
class World:
    seller: Seller
    server: AmazonServer
    clock: Clock
    channel: AmazonChannel
    settings: Callable[..., Settings]
    cursor: Cursor | None = None
    known: dict[OrderId, Order] = field(default_factory=dict)
    faults_heard: list[str] = field(default_factory=list)
    _keys: int = 0

    @property
    def faults(self) -> Faults:
        return self.server.faults

    def another(self, **keys: Any) -> AmazonChannel:
        """The same channel after a restart: nothing in its memory."""
        return AmazonChannel(self.settings(**keys), ["mfn", "fba"], self.clock)

    async def pages(self) -> list[OrdersPage]:
        """One poll, from the cursor kept and with all of it merged into what is known."""
        found = []
        async for page in self.channel.poll_orders(self.cursor):
            found.append(page)
            self.cursor = page.cursor
            for record in page.records:
                self.take(self.channel.parse(record.topic, {}, record.body))
        return found

    async def poll(self, **later: float) -> list[OrdersPage]:
        """The same once the order list tells everything up to now."""
        self.clock.advance(**(later or {"seconds": 121}))
        return await self.pages()

    def take(self, facts: Facts) -> None:
        self.faults_heard += [fault.reason for fault in facts.faults]
        for order in facts.orders:
            known = self.known.get(order.order_id)
            self.known[order.order_id] = merge(known, order).order if known else order

    def stock(self) -> dict[str, tuple[int, int]]:
        """(on_hand, committed) by SKU, of all orders known."""
        moved: dict[str, tuple[int, int]] = {}
        for order in self.known.values():
            for (line, _), parts in effect(order).items():
                sku = str(order.lines[line].item)
                on_hand, committed = moved.get(sku, (0, 0))
                moved[sku] = on_hand + parts.stock.on_hand, committed + parts.stock.committed
        return {sku: figures for sku, figures in moved.items() if figures != (0, 0)}

    def batch(self, *rows: tuple[str, int, int], place: str = "mfn", key: str = "") -> WriteBatch:
        """Rows as (sku, target, was)."""
        self._keys += 1
        made = tuple(WriteRow(key=listing(sku, place), target=target, was=was) for sku, target, was in rows)
        return WriteBatch(idempotency_key=key or f"key-{self._keys}", rows=made)

    async def write(self, *rows: tuple[str, int, int], place: str = "mfn") -> dict[str, Outcome]:
        return outcomes_of(await self.channel.write(self.batch(*rows, place=place)))

    async def catalogue(self) -> list[CatalogueRow]:
        return [row async for rows in self.channel.read_catalogue() for row in rows]


def outcomes_of(outcomes: Sequence[RowOutcome]) -> dict[str, Outcome]:
    return {outcome.key.remote_id: outcome.outcome for outcome in outcomes}


@asynccontextmanager
async def open_world(
    *,
    plan: Plan | None = None,
    marketplaces: Sequence[str] = (UK,),
    mapped: Sequence[str] = ("mfn", "fba"),
    speed: float = 1000.0,
    stock: Mapping[str, int] | None = None,
    **keys: Any,
) -> AsyncIterator[World]:
    clock = Clock()
    seller = Seller(now=clock, rng=random.Random(7), plan=plan, marketplaces=marketplaces)
    for sku, quantity in (stock or {}).items():
        seller.add_listing(sku, quantity)
    async with AmazonServer(seller, speed=speed) as server:

        def settings(**more: Any) -> Settings:
            return settings_for(server.url, **{"marketplaces": list(marketplaces), **keys, **more})

        channel = AmazonChannel(settings(), mapped, clock)
        world = World(seller, server, clock, channel, settings)
        try:
            yield world
        finally:
            await channel.close()
            await world.channel.close()
