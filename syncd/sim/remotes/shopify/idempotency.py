"""What the vendor remembers of idempotency keys: 24 hours, per app and shop (fact sheet 4.8)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

RETENTION = timedelta(hours=24)
MOST_KEPT = 50_000  # ours, so that a simulator left running stays small

MESSAGES = {
    "IDEMPOTENCY_CONCURRENT_REQUEST": "Another request with the same idempotency key is currently being processed.",
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH": "The idempotency key was already used with different parameters.",
    "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED": "A previous attempt with this idempotency key failed.",
}


@dataclass(slots=True, kw_only=True)
class Attempt:
    """`outcome` is what the mutation returned; it is resolved again on replay, so a replay shows present figures."""

    key: str
    parameters: str
    begun_at: datetime
    state: Literal["running", "done", "failed"] = "running"
    outcome: object = None


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str

    @property
    def message(self) -> str:
        return MESSAGES[self.code]


class IdempotencyStore:
    """Begin gives a fresh attempt to work on, a finished one to replay, or a refusal with the vendor's code."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._attempts: dict[str, Attempt] = {}

    def begin(self, key: str, parameters: str) -> Attempt | Refusal:
        self._forget_old()
        known = self._attempts.get(key)
        if known is None:
            known = self._attempts[key] = Attempt(key=key, parameters=parameters, begun_at=self._now())
            return known
        if known.parameters != parameters:
            return Refusal("IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
        if known.state == "running":
            return Refusal("IDEMPOTENCY_CONCURRENT_REQUEST")
        if known.state == "failed":
            return Refusal("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
        return known

    def forget(self, attempt: Attempt) -> None:
        """The attempt did not count (a refusal that invites the same key again)."""
        self._attempts.pop(attempt.key, None)

    def _forget_old(self) -> None:
        edge = self._now() - RETENTION
        while self._attempts:
            oldest = next(iter(self._attempts.values()))
            if oldest.begun_at > edge and len(self._attempts) < MOST_KEPT:
                return
            del self._attempts[oldest.key]
