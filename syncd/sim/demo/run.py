"""The demo from beginning to end: shops up, daemon up, first synchronisation, traffic, quiet, verdict."""

import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
import orjson

from syncd.sim.demo.control import NO_ANSWER
from syncd.sim.demo.evidence import gather
from syncd.sim.demo.hindsight import look_back
from syncd.sim.demo.options import Options
from syncd.sim.demo.plan import make_plan
from syncd.sim.demo.process import DaemonProcess, WouldNotStart, prepare
from syncd.sim.demo.quiet import NeverQuiet, first_sync, settle
from syncd.sim.demo.report import Report, progress, summary
from syncd.sim.demo.shops import World, build_world
from syncd.sim.demo.traffic import Traffic
from syncd.sim.demo.verdict import judge
from syncd.sim.demo.watch import Watch
from syncd.sim.remotes.shopify import DeliverySettings, Faults, ShopifyServer

RETRY_FACTOR: Final = 0.01
"""The vendor tries a delivery again after a minute; nobody watches a demo for that long."""
CALLS_KEPT: Final = 1_000_000
PROGRESS_SECONDS: Final = 3.0
DOWN_SECONDS: Final = 0.5
KILLS: Final = ((0.3, "daemon"), (0.5, "postgres"), (0.75, "daemon"))
"""In a storm: at which part of the traffic what is killed."""
EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_TRY_LATER: Final = 75

Tell = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Demo:
    """`meddle` is called when all is quiet, before anything is judged; tests use it to make the verdict fail."""

    options: Options
    folder: Path
    tell: Tell
    meddle: Callable[[World], None] | None = None
    stopped: bool = False
    kills: list[str] = field(default_factory=list)

    async def run(self) -> Report:
        """Raises WouldNotStart, NeverQuiet."""
        world = build_world(self.options)
        shops = [demo.shop for demo in world.shops]
        delivery = DeliverySettings(retry_factor=RETRY_FACTOR)
        async with ShopifyServer(shops=shops, delivery=delivery, calls_kept=CALLS_KEPT) as server:
            endpoints = {demo.channel: server.url(demo.shop) for demo in world.shops}
            daemon = prepare(self.folder, self.options, world, endpoints)
            try:
                return await self._with(world, server, daemon)
            finally:
                with anyio.CancelScope(shield=True):
                    await daemon.stop()

    async def _with(self, world: World, server: ShopifyServer, daemon: DaemonProcess) -> Report:
        watch = Watch(server)
        watch.attach(world)
        await daemon.start()
        self.tell(f"daemon ready after {daemon.start_seconds[0]:.1f} s")
        traffic = Traffic(world=world, daemon=daemon, entered=await first_sync(world, daemon, self.tell))
        begun = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._progress, server, traffic)
            await self._traffic(world, server, traffic)
            traffic_seconds = anyio.current_time() - begun
            self.tell("traffic over, faults off; waiting until nothing is left to do")
            quiet_seconds = await settle(world, server, daemon, self.options, self.tell)
            tasks.cancel_scope.cancel()
        if self.meddle is not None:
            self.meddle(world)
        evidence = await gather(daemon.control, world)
        back = look_back(world, traffic.entered, watch, traffic.gaps)
        return Report(
            options=self.options,
            world=world,
            server=server,
            traffic=traffic,
            evidence=evidence,
            back=back,
            checks=judge(world, traffic.entered, evidence, back),
            kills=self.kills,
            start_seconds=daemon.start_seconds,
            traffic_seconds=traffic_seconds,
            quiet_seconds=quiet_seconds,
        )

    async def _traffic(self, world: World, server: ShopifyServer, traffic: Traffic) -> None:
        plan = make_plan(self.options, world)
        self.tell(f"{len(plan)} deeds in {self.options.duration_seconds:g} s, faults: {self.options.faults}")
        for demo in world.shops:
            rng = random.Random(f"{self.options.seed}:faults:{demo.channel}")  # noqa: S311 - repeatable on purpose
            server.site(demo.shop).faults = Faults.preset(self.options.faults, rng)
        async with anyio.create_task_group() as killing:
            if self.options.faults == "storm":
                killing.start_soon(self._kill, traffic)
            await traffic.run(plan, lambda: self.stopped)
            if self.stopped:
                killing.cancel_scope.cancel()
        for demo in world.shops:
            server.site(demo.shop).faults.clear()
        if not traffic.daemon.up:
            await traffic.daemon.start()

    async def _kill(self, traffic: Traffic) -> None:
        begun = anyio.current_time()
        for part, what in KILLS:
            await anyio.sleep(max(0.0, begun + part * self.options.duration_seconds - anyio.current_time()))
            async with traffic.gap(f"{what} was down"):
                self.tell(f"kill -9 {what}")
                self.kills.append(what)
                if what == "postgres":
                    traffic.daemon.kill_postgres()
                    await _answering(traffic.daemon)
                else:
                    await traffic.daemon.kill()
                    await anyio.sleep(DOWN_SECONDS)
                    await traffic.daemon.start()

    async def _progress(self, server: ShopifyServer, traffic: Traffic) -> None:
        begun = anyio.current_time()
        while True:
            await anyio.sleep(PROGRESS_SECONDS)
            try:
                status = await traffic.daemon.control.get("/v1/status")
            except NO_ANSWER:
                status = {}
            self.tell(progress(anyio.current_time() - begun, server, traffic, status))


async def _answering(daemon: DaemonProcess) -> None:
    """Return once the daemon can reach its database again."""
    while True:
        try:
            await daemon.control.get("/v1/status")
            return
        except NO_ANSWER:
            await anyio.sleep(DOWN_SECONDS)


def main(options: Options) -> int:
    """Run it and tell; the exit status says whether every check held."""
    folder = Path(tempfile.mkdtemp(prefix="syncd-demo-"))
    begun = datetime.now(UTC)

    def tell(line: str) -> None:
        at = (datetime.now(UTC) - begun).total_seconds()
        sys.stderr.write(f"{at:6.1f} s  {line}\n")
        sys.stderr.flush()

    demo = Demo(options=options, folder=folder, tell=tell)
    try:
        report = anyio.run(_interruptible, demo)
    except BaseExceptionGroup as errors:
        error = _first(errors)
        if not isinstance(error, WouldNotStart | NeverQuiet):
            raise
        tell(f"{error}; everything is kept in {folder}")
        if options.json:
            sys.stdout.write(orjson.dumps({"ok": False, "error": str(error), "kept": str(folder)}).decode() + "\n")
        return EXIT_TRY_LATER if isinstance(error, WouldNotStart) else EXIT_FAILED
    if report is None:
        tell(f"stopped; everything is kept in {folder}")
        return EXIT_FAILED
    if report.ok:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        tell(f"the verdict is no; everything is kept in {folder}")
    if options.json:
        sys.stdout.write(orjson.dumps(report.document(kept=None if report.ok else folder)).decode() + "\n")
    sys.stderr.write(summary(report) if options.json else "")
    sys.stdout.write("" if options.json else summary(report))
    return EXIT_OK if report.ok else EXIT_FAILED


def _first(errors: BaseException) -> BaseException:
    return _first(errors.exceptions[0]) if isinstance(errors, BaseExceptionGroup) else errors


async def _interruptible(demo: Demo) -> Report | None:
    """Ctrl-C ends the traffic, which is judged all the same; the second one ends everything. None: nothing to judge."""
    reports: list[Report] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_listen, demo, tasks.cancel_scope)
        reports.append(await demo.run())
        tasks.cancel_scope.cancel()
    return reports[0] if reports else None


async def _listen(demo: Demo, scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            if demo.stopped or number == signal.SIGTERM:
                scope.cancel()
                return
            demo.stopped = True
            demo.tell("stopping the traffic; once more to stop at once")
