"""What an order does to stock: the table row by row, then any telling of any history, then a shop's own books."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from syncd.domain.ids import Alias, Instant, LineId, OrderId, PartId, RemoteLocation, Sku
from syncd.domain.orders import (
    CANCELLATION,
    FOREVER,
    Binding,
    Fulfilment,
    Line,
    Order,
    Parts,
    RefundLine,
    Restock,
    Stock,
    cancellation_of,
    dated_parts,
    effect,
    home,
    merge,
    own_steps,
    reason,
    timeline,
)

ORDER = OrderId("1001")
LINE, OTHER = LineId("line 1"), LineId("line 2")
HERE, THERE = RemoteLocation("here"), RemoteLocation("there")


def line(ordered: int = 2, version: Instant = 10, line_id: LineId = LINE, **more: Any) -> Line:
    told = Line(line_id=line_id, item=Alias("item"), ordered=ordered, version=version, at=10, location=HERE)
    return replace(told, **more)


def order(*parts: Line | Fulfilment | RefundLine, at: Instant = 10, cancelled_at: Instant | None = None) -> Order:
    """A whole account of the order as of `at`."""
    return Order(
        order_id=ORDER,
        name="#1001",
        placed_at=10,
        updated_at=at,
        cancelled_at=cancelled_at,
        lines={part.line_id: part for part in parts if isinstance(part, Line)},
        fulfilments={part.part_id: part for part in parts if isinstance(part, Fulfilment)},
        refunds={part.part_id: part for part in parts if isinstance(part, RefundLine)},
    )


def only(*parts: Fulfilment | RefundLine, at: Instant = 20) -> Order:
    """News of some parts alone, without the order itself."""
    return replace(order(*parts, at=at), placed_at=None, name="")


def shipment(units: int, at: Instant = 20, location: RemoteLocation | None = HERE, name: str = "f1") -> Fulfilment:
    return Fulfilment(part_id=PartId(name), at=at, version=at, lines=((LINE, units),), location=location)


def refund(
    units: int,
    restock: Restock,
    at: Instant = 30,
    location: RemoteLocation | None = None,
    name: str = "r1",
) -> RefundLine:
    return RefundLine(part_id=PartId(name), at=at, line_id=LINE, units=units, restock=restock, location=location)


def told(accounts: Iterable[Order]) -> Order:
    known: Order | None = None
    for account in accounts:
        known = account if known is None else merge(known, account).order
    assert known is not None
    return known


def stock(order: Order) -> dict[tuple[LineId, RemoteLocation | None], Stock]:
    moved = {place: parts.stock for place, parts in effect(order).items()}
    return {place: units for place, units in moved.items() if units != Stock(0, 0)}


def stock_at(order: Order, location: RemoteLocation = HERE) -> Stock:
    return stock(order).get((LINE, location), Stock(0, 0))


# The table, row by row.


def test_a_line_ordered_is_promised() -> None:
    assert stock_at(order(line(2))) == Stock(on_hand=0, committed=2)


def test_a_line_is_promised_where_it_was_put_until_the_shop_names_its_location() -> None:
    unnamed = order(line(2, location=None))
    put = replace(unnamed, bindings={LINE: Binding(sku=Sku("SKU"), home=THERE)})
    assert stock(put) == {(LINE, THERE): Stock(0, 2)}

    named = merge(put, order(line(2, version=11), at=11)).order

    assert stock(named) == {(LINE, HERE): Stock(0, 2)}
    assert home(named, named.lines[LINE]) == HERE
    assert home(unnamed, unnamed.lines[LINE]) is None


@pytest.mark.parametrize(
    "parts",
    [
        (line(2, removed=1, removed_at=15),),
        (line(2), refund(1, Restock.BEFORE_SHIPPING)),
    ],
    ids=["removed by an edit", "refunded before shipping"],
)
def test_what_is_taken_off_before_shipping_and_put_back_is_no_longer_promised(
    parts: Sequence[Line | RefundLine],
) -> None:
    assert stock_at(order(*parts)) == Stock(on_hand=0, committed=1)


def test_an_order_cancelled_and_put_back_leaves_nothing() -> None:
    assert stock(order(line(2), refund(2, Restock.BEFORE_SHIPPING), cancelled_at=30)) == {}


def test_what_is_refunded_before_shipping_and_not_put_back_leaves_the_books() -> None:
    assert stock_at(order(line(2), refund(1, Restock.NONE))) == Stock(on_hand=-1, committed=1)


def test_an_order_cancelled_and_not_put_back_leaves_the_books() -> None:
    assert stock_at(order(line(2), cancelled_at=30)) == Stock(on_hand=-2, committed=0)


def test_what_is_fulfilled_leaves_the_shelf_and_the_promise() -> None:
    assert stock_at(order(line(3), shipment(2))) == Stock(on_hand=-2, committed=1)


def test_what_is_fulfilled_elsewhere_leaves_the_shelf_there_and_the_promise_here() -> None:
    shipped = order(line(3), shipment(2, location=THERE))

    assert stock_at(shipped, HERE) == Stock(on_hand=0, committed=1)
    assert stock_at(shipped, THERE) == Stock(on_hand=-2, committed=0)


def test_a_fulfilment_cancelled_is_promised_again() -> None:
    cancelled = replace(shipment(2), cancelled_at=25)

    assert stock_at(order(line(3), cancelled)) == Stock(on_hand=0, committed=3)


def test_what_comes_back_after_shipping_is_on_the_shelf_where_it_came_back() -> None:
    returned = order(line(2), shipment(2), refund(1, Restock.RETURNED, location=THERE))

    assert stock_at(returned, HERE) == Stock(on_hand=-2, committed=0)
    assert stock_at(returned, THERE) == Stock(on_hand=1, committed=0)


def test_what_is_refunded_after_shipping_without_coming_back_moves_nothing() -> None:
    assert stock_at(order(line(2), shipment(2), refund(1, Restock.NONE))) == Stock(on_hand=-2, committed=0)


def test_a_refund_that_is_no_return_takes_units_not_yet_shipped_first() -> None:
    assert stock_at(order(line(3), shipment(2), refund(1, Restock.NONE))) == Stock(on_hand=-3, committed=0)


def test_the_rest_of_a_partly_shipped_order_is_cancelled() -> None:
    rest = order(line(3), shipment(1), refund(2, Restock.BEFORE_SHIPPING), cancelled_at=30)

    assert stock_at(rest) == Stock(on_hand=-1, committed=0)


def test_a_line_that_carries_no_stock_moves_nothing() -> None:
    assert effect(order(line(2, no_stock="gift card"), shipment(2))) == {}
    assert timeline(order(line(2, no_stock="gift card"))) == {}


# Caps and holes.


def test_more_cannot_come_back_than_was_shipped_and_the_earlier_return_counts_first() -> None:
    first = refund(2, Restock.RETURNED, at=30, location=HERE, name="r2")
    second = refund(2, Restock.RETURNED, at=31, location=THERE, name="r1")

    capped = order(line(3), shipment(3), first, second)

    assert effect(capped)[LINE, HERE].returned == 2
    assert effect(capped)[LINE, THERE].returned == 1


def test_returns_of_one_instant_are_capped_in_order_of_their_ids() -> None:
    returns = [refund(2, Restock.RETURNED, location=at, name=n) for n, at in (("r1", HERE), ("r2", THERE))]

    for told_first in (returns, returns[::-1]):
        capped = order(line(2), shipment(2), *told_first)
        assert effect(capped)[LINE, HERE].returned == 2
        assert effect(capped)[LINE, THERE].returned == 0


def test_no_more_is_shipped_or_cancelled_than_was_ordered() -> None:
    assert stock_at(order(line(1), shipment(3))) == Stock(on_hand=-1, committed=0)
    assert stock_at(order(line(1), refund(3, Restock.NONE))) == Stock(on_hand=-1, committed=0)


def test_a_refund_heard_before_its_order_takes_effect_when_the_order_comes() -> None:
    hole = only(refund(1, Restock.BEFORE_SHIPPING))
    assert effect(hole) == {}
    assert timeline(hole) == {}

    filled = merge(hole, order(line(2))).order

    assert stock_at(filled) == Stock(on_hand=0, committed=1)
    assert own_steps(hole, filled) == {((LINE, HERE), 10): -2, ((LINE, HERE), 30): 1}


def test_a_shipment_heard_before_its_order_takes_effect_when_the_order_comes() -> None:
    assert stock_at(told([only(shipment(2)), order(line(2))])) == Stock(on_hand=-2, committed=0)


# Ties.


def test_two_edits_of_one_second_are_a_tie_and_end_alike_whichever_comes_first() -> None:
    one, other = order(line(2, removed=1, removed_at=10)), order(line(3))

    assert merge(one, other).tie
    assert merge(other, one).tie
    assert effect(merge(one, other).order) == effect(merge(other, one).order)


def test_the_same_account_twice_is_no_tie_and_nothing_new() -> None:
    known = order(line(2), shipment(1), refund(1, Restock.NONE))

    again = merge(known, order(line(2), shipment(1), refund(1, Restock.NONE)))

    assert not again.tie
    assert again.order is known


def test_an_older_account_changes_nothing() -> None:
    known = order(line(3, version=20, removed=1, removed_at=20), at=20)

    assert merge(known, order(line(2))) == (known, False)


def test_a_later_account_corrects_an_earlier_one() -> None:
    assert stock_at(told([order(line(2)), order(line(5, version=20), at=20)])) == Stock(0, 5)


def test_a_shipment_told_from_two_places_is_a_tie() -> None:
    here, there = order(line(), shipment(1)), order(line(), shipment(1, location=THERE))

    assert merge(here, there).tie
    assert effect(merge(here, there).order) == effect(merge(there, here).order)
    assert not merge(here, order(line(), shipment(1, location=None))).tie


def test_a_choice_that_was_kept_is_not_overturned() -> None:
    bound = replace(order(line(2)), bindings={LINE: Binding(sku=Sku("A"))})
    other = replace(order(line(2)), bindings={LINE: Binding(sku=Sku("B")), OTHER: Binding(sku=Sku("C"))})

    assert merge(bound, other).order.bindings == {LINE: Binding(sku=Sku("A")), OTHER: Binding(sku=Sku("C"))}


def test_the_name_is_the_newest_one_told_and_never_lost() -> None:
    named, renamed, unnamed = order(line()), replace(order(line(), at=20), name="#1001-A"), only(shipment(1), at=30)

    assert told([renamed, named]).name == told([named, renamed]).name == "#1001-A"
    assert told([unnamed, named]).name == told([named, unnamed]).name == "#1001"


# What the count already has.


@pytest.mark.parametrize(
    ("parts", "counted", "left"),
    [
        ((shipment(2),), {"f1"}, Stock(0, 1)),
        ((replace(shipment(2), cancelled_at=25),), {"f1"}, Stock(2, 3)),
        ((replace(shipment(2), cancelled_at=25),), {"f1", cancellation_of(PartId("f1"))}, Stock(0, 3)),
        ((shipment(2), refund(1, Restock.RETURNED)), {"r1"}, Stock(-2, 1)),
        ((shipment(2), refund(1, Restock.RETURNED)), {"f1", "r1"}, Stock(0, 1)),
        ((refund(1, Restock.NONE),), {"r1"}, Stock(0, 2)),
        ((refund(1, Restock.BEFORE_SHIPPING),), {"r1"}, Stock(0, 2)),
    ],
)
def test_what_happened_before_the_count_moves_nothing_on_hand_and_releases_the_promise(
    parts: Sequence[Fulfilment | RefundLine], counted: set[str], left: Stock
) -> None:
    before_count = replace(order(line(3), *parts), in_count=frozenset(map(PartId, counted)))

    assert stock_at(before_count) == left


def test_an_order_cancelled_before_the_count_without_restock_takes_nothing_off() -> None:
    cancelled = replace(order(line(2), cancelled_at=20), in_count=frozenset({CANCELLATION}))

    assert stock(cancelled) == {}


def test_every_dated_part_is_told_with_the_place_that_it_may_be_counted_at() -> None:
    parts = dated_parts(
        order(
            line(3),
            replace(shipment(2, location=THERE), cancelled_at=25),
            refund(1, Restock.RETURNED, location=HERE),
            cancelled_at=40,
        )
    )

    assert list(parts) == [
        ("f1", 20, LINE, THERE),
        ("f1/cancelled", 25, LINE, THERE),
        ("r1", 30, LINE, HERE),
        ("cancelled", 40, LINE, None),
    ]


# Dates.


def test_the_shop_s_own_figure_falls_with_the_sale_and_not_again_with_the_shipment() -> None:
    assert timeline(order(line(2), shipment(2))) == {((LINE, HERE), 10): -2}


def test_what_ships_from_elsewhere_moves_both_figures_when_it_ships() -> None:
    assert timeline(order(line(2), shipment(1, location=THERE))) == {
        ((LINE, HERE), 10): -2,
        ((LINE, HERE), 20): 1,
        ((LINE, THERE), 20): -1,
    }


def test_a_line_added_by_an_edit_is_dated_with_the_edit() -> None:
    known = order(line(1))
    added = merge(known, order(line(1, version=20), line(1, 20, OTHER), at=20)).order

    assert timeline(added)[(OTHER, HERE), 20] == -1
    assert own_steps(known, added) == {((OTHER, HERE), 20): -1}


def test_units_added_by_an_edit_are_dated_with_the_edit() -> None:
    known = order(line(1))
    edited = merge(known, order(line(3, version=20), at=20)).order

    assert own_steps(known, edited) == {((LINE, HERE), 20): -2}
    assert own_steps(edited, edited) == {}


def test_units_removed_by_a_second_edit_are_dated_with_the_second() -> None:
    known = order(line(3, version=15, removed=1, removed_at=15), at=15)
    edited = merge(known, order(line(3, version=20, removed=2, removed_at=20), at=20)).order

    assert own_steps(known, edited) == {((LINE, HERE), 20): 1}


def test_a_removal_heard_of_earlier_than_first_told_is_moved_to_its_day() -> None:
    known = order(line(3, version=20, removed=1, removed_at=20), at=20)
    dated = merge(known, order(line(3, version=15, removed=1, removed_at=15), at=15)).order

    assert own_steps(known, dated) == {((LINE, HERE), 15): 1, ((LINE, HERE), 20): -1}


def test_a_line_moved_by_the_shop_is_dated_with_the_move() -> None:
    known = order(line(2))
    moved = merge(known, order(line(2, version=20, location=THERE, location_version=20), at=20)).order

    assert own_steps(known, moved) == {((LINE, HERE), 20): 2, ((LINE, THERE), 20): -2}


def test_a_line_moved_and_edited_is_dated_with_each() -> None:
    known = order(line(2))
    changed = merge(known, order(line(3, version=30, location=THERE, location_version=20), at=30)).order

    assert own_steps(known, changed) == {
        ((LINE, HERE), 20): 2,
        ((LINE, THERE), 20): -2,
        ((LINE, THERE), 30): -1,
    }


def test_a_location_learnt_later_was_there_from_the_start() -> None:
    known = replace(order(line(2, location=None)), bindings={LINE: Binding(sku=Sku("SKU"), home=THERE)})
    learnt = merge(known, order(line(2, version=20, location_version=20), at=20)).order

    assert own_steps(known, learnt) == {((LINE, THERE), 10): 2, ((LINE, HERE), 10): -2}


def test_an_order_cancelled_in_its_own_second_leaves_a_mark_on_that_second() -> None:
    gone = order(line(2), refund(2, Restock.BEFORE_SHIPPING, at=10), cancelled_at=10)

    assert timeline(gone) == {((LINE, HERE), 10): 0}
    assert own_steps(None, gone) == {((LINE, HERE), 10): 0}
    assert own_steps(gone, gone) == {}


def test_what_is_in_the_count_moved_the_shop_s_figure_all_the_same() -> None:
    counted = replace(order(line(2), refund(1, Restock.NONE)), in_count=frozenset({PartId("r1")}))

    assert timeline(counted) == {((LINE, HERE), 10): -2}


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (Parts(), Parts(ordered=2), "ordered"),
        (Parts(ordered=2), Parts(ordered=2, shipped=1), "fulfilled"),
        (Parts(ordered=2, shipped=1), Parts(ordered=2), "fulfilment_cancelled"),
        (Parts(ordered=2), Parts(ordered=2, put_back=1), "cancelled"),
        (Parts(ordered=2, put_back=1), Parts(ordered=2), "reinstated"),
        (Parts(ordered=2), Parts(ordered=2, written_off=1), "written_off"),
        (Parts(ordered=2, shipped=2), Parts(ordered=2, shipped=2, returned=1), "returned"),
        (Parts(ordered=2), Parts(), "moved"),
        (Parts(ordered=2), Parts(ordered=2), "moved"),
    ],
)
def test_a_change_is_named_in_the_trade_s_word(before: Parts, after: Parts, word: str) -> None:
    assert reason(before, after) == word


# Any telling of any history.

instants = st.integers(1, 6)
locations = st.sampled_from([HERE, THERE, None])
lines = st.builds(
    Line,
    line_id=st.sampled_from([LINE, OTHER]),
    item=st.just(Alias("item")),
    ordered=st.integers(0, 4),
    version=instants,
    at=instants,
    removed=st.integers(0, 3),
    removed_at=instants,
    no_stock=st.sampled_from(["", "", "", "service"]),
    location=locations,
    location_version=instants,
)
fulfilments = st.builds(
    Fulfilment,
    part_id=st.sampled_from([PartId("f1"), PartId("f2"), PartId("f3")]),
    at=instants,
    version=instants,
    lines=st.sampled_from([((LINE, 1),), ((LINE, 2),), ((OTHER, 1),), ((LINE, 1), (OTHER, 2))]),
    location=locations,
    cancelled_at=st.none() | instants,
)
refunds = st.builds(
    lambda number, **told: RefundLine(part_id=PartId(f"r{number}"), line_id=LINE if number % 2 else OTHER, **told),
    st.integers(1, 4),
    at=instants,
    units=st.integers(1, 3),
    restock=st.sampled_from(list(Restock)),
    location=locations,
)
parts_in_count = st.frozensets(st.sampled_from([*map(PartId, ("f1", "f2", "f1/cancelled", "r1", "r2")), CANCELLATION]))
accounts = st.builds(
    lambda lines, fulfilments, refunds, **told: Order(
        order_id=ORDER,
        lines={part.line_id: part for part in lines},
        fulfilments={part.part_id: part for part in fulfilments},
        refunds={part.part_id: part for part in refunds},
        bindings={LINE: Binding(sku=Sku("A"), home=HERE)},
        **told,
    ),
    st.lists(lines, max_size=2),
    st.lists(fulfilments, max_size=2),
    st.lists(refunds, max_size=2),
    placed_at=st.none() | st.just(1),
    updated_at=instants,
    cancelled_at=st.none() | st.none() | instants,
    in_count=parts_in_count,
)
histories = st.lists(accounts, min_size=1, max_size=5)


@given(history=histories, order_of=st.randoms(use_true_random=False))
def test_whatever_is_told_in_whatever_order_and_however_often_comes_to_the_same(
    history: list[Order], order_of: Random
) -> None:
    again = history + order_of.choices(history, k=order_of.randint(0, 5))
    order_of.shuffle(again)

    assert effect(told(again)) == effect(told(history))


@given(one=accounts, two=accounts, three=accounts)
def test_accounts_may_be_joined_in_any_grouping(one: Order, two: Order, three: Order) -> None:
    left = merge(merge(one, two).order, three).order
    right = merge(one, merge(two, three).order).order

    assert effect(left) == effect(right)


@given(history=histories)
def test_what_is_known_already_changes_nothing_at_all(history: list[Order]) -> None:
    known = told(history)

    assert merge(known, known).order is known
    for account in history:
        assert effect(merge(known, account).order) == effect(known)


@given(one=accounts, two=accounts)
def test_a_tie_is_seen_from_both_sides(one: Order, two: Order) -> None:
    assert merge(one, two).tie == merge(two, one).tie


@given(history=histories)
def test_no_line_ships_returns_or_cancels_more_than_it_has(history: list[Order]) -> None:
    order = told(history)
    by_line: dict[LineId, list[Parts]] = {}
    for (line_id, _), parts in effect(order).items():
        by_line.setdefault(line_id, []).append(parts)
        assert parts.stock.committed >= 0
        assert min(parts[:5]) >= 0

    for line_id, places in by_line.items():
        ordered, shipped, returned, put_back, written_off, _ = map(sum, zip(*places, strict=True))
        assert ordered == order.lines[line_id].ordered
        assert shipped <= ordered
        assert returned <= shipped
        assert put_back + written_off <= ordered - shipped


@given(history=histories)
def test_the_dated_steps_sum_up_to_the_effect_on_the_shop_s_own_figure(history: list[Order]) -> None:
    order = told(history)

    assert summed(timeline(order)) == shown(order)


@given(history=histories)
def test_steps_told_one_account_after_the_other_sum_up_to_the_effect_too(history: list[Order]) -> None:
    known: Order | None = None
    steps: Counter[tuple[LineId, RemoteLocation | None]] = Counter()
    for account in history:
        now = account if known is None else merge(known, account).order
        steps.update(summed(own_steps(known, now)))
        known = now

    assert known is not None
    assert {place: units for place, units in steps.items() if units} == shown(known)


def summed(
    steps: dict[tuple[tuple[LineId, RemoteLocation | None], Instant], int],
) -> dict[tuple[LineId, RemoteLocation | None], int]:
    sums: Counter[tuple[LineId, RemoteLocation | None]] = Counter()
    for (place, _), step in steps.items():
        sums[place] += step
    return {place: units for place, units in sums.items() if units}


def shown(order: Order) -> dict[tuple[LineId, RemoteLocation | None], int]:
    uncounted = {place: parts.stock.available - parts.in_count for place, parts in effect(order).items()}
    return {place: units for place, units in uncounted.items() if units}


# A shop with its own books.


class Shop(RuleBasedStateMachine):
    """Trades one order by the table alone, and tells of it in whole and partial accounts, late and twice."""

    @initialize(ordered=st.integers(1, 4))
    def place(self, ordered: int) -> None:
        self.now = 10
        self.order = order(line(ordered))
        self.on_hand: Counter[RemoteLocation] = Counter()
        self.committed: Counter[RemoteLocation] = Counter({HERE: ordered})
        self.in_transit: Counter[RemoteLocation] = Counter()
        """Units shipped from each location that have neither come back nor been refunded."""
        self.refunded_while_away = False
        self.heard: Order | None = None
        self.on_the_way: list[Order] = [self.order]

    def tell(self, news: Order) -> None:
        """A partial event, and the whole order as it is now."""
        self.on_the_way += [news, self.order]

    def part(self, kind: str) -> PartId:
        self.now += 1
        return PartId(f"{kind}{self.now}")

    @property
    def open(self) -> int:
        return self.committed[HERE]

    def is_open(self) -> bool:
        return self.committed[HERE] > 0

    def is_shipped(self) -> bool:
        return sum(self.in_transit.values()) > 0

    @precondition(is_open)
    @rule(data=st.data(), location=st.sampled_from([HERE, THERE]))
    def ship(self, data: st.DataObject, location: RemoteLocation) -> None:
        units = data.draw(st.integers(1, self.open))
        part = self.part("f")
        made = Fulfilment(part_id=part, at=self.now, version=self.now, lines=((LINE, units),), location=location)
        self.order = replace(self.order, updated_at=self.now, fulfilments={**self.order.fulfilments, part: made})
        self.committed[HERE] -= units
        self.on_hand[location] -= units
        self.in_transit[location] += units
        self.tell(only(made, at=self.now))

    @precondition(lambda self: self.shipments_that_can_be_called_back())
    @rule(data=st.data())
    def call_back(self, data: st.DataObject) -> None:
        part = data.draw(st.sampled_from(sorted(self.shipments_that_can_be_called_back())))
        self.now += 1
        made = replace(self.order.fulfilments[part], cancelled_at=self.now, version=self.now)
        self.order = replace(self.order, updated_at=self.now, fulfilments={**self.order.fulfilments, part: made})
        units, location = made.lines[0][1], made.location
        assert location is not None
        self.on_hand[location] += units
        self.committed[HERE] += units
        self.in_transit[location] -= units
        self.tell(only(made, at=self.now))

    def shipments_that_can_be_called_back(self) -> set[PartId]:
        """None once units came back or were refunded: nobody could say which ones are still under way."""
        if self.order.cancelled_at is not None or any(r.restock is not Restock.BEFORE_SHIPPING for r in self.refunds):
            return set()
        return {part for part, made in self.order.fulfilments.items() if made.cancelled_at is None}

    @property
    def refunds(self) -> Iterable[RefundLine]:
        return self.order.refunds.values()

    def refund(self, units: int, restock: Restock, location: RemoteLocation | None = None) -> None:
        part = self.part("r")
        made = RefundLine(part_id=part, at=self.now, line_id=LINE, units=units, restock=restock, location=location)
        self.order = replace(self.order, updated_at=self.now, refunds={**self.order.refunds, part: made})
        self.tell(only(made, at=self.now))

    @precondition(is_open)
    @rule(data=st.data())
    def refund_before_shipping(self, data: st.DataObject) -> None:
        units = data.draw(st.integers(1, self.open))
        self.committed[HERE] -= units
        self.refund(units, Restock.BEFORE_SHIPPING)

    @precondition(is_open)
    @rule(data=st.data())
    def refund_without_putting_back(self, data: st.DataObject) -> None:
        units = data.draw(st.integers(1, self.open))
        self.committed[HERE] -= units
        self.on_hand[HERE] -= units
        self.refund(units, Restock.NONE)

    @precondition(is_shipped)
    @rule(data=st.data(), location=st.sampled_from([HERE, THERE]))
    def take_back(self, data: st.DataObject, location: RemoteLocation) -> None:
        shipped_from = data.draw(st.sampled_from(sorted(at for at, units in self.in_transit.items() if units)))
        units = data.draw(st.integers(1, self.in_transit[shipped_from]))
        self.in_transit[shipped_from] -= units
        self.on_hand[location] += units
        self.refund(units, Restock.RETURNED, location)

    @precondition(lambda self: self.is_shipped() and not self.is_open())
    @rule()
    def refund_what_stays_away(self) -> None:
        at = next(at for at, units in self.in_transit.items() if units)
        self.in_transit[at] -= 1
        self.refunded_while_away = True
        self.refund(1, Restock.NONE)

    @precondition(lambda self: self.is_open() and self.order.cancelled_at is None)
    @rule(data=st.data())
    def edit_units_away(self, data: st.DataObject) -> None:
        units = data.draw(st.integers(1, self.open))
        self.now += 1
        line_now = self.order.lines[LINE]
        edited = replace(line_now, removed=line_now.removed + units, removed_at=self.now, version=self.now)
        self.order = replace(self.order, updated_at=self.now, lines={LINE: edited})
        self.committed[HERE] -= units
        self.on_the_way.append(self.order)

    # An account does not say when units were added, so those added after a refund of units that were away already
    # are taken for the refunded ones.
    @precondition(lambda self: self.order.cancelled_at is None and not self.refunded_while_away)
    @rule(units=st.integers(1, 2))
    def edit_units_in(self, units: int) -> None:
        self.now += 1
        line_now = self.order.lines[LINE]
        edited = replace(line_now, ordered=line_now.ordered + units, version=self.now)
        self.order = replace(self.order, updated_at=self.now, lines={LINE: edited})
        self.committed[HERE] += units
        self.on_the_way.append(self.order)

    @precondition(lambda self: self.order.cancelled_at is None)
    @rule(put_back=st.booleans())
    def cancel(self, put_back: bool) -> None:
        units = self.open
        if put_back and units:
            self.refund(units, Restock.BEFORE_SHIPPING)
        self.now += 1
        self.order = replace(self.order, updated_at=self.now, cancelled_at=self.now)
        self.committed[HERE] -= units
        self.on_hand[HERE] -= 0 if put_back else units
        self.on_the_way.append(self.order)

    @rule(order_of=st.randoms(use_true_random=False))
    def some_news_arrive(self, order_of: Random) -> None:
        for account in order_of.choices(self.on_the_way, k=3):
            self.heard = account if self.heard is None else merge(self.heard, account).order

    @rule(order_of=st.randoms(use_true_random=False))
    def all_news_arrive(self, order_of: Random) -> None:
        arriving = list(self.on_the_way)
        order_of.shuffle(arriving)
        known = told(arriving if self.heard is None else [self.heard, *arriving])
        assert self.books_of(known) == self.books
        self.heard = known

    @invariant()
    def the_order_itself_has_the_effect_that_the_books_say(self) -> None:
        assert self.books_of(self.order) == self.books

    @invariant()
    def the_shop_s_figure_moved_by_what_was_told(self) -> None:
        assert summed(timeline(self.order)) == shown(self.order)

    @property
    def books(self) -> dict[RemoteLocation, Stock]:
        moved = {at: Stock(self.on_hand[at], self.committed[at]) for at in (HERE, THERE)}
        return {at: units for at, units in moved.items() if units != Stock(0, 0)}

    @staticmethod
    def books_of(order: Order) -> dict[RemoteLocation | None, Stock]:
        return {at: units for (_, at), units in stock(order).items()}


TestAShopWithItsOwnBooks = Shop.TestCase
TestAShopWithItsOwnBooks.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)


def test_a_removal_without_a_date_counts_in_the_end() -> None:
    undated = order(line(2, removed=1, removed_at=FOREVER))

    assert stock_at(undated) == Stock(0, 1)
    assert summed(timeline(undated)) == shown(undated)
