"""An authority's counts beside what shops tell: each trace that broke an earlier rule, and the rules around them."""

import pytest

from syncd.domain.authority import Document, Snapshot
from syncd.domain.errors import InvalidChange
from syncd.domain.ids import ChannelId, LevelKey, LocationId, Sku
from syncd.domain.listings import Span
from syncd.domain.quantities import Quantity
from syncd.domain.snapshots import TakeSnapshot, TrustAuthority
from tests.domain.warehouse import DAY, ERP, HOUR, HOUSE, LEVEL, TEE, House


@pytest.fixture
def house() -> House:
    """Ten units, counted long ago."""
    made = House()
    made.counted(10)
    made.later(2 * DAY)
    return made


def test_trace_1_a_receipt_between_two_counts_hides_behind_booked_shipments_until_they_are_old(house: House) -> None:
    house.shipped("1", 1)
    house.shipped("2", 1)
    house.counted(9)  # both are in the warehouse's books, and one unit came in

    assert house.on_hand == 8, "one of the two may not be in its books yet"

    house.later(DAY)
    house.counted(9)

    assert house.on_hand == 8
    assert house.asked == 1, "a rise for no other reason than age is a person's to say"
    TrustAuthority(key=LEVEL, actor="anna").apply(house.books)
    assert house.on_hand == 9
    house.counted(9)
    assert (house.on_hand, house.asked) == (9, 0)


def test_trace_2_a_shipment_that_the_warehouse_books_before_the_shop_tells_is_not_taken_off_for_ever(
    house: House,
) -> None:
    house.ordered("1", 1)
    house.counted(9)
    house.shipped("1", 1)
    assert house.on_hand == 8, "too low, never too high"

    house.later(DAY)
    house.counted(9)
    assert (house.on_hand, house.asked) == (8, 1)
    TrustAuthority(key=LEVEL, actor="anna").apply(house.books)

    assert house.on_hand == 9


def test_trace_2_with_documents_the_same_unit_never_counts_twice(house: House) -> None:
    house.ordered("1", 1)
    house.counted(9, documents=[("d1", "#1", -1)])
    assert (house.on_hand, house.available) == (10, 9), "the order still holds the unit that has left"

    house.shipped("1", 1)

    assert (house.on_hand, house.available) == (9, 9)
    house.counted(9, documents=[])
    assert (house.on_hand, house.asked) == (9, 0)


def test_trace_3_a_loss_can_hide_behind_an_unbooked_shipment_until_that_is_booked(house: House) -> None:
    house.shipped("1", 1)
    house.counted(9)  # not booked yet, and one unit was found missing
    assert house.on_hand == 9, "one too high: bounded by the real loss"

    house.later(HOUR)
    house.counted(8)

    assert house.on_hand == 8


def test_trace_3_with_documents_a_loss_shows_at_once(house: House) -> None:
    house.shipped("1", 1)
    house.counted(9, documents=[])

    assert house.on_hand == 8


def test_trace_4_a_return_booked_before_the_shipment_is_no_phantom(house: House) -> None:
    house.shipped("1", 1)
    house.returned("1", 1)
    assert house.on_hand == 10
    house.counted(11)  # the return is booked, the shipment is not

    assert house.on_hand == 10
    house.counted(10)
    assert (house.on_hand, house.asked) == (10, 0)


def test_trace_5_what_the_warehouse_books_too_late_is_asked_and_never_raises_stock(house: House) -> None:
    house.shipped("1", 1)
    house.later(3 * DAY)
    house.counted(10)

    assert (house.on_hand, house.asked) == (9, 1)

    house.counted(9)

    assert (house.on_hand, house.asked) == (9, 0), "it was late, and the question has answered itself"


def test_trace_6_a_count_inside_the_range_takes_no_shipment_off_twice(house: House) -> None:
    house.shipped("1", 1)
    house.shipped("2", 1)
    house.counted(9)  # one of them is booked
    house.counted(9)
    house.counted(8)

    assert (house.on_hand, house.asked) == (8, 0)


def test_a_receipt_beyond_everything_unbooked_is_taken_at_once(house: House) -> None:
    house.shipped("1", 1)
    house.counted(60)

    assert house.on_hand == 59


def test_a_return_that_the_warehouse_books_first_is_not_added_a_second_time(house: House) -> None:
    house.shipped("1", 1)
    house.later(2 * DAY)
    house.counted(9)
    house.counted(10)  # the parcel came back
    house.returned("1", 1)

    assert house.on_hand == 10
    house.counted(10)
    assert (house.on_hand, house.asked) == (10, 0)


def test_a_return_that_the_warehouse_has_not_booked_yet_is_no_loss(house: House) -> None:
    house.shipped("1", 1)
    house.later(2 * DAY)
    house.counted(9)
    house.returned("1", 1)
    house.counted(9)
    assert house.on_hand == 10

    house.later(2 * DAY)
    house.counted(9)

    assert house.on_hand == 9, "by now it should have been booked: nothing came back"


def test_with_documents_a_return_counts_once_whoever_tells_it_first(house: House) -> None:
    house.shipped("1", 2)
    house.counted(8, documents=[("d1", "1", -2)])
    house.counted(9, documents=[("d2", "1", 1)])
    house.returned("1", 1)
    assert house.on_hand == 9

    house.returned("1", 1)
    assert house.on_hand == 10
    house.counted(10, documents=[("d3", "1", 1)])

    assert (house.on_hand, house.asked) == (10, 0)


def test_a_document_told_twice_counts_once(house: House) -> None:
    house.shipped("1", 1)
    house.shipped("1b", 1)
    house.counted(9, documents=[("d1", "1", -1)])
    house.counted(9, documents=[("d1", "1", -1)])

    assert house.on_hand == 8


def test_a_document_of_part_of_an_order_leaves_the_rest_unbooked(house: House) -> None:
    house.ordered("1", 3)
    house.shipped("1", 1)
    house.shipped("1", 2)
    house.counted(9, documents=[("d1", "1", -1)])

    assert house.on_hand == 7


def test_documents_that_come_by_themselves_belong_to_the_last_count_or_wait_for_the_next(house: House) -> None:
    house.shipped("1", 1)
    house.shipped("2", 1)
    before = house.books.now
    house.later(HOUR)
    house.counted(9, documents=[])  # the first is in its books by now
    assert house.on_hand == 7
    told(house, [("d1", "1", -1)], at=before)
    assert house.on_hand == 8, "of before the count, so it is in it"

    house.later(HOUR)
    told(house, [("d2", "2", -1)], at=house.books.now)
    assert house.on_hand == 8
    house.counted(8, documents=[])

    assert (house.on_hand, house.asked) == (8, 0)


def told(house: House, documents: list[tuple[str, str, int]], at: int) -> None:
    named = [(LEVEL, Document(*one)) for one in documents]
    TakeSnapshot(snapshot=Snapshot(channel=ERP, at=Span(at, at), counts=(), documents=named)).apply(house.books)


def test_an_order_taken_elsewhere_lowers_the_count_and_nothing_else(house: House) -> None:
    house.counted(4, documents=[("d1", "a phone order", -6)])

    assert house.on_hand == 4


def test_an_order_given_up_after_the_warehouse_sent_it_does_not_free_the_unit(house: House) -> None:
    house.ordered("1", 1)
    house.counted(9, documents=[("d1", "1", -1)])
    assert house.available == 9

    house.cancelled("1")

    assert house.available == 9


def test_a_shipment_without_a_document_for_too_long_is_asked_about(house: House) -> None:
    house.shipped("1", 1)
    house.counted(10, documents=[])
    assert (house.on_hand, house.asked) == (9, 0)

    house.later(2 * DAY)
    house.counted(10, documents=[])
    assert (house.on_hand, house.asked) == (9, 1)
    house.counted(9, documents=[("d1", "1", -1)])

    assert (house.on_hand, house.asked) == (9, 0)


def test_an_older_count_is_ignored_but_its_documents_are_not(house: House) -> None:
    house.shipped("1", 1)
    before = house.books.now
    house.later(HOUR)
    house.counted(9, documents=[])
    assert house.on_hand == 8

    ignored = house.counted(10, documents=[("d1", "1", -1)], at=before)

    assert ignored
    assert house.on_hand == 9


def test_an_older_count_changes_nothing(house: House) -> None:
    assert house.counted(500, at=house.books.now - 3 * DAY)
    assert house.on_hand == 10


def test_of_two_counts_of_one_moment_the_lower_is_believed(house: House) -> None:
    for units in (8, 9, 7, 12):
        assert not house.counted(units, at=house.books.now)

    assert house.on_hand == 7


def test_the_same_count_again_changes_nothing(house: House) -> None:
    house.shipped("1", 2)
    house.counted(5)
    entries = len(house.books.entries)
    house.counted(5)

    assert (house.on_hand, len(house.books.entries)) == (5, entries)


def test_a_first_count_takes_what_just_left_to_be_still_in_it() -> None:
    house = House()
    house.shipped("1", 2)
    house.counted(10)
    assert house.on_hand == 8

    house.counted(8)

    assert (house.on_hand, house.asked) == (8, 0)


def test_a_first_count_holds_what_left_long_before_it() -> None:
    house = House()
    house.shipped("1", 2)
    house.later(2 * DAY)
    house.counted(10)

    assert (house.on_hand, house.asked) == (10, 0)


def test_an_order_shipped_long_before_the_first_count_and_heard_after_it_moves_nothing(house: House) -> None:
    late = House()
    late.later(5 * DAY)
    late.counted(10)
    at = late.books.now
    late.books.now = at - 3 * DAY  # its dates
    order_time = late.books.now
    late.books.now = at
    late.ordered("1", 1)
    late.books.now = order_time
    late.shipped("1", 1)

    assert late.on_hand == 10
    assert late.books.level(LEVEL).committed == 0


def test_sales_and_orders_lower_no_count(house: House) -> None:
    house.ordered("1", 4)
    house.counted(10)

    assert (house.on_hand, house.available) == (10, 6)


def test_only_the_authority_of_a_location_is_believed(house: House) -> None:
    other = LevelKey(TEE, LocationId("elsewhere"))
    snapshot = Snapshot(channel=ERP, at=Span(house.books.now, house.books.now), counts=[(other, 5)])
    TakeSnapshot(snapshot=snapshot).apply(house.books)
    claim = Snapshot(channel=ChannelId("shop"), at=Span(house.books.now, house.books.now), counts=[(LEVEL, 5)])
    TakeSnapshot(snapshot=claim).apply(house.books)

    assert house.on_hand == 10
    assert other not in house.books.levels


def test_every_entry_of_a_count_says_who_counted(house: House) -> None:
    house.counted(7)
    entry = house.books.entries[-1]

    assert (entry.reason, entry.quantity, entry.delta) == ("authority_count", Quantity.ON_HAND, -3)
    assert entry.cause.channel == ERP


def test_trust_is_refused_where_nothing_is_asked(house: House) -> None:
    with pytest.raises(InvalidChange, match="nothing is asked"):
        TrustAuthority(key=LEVEL, actor="anna").apply(house.books)


def test_a_new_sku_of_the_authority_becomes_one_of_ours() -> None:
    house = House()
    new = LevelKey(Sku("NEW"), HOUSE)
    snapshot = Snapshot(channel=ERP, at=Span(house.books.now, house.books.now), counts=[(new, 5)])
    TakeSnapshot(snapshot=snapshot).apply(house.books)

    assert house.books.level(new).on_hand == 5
    assert Sku("NEW") in house.books.new_skus


def test_a_feed_that_falls_silent_does_not_make_the_books_grow(house: House) -> None:
    house.counted(5_000)
    for number in range(1_000):
        house.shipped(str(number), 1)

    standing = house.books.standings[LEVEL]
    assert len(standing.unbooked) <= 401
    assert sum(one.units for one in standing.unbooked) == -1_000
    house.counted(4_000)
    assert (house.on_hand, house.asked) == (4_000, 0)
