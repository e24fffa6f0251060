"""What a channel should show: the one pure function behind the daemon, the dry run and the explanation."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from syncd.domain.quantities import Level


class Mode(StrEnum):
    POOL = "pool"
    QUOTA = "quota"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Units are ours, but `cap` counts listing units; 0 means no cap."""

    safety_stock: int = 0
    buffer: int = 0
    share: Fraction = Fraction(1)
    cap: int = 0
    pack: int = 1
    mode: Mode = Mode.POOL
    strict_below: int = 0
    blocked: bool = False
    discontinued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One layer of policy; None leaves what the layer below says."""

    safety_stock: int | None = None
    buffer: int | None = None
    share: Fraction | None = None
    cap: int | None = None
    pack: int | None = None
    mode: Mode | None = None
    strict_below: int | None = None
    blocked: bool | None = None
    discontinued: bool | None = None

    def over(self, policy: Policy) -> Policy:
        said = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return replace(policy, **said) if said else policy


def layered(layers: Iterable[Override]) -> Policy:
    """The layers from the widest to the narrowest: defaults, channel, SKU, (channel, SKU)."""
    policy = Policy()
    for layer in layers:
        policy = layer.over(policy)
    return policy


class Desired(NamedTuple):
    """What to show, in listing units, and how it came about."""

    units: int
    atp: int
    because: str


def desired(levels: Iterable[Level], policy: Policy, *, authority: bool = False) -> Desired:
    """What a listing that stands for these levels should show.

    The authority of a location is shown plain `available`, which may be below zero.
    """
    atp = sum(level.available for level in levels)
    if policy.discontinued:
        return Desired(0, atp, "discontinued")
    if policy.blocked:
        return Desired(0, atp, "blocked")
    if authority:
        return Desired(_packs(atp, policy.pack), atp, "authority: plain available")
    kept = policy.safety_stock + policy.buffer
    left = atp - kept
    sellable = max(0, left if policy.share == 1 else _floor(policy.share * left))
    units = _packs(sellable, policy.pack)
    if policy.cap and units > policy.cap:
        return Desired(policy.cap, atp, f"capped at {policy.cap}")
    return Desired(units, atp, _because(policy, kept))


def _because(policy: Policy, kept: int) -> str:
    if not kept and policy.share == 1 and policy.pack == 1:
        return "available"
    parts = ["available"]
    if kept:
        parts.append(f"less {kept} kept back")
    if policy.share != 1:
        parts.append(f"times share {policy.share}")
    if policy.pack != 1:
        parts.append(f"in packs of {policy.pack}")
    return ", ".join(parts)


def _floor(value: Fraction) -> int:
    return value.numerator // value.denominator


def _packs(units: int, pack: int) -> int:
    return units // pack if units >= 0 else -(-units // pack)
