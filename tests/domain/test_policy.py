"""What a channel should show, against a slow and obvious oracle."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from syncd.domain.policy import Mode, Override, Policy, desired, layered
from syncd.domain.quantities import Level

levels = st.lists(
    st.builds(
        Level,
        on_hand=st.integers(-5, 60),
        committed=st.integers(0, 30),
        unavailable=st.integers(0, 5),
        incoming=st.integers(0, 9),
    ),
    max_size=3,
)
policies = st.builds(
    Policy,
    safety_stock=st.integers(0, 9),
    buffer=st.integers(0, 9),
    share=st.fractions(0, 1, max_denominator=20),
    cap=st.integers(0, 12),
    pack=st.integers(1, 7),
)


@given(levels, policies)
def test_the_largest_figure_that_keeps_every_rule_is_shown(held: list[Level], policy: Policy) -> None:
    there = sum(level.on_hand - level.committed - level.unavailable for level in held)

    def allowed(units: int) -> bool:
        kept_back = policy.safety_stock + policy.buffer
        within_share = units * policy.pack <= policy.share * (there - kept_back)
        return within_share and (policy.cap == 0 or units <= policy.cap)

    oracle = max((units for units in range(1, 201) if allowed(units)), default=0)

    assert desired(held, policy).units == oracle


@given(levels, policies)
def test_what_is_shown_is_never_below_zero_and_never_promises_more_than_there_is(
    held: list[Level], policy: Policy
) -> None:
    shown = desired(held, policy)

    assert shown.units >= 0
    assert shown.units * policy.pack <= max(0, shown.atp)


@given(levels)
def test_the_authority_of_a_location_is_shown_plain_available(held: list[Level]) -> None:
    policy = Policy(safety_stock=5, buffer=5, cap=1, share=Fraction(1, 2))

    assert desired(held, policy, authority=True).units == sum(level.available for level in held)


def test_blocked_and_discontinued_show_nothing_even_at_the_authority() -> None:
    held = [Level(on_hand=9)]

    assert desired(held, Policy(blocked=True), authority=True).units == 0
    assert desired(held, Policy(discontinued=True)).units == 0


def test_a_tenth_of_ten_is_one() -> None:
    assert desired([Level(on_hand=10)], Policy(share=Fraction("0.1"))).units == 1


def test_the_narrowest_layer_that_says_something_wins() -> None:
    wide = Override(safety_stock=1, buffer=2, cap=3)
    narrow = Override(buffer=0, mode=Mode.STRICT)

    policy = layered([wide, narrow])

    assert (policy.safety_stock, policy.buffer, policy.cap, policy.mode) == (1, 0, 3, Mode.STRICT)
