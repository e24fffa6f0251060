"""The embedded PostgreSQL: a server of our own, kept running under the state directory."""

import fcntl
import os
import random
import re
import shutil
import signal
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import anyio
import anyio.abc
import asyncpg
import structlog

from syncd.domain.backoff import Backoff
from syncd.storage.errors import PostgresUnusable, StateDirectoryInUse
from syncd.storage.launch import Launcher, bundled_major, choose_launcher
from syncd.storage.leftovers import clear_leftovers, postgres_processes, recorded_postmaster
from syncd.storage.socket_folder import PORT, private_socket_folder

log = structlog.get_logger(__name__)

USER: Final = "syncd"
DATABASE: Final = "syncd"
RESTART: Final = Backoff(first_seconds=0.1, limit_seconds=10.0)
STARTS_BEFORE_GIVING_UP: Final = 6
FAST_STOP_SECONDS: Final = 20.0
IMMEDIATE_STOP_SECONDS: Final = 5.0
LAST_WORDS_SECONDS: Final = 0.3

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    # Durability: an acknowledgement means that the bytes are on the disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "pglz",
    # Recovery after a kill replays at most about this much: under 2 s per 256 MB here.
    "max_wal_size": "256MB",
    "min_wal_size": "80MB",
    # A small machine shared with the daemon.
    "shared_buffers": "96MB",
    "effective_cache_size": "512MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "io_method": "sync",
    "huge_pages": "off",
    "jit": "off",
    # Its log goes into ours: no statements and no row values, which would hold customers' data.
    "logging_collector": "off",
    "log_line_prefix": "",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

EXPECTED_WHILE_STARTING: Final = ("the database system is ", f'database "{DATABASE}" does not exist')

_SAID = re.compile(r"^(?P<level>LOG|WARNING|ERROR|FATAL|PANIC):\s+(?P<text>.*)$")


class EmbeddedPostgres:
    """Keeps one `postgres` running on `state_dir/postgres` until it is stopped or cancelled.

    The wheel's own `get_server` is not used: after a kill -9 it reports a server that is not there, and it gives up
    after 10 s, shorter than some recoveries.
    """

    def __init__(self, state_dir: Path, *, rng: random.Random, settings: Mapping[str, str] | None = None) -> None:
        self.state_dir = Path(os.path.realpath(state_dir))
        self.data = self.state_dir / "postgres"
        self._rng = rng
        self._settings = {**SETTINGS, **(settings or {})}
        self._socket_folder: Path | None = None
        self._running = False
        self._answers = False
        self._asked_to_stop = anyio.Event()
        self._stopped = anyio.Event()
        self._last_lines: deque[str] = deque(maxlen=20)

    @property
    def socket_folder(self) -> Path:
        if self._socket_folder is None:
            raise RuntimeError("the embedded PostgreSQL has not been started")
        return self._socket_folder

    @property
    def dsn(self) -> str:
        """For any libpq-like client; it stays the same over restarts."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(os.fspath(self.socket_folder), safe='')}&port={PORT}"

    @property
    def pid(self) -> int | None:
        """The postmaster's process, while there is one."""
        pid = recorded_postmaster(self.data)
        return pid if pid in postgres_processes(self.data) else None

    @property
    def answers(self) -> bool:
        """Whether the server has answered a query since it was last started."""
        return self._answers

    async def run(self, *, task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop` or cancellation; report the dsn when the first query works.

        Restarts a server that dies, for ever once it has answered. Stops it in fast mode at the end.

        Raises PostgresUnusable when it cannot be made to answer at all, StateDirectoryInUse when another syncd has it.
        """
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._running = True
        try:
            with _sole_owner(self.state_dir / "postgres.lock"):
                await clear_leftovers(self.data)
                launcher = await choose_launcher(self.state_dir, self.data)
                await self._create_cluster(launcher)
                self._socket_folder = private_socket_folder(self.state_dir, uid=launcher.uid, gid=launcher.gid)
                await self._keep_alive(launcher, task_status)
        finally:
            self._running = False
            self._stopped.set()

    async def stop(self) -> None:
        """Stop the server and return when it is gone; the last thing that a daemon does."""
        self._asked_to_stop.set()
        if self._running:
            await self._stopped.wait()

    # -- the cluster on disk

    async def _create_cluster(self, launcher: Launcher) -> None:
        """Run initdb in a folder aside and rename it, so that a kill leaves nothing half made under the real name."""
        for half_made in self.state_dir.glob("postgres.new-*"):
            shutil.rmtree(half_made, ignore_errors=True)
        if (self.data / "PG_VERSION").exists():
            self._check_version()
            if launcher.drop:
                _give_away(self.data, launcher)
            return
        if self.data.is_dir() and any(self.data.iterdir()):
            raise PostgresUnusable(f"{self.data} holds files but no database; move it away or choose another state_dir")
        new = self.state_dir / f"postgres.new-{os.getpid()}"
        new.mkdir(mode=0o700)
        if launcher.drop:
            os.chown(new, launcher.uid, launcher.gid)
        await _initdb(launcher, new)
        new.rename(self.data)
        _sync_folder(self.state_dir)
        log.info("postgres.cluster_created", data=str(self.data))

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if made_by != bundled_major():
            raise PostgresUnusable(
                f"{self.data} was made by PostgreSQL {made_by} and this syncd brings {bundled_major()}: "
                "take a backup with the syncd that made it, then restore it into a new state_dir"
            )

    # -- the server

    async def _keep_alive(self, launcher: Launcher, task_status: anyio.abc.TaskStatus[str]) -> None:
        has_answered = False
        failures = 0
        while not self._asked_to_stop.is_set():
            answered = await self._one_life(launcher, task_status if not has_answered else None)
            if self._asked_to_stop.is_set():
                return
            has_answered = has_answered or answered
            failures = 1 if answered else failures + 1
            if not has_answered and failures >= STARTS_BEFORE_GIVING_UP:
                raise PostgresUnusable("PostgreSQL does not start: " + " / ".join(self._last_lines))
            delay_seconds = RESTART.delay_seconds(failures, self._rng)
            log.error("postgres.died", restart_in_seconds=round(delay_seconds, 3), said=list(self._last_lines)[-3:])
            with anyio.move_on_after(delay_seconds):
                await self._asked_to_stop.wait()
            await clear_leftovers(self.data)  # backends that still hold the shared memory of the dead server

    async def _one_life(self, launcher: Launcher, task_status: anyio.abc.TaskStatus[str] | None) -> bool:
        """Start the server and return when it has ended: whether it answered a query meanwhile."""
        self._answers = False
        answered = False

        async def announce() -> None:
            nonlocal answered
            await self._first_answer()
            answered = self._answers = True
            log.info("postgres.answered", pid=process.pid)
            if task_status is not None:
                task_status.started(self.dsn)

        async def stop_when_asked() -> None:
            await self._asked_to_stop.wait()
            await self._shut_down(process)

        async def relay_log() -> None:
            await self._relay_log(process)
            said_all.set()

        said_all = anyio.Event()
        process = await launcher.open("postgres", *self._arguments(), when_we_die=signal.SIGINT)
        async with process:
            try:
                async with anyio.create_task_group() as life:
                    life.start_soon(relay_log)
                    life.start_soon(announce)
                    life.start_soon(stop_when_asked)
                    await process.wait()
                    with anyio.move_on_after(LAST_WORDS_SECONDS):  # a backend that is left keeps the pipe open
                        await said_all.wait()
                    life.cancel_scope.cancel()
            finally:
                self._answers = False
                with anyio.CancelScope(shield=True):
                    await self._shut_down(process)
        return answered

    def _arguments(self) -> list[str]:
        settings = {**self._settings, "unix_socket_directories": os.fspath(self.socket_folder), "port": str(PORT)}
        return ["-D", os.fspath(self.data), *(word for name in settings for word in ("-c", f"{name}={settings[name]}"))]

    async def _first_answer(self) -> None:
        """Wait for a real query: a process and a socket are there long before recovery is done."""
        while True:
            try:
                await self._ask(DATABASE)
                return
            except asyncpg.InvalidCatalogNameError:
                await self._ask("postgres", f'CREATE DATABASE "{DATABASE}"')
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                await anyio.sleep(0.02)  # asyncpg has all of these for a server that goes away in mid-handshake

    async def _ask(self, database: str, statement: str = "SELECT 1") -> None:
        connection = await asyncpg.connect(
            host=os.fspath(self.socket_folder), port=PORT, user=USER, database=database, timeout=5
        )
        try:
            await connection.execute(statement, timeout=30)
        finally:
            connection.terminate()

    async def _shut_down(self, process: anyio.abc.Process) -> None:
        """Fast mode, then immediate, then kill; each within its time."""
        for sign, patience_seconds in (
            (signal.SIGINT, FAST_STOP_SECONDS),
            (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
            (signal.SIGKILL, IMMEDIATE_STOP_SECONDS),
        ):
            if process.returncode is not None:
                return
            process.send_signal(sign)
            with anyio.move_on_after(patience_seconds):
                await process.wait()

    async def _relay_log(self, process: anyio.abc.Process) -> None:
        """Put what the server says into our log, and keep the last lines for the error of a failed start."""
        if process.stdout is None:
            return
        rest = b""
        async for chunk in process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._hear(line.decode("utf-8", "replace"))

    def _hear(self, line: str) -> None:
        if not line or any(expected in line for expected in EXPECTED_WHILE_STARTING):
            return
        self._last_lines.append(line)
        said = _SAID.match(line)
        if said is None:  # a hint to the line before, or the loader of programs
            log.debug("postgres.said", text=line)
            return
        say = {"LOG": log.debug, "PANIC": log.error}.get(said["level"], log.warning)
        say("postgres.said", level=said["level"], text=said["text"])


def _give_away(data: Path, launcher: Launcher) -> None:
    """Hand over a directory made while root could still run the server in a user namespace."""
    if data.stat().st_uid != launcher.uid:
        for folder, _, files in os.walk(data, topdown=False):
            for path in (*(os.path.join(folder, file) for file in files), folder):
                os.chown(path, launcher.uid, launcher.gid, follow_symlinks=False)


async def _initdb(launcher: Launcher, folder: Path) -> None:
    process = await launcher.open(
        "initdb",
        f"--pgdata={folder}",
        f"--username={USER}",
        "--auth-local=trust",  # the socket lies in a folder that only its owner enters
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--locale=C.UTF-8",
        "--no-instructions",
    )
    async with process:
        said = b"".join([chunk async for chunk in process.stdout]) if process.stdout is not None else b""
        status = await process.wait()
    if status != 0:
        raise PostgresUnusable(f"initdb ended with {status}: {said.decode('utf-8', 'replace').strip()[-600:]}")


@contextmanager
def _sole_owner(path: Path) -> Iterator[None]:
    """Hold the lock that says whose PostgreSQL this is; the kernel frees it however we end."""
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise StateDirectoryInUse(f"another syncd (pid {holder}) runs on {path.parent}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _sync_folder(path: Path) -> None:
    """Make a rename in the folder last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
