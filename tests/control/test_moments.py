"""Times as people write them."""

from datetime import UTC, datetime

import pytest

from syncd.control.answers import Problem, as_time
from syncd.control.moments import moment
from syncd.domain.orders import FOREVER

NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)


def test_a_full_time_is_taken_as_it_stands() -> None:
    assert moment("2026-03-01T10:02:03.250000Z", NOW) == datetime(2026, 3, 1, 10, 2, 3, 250000, tzinfo=UTC)
    assert moment("2026-03-01T10:02:03.250+02:00", NOW) == datetime(2026, 3, 1, 8, 2, 3, 250000, tzinfo=UTC)


def test_what_is_not_written_is_included() -> None:
    assert moment("2026-03-01T10:02:03Z", NOW) == datetime(2026, 3, 1, 10, 2, 3, 999999, tzinfo=UTC)
    assert moment("2026-03-01T10:02+00:00", NOW) == datetime(2026, 3, 1, 10, 2, 59, 999999, tzinfo=UTC)


def test_a_clock_time_is_of_today_where_the_machine_stands() -> None:
    today = NOW.astimezone()

    found = moment("10:02", NOW).astimezone()
    exact = moment("10:02:07", NOW).astimezone()

    assert (found.date(), found.hour, found.minute, found.second) == (today.date(), 10, 2, 59)
    assert (exact.second, exact.microsecond) == (7, 999999)


@pytest.mark.parametrize("text", ["yesterday", "25:00", "10:61", "2026-13-01", "", "10", "99999-01-01T00:00:00Z"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Problem) as refused:
        moment(text, NOW)

    assert refused.value.code == "usage"
    assert "10:02" in refused.value.hint


def test_instants_beyond_any_calendar_have_no_time() -> None:
    assert as_time(FOREVER) is None
    assert as_time(None) is None
    assert as_time(0) == datetime(1970, 1, 1, tzinfo=UTC)
