"""The daemon as a child process: configured, started, killed, started again, stopped."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio

from syncd.control.client import Unreachable
from syncd.sim.demo.control import Control
from syncd.sim.demo.options import Options
from syncd.sim.demo.shops import STORE, WAREHOUSE, DemoShop, World

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 0.05
OLD_SECRET: Final = "an-older-secret"  # noqa: S105 - what a simulated shop signs with before its secret is changed


class WouldNotStart(Exception):
    """The daemon ended, or did not become ready in time; its log says why."""


@dataclass(slots=True)
class DaemonProcess:
    """It is not `up` from the moment it is killed until it is ready again."""

    folder: Path
    environ: Mapping[str, str]
    port: int
    start_seconds: list[float] = field(default_factory=list)
    _child: "subprocess.Popen[bytes] | None" = None
    _up: anyio.Event = field(default_factory=anyio.Event)

    @property
    def up(self) -> bool:
        return self._up.is_set()

    async def until_up(self) -> None:
        await self._up.wait()

    @property
    def config(self) -> Path:
        return self.folder / "syncd.toml"

    @property
    def log(self) -> Path:
        return self.folder / "daemon.log"

    @property
    def control(self) -> Control:
        return Control(self.folder / "control.sock")

    async def start(self) -> None:
        """Return once it is ready; raises WouldNotStart."""
        begun = anyio.current_time()
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: ASYNC220, S603 - our own program; forking takes no time to speak of
                [sys.executable, "-m", "syncd", "run", "--config", str(self.config)],
                env={**os.environ, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        with anyio.move_on_after(READY_SECONDS):
            await self._ready(self._child)
            self._up.set()
            self.start_seconds.append(anyio.current_time() - begun)
            return
        raise WouldNotStart(f"the daemon was not ready within {READY_SECONDS:.0f} s; see {self.log}")

    async def _ready(self, child: "subprocess.Popen[bytes]") -> None:
        while True:
            if child.poll() is not None:
                raise WouldNotStart(f"the daemon ended with status {child.returncode}; see {self.log}")
            try:
                if (await self.control.get("/v1/status"))["ready"]:
                    return
            except Unreachable:
                pass
            await anyio.sleep(LOOK_SECONDS)

    async def kill(self) -> None:
        """kill -9, as a power cut or the kernel would."""
        self._up = anyio.Event()
        if self._child is not None:
            self._child.kill()
            await self._gone(STOP_SECONDS)

    def kill_postgres(self) -> bool:
        """kill -9 of the database server; the daemon has to bring it back by itself."""
        try:
            pid = int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError, IndexError):
            return False
        return True

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to whatever has not ended in time."""
        self._up = anyio.Event()
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.terminate()
        if not await self._gone(STOP_SECONDS):
            child.kill()
            await self._gone(STOP_SECONDS)

    async def _gone(self, within_seconds: float) -> bool:
        child = self._child
        if child is None:
            return True
        try:
            await anyio.to_thread.run_sync(lambda: child.wait(within_seconds))
        except subprocess.TimeoutExpired:
            return False
        return True


def prepare(folder: Path, options: Options, world: World, endpoints: Mapping[str, str]) -> DaemonProcess:
    """Write the configuration for these shops; secrets go by the environment, as they would in earnest."""
    port = _free_port()
    process = DaemonProcess(folder=folder, environ=_secrets(world), port=port)
    lines = [
        "# Written by `syncd demo`.",
        "[daemon]",
        f'state_dir = "{folder}"',
        "[listener]",
        f"port = {port}",
        f'public_url = "http://127.0.0.1:{port}"',
        "[control]",
        f'socket = "{folder / "control.sock"}"',
        f"[locations.{WAREHOUSE}]",
        f"[locations.{STORE}]",
    ]
    for demo in world.shops:
        lines += _channel_table(demo, endpoints[demo.channel], options)
    process.config.write_text("\n".join(lines) + "\n")
    return process


def _channel_table(demo: DemoShop, endpoint: str, options: Options) -> Sequence[str]:
    mapped = ", ".join(f'"{location.gid}" = "{ours}"' for location, ours in demo.places.items() if ours)
    name = _variable(demo)
    lines = [
        f"[channels.{demo.channel}]",
        'kind = "shopify"',
        f'endpoint = "{endpoint}"',
        f'access_token = {{ env = "{name}_TOKEN" }}',
        f'webhook_secret = [{{ env = "{name}_SECRET" }}, {{ env = "{name}_SECRET_OLD" }}]',
        f"locations = {{ {mapped} }}",
        f'first_sync = "{demo.first_sync}"',
        f"poll_seconds = {5 if options.faults != 'none' else 20}",
        f"policy = {{ buffer = {demo.buffer} }}",
    ]
    if options.faults == "storm":
        lines.append("orders_lag_seconds = 4.0")
    return lines


def _secrets(world: World) -> dict[str, str]:
    found: dict[str, str] = {}
    for demo in world.shops:
        credentials = demo.shop.credentials
        found[f"{_variable(demo)}_TOKEN"] = credentials.static_token or ""
        found[f"{_variable(demo)}_SECRET"] = credentials.client_secret
        found[f"{_variable(demo)}_SECRET_OLD"] = OLD_SECRET
    return found


def _variable(demo: DemoShop) -> str:
    return demo.channel.upper().replace("-", "_")


def _free_port() -> int:
    """A port that nobody has now; it has to be known before the shops are told where to send."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
