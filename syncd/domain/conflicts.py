"""Conflicts: what needs a person, or heals by itself; at most one open per kind and subject."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from syncd.domain.ids import ChannelId, ListingKey, LocationId, Sku


class ConflictKind(StrEnum):
    OVERSELL = "oversell"
    DRIFT = "drift"
    UNMAPPED = "unmapped"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    MASS_CHANGE = "mass_change"
    UNBOOKED = "unbooked"
    STALE = "stale"


class ConflictState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Opened, or updated where one with this kind and subject is open already."""

    kind: ConflictKind
    subject: str
    sku: Sku | None = None
    location: LocationId | None = None
    channel: ChannelId | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The facts of this kind and subject have stopped to hold."""

    kind: ConflictKind
    subject: str
    how: str


def item_subject(key: ListingKey) -> str:
    """An item is linked as a whole, at all of its locations."""
    return f"{key.channel}|{key.remote_id}"


def listing_subject(key: ListingKey) -> str:
    return "|".join(key)
