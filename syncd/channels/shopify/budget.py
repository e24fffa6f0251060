"""The bucket of query points, kept as the vendor keeps it (fact sheet 2), so that no call is ever throttled.

The bucket must hold the *requested* cost for a call to start; what it did not really cost comes back afterwards. Size
and rate are told by each answer, never configured. Our own count runs behind the vendor's in every respect: points are
taken before the call leaves and given back when its answer is here.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from syncd.ports import Tokens
from syncd.wire.graphql import Cost

FIRST_CAPACITY: Final = 1000.0
FIRST_RESTORE: Final = 50.0
"""Until the first answer tells better: the smallest bucket that was ever in use."""
SLACK_SECONDS: Final = 0.01


class Call:
    """Points taken for one call; what the answer says about the bucket is entered by `told`."""

    def __init__(self, taken: float) -> None:
        self.taken = taken
        self.cost: Cost | None = None
        self.free = False

    def told(self, cost: Cost | None, *, answered: bool) -> None:
        """What the answer said; a whole answer that speaks of no cost is not metered at all."""
        self.cost = cost
        self.free = answered and cost is None


class Budget:
    """Calls wait their turn in order of arrival until the bucket holds what they request.

    Writes have a line of their own: a page of orders may have to wait for hundreds of points, and what oversells in
    the meantime is a write of ten.
    """

    def __init__(self) -> None:
        self._capacity = FIRST_CAPACITY
        self._restore = FIRST_RESTORE
        self._available = FIRST_CAPACITY
        self._at: float | None = None
        self._paused_until = -math.inf
        self._under_way = 0
        self._turn = anyio.Lock()
        self._turn_of_writes = anyio.Lock()

    @property
    def capacity(self) -> float:
        return self._capacity

    def tokens(self) -> Tokens:
        """As it stood when a call last took from it or gave back; needs no running loop."""
        return Tokens(self._available, self._capacity, self._restore)

    def pause(self, seconds: float) -> None:
        """Let no call begin for so long (a Retry-After); a shorter pause never ends a longer one."""
        self._paused_until = max(self._paused_until, anyio.current_time() + seconds)

    @asynccontextmanager
    async def spend(self, requested: float, *, writes: bool = False) -> AsyncIterator[Call]:
        """Wait for the points, then count what is left by what the answer told.

        A call that ends without any answer counts in full, as it may have been executed.
        """
        async with self._turn_of_writes if writes else self._turn:
            await self._wait_for(requested)
            call = Call(requested)
            self._available -= requested
            self._under_way += 1
        try:
            yield call
        finally:
            self._under_way -= 1
            self._settle(call)

    async def _wait_for(self, requested: float) -> None:
        """What costs more than the bucket holds goes out on a full one, for the vendor to refuse."""
        while True:
            now = self._restored()
            missing = min(requested, self._capacity) - self._available
            wait_seconds = max(missing / self._restore, self._paused_until - now)
            if wait_seconds <= 0:
                return
            await anyio.sleep(wait_seconds + SLACK_SECONDS)

    def _settle(self, call: Call) -> None:
        self._restored()
        cost = call.cost
        if cost is None:
            if call.free:
                self._available = min(self._capacity, self._available + call.taken)
            return
        if cost.capacity > 0 and cost.restore_per_second > 0:
            self._available += cost.capacity - self._capacity
            self._capacity, self._restore = cost.capacity, cost.restore_per_second
        self._available += call.taken - (cost.actual if cost.actual is not None else 0.0)
        # What the vendor says is exact while no other call is on its way, and an upper bound while some are.
        said = cost.available
        self._available = said if self._under_way == 0 else min(self._available, said)
        self._available = min(self._available, self._capacity)

    def _restored(self) -> float:
        now = anyio.current_time()
        if self._at is not None:
            self._available = min(self._capacity, self._available + (now - self._at) * self._restore)
        self._at = now
        return now
