"""Ledger entries: the only way a level is ever changed."""

from dataclasses import dataclass
from typing import Final

from syncd.domain.ids import ChannelId, EventId, LineId, LocationId, OrderId, Sku
from syncd.domain.quantities import Quantity

SYNCD: Final = "syncd"
"""The actor of what nobody in particular did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Who or what moved the units: an order's stored event and line, or an actor (a person, a file, syncd itself)."""

    actor: str
    channel: ChannelId | None = None
    event_id: EventId | None = None
    order_id: OrderId | None = None
    line_id: LineId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`balance` is the level after it; its number is given when it is committed."""

    sku: Sku
    location: LocationId
    quantity: Quantity
    delta: int
    balance: int
    reason: str
    cause: Cause
