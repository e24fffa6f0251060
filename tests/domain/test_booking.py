"""From orders to ledger entries, on a small set of books."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.domain.booking import book_order, rebook
from syncd.domain.books import Books, Listing
from syncd.domain.commands import AdjustStock, Link, SetCount, Unlink
from syncd.domain.conflicts import Conflict, ConflictKind
from syncd.domain.errors import InvalidChange, NotFound
from syncd.domain.ids import (
    Alias,
    ChannelId,
    EventId,
    LevelKey,
    LineId,
    ListingKey,
    LocationId,
    OrderId,
    OrderKey,
    PartId,
    RemoteId,
    RemoteLocation,
    Sku,
)
from syncd.domain.listings import Account, Reading, Span, WriteKind
from syncd.domain.orders import Fulfilment, Line, Order, RefundLine, Restock
from syncd.domain.policy import Override
from syncd.domain.quantities import Level
from syncd.domain.setup import ChannelSetup, Setup
from syncd.domain.showing import refresh

SHOP, OTHER = ChannelId("shop"), ChannelId("other")
MAIN, SIDE = RemoteLocation("main"), RemoteLocation("side")
HOUSE, ANNEX = LocationId("house"), LocationId("annex")
TEE = Sku("TEE")
EVENT = EventId("event")
PLACED = 1_000_000


def listing(channel: ChannelId, where: RemoteLocation = MAIN, sku: Sku | None = TEE, shows: int = 10) -> Listing:
    return Listing(
        key=ListingKey(channel, RemoteId("item"), where),
        alias=Alias("variant"),
        sku_text="TEE",
        sku=sku,
        account=Account(base=Reading(shows, Span(1, 2))),
        desired=shows,
    )


def made_books(*, on_hand: int = 10, sku: Sku | None = TEE, setup: Setup | None = None) -> Books:
    shops = {
        name: ChannelSetup(
            channel=name,
            kind="test",
            write=WriteKind.COMPARE_AND_SET,
            locations={MAIN: (HOUSE,), SIDE: (ANNEX,)},
        )
        for name in (SHOP, OTHER)
    }
    books = Books(setup or Setup(shops, (HOUSE, ANNEX)), now=PLACED)
    for name in (SHOP, OTHER):
        books.add_listing(listing(name, MAIN, sku, on_hand))
        books.add_listing(listing(name, SIDE, sku, 0))
    books.add_level(LevelKey(TEE, HOUSE), Level(on_hand=on_hand), None)
    return books


def line(units: int = 2, **more: object) -> Line:
    made = Line(line_id=LineId("1"), item=Alias("variant"), ordered=units, version=PLACED, at=PLACED, sku_text="TEE")
    return replace(made, **more)


def order(*lines: Line, **more: object) -> Order:
    made = Order(
        order_id=OrderId("1001"),
        placed_at=PLACED,
        updated_at=PLACED,
        lines={one.line_id: one for one in lines or (line(),)},
    )
    return replace(made, **more)


def shipment(units: int, where: RemoteLocation | None = MAIN, at: int = PLACED + 5000) -> dict[PartId, Fulfilment]:
    part = PartId("f1")
    return {part: Fulfilment(part_id=part, at=at, version=at, lines=((LineId("1"), units),), location=where)}


def moved(books: Books) -> list[tuple[str, str, int]]:
    return [(entry.location, entry.quantity.value, entry.delta) for entry in books.entries]


def test_a_sale_commits_units_and_lowers_what_every_shop_should_show() -> None:
    books = made_books()

    book_order(books, SHOP, order(), EVENT)
    refresh(books)

    assert moved(books) == [(HOUSE, "committed", 2)]
    shown = {key.channel: row for key, row in books.listings.items() if key.remote_location == MAIN}
    assert [shown[name].desired for name in (SHOP, OTHER)] == [8, 8]
    assert shown[SHOP].account.expected == 8, "the shop lowered its own figure itself"
    assert shown[OTHER].account.expected == 10, "the other one has to be told"


def test_the_same_sale_told_again_books_nothing() -> None:
    books = made_books()
    book_order(books, SHOP, order(), EVENT)
    before = len(books.entries)

    book_order(books, SHOP, order(), EVENT)

    assert len(books.entries) == before


def test_a_fulfilment_from_another_location_moves_the_promise_there_first() -> None:
    books = made_books()
    book_order(books, SHOP, order(), EVENT)

    book_order(books, SHOP, order(fulfilments=shipment(2, SIDE)), EVENT)

    assert books.level(LevelKey(TEE, HOUSE)) == Level(on_hand=10)
    assert books.level(LevelKey(TEE, ANNEX)) == Level(on_hand=-2)


def test_a_line_at_a_location_that_is_not_mapped_moves_nothing() -> None:
    books = made_books()

    book_order(books, SHOP, order(line(location=RemoteLocation("elsewhere"))), EVENT)

    assert books.entries == []


def test_a_line_without_a_location_goes_where_enough_units_are_and_stays_there() -> None:
    books = made_books(on_hand=1)
    books.add_level(LevelKey(TEE, ANNEX), Level(on_hand=5), None)

    book_order(books, SHOP, order(line(2)), EVENT)
    books.adjust(
        LevelKey(TEE, HOUSE), next(iter(books.entries)).quantity.ON_HAND, 50, "received", books.entries[0].cause
    )
    book_order(books, SHOP, order(line(3, version=PLACED + 1), updated_at=PLACED + 1), EVENT)

    assert books.level(LevelKey(TEE, ANNEX)).committed == 3
    assert books.level(LevelKey(TEE, HOUSE)).committed == 0


def test_a_line_moves_when_the_channel_names_its_location() -> None:
    books = made_books()
    book_order(books, SHOP, order(), EVENT)

    named = line(location=SIDE, location_version=PLACED + 1)
    book_order(books, SHOP, order(named), EVENT)

    assert books.level(LevelKey(TEE, HOUSE)).committed == 0
    assert books.level(LevelKey(TEE, ANNEX)).committed == 2


def test_an_unknown_item_is_asked_about_and_booked_once_it_is_linked() -> None:
    books = made_books(sku=None)

    book_order(books, SHOP, order(), EVENT)
    asked = [c for c in books.conflicts if isinstance(c, Conflict)]
    Link(channel=SHOP, remote_id=RemoteId("item"), sku=TEE, actor="anna", waiting=frozenset(books.orders)).apply(books)

    assert [conflict.kind for conflict in asked] == [ConflictKind.UNMAPPED]
    assert moved(books) == [(HOUSE, "committed", 2)]
    assert books.entries[0].cause.order_id == "1001"
    assert books.entries[0].cause.event_id == EVENT


def test_unlinking_keeps_what_was_booked_and_stops_writing() -> None:
    books = made_books()
    book_order(books, SHOP, order(), EVENT)

    Unlink(channel=SHOP, remote_id=RemoteId("item"), actor="anna").apply(books)
    rebook(books, OrderKey(SHOP, OrderId("1001")))
    refresh(books)

    assert moved(books) == [(HOUSE, "committed", 2)]
    assert books.listings[ListingKey(SHOP, RemoteId("item"), MAIN)].desired is None


def test_packs_are_sold_as_their_units() -> None:
    books = made_books()
    books.overrides[SHOP, TEE] = Override(pack=3)

    book_order(books, SHOP, order(line(2)), EVENT)
    refresh(books)

    assert moved(books) == [(HOUSE, "committed", 6)]
    assert books.listings[ListingKey(SHOP, RemoteId("item"), MAIN)].desired == 1
    assert books.listings[ListingKey(OTHER, RemoteId("item"), MAIN)].desired == 4


def test_a_shipment_from_before_the_count_is_in_the_count() -> None:
    books = made_books()
    books.counted_at[LevelKey(TEE, HOUSE)] = PLACED + 60_000

    book_order(books, SHOP, order(line(3), fulfilments=shipment(2)), EVENT)

    assert moved(books) == [(HOUSE, "committed", 1)]


def test_a_shipment_that_was_booked_stays_booked_after_a_later_count() -> None:
    books = made_books()
    book_order(books, SHOP, order(fulfilments=shipment(2)), EVENT)
    books.set_count(LevelKey(TEE, HOUSE), 7, PLACED + 60_000, "count", books.entries[0].cause)

    book_order(books, SHOP, order(fulfilments=shipment(2), updated_at=PLACED + 90_000), EVENT)

    assert books.level(LevelKey(TEE, HOUSE)) == Level(on_hand=7)


def test_an_order_cancelled_before_the_count_without_restock_takes_nothing_away() -> None:
    books = made_books()
    books.counted_at[LevelKey(TEE, HOUSE)] = PLACED + 60_000

    book_order(books, SHOP, order(cancelled_at=PLACED + 1000), EVENT)

    assert books.level(LevelKey(TEE, HOUSE)) == Level(on_hand=10)


def test_a_refund_before_its_order_waits_and_asks_for_the_order() -> None:
    books = made_books()
    part = PartId("r1")
    refund = RefundLine(part_id=part, at=PLACED + 1, line_id=LineId("1"), units=1, restock=Restock.BEFORE_SHIPPING)

    book_order(books, SHOP, Order(order_id=OrderId("1001"), refunds={part: refund}), EVENT)
    nothing = list(books.entries)
    book_order(books, SHOP, order(), EVENT)

    assert nothing == []
    assert OrderKey(SHOP, OrderId("1001")) in books.wanted
    assert books.level(LevelKey(TEE, HOUSE)).committed == 1


def test_an_oversell_is_seen_and_its_relief_too() -> None:
    books = made_books(on_hand=1)

    book_order(books, SHOP, order(), EVENT)

    assert set(books.short) == {TEE}
    later = made_books(on_hand=1)
    later.add_level(LevelKey(TEE, ANNEX), Level(on_hand=0, committed=1), None)
    AdjustStock(key=LevelKey(TEE, ANNEX), by=5, reason="received", actor="anna").apply(later)
    assert later.relieved == {TEE}


def test_stock_of_another_authority_is_not_ours_to_set() -> None:
    setup = replace(made_books().setup, authority={HOUSE: SHOP})
    books = made_books(setup=setup)

    with pytest.raises(InvalidChange, match="shop's to say"):
        SetCount(key=LevelKey(TEE, HOUSE), on_hand=3, reason="count", actor="anna").apply(books)

    with pytest.raises(NotFound, match="no location attic"):
        SetCount(key=LevelKey(TEE, LocationId("attic")), on_hand=3, reason="count", actor="anna").apply(books)
    assert books.entries == []


@given(st.integers(0, 2**32), st.integers(2, 12))
def test_levels_are_the_sums_of_their_entries_whatever_is_told_in_whatever_order(seed: int, count: int) -> None:
    rng = random.Random(seed)
    told = [
        order(
            line(rng.randint(1, 4), version=PLACED + n), updated_at=PLACED + n, fulfilments=shipment(rng.randint(1, 2))
        )
        for n in range(count)
    ]
    rng.shuffle(told)
    books = made_books()

    for one in told:
        book_order(books, SHOP, one, EVENT)

    sums = {key: Level(on_hand=10) if key.location == HOUSE else Level() for key in books.levels}
    for entry in books.entries:
        key = LevelKey(entry.sku, entry.location)
        sums[key] = sums[key].moved(entry.quantity, entry.delta)
        assert sums[key].of(entry.quantity) == entry.balance
    assert sums == books.levels


def test_an_item_that_only_an_order_names_can_be_linked_and_its_line_is_booked() -> None:
    books = made_books()
    stranger = order(line(item=Alias("never-seen"), sku_text="TEE (old)"))

    book_order(books, SHOP, stranger, EVENT)
    Link(channel=SHOP, remote_id=RemoteId("never-seen"), sku=TEE, actor="anna", waiting=frozenset(books.orders)).apply(
        books
    )
    refresh(books)

    assert moved(books) == [(HOUSE, "committed", 2)]
    placeholder = next(row for row in books.listings.values() if row.alias == "never-seen")
    assert (placeholder.tracked, placeholder.desired) == (False, None), "nothing is ever written to it"
