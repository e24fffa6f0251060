"""Starts and ends what is measured: the daemon, the servers it is held against, shops, and the load generator."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import anyio
import anyio.abc
import asyncpg
import orjson
from anyio.streams.buffered import BufferedByteReceiveStream

from syncd.storage.embedded import DATABASE, USER, EmbeddedPostgres
from syncd.storage.launch import bundled_programs
from tests.bench.books import HOUSE, fill
from tests.bench.payload import SECRET
from tests.bench.shop import PLACE

ROOT: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 60.0
APPLY_SECONDS: Final = 120.0
UNITS: Final = 1_000_000


class Failed(Exception):
    """The measurement cannot go on; the message says what happened."""


@asynccontextmanager
async def cluster(state_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL with the very settings that the daemon gives its own."""
    server = EmbeddedPostgres(state_dir, rng=Random(1))
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        try:
            yield server
        finally:
            with anyio.CancelScope(shield=True):
                await server.stop()


@asynccontextmanager
async def process(
    module: str, *arguments: str, environ: dict[str, str] | None = None, stderr: int | None = None
) -> AsyncIterator[anyio.abc.Process]:
    """A Python module in a process of its own, ended with the block."""
    command = [sys.executable, "-m", module, *arguments]
    async with _running(command, environ or {}, stderr) as started:
        yield started


@asynccontextmanager
async def _running(
    command: Sequence[str], environ: dict[str, str], stderr: int | None
) -> AsyncIterator[anyio.abc.Process]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    started = await anyio.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environment, cwd=ROOT
    )
    try:
        yield started
    finally:
        with anyio.CancelScope(shield=True):
            if started.returncode is None:
                started.terminate()
            with anyio.move_on_after(20):
                await started.wait()
            if started.returncode is None:
                started.kill()
            await started.aclose()


@asynccontextmanager
async def served(module: str, *arguments: str) -> AsyncIterator[int]:
    """A server that tells its port on stdout."""
    async with process(module, *arguments) as started:
        yield int(await _line(started.stdout))


async def _line(stream: anyio.abc.ByteReceiveStream | None) -> bytes:
    if stream is None:
        raise Failed("no pipe to read from")
    with anyio.fail_after(START_SECONDS):
        return await BufferedByteReceiveStream(stream).receive_until(b"\n", 1 << 20)


@dataclass(slots=True)
class ShopServer:
    name: str
    port: int

    @property
    def domain(self) -> str:
        return domain(self.name)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def notes(self) -> dict[str, Any]:
        """What was written since the last time."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.endpoint}/notes") as response:
            told: dict[str, Any] = await response.json()
            return told

    async def refill(self, *, capacity: float, restore: float) -> None:
        async with aiohttp.ClientSession() as session:
            given = {"capacity": capacity, "restore": restore}
            async with session.post(f"{self.endpoint}/bucket", json=given) as response:
                await response.read()


def domain(shop: str) -> str:
    return f"{shop}.myshopify.com"


@asynccontextmanager
async def shop(name: str, *, items: int = 0) -> AsyncIterator[ShopServer]:
    """Without items its catalogue says nothing: the listings stay as the books have them."""
    async with served("tests.bench.shop", domain(name), "--items", str(items), "--units", str(UNITS)) as port:
        yield ShopServer(name, port)


@dataclass(slots=True)
class Daemon:
    process: anyio.abc.Process
    port: int
    dsn: str
    ready_seconds: float
    """From its start until it said that it is ready."""
    sold: int = 0
    """Deliveries acknowledged so far."""

    @property
    def resident_bytes(self) -> int:
        """Of the daemon alone; its PostgreSQL is another process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024

    async def applied(self) -> float:
        """The moment at which everything stored so far was seen to be applied."""
        connection = await asyncpg.connect(self.dsn)
        try:
            with anyio.fail_after(APPLY_SECONDS):
                goal = await connection.fetchval("SELECT coalesce(max(id), 0) FROM inbox")
                while await connection.fetchval("SELECT through FROM inbox_applied WHERE writer = 1") < goal:
                    await anyio.sleep(0.002)
            return time.monotonic()
        finally:
            await connection.close()


async def prepare(folder: Path, *, skus: int, shops: Sequence[str]) -> None:
    """A state directory whose database holds that many SKUs, each listed by every shop."""
    async with cluster(folder / "state") as server:
        await fill(server.dsn, skus=skus, units=UNITS, channels=shops)


@asynccontextmanager
async def daemon(folder: Path, shops: Sequence[ShopServer], *, poll_seconds: float = 3600.0) -> AsyncIterator[Daemon]:
    """The real daemon on a prepared, or fresh, state directory."""
    config = folder / "syncd.toml"
    config.write_text(_config(folder, shops, poll_seconds), encoding="utf-8")
    began = time.monotonic()
    secrets = {"BENCH_SECRET": SECRET.decode(), "BENCH_TOKEN": "shpat_bench"}
    async with _running(_command(config), secrets, subprocess.PIPE) as started, anyio.create_task_group() as tasks:
        listening, ready = await tasks.start(_watch, started)
        yield Daemon(started, int(listening.rpartition(":")[2]), _dsn(folder), ready - began)
        tasks.cancel_scope.cancel()


def _command(config: Path) -> list[str]:
    if importlib.util.find_spec("syncd.cli.main") is not None:
        return [sys.executable, "-m", "syncd", "run", "--config", str(config)]
    start = (
        "import os, sys; from pathlib import Path; from syncd.daemon import run;"
        "from syncd.observe.logs import configure_logs; configure_logs(environ=os.environ);"
        "sys.exit(run(Path(sys.argv[1])))"
    )
    return [sys.executable, "-c", start, str(config)]


async def _watch(started: anyio.abc.Process, *, task_status: anyio.abc.TaskStatus[tuple[str, float]]) -> None:
    """Read its log: report where it listens, pass on what is worse than a notice."""
    if started.stderr is None:
        raise Failed("no log to read")
    log = BufferedByteReceiveStream(started.stderr)
    listening = ""
    last = b""
    while True:
        try:
            line = await log.receive_until(b"\n", 1 << 20)
        except (anyio.EndOfStream, anyio.IncompleteRead):
            if not listening:
                raise Failed(f"the daemon ended: {last.decode(errors='replace')[:2000]}") from None
            return
        last = line if line.startswith(b"{") else last + b"\n" + line
        told = orjson.loads(line) if line.startswith(b"{") else {"level": "error", "event": line.decode()}
        if told["event"] == "daemon.ready" and not listening:
            listening = told["listening"]
            task_status.started((listening, time.monotonic()))
        elif told["level"] in ("error", "critical", "warning"):
            print("daemon:", line.decode().strip()[:600], file=sys.stderr)  # noqa: T201 - a measuring tool


def _config(folder: Path, shops: Sequence[ShopServer], poll_seconds: float) -> str:
    lines = ["[daemon]", f'state_dir = "{folder / "state"}"', "[listener]", "port = 0", f"[locations.{HOUSE}]"]
    for one in shops:
        lines += [
            f"[channels.{one.name}]",
            'kind = "shopify"',
            f'endpoint = "{one.endpoint}"',
            'access_token = { env = "BENCH_TOKEN" }',
            'webhook_secret = { env = "BENCH_SECRET" }',
            f'locations = {{ "{PLACE}" = "{HOUSE}" }}',
            'first_sync = "push"',
            f"poll_seconds = {poll_seconds:.0f}",
        ]
    return "\n".join(lines) + "\n"


def _dsn(folder: Path) -> str:
    """Of the daemon's own PostgreSQL, as its lock file tells."""
    lines = (folder / "state" / "postgres" / "postmaster.pid").read_text(encoding="ascii").splitlines()
    return f"postgresql://{USER}@/{DATABASE}?host={quote(lines[4], safe='')}&port={lines[3]}"


@dataclass(slots=True)
class Sent:
    """What the load generator saw; `began` and `ended` are of the machine's monotonic clock."""

    acknowledged: int
    refused: dict[str, int]
    began: float
    ended: float
    p50_ms: float
    p99_ms: float


class LoadGenerator:
    def __init__(self, process: anyio.abc.Process) -> None:
        self._process = process
        self._next_order = 1_000_000
        self._results: BufferedByteReceiveStream | None = None

    async def send(
        self,
        port: int,
        *,
        count: int,
        skus: int,
        shop: str = "shop-a",
        senders: int = 64,
        each_once: bool = False,
        limit_seconds: float = 60.0,
    ) -> Sent:
        """Post that many sales of one unit, of random SKUs or of each in turn."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Failed("the load generator has no pipes")
        self._results = self._results or BufferedByteReceiveStream(stdout)
        job = {
            "port": port,
            "path": f"/hooks/{shop}",
            "domain": domain(shop),
            "senders": senders,
            "count": count,
            "skus": skus,
            "first": self._next_order,
            "each_once": each_once,
            "limit_seconds": limit_seconds,
        }
        self._next_order += count
        await stdin.send(orjson.dumps(job) + b"\n")
        sent = Sent(**orjson.loads(await self._results.receive_until(b"\n", 1 << 20)))
        if sent.acknowledged != count:
            raise Failed(f"{count} deliveries were sent, {sent.acknowledged} acknowledged: {sent.refused}")
        return sent


@asynccontextmanager
async def load_generator() -> AsyncIterator[LoadGenerator]:
    async with process("tests.bench.load") as started:
        yield LoadGenerator(started)


def pgbench() -> Path:
    return bundled_programs() / "bin" / "pgbench"


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
