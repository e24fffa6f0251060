"""The first synchronisation before the traffic, and after it the wait until nothing is left to do."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import anyio

from syncd.sim.demo.control import NO_ANSWER
from syncd.sim.demo.options import Options
from syncd.sim.demo.process import DaemonProcess
from syncd.sim.demo.replay import Entered
from syncd.sim.demo.shops import World
from syncd.sim.remotes.shopify import ShopifyServer

SYNC_SECONDS: Final = 90.0
QUIET_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.25
STAYS: Final = 5
"""Idle counts when it is seen this often in a row."""

Tell = Callable[[str], None]


class NeverQuiet(Exception):
    """Something was still to be done after all this time; says what."""


async def first_sync(world: World, daemon: DaemonProcess, tell: Tell) -> Entered:
    """Import the counts, link what does not link itself, and have every shop written for the first time."""
    control = daemon.control
    rows = [
        [number, sku, location, on_hand]
        for number, ((sku, location), on_hand) in enumerate(sorted(world.counts.items()), start=2)
    ]
    counted_at = datetime.now(UTC)
    told = await control.result("/v1/stock/import", rows, apply="1", source="counts.csv")
    if not told["applied"]:
        raise NeverQuiet(f"the counts were not booked: {dict(told)}")
    tell(f"{told['new']} counts imported")
    for demo in world.shops:
        await _until_first_read(daemon, demo.channel)
        await _link(world, daemon, demo.channel)
    for demo in world.shops:
        if demo.first_sync == "ask":
            seen = await control.result(f"/v1/channels/{demo.channel}/reconcile")
            tell(f"{demo.channel}: {seen['differences']} differences shown; applied on our word")
            await control.result(f"/v1/channels/{demo.channel}/reconcile", apply="1")
    await _until_idle(daemon, SYNC_SECONDS)
    return Entered(counted_at=counted_at, counts=dict(world.counts), adjustments=[])


async def _until_first_read(daemon: DaemonProcess, channel: str) -> None:
    with anyio.move_on_after(SYNC_SECONDS):
        while True:
            found = await daemon.control.rows("/v1/listings", channel=channel, limit="1")
            if found:
                return
            await anyio.sleep(LOOK_SECONDS)
    raise NeverQuiet(f"{channel}: its catalogue was not read within {SYNC_SECONDS:.0f} s")


async def _link(world: World, daemon: DaemonProcess, channel: str) -> None:
    """Items that go by another name in the shop are linked by a person."""
    for item, sold in world.shop(channel).sold.items():
        if item.sku != sold.sku:
            body = {"channel": channel, "remote_id": item.gid, "sku": sold.sku}
            await daemon.control.post("/v1/listings/link", body)


async def settle(world: World, server: ShopifyServer, daemon: DaemonProcess, options: Options, tell: Tell) -> float:
    """Return the seconds it took; raises NeverQuiet."""
    begun = anyio.current_time()
    try:
        await server.drained(timeout_seconds=QUIET_SECONDS)
    except TimeoutError:
        raise NeverQuiet("webhooks are still on their way") from None
    await _insist(daemon, "/v1/channels/poll", {"all": True})
    if options.faults != "none":
        tell("news was lost on purpose; every shop is read once more, whole")
        async with anyio.create_task_group() as tasks:
            for demo in world.shops:
                tasks.start_soon(_reconcile, daemon, demo.channel)
    await _until_idle(daemon, QUIET_SECONDS)
    return anyio.current_time() - begun


async def _insist(daemon: DaemonProcess, path: str, body: Mapping[str, Any]) -> None:
    with anyio.fail_after(QUIET_SECONDS):
        while True:
            try:
                told = await daemon.control.post(path, body)
                if not any(row.get("error") for row in told.get("channels", ())):
                    return
            except NO_ANSWER:
                pass
            await anyio.sleep(1.0)


async def _reconcile(daemon: DaemonProcess, channel: str) -> None:
    with anyio.fail_after(QUIET_SECONDS):
        while True:
            try:
                await daemon.control.result(f"/v1/channels/{channel}/reconcile", apply="1")
                return
            except NO_ANSWER:
                await anyio.sleep(1.0)


async def _until_idle(daemon: DaemonProcess, within_seconds: float) -> None:
    """Idle, with every circuit closed, and so for a while; what a broken circuit holds up is not counted as work."""
    seen, status = 0, {}
    with anyio.move_on_after(within_seconds):
        while seen < STAYS:
            try:
                status = dict(await daemon.control.get("/v1/status"))
                closed = all(row["circuit"] == "closed" for row in status["channels"].values())
                seen = seen + 1 if status["idle"] and closed else 0
            except NO_ANSWER:
                seen = 0
            await anyio.sleep(LOOK_SECONDS)
        return
    raise NeverQuiet(f"not idle after {within_seconds:.0f} s: {status.get('busy_with')}, {status.get('channels')}")
