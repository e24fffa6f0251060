"""The real program as a process of its own, beside simulated shops in this one."""

import base64
import hashlib
import hmac
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from syncd.sim.remotes.shopify import Item, Location, Shop, ShopifyServer

SECRET = "hush-hush"
READY_SECONDS = 30
"""How long a loaded machine may take; nothing is asserted about it."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Store:
    """A simulated shop, its one location, and what the configuration calls it."""

    name: str
    shop: Shop
    main: Location
    items: dict[str, Item] = field(default_factory=dict)

    def available(self, sku: str) -> int:
        return self.shop.quantities(self.items[sku], self.main)["available"]


@dataclass
class Daemon:
    """`syncd run`, and the command line beside it."""

    folder: Path
    config: Path
    port: int
    session: aiohttp.ClientSession
    process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "SHOP_TOKEN": "shpat_simulated", "SHOP_SECRET": SECRET, "NO_COLOR": "1"}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "syncd", "run", "--config", str(self.config)]
        with (self.folder / "daemon.log").open("ab") as log:
            return subprocess.Popen(command, env=self.environ, stderr=log, stdout=log, start_new_session=True)

    async def start(self) -> None:
        self.process = self.spawn()
        await self.until_ready()

    async def until_ready(self) -> None:
        async def ready() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the daemon ended: {self.log()[-3000:]}")
            try:
                async with self.session.get(f"{self.url}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(ready)

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return await anyio.to_thread.run_sync(lambda: self.process.wait(25))  # type: ignore[union-attr]

    async def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        await anyio.to_thread.run_sync(self.process.wait)

    async def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command line; never raises for its exit status."""
        command = [sys.executable, "-m", "syncd", *words, "--config", str(self.config)]
        return await anyio.to_thread.run_sync(
            lambda: subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=60, check=False)
        )

    async def json(self, *words: str, status: int | None = 0) -> Any:
        done = await self.run(*words, "--json")
        assert status is None or done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    async def lines(self, *words: str) -> list[dict[str, Any]]:
        done = await self.run(*words, "--json")
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    async def level(self, sku: str) -> tuple[int, int]:
        rows = [row for row in await self.lines("stock", "list") if row["sku"] == sku]
        return (rows[0]["on_hand"], rows[0]["committed"]) if rows else (0, 0)

    async def until_idle(self) -> None:
        async def idle() -> bool:
            return bool((await self.json("status"))["idle"])

        await until(idle)

    async def import_counts(self, counts: dict[str, int]) -> None:
        file = self.folder / "counts.csv"
        file.write_text("sku,location,on_hand\n" + "".join(f"{sku},warehouse,{n}\n" for sku, n in counts.items()))
        done = await self.run("stock", "import", str(file), "--apply")
        assert done.returncode == 0, done.stdout + done.stderr

    async def hook(
        self,
        body: bytes | dict[str, Any],
        *,
        channel: str = "one",
        topic: str = "orders/create",
        secret: str = SECRET,
        shop: str = "one.myshopify.com",
        webhook_id: str | None = None,
        **headers: str,
    ) -> aiohttp.ClientResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        digest = base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()
        told = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": digest,
            "X-Shopify-Shop-Domain": shop,
            "X-Shopify-Webhook-Id": webhook_id or f"{random.getrandbits(64):x}",
            "X-Shopify-API-Version": "2026-10",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        wanted = {name: value for name, value in told.items() if value}
        async with self.session.post(f"{self.url}/hooks/{channel}", data=io.BytesIO(raw), headers=wanted) as answer:
            await answer.read()
            return answer


async def until(condition: Callable[[], Any], seconds: float = READY_SECONDS) -> None:
    """Look again and again until it holds."""
    with anyio.fail_after(seconds):
        while not await condition():
            await anyio.sleep(0.05)


@dataclass
class Site:
    daemon: Daemon
    server: ShopifyServer
    one: Store
    two: Store

    async def until_shown(self, sku: str, units: int) -> None:
        async def shown() -> bool:
            return all(store.available(sku) == units for store in (self.one, self.two) if sku in store.items)

        try:
            await until(shown)
        except TimeoutError:
            found = {store.name: store.available(sku) for store in (self.one, self.two)}
            raise AssertionError(f"{sku}: {found}, wanted {units}\n{self.daemon.log()[-2000:]}") from None


SKUS = ("TEE", "MUG", "CAP")


def make_store(name: str, skus: tuple[str, ...] = SKUS, units: int = 10) -> Store:
    shop = Shop(domain=f"{name}.myshopify.com", now=lambda: datetime.now(UTC))
    store = Store(name, shop, shop.add_location("Main"))
    for sku in skus:
        store.items[sku] = shop.add_item(sku, available={store.main: units})
    return store


Building = Callable[..., Any]


@pytest.fixture
def building(tmp_path: Path) -> Building:
    """`async with building(first_sync="ask", counts={...}) as site`: the daemon is ready, counts are imported."""

    @asynccontextmanager
    async def build(
        *,
        first_sync: str = "push",
        counts: dict[str, int] | None = None,
        channel: str = "",
        top: str = "",
        start: bool = True,
        hooks: bool = True,
    ) -> AsyncIterator[Site]:
        stores = [make_store("one"), make_store("two")]
        port = free_port()
        async with ShopifyServer(shops=[store.shop for store in stores]) as server, aiohttp.ClientSession() as session:
            tables = [
                f'[daemon]\nstate_dir = "{tmp_path / "state"}"\n',
                f"[listener]\nport = {port}\n",
                top,
                "[locations.warehouse]\n",
                *(
                    f'[channels.{store.name}]\nkind = "shopify"\nendpoint = "{server.url(store.shop)}"\n'
                    'access_token = { env = "SHOP_TOKEN" }\nwebhook_secret = { env = "SHOP_SECRET" }\n'
                    f'locations = {{ "{store.main.gid}" = "warehouse" }}\nfirst_sync = "{first_sync}"\n{channel}\n'
                    for store in stores
                ),
            ]
            config = tmp_path / "syncd.toml"
            config.write_text("\n".join(tables))
            if hooks:
                for store in stores:
                    store.shop.send_webhooks_to(f"http://127.0.0.1:{port}/hooks/{store.name}", secret=SECRET)
            daemon = Daemon(tmp_path, config, port, session)
            site = Site(daemon, server, *stores)
            try:
                if start:
                    await daemon.start()
                    if counts is None or counts:
                        await daemon.import_counts(counts or dict.fromkeys(SKUS, 10))
                yield site
            finally:
                if daemon.process is not None and daemon.process.poll() is None:
                    await daemon.stop()

    return build
