"""Everything that can go wrong on purpose: named, seeded, with rates from 0 to 1 that may change at run time."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

CallFault = Literal[
    "error_after_effect",
    "error_before_effect",
    "cut_after_effect",
    "cut_before_effect",
    "server_error",
    "too_many_requests",
    "too_many_requests_bare",
    "slow_before_effect",
    "slow_after_effect",
    "service_unavailable",
    "stale_read",
    "unauthorised",
]


@dataclass(slots=True, kw_only=True)
class Faults:
    """Rates of API calls first, then of webhook deliveries, then sizes in seconds.

    error_after_effect   INTERNAL_SERVER_ERROR although the effect was applied
    error_before_effect  the same answer, nothing applied; the idempotency key counts as failed
    cut_*                the connection ends without an answer, the effect applied or not
    server_error         HTTP 502 with an HTML body
    too_many_requests    HTTP 429 with Retry-After; `_bare` without
    slow_*               the answer, or the effect and the answer, come `slow_seconds` late
    service_unavailable  userError of inventoryAdjustQuantities
    stale_read           stock quantities as they were `stale_seconds` ago
    unauthorised         HTTP 401 once, though the token is good

    `orders_search_lag_seconds` is no rate: orders(query:) never shows what is younger. `script("cut_after_effect")`
    makes the next call suffer that fault, whatever the rates; `script(..., on="orders")` the next that asks for it.
    """

    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - repeatable on purpose
    error_after_effect: float = 0.0
    error_before_effect: float = 0.0
    cut_after_effect: float = 0.0
    cut_before_effect: float = 0.0
    server_error: float = 0.0
    too_many_requests: float = 0.0
    too_many_requests_bare: float = 0.0
    slow_before_effect: float = 0.0
    slow_after_effect: float = 0.0
    service_unavailable: float = 0.0
    stale_read: float = 0.0
    unauthorised: float = 0.0

    webhook_duplicate: float = 0.0
    webhook_reorder: float = 0.0
    webhook_delay: float = 0.0
    webhook_drop: float = 0.0
    webhook_wrong_secret: float = 0.0
    webhook_unchanged: float = 0.0

    slow_seconds: float = 2.0
    stale_seconds: float = 2.0
    retry_after_seconds: float = 2.0
    orders_search_lag_seconds: float = 0.0
    webhook_delay_seconds: float = 5.0
    old_secret: str = "an-older-secret"  # noqa: S105 - a simulated shop's secret guards nothing
    _script: deque[tuple[CallFault, str | None]] = field(default_factory=deque)

    def script(self, *faults: CallFault, on: str | None = None) -> None:
        """The next calls suffer these, one each; with `on` only calls whose root fields name it."""
        self._script.extend((fault, on) for fault in faults)

    def draw(self, roots: Sequence[str]) -> CallFault | None:
        """At most one fault for a call."""
        for index, (fault, on) in enumerate(self._script):
            if on is None or on in roots:
                del self._script[index]
                return fault
        for name in CALL_FAULTS:
            if self.happens(name):
                return name
        return None

    def happens(self, name: str) -> bool:
        rate: float = getattr(self, name)
        return rate > 0 and self.rng.random() < rate

    def clear(self) -> None:
        """All rates and the script to nothing; sizes stay."""
        for name in (*CALL_FAULTS, *WEBHOOK_FAULTS):
            setattr(self, name, 0.0)
        self.orders_search_lag_seconds = 0.0
        self._script.clear()

    @classmethod
    def preset(cls, name: Literal["none", "some", "storm"], rng: random.Random | None = None) -> "Faults":
        faults = cls() if rng is None else cls(rng=rng)
        for key, value in _PRESETS[name].items():
            setattr(faults, key, value)
        return faults


CALL_FAULTS: tuple[CallFault, ...] = (
    "unauthorised",
    "cut_before_effect",
    "server_error",
    "too_many_requests",
    "too_many_requests_bare",
    "error_before_effect",
    "error_after_effect",
    "cut_after_effect",
    "slow_before_effect",
    "slow_after_effect",
    "service_unavailable",
    "stale_read",
)
WEBHOOK_FAULTS = (
    "webhook_duplicate",
    "webhook_reorder",
    "webhook_delay",
    "webhook_drop",
    "webhook_wrong_secret",
    "webhook_unchanged",
)
_PRESETS: dict[str, dict[str, float]] = {
    "none": {},
    "some": {
        "error_after_effect": 0.005,
        "cut_after_effect": 0.005,
        "cut_before_effect": 0.005,
        "server_error": 0.01,
        "too_many_requests": 0.01,
        "slow_after_effect": 0.01,
        "slow_seconds": 1.0,
        "orders_search_lag_seconds": 1.0,
        "webhook_duplicate": 0.05,
        "webhook_reorder": 0.05,
        "webhook_delay": 0.02,
        "webhook_delay_seconds": 2.0,
        "webhook_drop": 0.01,
        "webhook_unchanged": 0.02,
    },
    "storm": {
        "error_after_effect": 0.03,
        "error_before_effect": 0.02,
        "cut_after_effect": 0.03,
        "cut_before_effect": 0.03,
        "server_error": 0.05,
        "too_many_requests": 0.03,
        "too_many_requests_bare": 0.02,
        "slow_before_effect": 0.02,
        "slow_after_effect": 0.03,
        "slow_seconds": 2.0,
        "service_unavailable": 0.02,
        "stale_read": 0.05,
        "unauthorised": 0.005,
        "orders_search_lag_seconds": 3.0,
        "webhook_duplicate": 0.2,
        "webhook_reorder": 0.2,
        "webhook_delay": 0.1,
        "webhook_delay_seconds": 4.0,
        "webhook_drop": 0.1,
        "webhook_wrong_secret": 0.02,
        "webhook_unchanged": 0.1,
    },
}
