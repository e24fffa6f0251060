"""No call leaves before the vendor's bucket holds it. Time is virtual: the loop's clock jumps to the next timer."""

import asyncio
import math
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.ports import Tokens
from syncd.wire.limiter import Limiter

pytestmark = pytest.mark.anyio


TICK_SECONDS = 1e-9
"""A clock that stood still would make a timer, set anew for want of the last bit of a token, fire for ever."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time stands still while anything can run, and jumps to the next timer when nothing can."""

    def __init__(self) -> None:
        super().__init__()
        self.virtual_time = 0.0

    def time(self) -> float:
        return self.virtual_time

    def _run_once(self) -> None:
        waiting = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]  # private, and only here
        if waiting and not self._ready:  # type: ignore[attr-defined]  # same
            self.virtual_time = max(self.virtual_time, min(waiting)) + TICK_SECONDS
        super()._run_once()  # type: ignore[misc]  # same


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualLoop}


def run_virtually(function: Any, *arguments: Any) -> Any:
    return anyio.run(function, *arguments, backend_options={"loop_factory": VirtualLoop})


async def test_a_burst_up_to_the_capacity_leaves_at_once_and_the_rest_at_the_restore_rate() -> None:
    limiter = Limiter(capacity=4, restore_per_second=2)
    began = anyio.current_time()

    left_at = []
    for _ in range(8):
        await limiter.acquire()
        left_at.append(round(anyio.current_time() - began, 6))

    assert left_at == [0, 0, 0, 0, 0.5, 1.0, 1.5, 2.0]


async def test_a_cost_above_the_capacity_takes_the_whole_bucket_instead_of_failing() -> None:
    limiter = Limiter(capacity=10, restore_per_second=5)
    began = anyio.current_time()

    await limiter.acquire(1000)
    await limiter.acquire(1000)

    assert anyio.current_time() - began == pytest.approx(2.0)


async def test_a_dear_call_is_not_overtaken_by_cheap_ones_that_came_later() -> None:
    limiter = Limiter(capacity=10, restore_per_second=1)
    await limiter.acquire(10)
    order: list[str] = []

    async def call(name: str, cost: float) -> None:
        await limiter.acquire(cost)
        order.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(call, "dear", 9.0)
        await anyio.sleep(0.1)
        for number in range(3):
            group.start_soon(call, f"cheap {number}", 1.0)

    assert order[0] == "dear"


async def test_what_the_vendor_says_is_left_lowers_our_count_and_never_raises_it() -> None:
    limiter = Limiter(capacity=100, restore_per_second=10)
    await limiter.acquire(20)

    await limiter.told(left=30)
    assert limiter.tokens().available == pytest.approx(30)
    await limiter.told(left=90)
    assert limiter.tokens().available == pytest.approx(30)
    await limiter.told(left=-5)
    assert limiter.tokens().available == pytest.approx(0, abs=1e-6)


async def test_a_new_capacity_and_rate_are_followed_and_what_is_left_is_kept() -> None:
    limiter = Limiter(capacity=40, restore_per_second=2)
    await limiter.acquire(30)

    await limiter.told(capacity=400, restore_per_second=20)

    assert limiter.tokens() == pytest.approx(Tokens(10, 400, 20))
    await anyio.sleep(1)
    assert limiter.tokens().available == pytest.approx(30)


async def test_a_call_that_waits_goes_by_the_new_rate() -> None:
    limiter = Limiter(capacity=10, restore_per_second=0.01)
    await limiter.acquire(10)
    began = anyio.current_time()

    async with anyio.create_task_group() as group:
        group.start_soon(limiter.acquire, 10)
        await anyio.sleep(1)
        await limiter.told(restore_per_second=10)

    assert anyio.current_time() - began == pytest.approx(2.0, abs=0.01)


async def test_a_pause_holds_back_those_who_wait_and_those_who_come_and_is_never_shortened() -> None:
    limiter = Limiter(capacity=2, restore_per_second=1)
    await limiter.acquire(2)
    began = anyio.current_time()
    left_at = []

    async def call() -> None:
        await limiter.acquire()
        left_at.append(anyio.current_time() - began)

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await anyio.sleep(0.5)
        limiter.pause(30)
        limiter.pause(1)
        assert limiter.tokens().available == 0
        group.start_soon(call)

    assert min(left_at) >= 30.5
    assert max(left_at) < 33


async def test_a_caller_that_gives_up_takes_nothing_and_blocks_nobody() -> None:
    limiter = Limiter(capacity=10, restore_per_second=1)
    await limiter.acquire(10)

    with anyio.move_on_after(5):
        await limiter.acquire(10)

    assert limiter.tokens().available == pytest.approx(5)
    await limiter.acquire(5)
    assert limiter.tokens().available == pytest.approx(0, abs=1e-6)


def test_what_is_there_can_be_told_before_the_first_call() -> None:
    assert Limiter(capacity=40, restore_per_second=2).tokens() == Tokens(40, 40, 2)


CALLS = st.lists(
    st.tuples(st.floats(0, 30), st.floats(0.1, 60), st.none() | st.floats(0, 40), st.none() | st.floats(0.1, 20)),
    min_size=1,
    max_size=15,
)


@given(calls=CALLS)
def test_the_vendors_own_bucket_never_runs_dry(
    calls: list[tuple[float, float, float | None, float | None]],
) -> None:
    """Each call may come after a while, be told a lower level (another app spends too), or a Retry-After."""

    async def talk() -> None:
        capacity, restore = 40.0, 2.0
        limiter = Limiter(capacity=capacity, restore_per_second=restore)
        vendor, at, closed_until = capacity, anyio.current_time(), -math.inf
        for wait_seconds, cost, others_leave, retry_after in calls:
            await anyio.sleep(wait_seconds)
            await limiter.acquire(cost)
            now = anyio.current_time()
            vendor, at = min(capacity, vendor + (now - at) * restore), now
            assert now >= closed_until - 1e-6
            assert vendor + 1e-3 >= min(cost, capacity)
            vendor = max(0.0, vendor - min(cost, capacity))
            if others_leave is not None:
                vendor = min(vendor, others_leave)
                await limiter.told(left=vendor)
            if retry_after is not None:
                limiter.pause(retry_after)
                closed_until = max(closed_until, now + retry_after)

    run_virtually(talk)
