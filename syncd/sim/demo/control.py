"""The demo's line to the daemon: the client of the control socket, called from a loop that has shops to serve."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import orjson

from syncd.control.client import Client, Refusal, Unreachable

T = TypeVar("T")

ANSWER_SECONDS: Final = 120.0

NO_ANSWER: Final = (Unreachable, Refusal)
"""What was asked may or may not have been done."""


@dataclass(frozen=True, slots=True)
class Control:
    """Each request on a connection of its own: a daemon that was killed leaves nothing behind here."""

    socket: Path

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        return await self._ask(lambda client: client.get(path, query))

    async def post(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        return await self._ask(lambda client: client.post(path, document))

    async def rows(self, path: str, **query: str) -> list[dict[str, Any]]:
        """A list, complete."""
        return await self._ask(lambda client: list(client.rows(path, query)))

    async def result(self, path: str, lines: Iterable[object] = (), **query: str) -> Mapping[str, Any]:
        """Something long, told line by line; only the line that closes it is of interest."""
        upload = [orjson.dumps(line) + b"\n" for line in lines]
        told = await self._ask(lambda client: list(client.long_work(path, query, upload or None)))
        for line in told:
            if "result" in line:
                found: Mapping[str, Any] = line["result"]
                return found
        raise Unreachable(f"{path}: the answer ended before its result", "")

    async def _ask(self, ask: Callable[[Client], T]) -> T:
        def asked() -> T:
            with Client(self.socket, timeout_seconds=ANSWER_SECONDS) as client:
                return ask(client)

        return await anyio.to_thread.run_sync(asked, abandon_on_cancel=True)
