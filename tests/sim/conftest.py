"""A simulated Shopify shop, its server, an app that calls it, and a listener for its webhooks."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from syncd.sim.remotes.shopify import Shop, ShopifyServer


@dataclass
class Clock:
    """A wall clock that moves only when told to."""

    at: datetime = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **parts: float) -> None:
        self.at += timedelta(**parts)


@dataclass
class App:
    """What an app does: post documents, with its token."""

    session: aiohttp.ClientSession
    url: str
    version: str = "2026-10"
    token: str = "shpat_simulated"

    async def raw(self, query: str, variables: dict[str, Any] | None = None) -> tuple[int, Any, Mapping[str, str]]:
        address = f"{self.url}/admin/api/{self.version}/graphql.json"
        body = {"query": query, "variables": variables or {}}
        async with self.session.post(address, json=body, headers={"X-Shopify-Access-Token": self.token}) as response:
            answer = await response.json() if "json" in response.content_type else await response.text()
            return response.status, answer, response.headers

    async def ask(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        return (await self.raw(query, variables))[1]

    async def data(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = await self.ask(query, variables)
        assert "errors" not in answer, answer
        return answer["data"]


@dataclass
class Hook:
    topic: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Listener:
    """A place that takes webhooks; `status` is what it answers."""

    url: str = ""
    status: int = 200
    heard: list[Hook] = field(default_factory=list)

    def topics(self) -> list[str]:
        return [hook.topic for hook in self.heard]

    async def take(self, request: web.Request) -> web.Response:
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.heard.append(Hook(headers["x-shopify-topic"], headers, await request.read()))
        return web.Response(status=self.status)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(clock: Clock) -> Shop:
    """One shop with two locations, Main and Annex."""
    made = Shop(domain="simulated.myshopify.com", now=clock)
    made.add_location("Main")
    made.add_location("Annex")
    return made


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    application = web.Application()
    application.router.add_post("/hooks", made.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    yield made
    await runner.cleanup()


Serving = Callable[..., AbstractAsyncContextManager[tuple[ShopifyServer, App]]]


@pytest.fixture
def serving(shop: Shop) -> Serving:
    """`async with serving(**options) as (server, app)`: the shop on the wire, with the server's own options."""

    @asynccontextmanager
    async def begin(*, shops: list[Shop] | None = None, **options: Any) -> AsyncIterator[tuple[ShopifyServer, App]]:
        served = shops or [shop]
        async with ShopifyServer(shops=served, **options) as server, aiohttp.ClientSession() as session:
            yield server, App(session, server.url(served[0]))

    return begin
