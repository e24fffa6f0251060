"""Waits grow, are spread, and never undercut what the other side asked for."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.domain.backoff import Backoff


def test_the_ceiling_doubles_from_the_first_wait_to_the_limit() -> None:
    backoff = Backoff(first_seconds=0.5, limit_seconds=60)

    assert [backoff.ceiling_seconds(attempt) for attempt in range(1, 10)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        Backoff().ceiling_seconds(0)


@given(attempt=st.integers(1, 10**9), seed=st.integers())
def test_a_wait_is_between_nothing_and_the_ceiling(attempt: int, seed: int) -> None:
    backoff = Backoff()

    assert 0 <= backoff.delay_seconds(attempt, random.Random(seed)) <= backoff.ceiling_seconds(attempt) <= 60


@given(attempt=st.integers(1, 100), seed=st.integers(), asked=st.floats(0, 10**6))
def test_a_named_delay_is_kept_whole_even_beyond_the_limit(attempt: int, seed: int, asked: float) -> None:
    backoff = Backoff()

    wait_seconds = backoff.delay_seconds(attempt, random.Random(seed), retry_after_seconds=asked)

    assert asked <= wait_seconds <= asked + backoff.first_seconds


def test_callers_that_failed_together_come_back_apart() -> None:
    rng = random.Random(1)

    assert len({Backoff().delay_seconds(8, rng) for _ in range(100)}) == 100
