"""What the shop's own books say after anything its buyers and staff do."""

import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from syncd.sim.remotes.shopify import (
    Item,
    Location,
    Order,
    Shop,
    ShopRefused,
    SoldOut,
    Wish,
    custom_line,
    gift_card,
    service,
)
from syncd.sim.remotes.shopify.records import UNAVAILABLE_NAMES


@pytest.fixture
def main(shop: Shop) -> Location:
    return next(each for each in shop.locations.values() if each.name == "Main")


@pytest.fixture
def annex(shop: Shop) -> Location:
    return next(each for each in shop.locations.values() if each.name == "Annex")


@pytest.fixture
def cup(shop: Shop, main: Location, annex: Location) -> Item:
    return shop.add_item("CUP", available={main: 10, annex: 10})


def stock(shop: Shop, item: Item, location: Location) -> tuple[int, int, int]:
    """(available, committed, on_hand)."""
    held = shop.quantities(item, location)
    return held["available"], held["committed"], held["on_hand"]


# --- the effects table, row by row ---


def test_an_order_commits(shop: Shop, cup: Item, main: Location) -> None:
    shop.place_order([(cup, 3)])

    assert stock(shop, cup, main) == (7, 3, 10)


def test_a_fulfilment_takes_from_the_shelf(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)])
    shop.fulfil(order, [(order.lines[0], 2)])

    assert stock(shop, cup, main) == (7, 1, 8)
    assert order.fulfillment_status == "partial"


def test_a_fulfilment_from_elsewhere_takes_the_units_over_first(
    shop: Shop, cup: Item, main: Location, annex: Location
) -> None:
    order = shop.place_order([(cup, 3)])
    shop.fulfil(order, [(order.lines[0], 2)], location=annex)

    assert stock(shop, cup, main) == (9, 1, 10)
    assert stock(shop, cup, annex) == (8, 0, 8)


def test_a_cancelled_fulfilment_puts_the_units_back_into_the_order(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)])
    shop.cancel_fulfilment(shop.fulfil(order))

    assert stock(shop, cup, main) == (7, 3, 10)
    assert order.lines[0].unfulfilled == 3
    assert [each.status for each in order.fulfilment_orders] == ["CLOSED", "OPEN"]


def test_a_cancelled_order_with_restock_is_undone(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)])
    shop.cancel(order, restock=True)

    assert stock(shop, cup, main) == (10, 0, 10)
    assert [part.restock_type for part in order.refunds[0].lines] == ["cancel"]


def test_a_cancelled_order_without_restock_leaves_the_books(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)])
    shop.cancel(order, restock=False)

    assert stock(shop, cup, main) == (7, 0, 7)
    assert order.refunds == []


def test_an_unpaid_order_of_a_closed_location_restocks_nothing(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)], paid=False)
    shop.deactivate_location(main)
    shop.cancel(order, restock=True)

    assert stock(shop, cup, main) == (7, 0, 7)


def test_a_paid_order_of_a_closed_location_cannot_be_cancelled(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)])
    shop.deactivate_location(main)

    with pytest.raises(ShopRefused):
        shop.cancel(order, restock=True)
    assert stock(shop, cup, main) == (7, 3, 10)


@pytest.mark.parametrize(
    ("restock_type", "shipped", "expected"),
    [
        ("cancel", False, (8, 2, 10)),
        ("return", True, (8, 0, 8)),
        ("no_restock", True, (7, 0, 7)),
        ("no_restock", False, (7, 2, 9)),
    ],
)
def test_a_refund_of_one_unit(
    restock_type: str, shipped: bool, expected: tuple[int, int, int], shop: Shop, cup: Item, main: Location
) -> None:
    order = shop.place_order([(cup, 3)])
    if shipped:
        shop.fulfil(order)
    shop.refund(order, [(order.lines[0], 1, restock_type, None)])

    assert stock(shop, cup, main) == expected
    assert order.lines[0].current_quantity == 2


def test_units_may_come_back_to_another_location(shop: Shop, cup: Item, main: Location, annex: Location) -> None:
    order = shop.place_order([(cup, 3)])
    shop.fulfil(order)
    shop.refund(order, [(order.lines[0], 2, "return", annex)])

    assert stock(shop, cup, main) == (7, 0, 7)
    assert stock(shop, cup, annex) == (12, 0, 12)


def test_one_line_may_be_cancelled_and_returned_in_one_refund(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)])
    line = order.lines[0]
    shop.fulfil(order, [(line, 2)])
    refund = shop.refund(order, [(line, 1, "cancel", None), (line, 1, "return", main)])

    assert stock(shop, cup, main) == (9, 0, 9)
    assert [(part.restock_type, part.location) for part in refund.lines] == [("cancel", main), ("return", main)]


def test_a_processed_return_restocks_and_its_refund_does_not_again(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)])
    shop.fulfil(order)
    came_back = shop.process_return(order, [(order.lines[0], 2)], restock_location=main)
    assert stock(shop, cup, main) == (9, 0, 9)

    refund = shop.refund(order, [(order.lines[0], 2, "no_restock", None)], return_=came_back)

    assert stock(shop, cup, main) == (9, 0, 9)
    assert refund.return_ is came_back


def test_a_refund_of_money_only_moves_nothing(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)])
    shop.refund(order, [])

    assert stock(shop, cup, main) == (7, 3, 10)


@pytest.mark.parametrize(("restock", "expected"), [(True, (7, 3, 10)), (False, (5, 3, 8))])
def test_an_edit_adds_and_removes(
    restock: bool, expected: tuple[int, int, int], shop: Shop, cup: Item, main: Location
) -> None:
    order = shop.place_order([(cup, 4)])
    shop.edit(order, add=[(cup, 1)], remove=[(order.lines[0], 2, restock)])

    assert stock(shop, cup, main) == expected
    assert [line.current_quantity for line in order.lines] == [2, 1]


@pytest.mark.parametrize("recorded", [False, True])
def test_an_edit_may_list_what_it_removed_as_a_refund(recorded: bool, shop: Shop, cup: Item, main: Location) -> None:
    shop.edits_record_refunds = recorded
    order = shop.place_order([(cup, 4)])
    shop.edit(order, remove=[(order.lines[0], 1, True)])

    assert stock(shop, cup, main) == (7, 3, 10)
    assert order.lines[0].current_quantity == 3
    assert [part.quantity for refund in order.refunds for part in refund.lines] == ([1] if recorded else [])


def test_a_moved_order_takes_its_commitment_along(shop: Shop, cup: Item, main: Location, annex: Location) -> None:
    order = shop.place_order([(cup, 3)])
    shop.move_order(order, annex)

    assert stock(shop, cup, main) == (10, 0, 10)
    assert stock(shop, cup, annex) == (7, 3, 10)
    assert [each.status for each in order.fulfilment_orders] == ["CANCELLED", "OPEN"]


def test_setting_available_or_on_hand_leaves_commitments_alone(shop: Shop, cup: Item, main: Location) -> None:
    shop.place_order([(cup, 3)])
    shop.set_available(cup, main, 20)
    assert stock(shop, cup, main) == (20, 3, 23)

    shop.set_on_hand(cup, main, 5)
    assert stock(shop, cup, main) == (2, 3, 5)


def test_lines_without_stock_move_nothing(shop: Shop, cup: Item, main: Location) -> None:
    untracked = shop.add_item("FREE", tracked=False, available={main: 5})
    shop.place_order([gift_card(), custom_line(2), service(), (untracked, 3)])

    assert stock(shop, untracked, main) == (5, 0, 5)
    assert [movement for movement in shop.books if movement.what == "sold"] == []


def test_an_imported_order_may_leave_stock_alone(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 3)], moves_stock=False)
    shop.fulfil(order)

    assert stock(shop, cup, main) == (10, 0, 10)


# --- what is refused ---


def test_the_policy_decides_about_overselling(shop: Shop, main: Location) -> None:
    scarce = shop.add_item("LAST", available={main: 1})
    willing = shop.add_item("MORE", available={main: 1}, policy="CONTINUE")

    with pytest.raises(SoldOut):
        shop.place_order([(scarce, 1), (scarce, 1)])
    shop.place_order([(willing, 2)])
    shop.place_order([(scarce, 2)], may_oversell=True)

    assert stock(shop, willing, main) == (-1, 2, 1)
    assert stock(shop, scarce, main) == (-1, 2, 1)


def test_more_than_was_sold_never_comes_back(shop: Shop, cup: Item, main: Location) -> None:
    order = shop.place_order([(cup, 2)])
    line = order.lines[0]
    shop.fulfil(order)
    shop.refund(order, [(line, 1, "return", main)])

    for wish in ((line, 2, "return", main), (line, 1, "cancel", main), (line, 2, "no_restock", None)):
        with pytest.raises(ShopRefused):
            shop.refund(order, [wish])
    assert stock(shop, cup, main) == (9, 0, 9)


def test_a_reading_of_the_past_takes_later_movements_back(shop: Shop, cup: Item, main: Location, clock) -> None:
    level = shop.level(cup, main)
    before = clock()
    clock.advance(seconds=1)
    shop.place_order([(cup, 3)])
    clock.advance(seconds=1)

    assert shop.quantities_at(level, before)["available"] == 10
    assert shop.quantities_at(level, before + timedelta(seconds=1))["available"] == 7


# --- anything at all ---


class AnyShop(RuleBasedStateMachine):
    """Buyers and staff doing anything, refused or not."""

    @initialize(seed=st.integers(0, 2**16))
    def open(self, seed: int) -> None:
        self.shop = Shop(domain="any.myshopify.com", rng=random.Random(seed))
        self.places = [self.shop.add_location("Main"), self.shop.add_location("Annex")]
        self.items = [
            self.shop.add_item("A", available=dict.fromkeys(self.places, 5)),
            self.shop.add_item("B", available={self.places[0]: 3}, policy="CONTINUE"),
        ]
        self.opening = {item: sum(self.shop.quantities(item, p)["on_hand"] for p in self.places) for item in self.items}

    def _order(self, pick: int) -> Order | None:
        orders = list(self.shop.orders.values())
        return orders[pick % len(orders)] if orders else None

    def _try(self, act) -> None:
        before = {key: dict(level.quantities) for key, level in self.shop.levels.items()}
        booked = len(self.shop.books)
        try:
            act()
        except ShopRefused:
            assert {key: dict(level.quantities) for key, level in self.shop.levels.items()} == before
            assert len(self.shop.books) == booked

    @rule(which=st.integers(0, 1), quantity=st.integers(1, 4), place=st.sampled_from([None, 0, 1]), extra=st.booleans())
    def buy(self, which: int, quantity: int, place: int | None, extra: bool) -> None:
        wishes = [Wish(item=self.items[which], quantity=quantity), *([gift_card()] if extra else [])]
        self._try(lambda: self.shop.place_order(wishes, location=None if place is None else self.places[place]))

    @rule(pick=st.integers(0, 99), quantity=st.integers(1, 4), place=st.sampled_from([None, 0, 1]))
    def ship(self, pick: int, quantity: int, place: int | None) -> None:
        order = self._order(pick)
        if order:
            line = order.lines[pick % len(order.lines)]
            location = None if place is None else self.places[place]
            self._try(lambda: self.shop.fulfil(order, [(line, quantity)], location=location))

    @rule(pick=st.integers(0, 99))
    def unship(self, pick: int) -> None:
        shipped = list(self.shop.fulfilments.values())
        if shipped:
            self._try(lambda: self.shop.cancel_fulfilment(shipped[pick % len(shipped)]))

    @rule(
        pick=st.integers(0, 99),
        parts=st.lists(
            st.tuples(st.integers(1, 3), st.sampled_from(["cancel", "return", "no_restock", "legacy_restock"])),
            max_size=3,
        ),
        place=st.sampled_from([None, 0, 1]),
    )
    def refund(self, pick: int, parts: list[tuple[int, str]], place: int | None) -> None:
        order = self._order(pick)
        if order:
            line, location = order.lines[0], None if place is None else self.places[place]
            self._try(lambda: self.shop.refund(order, [(line, n, kind, location) for n, kind in parts]))

    @rule(pick=st.integers(0, 99), restock=st.booleans())
    def cancel(self, pick: int, restock: bool) -> None:
        order = self._order(pick)
        if order:
            self._try(lambda: self.shop.cancel(order, restock=restock))

    @rule(pick=st.integers(0, 99), quantity=st.integers(1, 3), restock=st.booleans(), which=st.integers(0, 1))
    def edit(self, pick: int, quantity: int, restock: bool, which: int) -> None:
        order = self._order(pick)
        if order:
            add, remove = [(self.items[which], 1)], [(order.lines[0], quantity, restock)]
            self._try(lambda: self.shop.edit(order, add=add, remove=remove))

    @rule(pick=st.integers(0, 99), quantity=st.integers(1, 3), place=st.sampled_from([None, 0, 1]))
    def come_back(self, pick: int, quantity: int, place: int | None) -> None:
        order = self._order(pick)
        if order:
            location = None if place is None else self.places[place]
            lines = [(order.lines[0], quantity)]
            self._try(lambda: self.shop.process_return(order, lines, restock_location=location))

    @rule(pick=st.integers(0, 99), place=st.integers(0, 1))
    def move(self, pick: int, place: int) -> None:
        order = self._order(pick)
        if order:
            self._try(lambda: self.shop.move_order(order, self.places[place]))

    @rule(which=st.integers(0, 1), value=st.integers(-3, 9), how=st.sampled_from(["available", "on_hand", "damaged"]))
    def count(self, which: int, value: int, how: str) -> None:
        item, place = self.items[which], self.places[0]
        if how == "available":
            self.shop.set_available(item, place, value)
        elif how == "on_hand":
            self.shop.set_on_hand(item, place, value)
        else:
            self.shop.hold_back(item, place, 1)

    @invariant()
    def on_hand_is_the_sum_of_its_parts(self) -> None:
        for level in self.shop.levels.values() if hasattr(self, "shop") else ():
            held = level.quantities
            parts = held["available"] + held["committed"] + sum(held[name] for name in UNAVAILABLE_NAMES)
            assert held["on_hand"] == parts

    @invariant()
    def committed_is_what_orders_wait_for(self) -> None:
        if not hasattr(self, "shop"):
            return
        for item in self.items:
            for place in self.places:
                waiting = sum(
                    units.remaining
                    for each in self.shop.fulfilment_orders.values()
                    if each.location is place
                    for units in each.lines
                    if units.line.item is item
                )
                assert self.shop.quantities(item, place)["committed"] == waiting

    @invariant()
    def books_add_up_to_the_levels(self) -> None:
        for level in self.shop.levels.values() if hasattr(self, "shop") else ():
            booked = sum(
                movement.deltas.get("available", 0)
                for movement in self.shop.books
                if movement.item is level.item and movement.location is level.location
            )
            assert booked == level.quantities["available"]

    @invariant()
    def lines_never_fall_below_nothing(self) -> None:
        for order in self.shop.orders.values() if hasattr(self, "shop") else ():
            for line in order.lines:
                opened = sum(units.remaining for _, units in order.open_units(line))
                assert line.unfulfilled == opened >= 0
                assert 0 <= line.returned <= line.shipped
                assert line.removed >= 0
                assert line.current_quantity >= 0


AnyShop.TestCase.settings = settings(
    max_examples=150, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAnyShop = AnyShop.TestCase
