"""Keeps a writer's connection: a lost database is waited for, never a reason to stop."""

import random
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import structlog

from syncd.domain.backoff import Backoff
from syncd.storage.pool import Connection, Trouble, connected, trouble

log = structlog.get_logger(__name__)

BACKOFF: Final = Backoff(first_seconds=0.2, limit_seconds=3.0)


def _nothing() -> None: ...


class Connector:
    """Connects by the dsn that is current: an embedded server that was restarted keeps it."""

    def __init__(self, dsn: Callable[[], str], rng: random.Random) -> None:
        self._dsn = dsn
        self._rng = rng

    async def keep(
        self, who: str, work: Callable[[Connection], Awaitable[None]], down: Callable[[], None] = _nothing
    ) -> None:
        """Run `work` on a connection of its own, connecting anew after each loss; `down` is called at a loss."""
        failures = 0
        while True:
            try:
                async with connected(self._dsn(), application_name=f"syncd {who}") as connection:
                    failures = 0
                    await work(connection)
                    return
            except Exception as error:
                down()
                if trouble(error) not in (Trouble.LOST, Trouble.AGAIN, Trouble.DISK):
                    raise
                failures += 1
                if failures == 1:
                    log.warning("database.lost", writer=who, error=str(error) or type(error).__name__)
            await anyio.sleep(BACKOFF.delay_seconds(failures, self._rng))
