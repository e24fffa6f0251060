"""From stored rows to facts, and from facts to changes of the books; pure but for the channel's own `parse`."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import orjson
import structlog

from syncd.actors.counting import add_needs, is_sku, is_small, take_in
from syncd.domain.booking import book_order, name_by_sku
from syncd.domain.books import Books, Need
from syncd.domain.conflicts import Conflict, ConflictKind, Resolution
from syncd.domain.errors import Refused
from syncd.domain.ids import ChannelId, Instant, ListingKey, OrderKey, Sku
from syncd.domain.listings import Reading
from syncd.domain.reading import drop
from syncd.domain.showing import hear
from syncd.ports import Channel, Facts, Fault, ItemChange
from syncd.storage.inbox import ORDERS_READ, InboxRow, Letter

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    row: InboxRow
    facts: Facts
    orders_read: Instant | None = None
    """The row is the mark that the channel's orders have been read up to here."""


def parse(row: InboxRow, channels: Mapping[ChannelId, Channel]) -> Parsed | Letter:
    """What the row says; or the row with the reason why it cannot be used."""
    channel = channels.get(row.channel)
    if channel is None:
        return Letter(row=row, reason=f"there is no channel {row.channel} in the configuration any more")
    if row.topic == ORDERS_READ:
        return Parsed(row=row, facts=Facts(), orders_read=int(orjson.loads(row.body)["reached"]))
    try:
        return Parsed(row=row, facts=channel.parse(row.topic, row.headers, row.body))
    except Refused as refusal:
        return Letter(row=row, reason=str(refusal))
    except Exception as error:  # one message's edge: it is kept with its reason, the others go on
        log.exception("delivery.unreadable", channel=row.channel, event_id=row.event_id, topic=row.topic)
        return Letter(row=row, reason=f"{row.topic} could not be read: {type(error).__name__}: {error}")


def needs(parsed: Sequence[Parsed], need: Need) -> None:
    """Add what some facts are about."""
    for item in parsed:
        channel, facts = item.row.channel, item.facts
        for order in facts.orders:
            need.orders.add(OrderKey(channel, order.order_id))
            need.aliases.update((channel, line.item) for line in order.lines.values() if line.item is not None)
            if facts.by_sku:
                named = {Sku(line.sku_text) for line in order.lines.values() if is_sku(line.sku_text)}
                need.skus |= named
                need.new_skus |= named
        need.items.update((channel, seen.remote_id) for seen in facts.observations)
        need.items.update((channel, change.remote_id) for change in facts.items if change.remote_id is not None)
        need.aliases.update((channel, change.alias) for change in facts.items if change.alias is not None)
        if facts.snapshot is not None and is_small(facts.snapshot):
            add_needs(need, channel, facts.snapshot)


def apply(books: Books, item: Parsed, quarantined: Container[str] = ()) -> None:
    """Bring the facts of one row into the books; `quarantined` are the subjects that wait for a better telling."""
    channel, facts = item.row.channel, item.facts
    for order in facts.orders:
        if facts.by_sku:
            name_by_sku(books, channel, order)
        book_order(books, channel, order, item.row.event_id)
    for seen in facts.observations:
        reading = Reading(seen.units, seen.at) if seen.units is not None else None
        hear(books, ListingKey(channel, seen.remote_id, seen.remote_location), reading)
    for change in facts.items:
        _item_changed(books, channel, change)
    if facts.snapshot is not None:
        take_in(books, channel, facts.snapshot, item.row)
    books.wanted.update(OrderKey(channel, order_id) for order_id in facts.fetch)
    read = {OrderKey(channel, order_id) for order_id in facts.fetched}
    books.read |= read
    books.wanted -= read
    for order in facts.orders if quarantined else ():
        for line_id in order.lines:
            subject = _subject(channel, Fault("", order.order_id, line_id))
            if subject in quarantined:
                how = "the line has been told again, and can be used"
                books.conflicts.append(Resolution(kind=ConflictKind.QUARANTINED, subject=subject, how=how))
    for fault in facts.faults:
        books.conflicts.append(_quarantined(item.row, fault))


def _item_changed(books: Books, channel: ChannelId, change: ItemChange) -> None:
    found = [
        listing
        for key, listing in list(books.listings.items())
        if key.channel == channel
        and (key.remote_id == change.remote_id or (change.alias is not None and listing.alias == change.alias))
        and change.remote_location in (None, key.remote_location)
    ]
    whole_location = change.gone and change.remote_id is None and change.alias is None
    if whole_location or (not found and not change.gone):
        books.unknown_items.add(channel)
    for listing in found:
        if change.gone:
            drop(books, listing.key, "the channel says that the item is gone from here")
            continue
        if change.sku_text is not None:
            listing.sku_text = change.sku_text
        if change.tracked is not None:
            listing.tracked = change.tracked
        books.changed_listings.add(listing.key)


def _subject(channel: ChannelId, fault: Fault) -> str:
    return "|".join(part for part in (channel, fault.order_id, fault.line_id) if part)


def _quarantined(row: InboxRow, fault: Fault) -> Conflict:
    where = _subject(row.channel, fault)
    facts = {
        "reason": fault.reason,
        "order_id": fault.order_id,
        "line_id": fault.line_id,
        "event_id": row.event_id,
        "topic": row.topic,
        "what_to_do": f"mend it at the source; `syncd events show {row.event_id}` shows what was sent, "
        f"`syncd events replay {row.event_id}` applies it again",
    }
    subject = where if fault.order_id else f"{where}|{row.event_id}"
    return Conflict(kind=ConflictKind.QUARANTINED, subject=subject, channel=row.channel, facts=facts)
