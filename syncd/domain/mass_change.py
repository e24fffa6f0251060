"""No large mistake at machine speed: what many counts at once would do to what the channels show.

It is asked of the same functions that the books use, on books that are spent afterwards.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from syncd.domain.books import Books
from syncd.domain.conflicts import Conflict, ConflictKind
from syncd.domain.ids import ChannelId, ListingKey
from syncd.domain.setup import ChannelSetup
from syncd.domain.showing import should_show

FEWEST_ALTERED: Final = 10
FEWEST_ZEROED: Final = 5


@dataclass(slots=True)
class Reach:
    """What some counts would do to one channel's synchronised listings."""

    synchronised: int = 0
    altered: int = 0
    zeroed: int = 0
    sample: list[dict[str, Any]] = field(default_factory=list)

    def is_too_much_for(self, setup: ChannelSetup) -> bool:
        return (self.altered >= FEWEST_ALTERED and self.altered > setup.mass_alter * self.synchronised) or (
            self.zeroed >= FEWEST_ZEROED and self.zeroed > setup.mass_zero * self.synchronised
        )


def measure(books: Books, change: Callable[[], object], reach: Mapping[ChannelId, Reach]) -> None:
    """Add to `reach` how the synchronised listings of these books' SKUs would change by `change`."""
    listings = [
        (listing, listing.sku)
        for key, listing in books.listings.items()
        if key.channel in reach and listing.sku is not None and listing.tracked and listing.account.expected is not None
    ]
    before: dict[ListingKey, int] = {row.key: should_show(books, row, sku).units for row, sku in listings}
    change()
    for listing, sku in listings:
        was, units = before[listing.key], should_show(books, listing, sku).units
        if was == units:
            continue
        at = reach[listing.key.channel]
        at.altered += 1
        at.zeroed += was > 0 >= units
        if len(at.sample) < FEWEST_ALTERED:
            at.sample.append({"sku": sku, "remote_id": listing.key.remote_id, "shows": was, "would_show": units})


def beyond(reach: Mapping[ChannelId, Reach], channels: Mapping[ChannelId, ChannelSetup]) -> dict[ChannelId, Reach]:
    """The channels for which this is too large a change to be believed."""
    return {channel: one for channel, one in reach.items() if one.is_too_much_for(channels[channel])}


def shares(reach: Reach, setup: ChannelSetup) -> dict[str, Any]:
    """A channel's part in the question, as people and scripts see it."""
    return {
        "synchronised": reach.synchronised,
        "altered": reach.altered,
        "zeroed": reach.zeroed,
        "may_alter": setup.mass_alter,
        "may_zero": setup.mass_zero,
    }


def question(
    subject: str,
    too_much: Mapping[ChannelId, Reach],
    channels: Mapping[ChannelId, ChannelSetup],
    facts: Mapping[str, object],
    *,
    told_by: ChannelId | None = None,
) -> Conflict:
    """What a person is asked before anything of it is booked."""
    told = {
        **facts,
        "channels": {channel: shares(reach, channels[channel]) for channel, reach in too_much.items()},
        "sample": [{"channel": channel, **row} for channel, reach in too_much.items() for row in reach.sample],
        "what_to_do": "look at the sample; `syncd conflicts resolve ID --take apply` books it all, "
        "`--take discard` forgets it",
    }
    return Conflict(kind=ConflictKind.MASS_CHANGE, subject=subject, channel=told_by, facts=told)
