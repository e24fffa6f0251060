"""Whole units are taken, everything else is refused with its reason."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.domain.quantities import LARGEST, BadQuantity, Level, Quantity, whole


@given(st.integers(0, LARGEST))
def test_whole_units_are_themselves_however_they_are_written(units: int) -> None:
    assert whole(units) == whole(float(units)) == whole(Decimal(units)) == whole(Decimal(f"{units}.00")) == units
    assert type(whole(float(units))) is int


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1.5, "fraction"),
        (Decimal("0.001"), "fraction"),
        (1e-300, "fraction"),
        (float("nan"), "not a number of units"),
        (Decimal("NaN"), "not a number of units"),
        (Decimal("sNaN"), "not a number of units"),
        (float("inf"), "not a number of units"),
        (Decimal("-Infinity"), "not a number of units"),
        (True, "not a number"),
        ("3", "not a number"),
        (None, "not a number"),
        ([3], "not a number"),
        (Fraction(3, 1), "not a number"),
        (-1, "below 0"),
        (-1.0, "below 0"),
        (LARGEST + 1, "beyond"),
        (1e300, "beyond"),
        (Decimal("1e999999"), "beyond"),
        (10**5000, "beyond"),
        (-(10**5000), "below 0"),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, int) or abs(value) < 10**40 else "huge",
)
def test_what_is_no_number_of_whole_units_is_refused(value: object, why: str) -> None:
    with pytest.raises(BadQuantity, match=why) as refusal:
        whole(value)
    assert len(str(refusal.value)) < 120


def test_a_difference_may_be_below_zero_down_to_its_bound() -> None:
    assert whole(-5, least=-10) == -5
    with pytest.raises(BadQuantity, match="below -10"):
        whole(-11, least=-10)


def test_a_long_fraction_is_cut_in_the_message() -> None:
    with pytest.raises(BadQuantity, match="fraction") as refusal:
        whole(Decimal("1." + "3" * 10_000))
    assert len(str(refusal.value)) < 120


def test_a_long_text_is_cut_in_the_message() -> None:
    with pytest.raises(BadQuantity) as refusal:
        whole("x" * 10_000)
    assert len(str(refusal.value)) < 120


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 9))
def test_available_is_what_is_there_less_what_is_promised_or_not_for_sale(a: int, b: int, c: int, d: int) -> None:
    level = Level(on_hand=a, committed=b, unavailable=c, incoming=d)

    assert level.available == a - b - c
    assert [level.of(quantity) for quantity in Quantity] == [a, b, c, d]
