"""What a listener is sent: the newest of each subject, and a new start when it reads too slowly."""

import pytest

from syncd.control.stream import MOST_WAITING, Subscriber

pytestmark = pytest.mark.anyio


async def test_only_the_newest_of_a_subject_is_kept() -> None:
    listener = Subscriber()
    listener.put("a", {"seq": 1})
    listener.put("b", {"seq": 2})
    listener.put("a", {"seq": 3})

    events, lost = await listener.take(at_most_seconds=0)

    assert [event["seq"] for event in events] == [2, 3]
    assert not lost


async def test_what_was_taken_is_not_sent_again() -> None:
    listener = Subscriber()
    listener.put("a", {"seq": 1})
    await listener.take(at_most_seconds=0)

    assert await listener.take(at_most_seconds=0) == ([], False)


async def test_a_listener_that_falls_behind_is_told_to_start_anew() -> None:
    listener = Subscriber()
    for number in range(MOST_WAITING + 1):
        listener.put(number, {"seq": number})

    events, lost = await listener.take(at_most_seconds=0)

    assert lost
    assert len(events) <= MOST_WAITING
