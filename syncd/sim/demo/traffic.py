"""Carries the plan out: shops are moved at once, the daemon is told over its socket, and both are written down."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import anyio
from anyio.abc import TaskGroup

from syncd.sim.demo.control import NO_ANSWER
from syncd.sim.demo.deeds import ACTS
from syncd.sim.demo.plan import Deed
from syncd.sim.demo.process import DaemonProcess
from syncd.sim.demo.replay import Adjustment, Entered
from syncd.sim.demo.shops import DemoShop, World
from syncd.sim.remotes.shopify import ShopRefused

TRY_AGAIN_SECONDS: Final = 0.3
TELLING: Final = frozenset({"delivery", "loss", "pause", "resume"})


@dataclass(frozen=True, slots=True)
class Gap:
    """A time during which a channel (None: any) could not be kept in step, and why in words."""

    channel: str | None
    begin: datetime
    end: datetime
    why: str


@dataclass(slots=True, kw_only=True)
class Traffic:
    world: World
    daemon: DaemonProcess
    entered: Entered
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(channel, deed) to how often it was done."""
    in_vain: Counter[str] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    _paused_since: dict[str, datetime] = field(default_factory=dict)

    async def run(self, plan: Sequence[Deed], stop: Callable[[], bool]) -> None:
        """Until the plan is done or `stop` says so; then every channel is resumed."""
        begun = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for deed in plan:
                await anyio.sleep(max(0.0, begun + deed.at - anyio.current_time()))
                if stop():
                    break
                self._do(deed, tasks)
        for channel in list(self._paused_since):
            await self._steer("resume", channel)

    def _do(self, deed: Deed, tasks: TaskGroup) -> None:
        demo = self.world.shops[deed.shop]
        rng = random.Random(deed.seed)  # noqa: S311 - repeatable on purpose
        if deed.what in TELLING:
            tasks.start_soon(self._tell, deed, demo, rng)
            return
        try:
            happened = ACTS[deed.what](demo, deed, rng)
        except ShopRefused:
            happened = False
        if happened:
            self.done[demo.channel, deed.what] += 1
        else:
            self.in_vain[deed.what] += 1

    async def _tell(self, deed: Deed, demo: DemoShop, rng: random.Random) -> None:
        if deed.what in ("pause", "resume"):
            await self._steer(deed.what, demo.channel)
            return
        key = rng.choice(sorted(self.entered.counts))
        by = rng.randint(2, 12) if deed.what == "delivery" else -1
        await self.adjust(key, by, f"{deed.what} {deed.seed}")

    async def adjust(self, key: tuple[str, str], by: int, reason: str) -> None:
        """Book it exactly once: where the answer is lost, the ledger says whether it was booked."""
        sku, location = key
        while True:
            await self.daemon.until_up()
            asked = _now()
            body = {"sku": sku, "location": location, "by": by, "reason": reason}
            try:
                await self.daemon.control.post("/v1/stock/adjust", body)
                break
            except NO_ANSWER:
                await anyio.sleep(TRY_AGAIN_SECONDS)
                if await self._is_booked(sku, reason):
                    break
        self.entered.adjustments.append(Adjustment(asked=asked, at=_now(), key=key, by=by, reason=reason))
        self.done["", "adjustments"] += 1

    async def _is_booked(self, sku: str, reason: str) -> bool:
        while True:
            await self.daemon.until_up()
            try:
                told = await self.daemon.control.get("/v1/why", sku=sku)
            except NO_ANSWER:
                await anyio.sleep(TRY_AGAIN_SECONDS)
                continue
            return any(entry["reason"] == reason for entry in told["entries"])

    async def _steer(self, what: str, channel: str) -> None:
        while True:
            await self.daemon.until_up()
            begun = _now()
            try:
                await self.daemon.control.post(f"/v1/channels/{what}", {"channel": channel})
                break
            except NO_ANSWER:
                await anyio.sleep(TRY_AGAIN_SECONDS)
        if what == "pause":
            self._paused_since[channel] = begun
        elif channel in self._paused_since:
            self.gaps.append(Gap(channel, self._paused_since.pop(channel), _now(), "while it was paused"))

    @asynccontextmanager
    async def gap(self, why: str) -> AsyncIterator[None]:
        """A time in which syncd was down, or blind."""
        begun = _now()
        try:
            yield
        finally:
            self.gaps.append(Gap(None, begun, _now(), why))


def _now() -> datetime:
    return datetime.now(UTC)
