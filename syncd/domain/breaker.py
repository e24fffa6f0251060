"""When to stop calling a channel that does not answer, and when to try again."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

FAILURES_TO_OPEN: Final = 5
FIRST_REST_SECONDS: Final = 5.0
LONGEST_REST_SECONDS: Final = 60.0


class Circuit(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The state as a value; every step returns the next one.

    Opens after some failures in a row. After a rest it lets one call through as a trial: success closes it, failure
    doubles the rest. Times are seconds of any clock that does not go back, always the same one.
    """

    failures: int = 0
    """In a row."""
    rests: int = 0
    """Since it was last closed."""
    try_again_at: float | None = None
    """None while closed."""
    on_trial: bool = False

    def circuit(self, now: float) -> Circuit:
        if self.try_again_at is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self.on_trial or now >= self.try_again_at else Circuit.OPEN

    def allows(self, now: float) -> bool:
        """Whether a call may be made now; a half-open circuit allows one at a time."""
        return not self.on_trial and self.circuit(now) is not Circuit.OPEN

    def called(self, now: float) -> "Breaker":
        """A call that was allowed begins; it must end in `succeeded`, `failed` or `abandoned`."""
        return replace(self, on_trial=True) if self.circuit(now) is Circuit.HALF_OPEN else self

    def succeeded(self) -> "Breaker":
        return Breaker()

    def failed(self, now: float) -> "Breaker":
        """Only what says something of the channel's health counts: no answer, or 5xx. A refusal is an answer.

        A call begun before the circuit opened and failing after it does not lengthen the rest.
        """
        failures = self.failures + 1
        if self.try_again_at is not None and not self.on_trial:
            return replace(self, failures=failures)
        if failures < FAILURES_TO_OPEN and not self.on_trial:
            return replace(self, failures=failures)
        rest_seconds = min(LONGEST_REST_SECONDS, FIRST_REST_SECONDS * 2.0 ** min(self.rests, 16))
        return Breaker(failures=failures, rests=self.rests + 1, try_again_at=now + rest_seconds)

    def abandoned(self) -> "Breaker":
        """The call was given up on our side (shutdown, pause) and says nothing: the next may be the trial."""
        return replace(self, on_trial=False)

    def closed_by_hand(self) -> "Breaker":
        return Breaker()
