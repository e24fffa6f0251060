"""Whether a file of counts is believable, and what booking it does."""

from dataclasses import replace

import pytest

from syncd.control.counts import Change, Plan, Reach, by_sku, kind_of, measure
from syncd.domain.books import Books, Listing
from syncd.domain.commands import TakeCounts
from syncd.domain.errors import InvalidChange
from syncd.domain.ids import ChannelId, LevelKey, ListingKey, LocationId, RemoteId, RemoteLocation, Sku
from syncd.domain.listings import Account, Reading, Span, WriteKind
from syncd.domain.policy import Override
from syncd.domain.quantities import Level
from syncd.domain.setup import ChannelSetup, Setup

SHOP, MARKET = ChannelId("shop"), ChannelId("market")
MAIN = RemoteLocation("main")
WAREHOUSE, SHELF = LocationId("warehouse"), LocationId("shelf")
SHOP_SETUP = ChannelSetup(channel=SHOP, kind="x", write=WriteKind.RELATIVE, locations={MAIN: (WAREHOUSE,)})
SETUP = Setup(
    channels={SHOP: SHOP_SETUP, MARKET: replace(SHOP_SETUP, channel=MARKET, policy=Override(cap=3))},
    locations=(WAREHOUSE, SHELF),
    authority={SHELF: SHOP},
)


def key(sku: str, location: LocationId = WAREHOUSE) -> LevelKey:
    return LevelKey(Sku(sku), location)


def books_with(on_hand: dict[str, int], *, read: bool = True) -> Books:
    """Each SKU listed on both channels."""
    books = Books(SETUP, 10_000)
    base = Reading(0, Span(1, 1)) if read else None
    for sku, units in on_hand.items():
        books.add_level(key(sku), Level(on_hand=units), None)
        for channel in (SHOP, MARKET):
            listing_key = ListingKey(channel, RemoteId(f"item-{sku}"), MAIN)
            books.add_listing(Listing(key=listing_key, sku=Sku(sku), account=Account(base=base)))
    return books


def change(sku: str, had: int, counted: int, *, known: bool = True) -> Change:
    return Change(key=key(sku), counted=counted, had=had, known=known)


def test_a_channels_listings_are_measured_by_what_they_would_show() -> None:
    books = books_with({"A": 10, "B": 10, "C": 2, "D": 0})
    reach = {SHOP: Reach(), MARKET: Reach()}

    measure(books, [change("A", 10, 8), change("B", 10, 0), change("C", 2, 0), change("D", 0, 0)], reach)

    assert (reach[SHOP].altered, reach[SHOP].zeroed) == (3, 2)
    assert (reach[MARKET].altered, reach[MARKET].zeroed) == (2, 2)  # 10 and 8 are both shown as the cap of 3
    assert {"sku": Sku("A"), "remote_id": RemoteId("item-A"), "shows": 10, "would_show": 8} in reach[SHOP].sample


def test_listings_that_are_not_synchronised_and_channels_not_confirmed_do_not_count() -> None:
    reach = {SHOP: Reach()}

    measure(books_with({"A": 10}, read=False), [change("A", 10, 0)], reach)

    assert (reach[SHOP].altered, reach[SHOP].zeroed) == (0, 0)


@pytest.mark.parametrize(
    ("synchronised", "altered", "zeroed", "too_much"),
    [
        (100, 20, 0, False),
        (100, 21, 0, True),
        (20, 9, 0, False),
        (20, 10, 0, True),
        (100, 10, 10, False),
        (100, 11, 11, True),
        (10, 4, 4, False),
        (10, 5, 5, True),
    ],
)
def test_a_change_is_held_beyond_a_share_and_a_number(
    synchronised: int, altered: int, zeroed: int, too_much: bool
) -> None:
    reach = Reach(synchronised=synchronised, altered=altered, zeroed=zeroed)

    assert reach.is_too_much_for(SHOP_SETUP) is too_much


def test_a_channel_may_allow_more() -> None:
    plan = Plan(as_of=0, changes=[], reach={SHOP: Reach(synchronised=100, altered=60)})

    assert list(plan.beyond(SETUP.channels)) == [SHOP]
    assert plan.beyond({SHOP: replace(SHOP_SETUP, mass_alter=0.6)}) == {}


def test_rows_are_new_changed_or_unchanged() -> None:
    assert kind_of(change("A", 0, 0, known=False)) == "new"
    assert kind_of(change("A", 3, 4)) == "changed"
    assert kind_of(change("A", 3, 3)) == "unchanged"


def test_all_rows_of_a_sku_stay_in_one_chunk() -> None:
    rows = [(key("A"), 1), (key("B"), 1), (key("A", SHELF), 1), (key("C"), 1)]

    chunks = [[row[0].sku for row in chunk] for chunk in by_sku(rows, 2)]

    assert chunks == [["A", "A"], ["B", "C"]]


def take(counted: int, had: int, *, as_of: int = 9_000, location: LocationId = WAREHOUSE) -> TakeCounts:
    counts = [(key("A", location), counted, had)]
    return TakeCounts(counts=counts, as_of=as_of, reason="imported from f.csv", actor="alice")


def test_a_count_becomes_what_is_on_hand() -> None:
    books = books_with({"A": 10})

    assert take(7, 10).apply(books) == 1

    assert books.level(key("A")).on_hand == 7
    assert [(entry.delta, entry.reason, entry.cause.actor) for entry in books.entries] == [
        (-3, "imported from f.csv", "alice")
    ]


def test_what_moved_since_the_count_stays_on_top_of_it() -> None:
    books = books_with({"A": 8})  # ten when it was counted, two have been shipped since

    take(7, 10).apply(books)

    assert books.level(key("A")).on_hand == 5


def test_a_count_said_again_or_older_than_the_last_changes_nothing() -> None:
    books = books_with({"A": 10})
    take(7, 10).apply(books)

    assert take(7, 10).apply(books) == 0
    assert take(2, 10, as_of=8_000).apply(books) == 0
    assert books.level(key("A")).on_hand == 7


def test_a_new_sku_is_created_even_when_none_of_it_is_there() -> None:
    books = Books(SETUP, 10_000)

    take(0, 0).apply(books)

    assert books.new_skus == {"A"}
    assert key("A") in books.changed_levels


def test_the_stock_of_another_authority_is_not_counted_here() -> None:
    with pytest.raises(InvalidChange, match="shelf is shop's to say"):
        take(1, 0, location=SHELF).apply(books_with({"A": 1}))
