"""How long to wait before the next try."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff with full jitter: a uniform draw between nothing and a ceiling that doubles.

    Full jitter spreads callers that failed together better than a jittered fraction does (AWS Architecture Blog,
    "Exponential Backoff And Jitter").
    """

    first_seconds: float = 0.5
    limit_seconds: float = 60.0

    def ceiling_seconds(self, attempt: int) -> float:
        """The longest wait after the given failed attempt, the first of which is 1."""
        if attempt < 1:
            raise ValueError(f"attempts are counted from 1, not {attempt}")
        doublings = min(attempt - 1, 64)  # beyond that a float overflows long after the limit was reached
        return min(self.limit_seconds, self.first_seconds * 2.0**doublings)

    def delay_seconds(self, attempt: int, rng: random.Random, *, retry_after_seconds: float | None = None) -> float:
        """The wait after the given failed attempt; never shorter than what the other side asked for.

        A `Retry-After` is a floor and not capped by the limit: calling earlier than asked is what gets a client
        blocked. The jitter is added on top of it, so that those who were told the same moment do not all keep it.
        """
        jitter_seconds = rng.uniform(0.0, self.ceiling_seconds(attempt))
        if retry_after_seconds is None:
            return jitter_seconds
        return max(0.0, retry_after_seconds) + min(jitter_seconds, self.first_seconds)
