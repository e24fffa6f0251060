"""Channels: how they are, and what people tell them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import anyio
from aiohttp import web

from syncd.control.answers import (
    CONTEXT,
    Lines,
    Problem,
    answer,
    as_time,
    body_of,
    flag,
    listed,
    problem_of,
    streamed,
    text_in,
    with_patience,
)
from syncd.control.context import ControlContext
from syncd.control.finding import channel_named
from syncd.control.overview import channel_row
from syncd.control.peer import actor
from syncd.domain.books import Audited, ChannelRecord
from syncd.domain.commands import RefreshChannel, SaveChannel
from syncd.domain.ids import ChannelId, Sku
from syncd.storage.queries import load

READS = load("reads")
CHUNK: Final = 500
_CHANGES: Final[Mapping[str, Callable[[ChannelRecord], ChannelRecord]]] = {
    "pause": lambda record: replace(record, paused=True),
    "resume": lambda record: replace(record, paused=False),
    "freeze": lambda record: replace(record, frozen=True),
    "unfreeze": lambda record: replace(record, frozen=False),
    "block": lambda record: replace(record, blocked=True),
    "unblock": lambda record: replace(record, blocked=False),
}


async def list_channels(request: web.Request) -> web.StreamResponse:
    context = request.app[CONTEXT]

    async def pages() -> AsyncIterator[list[dict[str, Any]]]:
        yield [channel_row(context, channel) for channel in context.desks]

    return await listed(request, pages())


async def show_channel(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    channel = channel_named(context, request.match_info["channel"])
    desk, setup = context.desks[channel], context.stock.setup.channels[channel]
    return answer(
        {
            **channel_row(context, channel),
            "listings": await _listing_counts(context, channel),
            "in_flight": len(desk.in_flight.rows) if desk.in_flight is not None else 0,
            "in_doubt": sum(len(write.rows) for write in desk.open_writes.values()),
            "questions": len(desk.asked),
            "orders_wanted": len(desk.wanted),
            "orders_known_to": as_time(desk.orders_known),
            "orders_readable": desk.orders_readable,
            "trouble": desk.trouble or None,
            "first_synced_at": desk.record.first_synced_at,
            "first_sync": setup.first_sync.value,
            "drift": setup.drift.value,
            "writes": setup.write.value,
            "locations": {remote: list(ours) for remote, ours in setup.locations.items()},
            "shop": desk.record.facts,
        }
    )


async def change_channels(request: web.Request) -> web.Response:
    """One channel, or all of them, told one thing; answers with how they are then."""
    context = request.app[CONTEXT]
    action = request.match_info["action"]
    document = await body_of(request)
    reason = text_in(document, "reason", optional=True)
    channels = _asked_for(context, document)
    errors: dict[ChannelId, str] = {}
    if action == "poll":
        errors = await _poll(context, channels)
    elif action in _CHANGES:
        for channel in channels:
            await _change(context, channel, action, actor(request), reason)
    else:
        raise Problem("usage", f"a channel cannot be told to {action}", f"there are: poll, {', '.join(_CHANGES)}")
    rows = [{**channel_row(context, channel), "error": errors.get(channel)} for channel in channels]
    return answer({"channels": rows})


def _asked_for(context: ControlContext, document: Mapping[str, Any]) -> Sequence[ChannelId]:
    if document.get("all") is True:
        return list(context.desks)
    return [channel_named(context, text_in(document, "channel"))]


async def _poll(context: ControlContext, channels: Sequence[ChannelId]) -> dict[ChannelId, str]:
    """Read every channel's orders now, and apply them; returns what went wrong where."""
    errors: dict[ChannelId, str] = {}

    async def poll_one(channel: ChannelId) -> None:
        try:
            await context.crew[channel].poller.poll()
        except Exception as error:
            problem = problem_of(error)
            if problem.code == "internal":
                raise
            errors[channel] = problem.message

    async with anyio.create_task_group() as tasks:
        for channel in channels:
            tasks.start_soon(poll_one, channel)
    await context.stock.caught_up()
    return errors


async def _change(context: ControlContext, channel: ChannelId, action: str, who: str, reason: str) -> None:
    desk = context.desks[channel]
    record = _CHANGES[action](desk.record)
    if record != desk.record:
        audit = Audited(actor=who, action=f"channel.{action}", target=channel, reason=reason)
        await context.stock.ask(SaveChannel(record=record, audit=audit))
    match action:
        case "block" | "unblock":
            await _refresh(context, channel)
        case "unfreeze":
            desk.polls.ring()
        case _:
            pass
    desk.writes.ring()


async def _refresh(context: ControlContext, channel: ChannelId) -> None:
    last = ""
    while True:
        async with context.database.reading() as connection:
            rows = await connection.fetch(READS.channel_skus, channel, last, CHUNK)
        if not rows:
            return
        last = rows[-1]["sku"]
        await context.stock.ask(RefreshChannel(channel=channel, skus=frozenset(Sku(row["sku"]) for row in rows)))


async def reconcile(request: web.Request) -> web.StreamResponse:
    """A line a second while the channel is read, then a line for each difference, then what it comes to."""
    context = request.app[CONTEXT]
    channel = channel_named(context, request.match_info["channel"])
    apply, who = flag(request, "apply"), actor(request)
    before = context.desks[channel].record.first_synced_at

    async def produce(lines: Lines) -> None:
        reading = context.crew[channel].reconciler.reconcile(apply=apply, actor=who)
        await with_patience(lines, f"reading {channel}", reading)
        differences = 0
        async for page in _differences(context, channel):
            differences += len(page)
            await lines.send({"row": row} for row in page)
        desk = context.desks[channel]
        result = {
            "channel": channel,
            "applied": apply,
            "differences": differences,
            "first_sync": context.stock.setup.channels[channel].first_sync.value,
            "first_synced": desk.record.first_synced_at is not None,
            "first_synced_now": before is None and desk.record.first_synced_at is not None,
            "state": desk.shown_state,
            **await _listing_counts(context, channel),
        }
        await lines.send([{"result": result}])

    return await streamed(request, produce)


async def _listing_counts(context: ControlContext, channel: ChannelId) -> dict[str, int]:
    async with context.database.reading() as connection:
        row = await connection.fetchrow(READS.channel_listings, channel)
    return dict(row) if row is not None else {}


async def _differences(context: ControlContext, channel: ChannelId) -> AsyncIterator[list[dict[str, Any]]]:
    after = ("", "")
    while True:
        async with context.database.reading() as connection:
            rows = await connection.fetch(READS.differing_listings, channel, *after, CHUNK)
        if not rows:
            return
        after = (rows[-1]["remote_id"], rows[-1]["remote_location"])
        yield [{**row, "observed_at": as_time(row["observed_at"])} for row in rows]


ROUTES = [
    web.get("/v1/channels", list_channels),
    web.get("/v1/channels/{channel}", show_channel),
    web.post("/v1/channels/{channel}/reconcile", reconcile),
    web.post("/v1/channels/{action}", change_channels),
]
