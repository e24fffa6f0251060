"""From what was heard of an order to ledger entries: merge it, bind its lines to our SKUs, book the difference."""

from collections.abc import Iterable
from dataclasses import replace

from syncd.domain.books import Books, Committed, Listing
from syncd.domain.conflicts import Conflict, ConflictKind
from syncd.domain.ids import (
    Alias,
    ChannelId,
    EventId,
    LevelKey,
    LineId,
    ListingKey,
    LocationId,
    OrderKey,
    RemoteId,
    RemoteLocation,
    Sku,
)
from syncd.domain.ledger import SYNCD, Cause
from syncd.domain.listings import Effect, own_effects
from syncd.domain.orders import (
    TICK,
    Binding,
    Line,
    Order,
    Parts,
    Place,
    dated_parts,
    effect,
    home,
    merge,
    reason,
    timeline,
)
from syncd.domain.quantities import Quantity
from syncd.domain.snapshots import given_up, heard

NOTHING = Parts()
NOWHERE = RemoteLocation("?")


def book_order(books: Books, channel: ChannelId, arrived: Order, event_id: EventId) -> None:
    """Take in what was heard; books nothing that was booked before, whatever the order or number of tellings."""
    key = OrderKey(channel, arrived.order_id)
    known = books.orders.get(key)
    order, tie = merge(known, arrived) if known is not None else (arrived, False)
    if tie or order.placed_at is None:
        books.wanted.add(key)
    order = _counted(books, _bound(books, channel, order), channel, known)
    if order == known:
        return
    books.orders[key] = order
    books.order_events[key] = event_id
    books.changed_orders.add(key)
    _book_difference(books, key, known, order, event_id)
    _tell_listings(books, channel, known, order)


def rebook(books: Books, key: OrderKey) -> None:
    """Book again an order that is known, after its lines' items have been linked."""
    book_order(books, key.channel, books.orders[key], books.order_events[key])


def is_unbound(order: Order) -> bool:
    """Has the order a line that should move stock and whose SKU is not known yet?"""
    return any(not line.no_stock and line.line_id not in order.bindings for line in order.lines.values())


def _bound(books: Books, channel: ChannelId, order: Order) -> Order:
    bindings = dict(order.bindings)
    for line in order.lines.values():
        if line.no_stock:
            continue
        binding = bindings.get(line.line_id) or _bind(books, channel, order, line)
        if binding is not None:
            bindings[line.line_id] = _placed(books, channel, order, line, binding)
    return order if bindings == order.bindings else replace(order, bindings=bindings)


def _bind(books: Books, channel: ChannelId, order: Order, line: Line) -> Binding | None:
    """Find the SKU by the channel's own id of the item; its SKU text only ever proposes a link, to people."""
    item = books.item(channel, line.item)
    sku = next((listing.sku for listing in item if listing.sku is not None), None)
    if not any(listing.tracked for listing in item):
        books.unknown_items.add(channel)
    if not item and line.item is not None:
        books.add_listing(unseen_item(channel, line.item, line.sku_text))
        books.changed_listings.add(unseen_key(channel, line.item))
    if sku is None:
        facts = {"order_id": order.order_id, "line_id": line.line_id, "item": line.item, "sku_text": line.sku_text}
        books.conflicts.append(
            Conflict(
                kind=ConflictKind.UNMAPPED,
                subject=line_subject(channel, line),
                channel=channel,
                facts={**facts, "why": "an order line names an item that is not linked to a SKU"},
            )
        )
        return None
    policy = books.policy(channel, sku)
    candidates = [row.key.remote_location for row in item if row.tracked]
    return Binding(sku=sku, pack=policy.pack, home=_home(books, channel, sku, line.ordered * policy.pack, candidates))


def name_by_sku(books: Books, channel: ChannelId, order: Order) -> None:
    """Make listings of items that an order names by our own SKUs: none is written to, and one whose SKU there is not
    yet waits for it."""
    for line in order.lines.values():
        if line.item is None or books.item(channel, line.item):
            continue
        item = unseen_item(channel, line.item, line.sku_text)
        item.tracked = True
        books.add_listing(item)
        books.changed_listings.add(item.key)
        if line.sku_text in books.known_skus:
            books.relink(item, Sku(line.sku_text), SYNCD)


def unseen_key(channel: ChannelId, alias: Alias) -> ListingKey:
    return ListingKey(channel, RemoteId(alias), NOWHERE)


def unseen_item(channel: ChannelId, alias: Alias, sku_text: str) -> Listing:
    """An item that only an order has named so far: nothing is written to it, but it can be linked."""
    key = unseen_key(channel, alias)
    return Listing(key=key, alias=alias, sku_text=sku_text, title="named by an order", tracked=False)


def line_subject(channel: ChannelId, line: Line) -> str:
    return f"{channel}|line|{line.item or line.sku_text or line.line_id}"


def _home(
    books: Books, channel: ChannelId, sku: Sku, units: int, stocked: list[RemoteLocation]
) -> RemoteLocation | None:
    """The first of the channel's locations that can serve the line, else the first that stocks the item."""
    setup = books.setup.channels.get(channel)
    mapped = [remote for remote in setup.locations if remote in stocked or not stocked] if setup else []
    for remote in mapped if len(mapped) > 1 else ():
        if any(books.level(LevelKey(sku, ours)).available >= units for ours in books.setup.ours(channel, remote)):
            return remote
    return mapped[0] if mapped else None


def _placed(books: Books, channel: ChannelId, order: Order, line: Line, binding: Binding) -> Binding:
    """Give each of the channel's locations that the line touches one of ours; a choice made stays."""
    places = binding.places
    for remote in _touched(order, line, binding):
        ours = books.setup.ours(channel, remote)
        if ours and all(remote != placed for placed, _ in places):
            places = (*places, (remote, _first_with(books, binding.sku, ours, line.ordered * binding.pack)))
    if len(places) == len(binding.places):
        return binding
    return Binding(sku=binding.sku, pack=binding.pack, home=binding.home, places=places)


def _touched(order: Order, line: Line, binding: Binding) -> Iterable[RemoteLocation]:
    if line.location is not None:
        yield line.location
    if binding.home is not None:
        yield binding.home
    for shipment in order.fulfilments.values():
        if shipment.location is not None and any(line_id == line.line_id for line_id, _ in shipment.lines):
            yield shipment.location
    for refund in order.refunds.values():
        if refund.location is not None and refund.line_id == line.line_id:
            yield refund.location


def _first_with(books: Books, sku: Sku, ours: tuple[LocationId, ...], units: int) -> LocationId:
    if len(ours) == 1:
        return ours[0]
    enough = (location for location in ours if books.level(LevelKey(sku, location)).available >= units)
    return next(enough, ours[0])


def _counted(books: Books, order: Order, channel: ChannelId, known: Order | None) -> Order:
    """Mark what happened before the count that is believed: those units moved before they were counted."""
    if not order.fulfilments and not order.refunds and order.cancelled_at is None:
        return order
    heard = {p.part_id for p in dated_parts(known) if p.line_id in known.bindings} if known is not None else set()
    before_count = set()
    for part in dated_parts(order):
        if part.part_id in heard or part.part_id in order.in_count:
            continue
        level = _level_key(order, part.line_id, part.location)
        counted_at = books.counted_at.get(level) if level is not None else None
        if counted_at is not None and part.at + TICK <= counted_at:
            before_count.add(part.part_id)
    return replace(order, in_count=order.in_count | before_count) if before_count else order


def _level_key(order: Order, line_id: LineId, remote: RemoteLocation | None) -> LevelKey | None:
    binding, line = order.bindings.get(line_id), order.lines.get(line_id)
    if binding is None or line is None:
        return None
    where = remote if remote is not None else home(order, line)
    ours = dict(binding.places).get(where) if where is not None else None
    return LevelKey(binding.sku, ours) if ours is not None else None


def _book_difference(books: Books, key: OrderKey, known: Order | None, order: Order, event_id: EventId) -> None:
    before = effect(known) if known is not None else {}
    after = effect(order)
    for place in after if known is None else before.keys() | after.keys():
        was, now = before.get(place, NOTHING), after.get(place, NOTHING)
        old_key = _our_place(known, place) if known is not None else None
        new_key = _our_place(order, place)
        if was == now and old_key == new_key:
            continue
        cause = Cause(actor=SYNCD, channel=key.channel, event_id=event_id, order_id=key.order_id, line_id=place[0])
        if old_key is not None and old_key != new_key:
            _move(books, old_key, was, NOTHING, 1 if known is None else known.bindings[place[0]].pack, cause)
            was = NOTHING
        if new_key is not None:
            if old_key is None:
                was = NOTHING
            _move(books, new_key, was, now, order.bindings[place[0]].pack, cause)
            units = now.stock.committed * order.bindings[place[0]].pack
            held = Committed(new_key.sku, units, order.placed_at or 0)
            books.commitments[key, place[0], new_key.location] = held


def _move(books: Books, level: LevelKey, was: Parts, now: Parts, pack: int, cause: Cause) -> None:
    old, new = was.stock, now.stock
    why = reason(was, now)
    books.adjust(level, Quantity.COMMITTED, (new.committed - old.committed) * pack, why, cause)
    books.adjust(level, Quantity.ON_HAND, (new.on_hand - old.on_hand) * pack, why, cause)
    if level.location in books.setup.books_within:
        heard(books, level, (new.on_hand - old.on_hand) * pack, cause)
        given_up(books, level, (now.put_back - was.put_back) * pack, cause)


def _our_place(order: Order, place: Place) -> LevelKey | None:
    line_id, remote = place
    binding = order.bindings.get(line_id)
    if binding is None or remote is None:
        return None
    for name, ours in binding.places:
        if name == remote:
            return LevelKey(binding.sku, ours)
    return None


def _tell_listings(books: Books, channel: ChannelId, known: Order | None, order: Order) -> None:
    """Enter the channel's own effects into the accounts of its listings: no write is owed for these."""
    if order.placed_at is None:
        return
    steps: dict[ListingKey, dict[int, int]] = {}
    told = [(timeline(order), order, 1)]
    if known is not None:
        told.append((timeline(known), known, -1))
    for dated, owner, sign in told:
        for ((line_id, remote), at), delta in dated.items():
            item = books.item(channel, owner.lines[line_id].item)
            if item and remote is not None:
                listing_key = ListingKey(channel, item[0].key.remote_id, remote)
                at_listing = steps.setdefault(listing_key, {})
                at_listing[at] = at_listing.get(at, 0) + sign * delta
    for listing_key, by_time in steps.items():
        listing = books.listings.get(listing_key)
        changes: list[Effect] = [(at, delta) for at, delta in by_time.items() if delta]
        if listing is not None and changes:
            listing.account = own_effects(listing.account, changes)
            books.changed_listings.add(listing_key)
            if listing.sku is not None:
                books.touched_skus.add(listing.sku)
