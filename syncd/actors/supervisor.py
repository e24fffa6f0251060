"""Keeps the channels' actors alive: one that crashes is started again after a wait, and the others never notice."""

import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio
import structlog

from syncd.actors.desk import Desk
from syncd.domain.backoff import Backoff
from syncd.domain.errors import InvariantBroken
from syncd.domain.ids import ChannelId

log = structlog.get_logger(__name__)

BACKOFF: Final = Backoff(first_seconds=0.5, limit_seconds=60.0)
CRASHES: Final = 5
CRASH_SECONDS: Final = 600.0
"""So many crashes within this time make a channel `failed`; it is still tried again, at the slowest pace."""

Run = Callable[[], Awaitable[None]]


async def supervise(runs: Mapping[ChannelId, Run], desks: Mapping[ChannelId, Desk], rng: random.Random) -> None:
    """Run every channel's actor, for ever."""
    async with anyio.create_task_group() as tasks:
        for channel, run in runs.items():
            tasks.start_soon(_keep, run, desks[channel], rng)


async def _keep(run: Run, desk: Desk, rng: random.Random) -> None:
    crashes: deque[float] = deque(maxlen=CRASHES)
    while True:
        try:
            await run()
            return
        except InvariantBroken:
            raise
        except Exception as error:
            log.exception("channel.crashed", channel=desk.channel)
            crashes.append(anyio.current_time())
            desk.last_error = f"{type(error).__name__}: {error}"
        often = len(crashes) == CRASHES and crashes[-1] - crashes[0] < CRASH_SECONDS
        desk.failed = often
        wait = BACKOFF.limit_seconds if often else BACKOFF.delay_seconds(len(crashes), rng)
        await anyio.sleep(wait)
