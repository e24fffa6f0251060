"""A bell between actors: it says that there may be something to do, never what."""

import anyio


class Doorbell:
    def __init__(self) -> None:
        self._event = anyio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, *, at_most_seconds: float | None = None) -> bool:
        """Until rung, or the time is up; True when it was rung. One listener per bell."""
        with anyio.move_on_after(at_most_seconds):
            await self._event.wait()
        rung = self._event.is_set()
        if rung:
            self._event = anyio.Event()
        return rung
