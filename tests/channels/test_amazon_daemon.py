"""The real program beside a simulated seller account: rises, sales, stock of Amazon's own, and kills in the middle."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import anyio
import pytest

from syncd.sim.remotes.amazon import AmazonServer, Forwarder, Plan, Seller
from syncd.sim.remotes.amazon.access import Application
from tests.daemon.conftest import SECRET, Daemon, free_port, until

pytestmark = [pytest.mark.anyio, pytest.mark.daemon]


@dataclass
class Account:
    seller: Seller
    server: AmazonServer
    daemon: Daemon

    async def until_shown(self, sku: str, units: int) -> None:
        async def shown() -> bool:
            return self.seller.shows(sku) == units

        try:
            await until(shown, 45)
        except TimeoutError:
            told = await self.daemon.run("why", sku)
            raise AssertionError(
                f"{sku} shows {self.seller.shows(sku)}, wanted {units}\n{told.stdout}\n{self.daemon.log()[-3000:]}"
            ) from None


@asynccontextmanager
async def running(folder: Path, *, write_lag: float = 0.5, **listings: int) -> AsyncIterator[Account]:
    """Ten of each are counted in the warehouse; the account shows what `listings` say, and ships LAMP itself."""
    plan = Plan(visibility=1.0, write_lag=write_lag)
    seller = Seller(rng=random.Random(3), plan=plan, now=lambda: datetime.now(UTC))
    for sku, units in listings.items():
        seller.add_listing(sku, units)
    seller.add_fba("LAMP", 7)
    application = Application(now=seller.now, client_secret=SECRET, refresh_token="shpat_simulated")
    port = free_port()
    async with (
        AmazonServer(seller, application=application, speed=5000) as server,
        aiohttp.ClientSession() as session,
        anyio.create_task_group() as tasks,
    ):
        config = folder / "syncd.toml"
        config.write_text(
            f"""
[daemon]
state_dir = "{folder / "state"}"
[listener]
port = {port}
[locations.warehouse]
[locations.fba]
authority = "amazon"
[channels.amazon]
kind = "amazon"
endpoint = "{server.url}"
token_endpoint = "{server.url}/auth/o2/token"
client_id = "{application.client_id}"
client_secret = {{ env = "SHOP_SECRET" }}
refresh_token = {{ env = "SHOP_TOKEN" }}
webhook_secret = {{ env = "SHOP_SECRET" }}
seller_id = "{seller.seller_id}"
marketplaces = ["A1F83G8C2ARO7P"]
orders_lag_seconds = 1.0
lands_within_seconds = 6.0
poll_seconds = 2.0
first_sync = "push"
locations = {{ mfn = "warehouse", fba = "fba" }}
"""
        )
        forwarder = Forwarder(seller, f"http://127.0.0.1:{port}/hooks/amazon", SECRET)
        tasks.start_soon(forwarder.run)
        daemon = Daemon(folder, config, port, session)
        try:
            await daemon.start()
            await daemon.import_counts(dict.fromkeys(listings, 10))
            yield Account(seller, server, daemon)
        finally:
            if daemon.process is not None and daemon.process.poll() is None:
                await daemon.stop()
            tasks.cancel_scope.cancel()


async def test_stock_flows_both_ways_and_amazons_own_is_only_read(tmp_path: Path) -> None:
    async with running(tmp_path, MUG=4, CUP=15) as account:
        await account.until_shown("MUG", 10)
        await account.until_shown("CUP", 10)
        account.seller.order({"LAMP": 2}, by_amazon=True)
        order = account.seller.order({"MUG": 3})

        async def booked() -> bool:
            return await account.daemon.level("MUG") == (10, 3)

        await until(booked, 45)
        account.seller.ship(order)
        account.seller.cancel(account.seller.order({"CUP": 1}))

        async def settled() -> bool:
            levels = [await account.daemon.level(sku) for sku in ("MUG", "CUP", "LAMP")]
            return levels == [(7, 0), (10, 0), (5, 0)]

        await until(settled, 45)
        conflicts = await account.daemon.lines("conflicts", "list")

    assert account.seller.shows("MUG") == 7
    assert account.seller.shows("CUP") == 10
    assert not account.seller.listings["LAMP"].stranded
    assert [each for each in conflicts if each["kind"] != "drift"] == []


async def test_killed_while_a_write_waits_to_take_force(tmp_path: Path) -> None:
    async with running(tmp_path, write_lag=3.0, MUG=4) as account:

        async def sent() -> bool:
            return account.server.count("patchListingsItem") >= 1

        await until(sent, 45)
        await account.daemon.kill()
        account.seller.order({"MUG": 2})  # while nobody listens; the write that is under way overwrites it
        await account.daemon.start()

        async def right() -> bool:
            return account.seller.shows("MUG") == 8

        await until(right, 60)
        await account.daemon.until_idle()
        level = await account.daemon.level("MUG")

    assert level == (10, 2)


async def test_a_write_whose_request_was_lost_is_given_up_and_made_anew(tmp_path: Path) -> None:
    async with running(tmp_path, MUG=10, CUP=10) as account:
        account.server.faults.script("cut_before_effect", on="patchListingsItem")
        done = await account.daemon.run("stock", "adjust", "MUG", "warehouse", "--by", "-4", "--reason", "lost")
        assert done.returncode == 0, done.stderr
        done = await account.daemon.run("stock", "adjust", "CUP", "warehouse", "--by", "-1", "--reason", "lost")
        assert done.returncode == 0, done.stderr

        await account.until_shown("CUP", 9)
        await account.until_shown("MUG", 6)

    assert account.server.count("patchListingsItem") >= 3
