"""The load generator, a process of its own: 64 senders that each post, wait for the answer, and post again.

Jobs come as JSON lines on stdin, results go as JSON lines to stdout. Requests are built and signed before the clock
starts; the sockets are raw, since every microsecond spent here is taken from the servers that are measured.
"""

import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson
import uvloop

from tests.bench.payload import deliveries

SENDERS: Final = 64
ANSWER_SECONDS: Final = 60.0


@dataclass(slots=True)
class Round:
    """What is still to be sent, and what came of it."""

    requests: list[bytes]
    next: int = 0
    answered: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, status: str, wait: float) -> None:
        self.answered += 1
        self.waits.append(wait)
        if status != "200":
            self.refused[status] = self.refused.get(status, 0) + 1
        if self.answered >= len(self.requests):
            self.done.set()


class Sender(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, round: Round) -> None:
        self._round = round
        self._transport: asyncio.Transport | None = None
        self._sent_at = 0.0
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self) -> None:
        round, transport = self._round, self._transport
        if transport is None or round.next >= len(round.requests):
            return
        request = round.requests[round.next]
        round.next += 1
        self._sent_at = time.perf_counter()
        transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self._held + data
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end or len(rest) < _length(head):
            self._held = data
            return
        self._held = b""
        self._round.answer(data[9:12].decode(), time.perf_counter() - self._sent_at)
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection that the server closes ends the round, short of what it should have sent."""
        self._transport = None
        if self._round.answered < len(self._round.requests):
            self._round.refused["closed"] = self._round.refused.get("closed", 0) + 1
            self._round.done.set()


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length:")
    return int(lower[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0


async def perform(job: dict[str, Any]) -> dict[str, Any]:
    """Send the job's deliveries; seconds count from the first send to the last answer, by the machine's clock."""
    rng = random.Random(job["first"])
    count, skus = job["count"], job["skus"]
    spread = list(range(skus)) if job["each_once"] else []
    orders = [(job["first"] + n, spread[n % skus] if spread else rng.randrange(skus)) for n in range(count)]
    requests = deliveries(orders, path=job["path"], domain=job["domain"])
    round = Round(requests)
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: Sender(round), "127.0.0.1", job["port"])
        for _ in range(min(job["senders"], count))
    ]
    began = time.monotonic()
    for _, sender in pairs:
        sender.send()
    try:
        await asyncio.wait_for(round.done.wait(), job["limit_seconds"])
    except TimeoutError:
        round.refused["unanswered"] = count - round.answered
    ended = time.monotonic()
    for transport, _ in pairs:
        transport.close()
    waits = sorted(round.waits) or [0.0]
    return {
        "acknowledged": round.answered - sum(n for status, n in round.refused.items() if status.isdigit()),
        "refused": round.refused,
        "began": began,
        "ended": ended,
        "p50_ms": waits[len(waits) // 2] * 1000,
        "p99_ms": waits[min(len(waits) - 1, int(len(waits) * 0.99))] * 1000,
    }


def main() -> None:
    """Serve jobs until stdin ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin.buffer:
            sys.stdout.buffer.write(orjson.dumps(runner.run(perform(orjson.loads(line)))) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
