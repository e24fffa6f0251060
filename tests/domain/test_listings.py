"""What the hub does in each of the lives that once restored sold stock, raised false conflicts or wrote for ever."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.domain import listings
from syncd.domain.listings import (
    Account,
    Circumstances,
    Effect,
    Hold,
    Reading,
    Seen,
    Span,
    Write,
    WriteKind,
    begin,
    confirm,
    cover,
    fold,
    hear,
    next_write,
    observe,
    owed,
    own_effects,
)
from tests.domain.explorer.story import Story
from tests.domain.explorer.world import ABSOLUTE, COMPARE, COMPARE_WITH_KEY, KINDS, RELATIVE, Kind

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
compares = pytest.mark.parametrize("kind", [COMPARE_WITH_KEY, COMPARE], ids=str)
without_keys = pytest.mark.parametrize("kind", [COMPARE, ABSOLUTE], ids=str)


# A. Sold stock is never restored.


@every_kind
def test_a1_a_sale_whose_news_is_late_is_no_drift_and_is_not_written_over(kind: Kind) -> None:
    story = Story(kind, 2)
    story.sells()
    story.tick()
    story.hears_stock(1, at=0)
    story.reads()
    assert story.seen() is Seen.DIFFERS

    assert story.expected() == 2
    assert story.account.asked
    assert story.writes() is Hold.NOTHING_OWED
    story.reads_orders()
    assert story.seen() is Seen.AGREES
    assert (story.expected(), story.desired, story.shown) == (1, 1, 1)
    assert story.writes() is Hold.NOTHING_OWED


@every_kind
def test_a2_a_reading_that_agrees_sets_no_base_before_the_orders_are_read(kind: Kind) -> None:
    story = Story(kind, 2)
    story.sells(2)
    story.cancels(0)
    story.hears_sale(0)
    story.tick()

    story.reads()
    assert story.seen() is Seen.AGREES
    story.hears_cancellation(0)

    assert (story.expected(), story.desired) == (2, 2)
    assert story.writes() is Hold.NOTHING_OWED
    story.hears_sale(1)
    assert (story.expected(), story.desired, story.shown) == (1, 1, 1)


@compares
def test_a3_a_compare_that_succeeds_over_an_unseen_sale_and_its_return_proves_nothing(kind: Kind) -> None:
    story = Story(kind, 2)
    story.receives()
    story.sells()
    story.tick()
    story.cancels(0)

    assert story.writes() == Write(3, 2)
    story.lands_and_answers()
    base = story.account.base
    story.hears_sale(0)
    assert story.expected() == 2
    story.hears_cancellation(0)

    assert base is not None
    assert base.at.latest < 0, "the base is still the one from before"
    assert (story.expected(), story.desired, story.shown) == (3, 3, 3)
    story.comes_to_rest()


@without_keys
def test_a4_a_lost_answer_settled_by_reading_back_allows_no_rise_before_the_orders_are_read(kind: Kind) -> None:
    story = Story(kind, 2)
    story.receives()
    assert story.reads_orders_and_writes() == Write(3, 2)
    story.lands()
    story.sells()
    story.loses_answer()
    story.can_no_longer_land()
    story.tick()

    story.reads()

    assert story.expected() is None
    assert story.writes() is Hold.NO_BASE
    story.reads_orders()
    assert (story.expected(), story.desired, story.shown) == (2, 2, 2)
    assert story.writes(orders_read=True) is Hold.NOTHING_OWED


@pytest.mark.parametrize("kind", [COMPARE_WITH_KEY, RELATIVE], ids=str)
def test_a4_with_a_key_the_lost_answer_is_asked_for_again_and_counts_once(kind: Kind) -> None:
    story = Story(kind, 2)
    story.receives()
    story.writes()
    story.lands()
    story.sells()
    story.loses_answer()

    assert story.writes() is Hold.IN_FLIGHT
    story.resends()

    assert (story.expected(), story.shown) == (3, 2)
    story.hears_sale(0)
    assert (story.expected(), story.desired, story.shown) == (2, 2, 2)


@without_keys
def test_a5_while_a_lost_request_can_still_land_nothing_is_written_and_nothing_judged(kind: Kind) -> None:
    story = Story(kind, 2)
    story.receives()
    story.reads_orders_and_writes()
    story.loses_answer()
    story.tick()

    story.reads()
    assert story.seen() is Seen.UNDECIDED
    assert story.reads_orders_and_writes() is Hold.IN_FLIGHT
    story.sells()
    story.lands()
    story.can_no_longer_land()

    assert story.expected() is None, "nobody knows what the late request did"
    story.comes_to_rest()


def test_a6_an_absolute_fall_reads_the_orders_first_and_does_not_lift_the_figure() -> None:
    story = Story(ABSOLUTE, 3)
    story.loses()
    story.sells(2)

    assert story.desired < 3
    assert story.writes() is Hold.ORDERS_UNREAD
    story.tick()
    assert story.reads_orders_and_writes() == Write(0, 1)
    story.lands_and_answers()
    assert story.shown == 0


def test_a6_while_the_orders_cannot_be_read_only_an_absolute_fall_goes_out() -> None:
    account = Account(base=Reading(3, Span(0, 0)))
    unreadable = Circumstances(kind=WriteKind.ABSOLUTE, orders_readable=False)

    assert next_write(account, 2, unreadable) == Write(2, 3)
    assert next_write(account, 4, unreadable) is Hold.FROZEN


def test_a7_an_absolute_rise_waits_for_an_order_read_in_its_own_step_and_is_computed_anew() -> None:
    story = Story(ABSOLUTE, 2)
    story.receives()
    story.reads_orders()
    story.sells()

    assert story.writes() is Hold.ORDERS_UNREAD
    story.tick()
    assert story.reads_orders_and_writes() == Write(2, 1)
    story.lands_and_answers()
    assert (story.expected(), story.desired, story.shown) == (2, 2, 2)


def test_a7_a_sale_between_the_order_read_and_the_write_in_force_is_put_right_once_heard() -> None:
    story = Story(ABSOLUTE, 2)
    story.receives()
    story.reads_orders_and_writes()
    story.sells()
    story.tick()
    story.lands_and_answers()
    assert story.shown == 3, "the window that an absolute channel leaves open"

    story.comes_to_rest()


def test_a8_below_zero_counts_as_zero_so_a_sold_unit_is_not_added_back() -> None:
    story = Story(RELATIVE, 1)
    story.sells()
    story.cancels(0)
    story.sells()
    story.hears_sale(0)
    story.hears_sale(1)

    assert (story.expected(), story.desired, story.shown) == (-1, 0, 0)
    assert story.writes() is Hold.NOTHING_OWED
    story.hears_cancellation(0)
    assert (story.expected(), story.desired) == (0, 0)
    assert story.writes() is Hold.NOTHING_OWED


# B. No false conflicts, no loops.


@every_kind
def test_b1_the_late_echo_of_an_earlier_write_makes_nothing_happen(kind: Kind) -> None:
    story = Story(kind, 2)
    for change in (1, -1):
        story.tick()
        story.receives(change)
        story.reads_orders_and_writes()
        story.lands_and_answers()
    account = story.account

    for _ in range(3):
        story.hears_stock(3, at=1)

    assert story.seen() is Seen.VOID
    assert story.account == account
    assert story.reads_orders_and_writes() is Hold.NOTHING_OWED


@every_kind
def test_b1_an_old_event_of_a_sale_heard_again_and_again_makes_nothing_happen(kind: Kind) -> None:
    story = Story(kind, 2)
    story.sells()
    story.hears_sale(0)
    story.tick()
    story.receives()
    story.reads_orders_and_writes()
    story.lands_and_answers()
    account = story.account

    for _ in range(3):
        story.hears_stock(1, at=0)

    assert story.account == account
    assert story.reads_orders_and_writes() is Hold.NOTHING_OWED


@compares
def test_b1_a_refused_compare_is_not_sent_again_until_something_changed(kind: Kind) -> None:
    story = Story(kind, 3)
    story.sells()
    story.loses()
    assert story.writes() == Write(2, 3)
    story.lands_and_answers()

    assert story.writes() is Hold.REFUSED
    story.tick()
    story.reads()
    assert story.writes() is Hold.REFUSED, "the reading differs too, and no order explains it yet"
    story.reads_orders()
    assert story.writes() == Write(1, 2)
    story.lands_and_answers()
    assert (story.expected(), story.desired, story.shown) == (1, 1, 1)


@every_kind
def test_b2_the_echo_of_a_write_that_comes_before_its_answer_makes_nothing_happen(kind: Kind) -> None:
    story = Story(kind, 2)
    story.receives()
    story.reads_orders_and_writes()
    story.lands()

    story.hears_stock(3)
    assert story.seen() is Seen.UNDECIDED
    story.reads_orders()
    story.answers()

    assert not story.account.asked
    assert (story.expected(), story.shown) == (3, 3)
    assert story.reads_orders_and_writes() is Hold.NOTHING_OWED


@every_kind
def test_b3_an_edit_by_hand_is_drift_and_is_overwritten(kind: Kind) -> None:
    story = Story(kind, 2)
    story.tick()
    story.edits(3)
    story.hears_stock(5)
    assert story.seen() is Seen.DIFFERS
    assert story.expected() == 2

    story.reads_orders()
    assert story.seen() is Seen.DRIFT
    story.tick()
    story.reads_orders_and_writes()
    story.lands_and_answers()

    assert (story.expected(), story.shown) == (2, 2)


@every_kind
def test_b3_a_difference_is_drift_only_when_it_still_stands_after_the_settle_time(kind: Kind) -> None:
    story = Story(kind, 2, settle=2)
    story.edits(1)
    story.tick()
    seen = []
    for _ in range(3):
        story.reads()
        story.reads_orders()
        seen.append(story.seen())
        story.tick()

    assert seen == [Seen.SETTLING, Seen.SETTLING, Seen.DRIFT]


@every_kind
def test_b4_a_reading_within_the_second_of_a_sale_decides_nothing(kind: Kind) -> None:
    story = Story(kind, 2)
    story.sells()
    story.reads()
    story.reads_orders()
    assert story.seen() is Seen.UNDECIDED
    base = story.account.base

    story.tick()
    story.reads()
    story.reads_orders()

    assert story.seen() is Seen.AGREES
    assert story.account.base != base
    assert story.expected() == 1


@every_kind
def test_b4_a_sale_heard_late_of_the_second_of_the_reading_stops_every_write_until_it_is_read_again(
    kind: Kind,
) -> None:
    story = Story(kind, 2)
    story.reads()
    story.reads_orders()
    story.sells()
    story.hears_sale(0)
    story.receives()

    assert story.account.open
    assert story.reads_orders_and_writes() in (Hold.OPEN, Hold.NOTHING_OWED)
    assert story.account.asked
    story.receives()
    assert story.reads_orders_and_writes() is Hold.OPEN
    story.tick()
    story.reads()
    assert story.reads_orders_and_writes() == Write(3, 1)


@without_keys
def test_b4_a_read_back_within_the_time_in_which_the_request_could_land_decides_nothing(kind: Kind) -> None:
    story = Story(kind, 2)
    story.receives()
    story.reads_orders_and_writes()
    story.loses_answer()
    story.tick()
    story.lands()
    story.can_no_longer_land()

    story.reads()
    story.reads_orders()
    assert story.expected() is None
    story.tick()
    story.reads()
    story.reads_orders()

    assert (story.expected(), story.shown) == (3, 3)


# What the traces left open.


@every_kind
def test_a_sale_cancelled_within_its_second_is_no_drift_to_a_reading_from_between(kind: Kind) -> None:
    story = Story(kind, 2)
    story.sells()
    story.cancels(0)

    story.hears_stock(1)
    story.reads_orders()

    assert story.seen() is Seen.UNDECIDED
    story.comes_to_rest()


@every_kind
def test_a_shop_that_sells_every_second_is_still_lowered_for_the_sales_of_others(kind: Kind) -> None:
    story = Story(kind, 50)
    written = []
    for _ in range(6):
        story.tick()
        story.loses()
        story.sells()
        story.reads()
        written.append(story.reads_orders_and_writes())
        story.lands_and_answers()
        story.sells()

    assert all(isinstance(write, Write) for write in written)
    story.reads_orders()
    assert story.shown == story.desired


def test_after_a_lost_answer_a_shop_that_sells_every_second_is_lowered_again() -> None:
    story = Story(ABSOLUTE, 50)
    story.loses()
    story.reads_orders_and_writes()
    story.loses_answer()
    story.lands()
    story.can_no_longer_land()
    story.tick()
    story.sells()
    story.reads()
    story.loses()

    written = story.reads_orders_and_writes()

    assert written == Write(47, 48), "one of the two figures is right, and either way 47 are left"


def test_a_shop_that_takes_orders_at_zero_is_read_before_it_is_raised() -> None:
    story = Story(RELATIVE, 1, sells_at_zero=True)
    story.sells(3)
    story.reads_orders()
    assert (story.expected(), story.shown) == (-2, 0)
    story.receives(4)

    assert story.account.asked
    assert story.writes() is Hold.OPEN, "adding four would show four of the two that are left"
    story.tick()
    story.reads()
    story.reads_orders()
    assert story.seen() is Seen.AGREES, "the orders went on, the figure stopped at zero: no drift"
    assert story.writes() == Write(2, 0)


def test_a_channel_that_counts_below_zero_is_raised_by_the_whole_difference() -> None:
    account = Account(base=Reading(-2, Span(0, 0)))

    assert next_write(account, 2, Circumstances(kind=WriteKind.RELATIVE)) == Write(2, -2)


def test_on_an_open_figure_only_an_absolute_fall_with_its_orders_read_goes_out() -> None:
    account = own_effects(Account(base=Reading(5, Span(3, 4))), [(4, -1)])
    assert account.open

    for kind in WriteKind:
        for desired in (2, 7):
            for read in (True, False):
                write = next_write(account, desired, Circumstances(kind=kind, orders_read_in_step=read))
                goes_out = kind is WriteKind.ABSOLUTE and desired == 2 and read
                assert write == (Write(2, 5) if goes_out else Hold.OPEN)


@every_kind
def test_rises_wait_while_the_orders_cannot_be_read(kind: Kind) -> None:
    account = Account(base=Reading(2, Span(0, 0)))

    assert next_write(account, 3, Circumstances(kind=kind.write, orders_readable=False)) is Hold.FROZEN
    assert isinstance(next_write(account, 1, Circumstances(kind=kind.write, orders_readable=False)), Write)


@every_kind
def test_a_rise_waits_while_a_question_is_open_and_a_fall_does_not(kind: Kind) -> None:
    account = Account(base=Reading(2, Span(0, 0)), asked=True)
    when = Circumstances(kind=kind.write, orders_read_in_step=True)

    assert next_write(account, 3, when) is Hold.OPEN
    assert next_write(account, 1, when) == Write(1, 2)


@every_kind
def test_nothing_is_written_to_a_listing_that_was_never_read(kind: Kind) -> None:
    account = Account()

    assert next_write(account, 1, Circumstances(kind=kind.write, orders_read_in_step=True)) is Hold.NO_BASE
    assert not owed(account, 1)


@every_kind
def test_the_first_covered_reading_is_the_base(kind: Kind) -> None:
    told = observe(Account(), Reading(7, Span(5, 5)))
    assert told.seen is Seen.DIFFERS
    assert cover(told.account, 4).seen is Seen.UNDECIDED, "the orders are not read up to it"

    covered = cover(told.account, 5)

    assert covered.seen is Seen.AGREES
    assert covered.account.expected == 7


def test_a_write_that_was_turned_away_is_owed_as_before() -> None:
    account = Account(base=Reading(2, Span(0, 0)))
    sent = begin(account, Write(3, 2))

    assert listings.abandon(sent) == account


def test_an_answer_to_no_write_changes_nothing() -> None:
    account = Account(base=Reading(2, Span(0, 0)))

    assert confirm(account, WriteKind.ABSOLUTE, Span(1, 1)) == account
    assert listings.refuse(account) == account
    assert listings.doubt(account) == account
    assert listings.lapse(account, WriteKind.ABSOLUTE, Span(1, 1)) == account


def test_an_older_reading_does_not_take_the_place_of_a_newer_one() -> None:
    account = Account(base=Reading(2, Span(0, 0)))
    account = observe(account, Reading(2, Span(9, 9))).account

    assert observe(account, Reading(1, Span(8, 8))).seen is Seen.VOID


@every_kind
def test_the_stock_event_of_a_sale_that_is_known_makes_nothing_happen(kind: Kind) -> None:
    story = Story(kind, 2)
    story.sells()
    story.hears_sale(0)
    account = story.account

    story.hears_stock(1)

    assert story.seen() is Seen.AGREES
    assert story.account == account


@every_kind
def test_a_question_is_answered_by_the_order_that_explains_it(kind: Kind) -> None:
    story = Story(kind, 2)
    story.sells()
    story.hears_stock(1)
    assert story.seen() is Seen.DIFFERS

    story.hears_sale(0)

    assert not story.account.asked
    assert story.account.reading is None, "within the second of the sale it decides nothing"


@every_kind
def test_a_reading_that_an_order_explains_still_waits_for_its_cover(kind: Kind) -> None:
    story = Story(kind, 2)
    story.sells()
    story.tick()
    story.reads()
    story.hears_sale(0)

    assert not story.account.asked
    story.reads_orders()

    assert story.seen() is Seen.AGREES
    assert story.account.base == Reading(1, Span(1, 1))


@every_kind
def test_a_question_that_no_order_explains_stays(kind: Kind) -> None:
    story = Story(kind, 5)
    story.edits(2)
    story.hears_stock(7)
    story.tick()
    story.sells()

    story.hears_sale(0)

    assert story.account.asked


def test_an_event_older_than_one_that_waits_asks_but_does_not_take_its_place() -> None:
    account = Account(base=Reading(2, Span(0, 0)))
    waiting = hear(account, Reading(9, Span(5, 5))).account

    assert hear(waiting, Reading(8, Span(4, 4))).account.reading == Reading(9, Span(5, 5))
    assert hear(waiting, Reading(8, Span(5, 5))).account.reading == Reading(8, Span(5, 5))


def test_an_event_of_a_listing_that_was_never_read_is_void() -> None:
    assert hear(Account(), Reading(2, Span(5, 5))).seen is Seen.VOID


def test_an_absolute_write_is_not_made_unless_the_orders_are_said_to_be_read() -> None:
    account = Account(base=Reading(2, Span(0, 0)))

    for desired in (1, 3):
        assert next_write(account, desired, Circumstances(kind=WriteKind.ABSOLUTE)) is Hold.ORDERS_UNREAD


def test_what_was_read_before_a_write_went_out_is_not_judged_after_it() -> None:
    account = observe(Account(base=Reading(2, Span(0, 0))), Reading(5, Span(3, 3))).account
    sent = begin(account, Write(1, 2))
    assert sent.reading is None

    account = confirm(sent, WriteKind.RELATIVE, Span(4, 4))

    assert cover(account, 9).seen is Seen.UNDECIDED
    assert not account.asked, "the question is older than the write"
    assert account.written == -1
    assert account.written_at == Span(4, 4)


def test_a_refused_compare_asks_for_a_reading() -> None:
    refused = listings.refuse(begin(Account(base=Reading(2, Span(0, 0))), Write(1, 2)))

    assert refused == Account(base=Reading(2, Span(0, 0)), refused=2, asked=True)


def test_after_a_request_can_no_longer_land_nothing_is_believed() -> None:
    account = Account(base=Reading(2, Span(0, 0)), written=3, effects=((7, -1),), refused=5)

    lapsed = listings.lapse(begin(account, Write(6, 4)), WriteKind.COMPARE_AND_SET, Span(8, 12))

    assert lapsed == Account(effects=((7, -1),), written_at=Span(8, 12), asked=True)
    for at in (7, 8, 12):
        told = observe(lapsed, Reading(6, Span(at, at))).account
        assert cover(told, 20).account.expected is None
    assert cover(observe(lapsed, Reading(6, Span(13, 13))).account, 20).account.expected == 6


def test_a_covered_reading_ends_a_refusal_and_every_question() -> None:
    asked = Account(base=Reading(2, Span(0, 0)), written=1, refused=3, asked=True, differs_since=4)

    covered = cover(observe(asked, Reading(3, Span(5, 5))).account, 5)

    assert covered.account == Account(base=Reading(3, Span(5, 5)))


def test_effects_after_a_reading_are_counted_before_it_is_compared() -> None:
    account = own_effects(Account(base=Reading(5, Span(0, 0))), [(3, -1), (7, -2)])

    covered = cover(observe(account, Reading(4, Span(5, 5))).account, 5)

    assert covered.seen is Seen.AGREES
    assert (covered.observed, covered.expected) == (2, 2)
    assert covered.account == Account(base=Reading(4, Span(5, 5)), effects=((7, -2),))


def test_an_effect_from_before_the_base_is_in_it() -> None:
    account = Account(base=Reading(5, Span(10, 12)))

    assert own_effects(account, [(9, -1)]) == account
    assert own_effects(account, [(13, -1)]).expected == 4
    assert own_effects(account, [(11, -1)]).open


def test_a_listing_that_is_to_show_less_than_nothing_is_owed_nothing_at_zero() -> None:
    account = Account(base=Reading(0, Span(0, 0)))

    assert not owed(account, 0)
    assert not owed(account, -1)
    assert owed(account, 1)
    assert owed(Account(base=Reading(1, Span(0, 0))), 0)


# Properties.

steps = st.lists(st.tuples(st.integers(-5, 30), st.integers(-3, 3)), max_size=12)
accounts = st.builds(
    lambda units, at, width, entered, written: own_effects(
        Account(base=Reading(units, Span(at, at + width)), written=written), entered
    ),
    st.integers(-3, 20),
    st.integers(0, 10),
    st.integers(0, 3),
    steps,
    st.integers(-3, 3),
)


@given(account=accounts, entered=steps, order=st.randoms(use_true_random=False))
def test_effects_count_the_same_in_whatever_order_and_grouping_they_come(
    account: Account, entered: list[Effect], order: Random
) -> None:
    at_once = own_effects(account, entered)

    shuffled = list(entered)
    order.shuffle(shuffled)
    one_by_one = account
    for step in shuffled:
        one_by_one = own_effects(one_by_one, [step])

    assert one_by_one.effects == at_once.effects
    assert one_by_one.expected == at_once.expected


@given(account=accounts, before=st.integers(0, 40), later=steps, units=st.integers(0, 20), at=st.integers(0, 40))
def test_folding_never_changes_what_is_expected_nor_what_later_news_and_readings_make_of_it(
    account: Account, before: int, later: list[Effect], units: int, at: int
) -> None:
    folded = fold(account, before)
    assert folded.expected == account.expected

    whole, folded = own_effects(account, later), own_effects(folded, later)
    assert folded.expected == whole.expected

    reading = Reading(units, Span(at, at))
    if at >= before:
        judged, judged_folded = cover(observe(whole, reading).account, at), cover(observe(folded, reading).account, at)
        assert judged_folded.seen is judged.seen
        assert judged_folded.account.expected == judged.account.expected
    else:
        assert observe(folded, reading).seen in (Seen.VOID, Seen.UNDECIDED) or folded == whole


@given(account=accounts, units=st.integers(0, 20), at=st.integers(0, 40))
def test_nothing_uncovered_ever_changes_what_is_expected(account: Account, units: int, at: int) -> None:
    reading = Reading(units, Span(at, at))

    for told in (observe(account, reading), hear(account, reading)):
        assert told.account.expected == account.expected
        assert told.seen is not Seen.DRIFT


@given(account=accounts, desired=st.integers(0, 20), kind=st.sampled_from(list(WriteKind)))
def test_what_goes_out_is_what_is_wanted_and_a_confirmed_write_is_expected(
    account: Account, desired: int, kind: WriteKind
) -> None:
    write = next_write(account, desired, Circumstances(kind=kind, orders_read_in_step=True))
    if isinstance(write, Hold):
        return

    confirmed = confirm(begin(account, write), kind, Span(50, 50))

    assert write.target == desired
    assert confirmed.expected == desired
    assert not owed(confirmed, desired)
