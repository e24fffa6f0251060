"""What goes wrong on demand: by a script, one fault after the other, or by chance with a seed."""

import random
from dataclasses import dataclass, field

CALL_FAULTS = (
    "unauthorised",
    "cut_before_effect",
    "server_error",
    "service_unavailable",
    "too_many_requests",
    "error_after_effect",
    "cut_after_effect",
    "slow_before_effect",
    "slow_after_effect",
    "empty_page",
    "invalid",
    "included_data_refused",
    "not_json",
)


@dataclass(slots=True, kw_only=True)
class Faults:
    """Rates are chances per call. `empty_page` answers lists without anything; `invalid` refuses a patch at HTTP 200;
    `included_data_refused` is the incident in which asking for FULFILLMENT answered 400."""

    rng: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - a simulation
    unauthorised: float = 0.0
    cut_before_effect: float = 0.0
    server_error: float = 0.0
    service_unavailable: float = 0.0
    too_many_requests: float = 0.0
    error_after_effect: float = 0.0
    cut_after_effect: float = 0.0
    slow_before_effect: float = 0.0
    slow_after_effect: float = 0.0
    empty_page: float = 0.0
    invalid: float = 0.0
    included_data_refused: float = 0.0
    not_json: float = 0.0
    slow_seconds: float = 20.0
    retry_after: float | None = None
    """Named with a 429 or 503; Amazon names none."""
    forwarded_twice: float = 0.0
    forwarded_late: float = 0.0
    forwarded_never: float = 0.0
    _script: list[tuple[str, str | None]] = field(default_factory=list)

    def script(self, *faults: str, on: str | None = None) -> None:
        """The next calls (of one operation, when named) meet these, one each."""
        unknown = [fault for fault in faults if fault not in CALL_FAULTS]
        if unknown:
            raise ValueError(f"no such fault: {unknown}")
        self._script.extend((fault, on) for fault in faults)

    def draw(self, operation: str) -> str | None:
        for index, (fault, on) in enumerate(self._script):
            if on in (None, operation):
                del self._script[index]
                return fault
        return next((name for name in CALL_FAULTS if self.happens(name)), None)

    def happens(self, name: str) -> bool:
        rate: float = getattr(self, name)
        return rate > 0 and self.rng.random() < rate

    def clear(self) -> None:
        for name in (*CALL_FAULTS, "forwarded_twice", "forwarded_late", "forwarded_never"):
            setattr(self, name, 0.0)
        self._script.clear()

    @classmethod
    def preset(cls, name: str, rng: random.Random | None = None) -> "Faults":
        """none, some or storm."""
        faults = cls() if rng is None else cls(rng=rng)
        scale = {"none": 0.0, "some": 1.0, "storm": 5.0}[name]
        for fault in ("cut_before_effect", "cut_after_effect", "error_after_effect", "unauthorised"):
            setattr(faults, fault, 0.004 * scale)
        for fault in ("server_error", "service_unavailable", "too_many_requests"):
            setattr(faults, fault, 0.01 * scale)
        faults.forwarded_twice = 0.04 * scale
        faults.forwarded_late = 0.04 * scale
        faults.forwarded_never = 0.02 * scale
        return faults
