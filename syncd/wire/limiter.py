"""Keeps calls to a vendor inside its rate limit."""

import math
from typing import Final

import anyio
from aiolimiter import AsyncLimiter

from syncd.ports import Tokens

HALVINGS: Final = 40
"""Enough to find a level to within a billionth of the capacity."""


class Limiter:
    """A token bucket on aiolimiter that also heeds what the vendor says.

    aiolimiter alone refuses a cost above its capacity, knows nothing of the vendor's own count, lets cheap calls
    overtake dear ones for ever, and cannot pause. Calls are let through in the order in which they came.
    """

    def __init__(self, *, capacity: float, restore_per_second: float) -> None:
        self._capacity = capacity
        self._restore = restore_per_second
        self._bucket: AsyncLimiter | None = None  # made inside the running loop, to which it belongs
        self._turn = anyio.Lock()
        self._waiting: anyio.CancelScope | None = None
        self._paused_until = -math.inf

    async def acquire(self, cost: float = 1.0) -> None:
        """Wait until the cost is there, then take it; a cost above the capacity takes all there is."""
        async with self._turn:
            while True:
                await anyio.sleep(max(0.0, self._paused_until - anyio.current_time()))
                with anyio.CancelScope() as scope:
                    self._waiting = scope
                    await self._opened().acquire(min(cost, self._capacity))
                    return
                # What is known changed while we waited: look again. The cancelled wait has taken nothing.

    async def told(
        self, *, left: float | None = None, capacity: float | None = None, restore_per_second: float | None = None
    ) -> None:
        """Follow what an answer reports.

        What is left is only ever corrected downward: answers overtake each other, so a higher figure than our own
        may be one from before our last calls. Our own count makes up for it at the restore rate.
        """
        available = self._available()
        if left is not None:
            available = min(available, max(0.0, left))
        capacity = self._capacity if capacity is None or capacity <= 0 else capacity
        restore = self._restore if restore_per_second is None or restore_per_second <= 0 else restore_per_second
        if (capacity, restore) != (self._capacity, self._restore):
            self._capacity, self._restore, self._bucket = capacity, restore, None
        excess = self._available() - available
        if excess > 0:
            await self._opened().acquire(excess)  # it is there, so this does not wait
        self._look_again()

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long (a Retry-After); a shorter pause never ends a longer one."""
        self._paused_until = max(self._paused_until, anyio.current_time() + seconds)
        self._look_again()

    def tokens(self) -> Tokens:
        """What is there now; nothing during a pause."""
        available = 0.0 if self._bucket is not None and self._is_paused() else self._available()
        return Tokens(available, self._capacity, self._restore)

    def _look_again(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def _is_paused(self) -> bool:
        return anyio.current_time() < self._paused_until

    def _opened(self) -> AsyncLimiter:
        if self._bucket is None:
            self._bucket = AsyncLimiter(self._capacity, self._capacity / self._restore)
        return self._bucket

    def _available(self) -> float:
        """aiolimiter tells whether an amount is there, not how much is there: halve the interval until it is found."""
        if self._bucket is None:
            return self._capacity
        if self._bucket.has_capacity(self._capacity):
            return self._capacity
        there, not_there = 0.0, self._capacity
        for _ in range(HALVINGS):
            middle = (there + not_there) / 2
            if self._bucket.has_capacity(middle):
                there = middle
            else:
                not_there = middle
        return there
