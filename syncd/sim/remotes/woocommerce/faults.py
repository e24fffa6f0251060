"""Everything that can go wrong on purpose: named, seeded, with rates from 0 to 1 that may change at run time."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

CallFault = Literal[
    "unauthorised",
    "cut_before_effect",
    "cut_after_effect",
    "server_error",
    "error_after_effect",
    "too_many_requests",
    "too_many_requests_bare",
    "unavailable",
    "unavailable_bare",
    "slow_before_effect",
    "slow_after_effect",
    "web_page",
    "empty_page",
]


@dataclass(slots=True, kw_only=True)
class Faults:
    """Rates of API calls first, then of webhook deliveries, then sizes in seconds.

    unauthorised        HTTP 401 once, though the key is good
    cut_*               the connection ends without an answer, the effect applied or not
    server_error        HTTP 502 with an HTML body, nothing applied
    error_after_effect  HTTP 500 in JSON (a plugin broke), the effect applied
    too_many_requests   HTTP 429 of the host with Retry-After; `_bare` without
    unavailable         HTTP 503 of the host with Retry-After; `_bare` without; nothing applied
    slow_*              the answer, or the effect and the answer, come `slow_seconds` late
    web_page            HTTP 200 with a page for people in place of JSON, nothing applied
    empty_page          a list without its items, its totals in place

    `script("cut_after_effect")` makes the next call suffer that fault, whatever the rates; `script(..., on="orders")`
    the next whose path names it (`on="batch"` for the writing of stock).
    """

    rng: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - repeatable on purpose
    unauthorised: float = 0.0
    cut_before_effect: float = 0.0
    cut_after_effect: float = 0.0
    server_error: float = 0.0
    error_after_effect: float = 0.0
    too_many_requests: float = 0.0
    too_many_requests_bare: float = 0.0
    unavailable: float = 0.0
    unavailable_bare: float = 0.0
    slow_before_effect: float = 0.0
    slow_after_effect: float = 0.0
    web_page: float = 0.0
    empty_page: float = 0.0

    webhook_duplicate: float = 0.0
    webhook_reorder: float = 0.0
    webhook_delay: float = 0.0
    webhook_drop: float = 0.0
    webhook_wrong_secret: float = 0.0

    slow_seconds: float = 2.0
    retry_after_seconds: float = 2.0
    orders_lag_seconds: float = 0.0
    """No rate: lists of orders never show what was modified more recently."""
    webhook_delay_seconds: float = 5.0
    old_secret: str = "an-older-secret"  # noqa: S105 - a simulated shop's secret guards nothing
    _script: deque[tuple[CallFault, str | None]] = field(default_factory=deque)

    def script(self, *faults: CallFault, on: str | None = None) -> None:
        """The next calls suffer these, one each; with `on` only calls whose path has that piece."""
        self._script.extend((fault, on) for fault in faults)

    def draw(self, pieces: Sequence[str]) -> CallFault | None:
        """At most one fault for a call."""
        for index, (fault, on) in enumerate(self._script):
            if on is None or on in pieces:
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
        self.orders_lag_seconds = 0.0
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
    "cut_after_effect",
    "server_error",
    "error_after_effect",
    "too_many_requests",
    "too_many_requests_bare",
    "unavailable",
    "unavailable_bare",
    "slow_before_effect",
    "slow_after_effect",
    "web_page",
    "empty_page",
)
WEBHOOK_FAULTS = ("webhook_duplicate", "webhook_reorder", "webhook_delay", "webhook_drop", "webhook_wrong_secret")
_PRESETS: dict[str, dict[str, float]] = {
    "none": {},
    "some": {
        "cut_after_effect": 0.005,
        "cut_before_effect": 0.005,
        "server_error": 0.01,
        "too_many_requests": 0.01,
        "unavailable": 0.005,
        "slow_after_effect": 0.01,
        "slow_seconds": 1.0,
        "webhook_duplicate": 0.05,
        "webhook_reorder": 0.05,
        "webhook_delay": 0.02,
        "webhook_delay_seconds": 2.0,
        "webhook_drop": 0.02,
    },
    "storm": {
        "cut_after_effect": 0.03,
        "cut_before_effect": 0.03,
        "server_error": 0.05,
        "error_after_effect": 0.03,
        "too_many_requests": 0.03,
        "too_many_requests_bare": 0.02,
        "unavailable": 0.02,
        "unavailable_bare": 0.02,
        "slow_before_effect": 0.02,
        "slow_after_effect": 0.03,
        "slow_seconds": 2.0,
        "web_page": 0.01,
        "empty_page": 0.02,
        "webhook_duplicate": 0.2,
        "webhook_reorder": 0.2,
        "webhook_delay": 0.1,
        "webhook_delay_seconds": 4.0,
        "webhook_drop": 0.1,
        "webhook_wrong_secret": 0.02,
    },
}
