"""Every call to a vendor goes through here: time limit, circuit breaker, and what operators see of it."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
import structlog

from syncd.actors.desk import Desk
from syncd.domain.backoff import Backoff
from syncd.domain.breaker import Circuit
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Retry, SyncdError, Throttled
from syncd.ports import Now

log = structlog.get_logger(__name__)

T = TypeVar("T")

CALL_SECONDS: Final = 15.0
BACKOFF: Final = Backoff(first_seconds=0.5, limit_seconds=60.0)


@dataclass(slots=True)
class Contact:
    """A channel's line to its vendor, as its desk shows it."""

    desk: Desk
    now: Now
    rng: random.Random

    async def call(self, what: str, make: Callable[[], Awaitable[T]], *, writing: bool = False) -> T:
        """Make one call.

        Raises what the channel raises; a time-out is `OutcomeUnknown` for a write, else `Retry`; while the circuit is
        open nothing is called and `Retry` says for how long.
        """
        async with self.attempt(what, writing=writing):
            with anyio.fail_after(CALL_SECONDS):
                result = await make()
        return result

    @asynccontextmanager
    async def attempt(self, what: str, *, writing: bool = False) -> AsyncIterator[None]:
        """The same for something longer than one call, which keeps its own time limits."""
        self._ask_breaker(what)
        decided = False
        try:
            yield
            self._succeeded()
            decided = True
        except (Throttled, AuthFailed) as error:  # the channel answers, only not as we would like
            if isinstance(error, AuthFailed):
                self.desk.locked_out = True
                self._note(what, error)
            raise
        except TimeoutError as error:
            message = f"{what}: no answer in time"
            failure: SyncdError = OutcomeUnknown(message) if writing else Retry(message)
            self._failed(what, failure)
            decided = True
            raise failure from error
        except (Retry, OutcomeUnknown) as error:
            self._failed(what, error)
            decided = True
            raise
        finally:
            if not decided:
                self.desk.breaker = self.desk.breaker.abandoned()

    def pause_seconds(self, error: Exception, attempt: int) -> float:
        """How long to wait before the next try."""
        after = error.after_seconds if isinstance(error, Retry) else None
        return BACKOFF.delay_seconds(attempt, self.rng, retry_after_seconds=after)

    def _ask_breaker(self, what: str) -> None:
        now = anyio.current_time()
        breaker = self.desk.breaker
        if not breaker.allows(now):
            wait = max(0.2, (breaker.try_again_at or now) - now)
            raise Retry(f"{what}: the channel's circuit is open", after_seconds=wait)
        self.desk.breaker = breaker.called(now)

    def _succeeded(self) -> None:
        if self.desk.circuit is not Circuit.CLOSED or self.desk.last_error is not None:
            log.info("channel.recovered", channel=self.desk.channel)
        self.desk.breaker = self.desk.breaker.succeeded()
        self.desk.last_success_at = self.now()
        self.desk.last_error = None
        self.desk.locked_out = False
        self.desk.failed = False

    def _failed(self, what: str, error: SyncdError) -> None:
        before = self.desk.circuit
        self.desk.breaker = self.desk.breaker.failed(anyio.current_time())
        self._note(what, error)
        if before is Circuit.CLOSED and self.desk.circuit is Circuit.OPEN:
            log.warning("channel.circuit_opened", channel=self.desk.channel, error=str(error))

    def _note(self, what: str, error: SyncdError) -> None:
        if self.desk.last_error is None:
            log.warning("channel.failing", channel=self.desk.channel, what=what, error=str(error))
        self.desk.last_error = f"{what}: {error}"
