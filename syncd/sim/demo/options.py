"""What can be chosen about the demo."""

from dataclasses import dataclass
from typing import Final, Literal

FaultLevel = Literal["none", "some", "storm"]
FAULT_LEVELS: Final[tuple[FaultLevel, ...]] = ("none", "some", "storm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`headless` and `json` only say how it is told; the traffic depends on the rest."""

    headless: bool = False
    duration_seconds: float = 60.0
    seed: int = 7
    skus: int = 500
    orders_per_second: float = 5.0
    faults: FaultLevel = "some"
    json: bool = False
