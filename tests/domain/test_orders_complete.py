"""Accounts of an order that name every line, and lines that come to carry stock only later."""

from dataclasses import replace
from itertools import permutations

from syncd.domain.ids import Alias, LineId, OrderId, PartId, RemoteLocation
from syncd.domain.orders import Fulfilment, Line, Order, effect, merge, own_steps

HERE = RemoteLocation("")


def line(name: str, units: int, version: int, *, no_stock: str = "") -> Line:
    return Line(
        line_id=LineId(name),
        item=Alias(name),
        ordered=units,
        version=version,
        at=1000,
        no_stock=no_stock,
        location=HERE,
    )


def order(version: int, *lines: Line, complete: bool = True) -> Order:
    return Order(
        order_id=OrderId("1"),
        placed_at=1000,
        updated_at=version,
        complete_at=version if complete else 0,
        lines={each.line_id: each for each in lines},
    )


def promised(known: Order) -> dict[str, int]:
    return {name: parts.stock.committed for (name, _), parts in effect(known).items() if parts.stock.committed}


def test_a_line_that_a_newer_whole_account_lacks_was_taken_off_whatever_comes_first() -> None:
    accounts = [
        order(1000, line("a", 1, 1000), line("b", 2, 1000)),
        order(2000, line("a", 1, 2000)),
        order(3000, line("a", 3, 3000)),
    ]

    for told in permutations(accounts):
        known = told[0]
        for account in told[1:]:
            known = merge(known, account).order
        assert promised(known) == {"a": 3}


def test_a_partial_account_takes_nothing_off() -> None:
    known = merge(order(1000, line("a", 1, 1000), line("b", 2, 1000)), order(2000, line("a", 1, 2000), complete=False))

    assert promised(known.order) == {"a": 1, "b": 2}


def test_what_was_taken_off_can_be_put_on_again() -> None:
    known = order(1000, line("a", 1, 1000))
    for version, lines in ((2000, ()), (3000, ("a",))):
        known = merge(known, order(version, *(line(name, 1, version) for name in lines))).order

    assert promised(known) == {"a": 1}


def test_taking_a_line_off_raises_the_shop_s_own_figure_when_it_happened() -> None:
    known = order(1000, line("a", 2, 1000))

    assert own_steps(known, merge(known, order(5000)).order) == {(("a", HERE), 5000): 2}


def test_a_line_that_comes_to_carry_stock_lowers_the_figure_then_and_not_when_it_was_made() -> None:
    unpaid = order(1000, line("a", 2, 1000, no_stock="not paid"))
    paid = merge(unpaid, order(9000, line("a", 2, 9000))).order

    assert own_steps(None, unpaid) == {}
    assert own_steps(unpaid, paid) == {(("a", HERE), 9000): -2}
    assert promised(paid) == {"a": 2}


def test_a_line_that_carries_no_stock_any_more_gives_its_units_back_then() -> None:
    held = order(1000, line("a", 2, 1000))
    pending = merge(held, order(7000, line("a", 2, 7000, no_stock="not paid"))).order

    assert own_steps(held, pending) == {(("a", HERE), 7000): 2}
    assert promised(pending) == {}


def test_a_shipment_that_a_newer_whole_account_lacks_was_undone_and_may_come_back() -> None:
    def shipped(known: Order, at: int) -> Order:
        part = PartId(f"shipped/{at}")
        left = Fulfilment(part_id=part, at=at, version=known.updated_at, lines=((LineId("a"), 2),), location=HERE)
        return replace(known, fulfilments={part: left})

    accounts = [
        shipped(order(2000, line("a", 2, 2000)), 2000),
        order(3000, line("a", 2, 3000)),
        shipped(order(4000, line("a", 2, 4000)), 2000),
        order(5000, line("a", 2, 5000)),
    ]

    for told in permutations(accounts):
        known = told[0]
        for account in told[1:]:
            known = merge(known, account).order
        assert promised(known) == {"a": 2}
    assert promised(merge(accounts[1], accounts[2]).order) == {}
