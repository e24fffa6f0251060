"""From an authority's snapshot as its channel tells it to counts of our levels; pure.

A snapshot of a few items is booked with the delivery that tells it. A larger one, one in parts, and one that claims to
be complete wait in `snapshot_parts` until `actors/snapshots.py` has looked at the whole of it.
"""

from collections.abc import Mapping
from typing import Final

from syncd.domain.authority import Document, Snapshot
from syncd.domain.books import Books, Need, SnapshotPart
from syncd.domain.ids import ChannelId, EventId, LevelKey, LocationId, RemoteId, RemoteLocation, Sku
from syncd.domain.mass_change import FEWEST_ZEROED
from syncd.domain.setup import Setup
from syncd.domain.snapshots import take
from syncd.ports import BookedDocument, StockLine, StockSnapshot
from syncd.storage.inbox import InboxRow

MOST_AT_ONCE: Final = FEWEST_ZEROED - 1
"""So few counts can never be too large a change."""
LONGEST_SKU: Final = 255


def is_small(snapshot: StockSnapshot) -> bool:
    whole = snapshot.part == 1 and snapshot.last and not snapshot.complete
    return whole and len(snapshot.lines) <= MOST_AT_ONCE


def add_needs(need: Need, channel: ChannelId, snapshot: StockSnapshot) -> None:
    told: list[StockLine | BookedDocument] = [*snapshot.lines, *(snapshot.documents or ())]
    for one in told:
        if is_sku(one.sku_text):
            need.skus.add(Sku(one.sku_text))
            need.new_skus.add(Sku(one.sku_text))
        if one.remote_id is not None:
            need.items.add((channel, one.remote_id))
    need.documents.update((channel, document.number) for document in snapshot.documents or ())


def take_in(books: Books, channel: ChannelId, snapshot: StockSnapshot, row: InboxRow) -> None:
    """Book a small snapshot; keep a part of a large one for later."""
    if not is_small(snapshot):
        part = SnapshotPart(
            channel=channel, name=snapshot.name, number=snapshot.part, inbox_id=row.id, last=snapshot.last
        )
        books.snapshot_parts.append(part)
        return
    skus = {key.remote_id: listing.sku for key, listing in books.listings.items() if key.channel == channel}
    linked = {remote_id: sku for remote_id, sku in skus.items() if sku is not None}
    take(books, translated(books.setup, channel, snapshot, linked, row.event_id))


def translated(
    setup: Setup,
    channel: ChannelId,
    snapshot: StockSnapshot,
    linked: Mapping[RemoteId, Sku],
    event_id: EventId | None,
) -> Snapshot:
    """In our own terms; lines of places that the channel is not the authority of, and unusable ones, are left out."""
    counts: dict[LevelKey, int] = {}
    for line in snapshot.lines:
        key = level_of(setup, channel, line, linked)
        if key is not None and line.units is not None:
            counts[key] = line.units
    documents: list[tuple[LevelKey, Document]] | None = None
    if snapshot.documents is not None:
        documents = []
        for told in snapshot.documents:
            key = level_of(setup, channel, told, linked)
            if key is not None:
                documents.append((key, Document(told.number, told.reference, told.units)))
    return Snapshot(
        channel=channel, at=snapshot.at, counts=tuple(counts.items()), documents=documents, event_id=event_id
    )


def level_of(
    setup: Setup, channel: ChannelId, told: StockLine | BookedDocument, linked: Mapping[RemoteId, Sku]
) -> LevelKey | None:
    location = place(setup, channel, told.remote_location)
    sku = linked.get(told.remote_id) if told.remote_id is not None else None
    if sku is None and is_sku(told.sku_text):
        sku = Sku(told.sku_text)
    return LevelKey(sku, location) if sku is not None and location is not None else None


def is_sku(text: str) -> bool:
    """May this be the name of a SKU of ours?"""
    return 0 < len(text) <= LONGEST_SKU and text.isprintable() and text == text.strip()


def place(setup: Setup, channel: ChannelId, remote: RemoteLocation) -> LocationId | None:
    """The one location of ours that the channel counts under this name."""
    ours = [location for location in setup.ours(channel, remote) if setup.authority.get(location) == channel]
    return ours[0] if len(ours) == 1 else None
