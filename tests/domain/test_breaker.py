"""The breaker opens after failures in a row, tries again one call at a time, and rests longer each time."""

from hypothesis import given
from hypothesis import strategies as st

from syncd.domain.breaker import FAILURES_TO_OPEN, LONGEST_REST_SECONDS, Breaker, Circuit


def failing(times: int, now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.failed(now)
    return breaker


def test_it_opens_at_the_fifth_failure_in_a_row() -> None:
    assert failing(4).circuit(0) is Circuit.CLOSED
    assert failing(5).circuit(0) is Circuit.OPEN
    assert not failing(5).allows(0)


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = failing(4).succeeded()

    assert breaker == Breaker()
    assert breaker.failed(0).allows(0)


def test_after_the_rest_one_call_is_tried_and_success_closes_it() -> None:
    breaker = failing(5)

    assert breaker.circuit(4.9) is Circuit.OPEN
    assert breaker.circuit(5.0) is Circuit.HALF_OPEN
    assert breaker.allows(5.0)
    trial = breaker.called(5.0)
    assert not trial.allows(5.0)
    assert trial.circuit(5.0) is Circuit.HALF_OPEN
    assert trial.succeeded().circuit(5.1) is Circuit.CLOSED


def test_each_failed_trial_doubles_the_rest_up_to_a_minute() -> None:
    breaker, now = failing(5), 0.0
    rests = []
    for _ in range(6):
        assert breaker.try_again_at is not None
        rests.append(breaker.try_again_at - now)
        now = breaker.try_again_at
        breaker = breaker.called(now).failed(now)

    assert rests == [5, 10, 20, 40, 60, 60]


def test_a_trial_that_was_given_up_leaves_room_for_the_next() -> None:
    breaker = failing(5).called(5.0).abandoned()

    assert breaker.allows(5.0)


def test_calls_that_fail_after_it_opened_do_not_lengthen_the_rest() -> None:
    breaker = failing(5, now=0.0)

    assert breaker.failed(3.0).try_again_at == breaker.try_again_at


STEPS = st.lists(st.tuples(st.sampled_from(["call", "succeed", "fail", "abandon"]), st.floats(0, 30)), max_size=40)


@given(steps=STEPS)
def test_it_is_never_shut_for_longer_than_the_longest_rest(steps: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(), 0.0
    calling = False
    for step, seconds in steps:
        now += seconds
        if step == "call" and breaker.allows(now):
            breaker, calling = breaker.called(now), True
        elif step == "succeed" and calling:
            breaker, calling = breaker.succeeded(), False
        elif step == "fail" and calling:
            breaker, calling = breaker.failed(now), False
        elif step == "abandon" and calling:
            breaker, calling = breaker.abandoned(), False

        assert calling or breaker.allows(now + LONGEST_REST_SECONDS)
        assert (breaker.circuit(now) is Circuit.CLOSED) == (breaker.try_again_at is None)
        if breaker.try_again_at is None:
            assert breaker.failures < FAILURES_TO_OPEN
