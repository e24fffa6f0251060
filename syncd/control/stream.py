"""`GET /v1/events`: a snapshot, then what changes, to whoever listens; nobody who listens can hold up an actor."""

import uuid
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

import anyio
import structlog
from aiohttp import web

from syncd.control.answers import CONTEXT, Lines
from syncd.control.context import ControlContext
from syncd.control.overview import channel_row, overview
from syncd.domain.books import Books
from syncd.domain.errors import SyncdError

log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 3.0
MOST_WAITING: Final = 2000
"""Changes kept for a listener that reads slowly, each subject once; beyond it the listener starts anew."""
WRITE_SECONDS: Final = 20.0

Event = dict[str, Any]


class Subscriber:
    """What one listener has not been sent yet: the newest of each subject."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Event] = {}
        self._lost = False
        self._bell = anyio.Event()

    def put(self, subject: Hashable, event: Event) -> None:
        if len(self._waiting) >= MOST_WAITING and subject not in self._waiting:
            self._waiting.clear()
            self._lost = True
        self._waiting.pop(subject, None)
        self._waiting[subject] = event
        self._bell.set()

    def ring(self) -> None:
        self._bell.set()

    async def take(self, *, at_most_seconds: float) -> tuple[list[Event], bool]:
        """What waits, in order, and whether something before it was lost."""
        with anyio.move_on_after(at_most_seconds):
            await self._bell.wait()
        self._bell = anyio.Event()
        events, lost = sorted(self._waiting.values(), key=lambda event: int(event["seq"])), self._lost
        self._waiting, self._lost = {}, False
        return events, lost


class Hub:
    """Turns every commit into events, and hands them round."""

    def __init__(self, context: ControlContext) -> None:
        self.epoch = uuid.uuid4().hex
        self.seq = 0
        self.closed = False
        self._context = context
        self._subscribers: set[Subscriber] = set()
        self._before: Callable[[Books], None] = context.stock.on_commit
        context.stock.on_commit = self._committed
        self._channels: dict[str, Event] = {}

    def close(self) -> None:
        """Say goodbye to everybody; called again, it does nothing."""
        self.closed = True
        self._context.stock.on_commit = self._before
        for subscriber in self._subscribers:
            subscriber.ring()

    def join(self) -> Subscriber:
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)

    async def run(self) -> None:
        """Watch what no commit tells of: how the channels are."""
        while True:
            await anyio.sleep(1.0)
            if not self._subscribers:
                continue
            for channel in self._context.desks:
                row = channel_row(self._context, channel)
                told = {name: value for name, value in row.items() if name != "oldest_seconds"}
                if told != self._channels.get(channel):
                    self._channels[channel] = told
                    self.publish(("channel", channel), {"topic": "channel", **row})

    def publish(self, subject: Hashable, event: Event) -> None:
        self.seq += 1
        numbered = {"seq": self.seq, **event}
        for subscriber in self._subscribers:
            subscriber.put(subject, numbered)

    def _committed(self, books: Books) -> None:
        self._before(books)
        if not self._subscribers:
            return
        for key in books.changed_levels:
            level = books.level(key)
            event: Event = {"topic": "stock", "sku": key.sku, "location": key.location}
            figures = {name: getattr(level, name) for name in ("on_hand", "committed", "unavailable", "available")}
            self.publish(("stock", key), event | figures)
        for listing_key in books.changed_listings:
            listing = books.listings[listing_key]
            event = {"topic": "listing", **listing_key._asdict(), "sku": listing.sku}
            shown = {"desired": listing.desired, "expected": listing.account.expected, "observed": listing.observed}
            self.publish(("listing", listing_key), event | shown)
        for conflict in books.conflicts:
            about = {
                "kind": conflict.kind.value,
                "subject": conflict.subject,
                "change": type(conflict).__name__.lower(),
            }
            self.publish(("conflict", conflict.kind, conflict.subject), {"topic": "conflict", **about})


HUB: Final = web.AppKey("hub", Hub)


async def stream(request: web.Request) -> web.StreamResponse:
    hub, context = request.app[HUB], request.app[CONTEXT]
    subscriber = hub.join()
    lines = Lines(request)
    try:
        await lines.send([{"topic": "snapshot", **await _snapshot(hub, context)}])
        while not hub.closed:
            events, lost = await subscriber.take(at_most_seconds=TICK_SECONDS)
            if lost:
                await _send(lines, [{"topic": "resync", "seq": hub.seq, "epoch": hub.epoch}])
                events = [{"topic": "snapshot", **await _snapshot(hub, context)}]
            if not events and not hub.closed:
                events = [{"topic": "tick", "seq": hub.seq, "epoch": hub.epoch, **await _look(context)}]
            await _send(lines, [{"epoch": hub.epoch, **event} for event in events])
        await _send(lines, [{"topic": "bye", "reason": "the daemon stops", "seq": hub.seq, "epoch": hub.epoch}])
        return await lines.end()
    except (ConnectionError, TimeoutError):
        log.debug("control.listener_gone")
        raise
    finally:
        hub.leave(subscriber)


async def _send(lines: Lines, events: list[Event]) -> None:
    """A listener that has stopped reading is let go."""
    with anyio.fail_after(WRITE_SECONDS):
        await lines.send(events)


async def _snapshot(hub: Hub, context: ControlContext) -> Mapping[str, Any]:
    return {"seq": hub.seq, "epoch": hub.epoch, **await _look(context)}


async def _look(context: ControlContext) -> Mapping[str, Any]:
    channels = [channel_row(context, channel) for channel in context.desks]
    try:
        return {"status": await overview(context), "channels": channels}
    except (SyncdError, OSError) as error:
        return {"status": None, "channels": channels, "trouble": str(error)}
