"""What is measured, each case a coroutine that returns figures. Whatever a round loses ends the run as failed."""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import asyncpg

from syncd.channels.shopify.settings import CAPABILITIES
from tests.bench import stand
from tests.bench.books import faults
from tests.bench.report import Figure, ratio
from tests.bench.rivals import rivals
from tests.bench.shop import WRITE_COST
from tests.bench.stand import Daemon, Failed, LoadGenerator, Sent, ShopServer

SKUS: Final = 10_000
MEBIBYTE: Final = 1 << 20
PAUSE_SECONDS: Final = 0.5
CALLS_NEEDED: Final = math.ceil(1_000 / CAPABILITIES.batch)
"""For a burst on 1,000 SKUs."""
NARROW_RESTORE: Final = 4.0
"""Query points per second, in a bucket that holds one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    rounds: int
    seconds: float
    many_skus: int = 200_000

    def count(self, rate: float) -> int:
        """So many deliveries fill a round at that rate."""
        return max(128, int(rate * self.seconds))


Case = Callable[[Path, LoadGenerator, Effort], Awaitable[list[Figure]]]


async def _sell(daemon: Daemon, load: LoadGenerator, *, count: int, skus: int) -> tuple[float, Sent]:
    """Deliveries acknowledged and applied per second, from the first send on."""
    sent = await load.send(daemon.port, count=count, skus=skus)
    daemon.sold += sent.acknowledged
    return count / (await daemon.applied() - sent.began), sent


async def _nothing_lost(daemon: Daemon) -> None:
    connection = await asyncpg.connect(daemon.dsn)
    try:
        told = await faults(connection, sold=daemon.sold)
    finally:
        await connection.close()
    if told:
        raise Failed("; ".join(told))


async def rate(folder: Path, load: LoadGenerator, effort: Effort) -> list[Figure]:
    """Deliveries per second, one hot SKU and spread over many, beside the plain service, bare aiohttp and pgbench."""
    await stand.prepare(folder, skus=SKUS, shops=["shop-a"])
    async with (
        rivals(folder, load, skus=SKUS) as beside,
        stand.shop("shop-a") as shop,
        stand.daemon(folder, [shop]) as daemon,
    ):
        seen: dict[str, list[float]] = {}

        def note(name: str, value: float) -> float:
            seen.setdefault(name, []).append(value)
            return value

        rates = {"plain hot": 300.0, "plain spread": 300.0, "hot": 1000.0, "spread": 1000.0, "bare": 3000.0}
        for number in range(-1, effort.rounds):
            if number == 0:
                seen.clear()  # the first round only warms up and finds the counts
            for name, skus in (("hot", 1), ("spread", SKUS)):
                count = effort.count(rates[f"plain {name}"])
                sent = await beside.plain(count=count, skus=skus)
                rates[f"plain {name}"] = note(f"plain {name}", count / (sent.ended - sent.began))
                note(f"plain {name} p99", sent.p99_ms)
                await anyio.sleep(PAUSE_SECONDS)
                rates[name], sent = await _sell(daemon, load, count=effort.count(rates[name]), skus=skus)
                note(name, rates[name])
                note(f"{name} p99", sent.p99_ms)
                await anyio.sleep(PAUSE_SECONDS)
                note(f"pgbench {name}", await beside.pgbench(seconds=effort.seconds, skus=skus))
                await anyio.sleep(PAUSE_SECONDS)
            count = effort.count(rates["bare"])
            sent = await beside.bare(count=count)
            rates["bare"] = note("bare", count / (sent.ended - sent.began))
        await _nothing_lost(daemon)
        if told := await beside.faults():
            raise Failed("; ".join(told))
    return [
        ratio("hot SKU, of the plain service", seen["hot"], seen["plain hot"], least=6),
        ratio("spread SKUs, of the plain service", seen["spread"], seen["plain spread"], least=4),
        ratio("99 % acknowledged within, hot, of the plain service", seen["hot p99"], seen["plain hot p99"], most=0.2),
        ratio("spread, of pgbench's one-statement commits", seen["spread"], seen["pgbench spread"], least=0.33),
        ratio("hot, of pgbench's one-statement commits", seen["hot"], seen["pgbench hot"], least=2),
        ratio("spread, of bare aiohttp on the same loop", seen["spread"], seen["bare"], least=0.33),
        ratio("hot, of spread", seen["hot"], seen["spread"], least=0.75),
        *(
            Figure(name=name, rounds=tuple(values), unit="ms" if name.endswith("p99") else "/s")
            for name, values in seen.items()
        ),
    ]


async def scale(folder: Path, load: LoadGenerator, effort: Effort) -> list[Figure]:
    """The same deliveries spread over few SKUs and over very many; and what the daemon takes in memory."""
    few, many = 1_000, effort.many_skus
    await stand.prepare(folder / "few", skus=few, shops=["shop-a"])
    await stand.prepare(folder / "many", skus=many, shops=["shop-a"])
    async with (
        stand.shop("shop-a") as shop,
        stand.daemon(folder / "few", [shop]) as small,
        stand.daemon(folder / "many", [shop]) as large,
    ):
        await anyio.sleep(3)
        idle = small.resident_bytes
        small_rates, large_rates = [], []
        count = effort.count((await _sell(small, load, count=1000, skus=few))[0])
        await _sell(large, load, count=count, skus=many)
        for _ in range(effort.rounds):
            await anyio.sleep(PAUSE_SECONDS)
            small_rates.append((await _sell(small, load, count=count, skus=few))[0])
            await anyio.sleep(PAUSE_SECONDS)
            large_rates.append((await _sell(large, load, count=count, skus=many))[0])
        await _nothing_lost(small)
        await _nothing_lost(large)
        beyond = (large.resident_bytes - 90 * MEBIBYTE) / many
        return [
            ratio(f"{many:,} SKUs, of {few:,}", large_rates, small_rates, least=0.9),
            Figure(name="idle daemon", rounds=(idle / MEBIBYTE,), unit="MiB", most=90),
            Figure(name="daemon after the last round, few SKUs", rounds=(small.resident_bytes / MEBIBYTE,), unit="MiB"),
            Figure(
                name="daemon after the last round, many SKUs", rounds=(large.resident_bytes / MEBIBYTE,), unit="MiB"
            ),
            Figure(name="for each listing, beyond 90 MiB", rounds=(beyond / 1024,), unit="KiB", most=1),
            Figure(name=f"{few:,} SKUs", rounds=tuple(small_rates), unit="/s"),
            Figure(name=f"{many:,} SKUs", rounds=tuple(large_rates), unit="/s"),
        ]


async def reach(folder: Path, load: LoadGenerator, effort: Effort) -> list[Figure]:
    """From a sale's webhook until the other store is told, measured at that store: one sale, and a burst of 1,000."""
    await stand.prepare(folder, skus=1_000, shops=["shop-a", "shop-b"])
    async with (
        stand.shop("shop-a") as first,
        stand.shop("shop-b") as second,
        stand.daemon(folder, [first, second]) as daemon,
    ):
        await anyio.sleep(3)
        await second.notes()
        single = [await _one_sale(daemon, load, second) for _ in range(8 * effort.rounds)]
        calls, waits = [], []
        for _ in range(effort.rounds):
            await anyio.sleep(1)
            made, _ = await _burst(daemon, load, second)
            calls.append(made / CALLS_NEEDED)
        for _ in range(min(3, effort.rounds)):
            await second.refill(capacity=WRITE_COST, restore=NARROW_RESTORE)
            _, seconds = await _burst(daemon, load, second)
            waits.append(seconds / ((CALLS_NEEDED - 1) * WRITE_COST / NARROW_RESTORE))
            await second.refill(capacity=20_000, restore=1_000)
            await anyio.sleep(1)
        await _nothing_lost(daemon)
        return [
            Figure(name="calls for a burst on 1,000 SKUs, of what its batches need", rounds=tuple(calls), most=1.2),
            Figure(
                name="time of a burst at a narrow rate limit, of what the limit needs", rounds=tuple(waits), most=1.2
            ),
            Figure(name="a sale's webhook to the other store's wire", rounds=tuple(single), unit="ms", most=50),
        ]


async def _one_sale(daemon: Daemon, load: LoadGenerator, other: ShopServer) -> float:
    await anyio.sleep(0.2)
    sent = await load.send(daemon.port, count=1, skus=1_000)
    daemon.sold += 1
    writes = await _written(other, rows=1)
    return float(writes[0]["at"] - sent.began) * 1000


async def _burst(daemon: Daemon, load: LoadGenerator, other: ShopServer) -> tuple[int, float]:
    """The calls that the other store got, and the seconds until the last of them."""
    sent = await load.send(daemon.port, count=1_000, skus=1_000, each_once=True)
    daemon.sold += 1_000
    writes = await _written(other, rows=1_000)
    return len(writes), writes[-1]["at"] - sent.began


async def _written(other: ShopServer, *, rows: int) -> list[dict[str, float]]:
    writes: list[dict[str, float]] = []
    with anyio.fail_after(60):
        while sum(write["rows"] for write in writes) < rows:
            await anyio.sleep(0.02)
            told = await other.notes()
            if told["throttled"]:
                raise Failed(f"{told['throttled']} calls went beyond the bucket")
            writes += told["writes"]
    if any(write["stale"] for write in writes):
        raise Failed("a compare was refused")
    return writes


async def start(folder: Path, load: LoadGenerator, effort: Effort) -> list[Figure]:
    """From the start of the process until it is ready, beyond what PostgreSQL takes by itself."""
    fresh, again = [], []
    async with stand.shop("shop-a") as shop:
        for _ in range(effort.rounds):
            stand.clear(folder)
            (folder / "alone").mkdir(parents=True)
            alone = await _cluster_seconds(folder / "alone")
            (folder / "ours").mkdir()
            async with stand.daemon(folder / "ours", [shop]) as daemon:
                fresh.append(daemon.ready_seconds - alone)
            alone = await _cluster_seconds(folder / "alone")
            async with stand.daemon(folder / "ours", [shop]) as daemon:
                again.append(daemon.ready_seconds - alone)
    return [
        Figure(name="start until ready beyond PostgreSQL's own, fresh", rounds=tuple(fresh), unit="s", most=1.5),
        Figure(
            name="start until ready beyond PostgreSQL's own, existing data", rounds=tuple(again), unit="s", most=1.0
        ),
    ]


async def _cluster_seconds(state_dir: Path) -> float:
    began = time.monotonic()
    async with stand.cluster(state_dir):
        return time.monotonic() - began


CASES: Final[dict[str, Case]] = {"rate": rate, "scale": scale, "reach": reach, "start": start}
