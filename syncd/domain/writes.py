"""A write call to a channel: its rows, and what may become of each."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from syncd.domain.ids import ChannelId, ListingKey
from syncd.domain.listings import Reading, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRow:
    """The channel shall show `target`; it was expected to show `was`. Units are the channel's own."""

    key: ListingKey
    target: int
    was: int
    active: bool = True
    """False: the item is not stocked at the location yet and has to be activated first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentWrite:
    """A call without a final outcome yet; sent again only under the same key with the same rows."""

    write_id: int
    channel: ChannelId
    key: str
    rows: tuple[WriteRow, ...]


class Outcome(StrEnum):
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    """Taken on, or without an answer of its own: this row is in doubt until it is seen in force."""
    STALE = "stale"
    """The compare was refused for this row; `reading` says what it shows instead, where known."""
    UNTOUCHED = "untouched"
    """Not executed, for no fault of its own: to be written again under a new key."""
    REJECTED = "rejected"
    GONE = "gone"
    """The channel no longer knows the item or the location."""


class RowOutcome(NamedTuple):
    key: ListingKey
    outcome: Outcome
    at: Span | None = None
    """When the write took force; for CONFIRMED."""
    reason: str = ""
    reading: Reading | None = None
