"""The daemon at one look: is it ready, is anything still to be done, does anything need a person."""

from collections.abc import Mapping
from typing import Any, Final

import anyio
from aiohttp import web

from syncd.actors.desk import Desk
from syncd.control.answers import CONTEXT, answer
from syncd.control.context import ControlContext
from syncd.domain.breaker import Circuit
from syncd.domain.ids import ChannelId
from syncd.storage.pool import Trouble, trouble
from syncd.storage.queries import load

READS = load("reads")
DATABASE_SECONDS: Final = 3.0


async def status(request: web.Request) -> web.Response:
    return answer(await overview(request.app[CONTEXT]))


async def overview(context: ControlContext) -> dict[str, Any]:
    """The counts come first and the verdict last: what arrives in between can only make it busier.

    While the database is away the counts are those of before, and nothing is idle.
    """
    answers, letters = await _count(context)
    conflicts = dict(context.remembered)
    desks = context.desks.values()
    rows = [channel_row(context, channel) for channel in context.desks]
    busy = busy_with(context) if answers else ["the database is away"]
    return {
        "ready": context.is_ready(),
        "idle": context.is_ready() and not busy,
        "inbox_pending": inbox_pending(context),
        "writes_owed": sum(queue_length(desk) for desk in desks),
        "writes_in_flight": sum(writes_in_flight(desk) for desk in desks),
        "dead_letters": letters,
        "conflicts_open": sum(conflicts.values()),
        "uptime_seconds": round(anyio.current_time() - context.started_at, 3),
        "version": context.version,
        "conflicts": conflicts,
        "channels": {
            row["channel"]: {
                key: row[key] for key in ("state", "circuit", "paused", "frozen", "blocked", "queue", "first_synced")
            }
            for row in rows
        },
        "busy_with": busy,
        "needs_a_person": needs_a_person(conflicts, letters, rows),
    }


async def _count(context: ControlContext) -> tuple[bool, int]:
    """Whether the database answers, and how many dead letters are open."""
    try:
        with anyio.fail_after(DATABASE_SECONDS):
            async with context.database.reading(timeout_seconds=DATABASE_SECONDS) as connection:
                rows = await connection.fetch(READS.conflicts_by_kind)
                letters = await connection.fetchval(READS.letters_open)
    except Exception as error:
        if trouble(error) not in (Trouble.LOST, Trouble.AGAIN, Trouble.DISK):
            raise
        return False, sum(desk.dead_letters for desk in context.desks.values())
    context.remembered.clear()
    context.remembered.update({row["kind"]: row["conflicts"] for row in rows})
    return context.stock.up, letters


def busy_with(context: ControlContext) -> list[str]:
    """What is still to be done of what has arrived and what can be written now; empty means idle."""
    waiting = inbox_pending(context)
    found = [f"{waiting} deliveries are not applied yet"] if waiting else []
    for channel, desk in context.desks.items():
        found += [f"{channel}: {what}" for what in _busy(context, channel, desk)]
    return found


def _busy(context: ControlContext, channel: ChannelId, desk: Desk) -> list[str]:
    found = []
    if desk.in_flight is not None or desk.open_writes or desk.sending.locked():
        found.append("writes are in flight or in doubt")
    if not is_reachable(desk):
        return found
    if context.crew[channel].reconciler.catalogue_at is None:
        found.append("the catalogue is being read")
    if desk.wanted:
        found.append(f"{len(desk.wanted)} orders are to be read")
    if desk.link_wanted:
        found.append("items are to be linked to new SKUs")
    if desk.asked:
        found.append(f"{len(desk.asked)} listings are to be read again")
    if desk.may_write and len(desk.owed):
        found.append(f"{len(desk.owed)} writes are owed")
    return found


def is_reachable(desk: Desk) -> bool:
    """Whether calls to the channel make sense now: its circuit is not open, it knows us, its actor does not crash."""
    return desk.circuit is not Circuit.OPEN and not desk.failed and not desk.locked_out


def inbox_pending(context: ControlContext) -> int:
    return context.raw.waiting + context.stock.pending


def queue_length(desk: Desk) -> int:
    return len(desk.owed) + len(desk.frozen)


def writes_in_flight(desk: Desk) -> int:
    """Listings in a call that has no final outcome yet."""
    known = {write.write_id: write for write in desk.open_writes.values()}
    if desk.in_flight is not None:
        known[desk.in_flight.write_id] = desk.in_flight
    return sum(len(write.rows) for write in known.values())


def channel_row(context: ControlContext, channel: ChannelId) -> dict[str, Any]:
    desk = context.desks[channel]
    return {
        "channel": channel,
        "kind": desk.record.kind,
        "state": desk.shown_state,
        "circuit": desk.circuit.value,
        "paused": desk.record.paused,
        "queue": queue_length(desk),
        "oldest_seconds": oldest_seconds(desk),
        "last_success_at": desk.last_success_at,
        "last_error": desk.last_error or desk.trouble or None,
        "frozen": desk.record.frozen,
        "blocked": desk.record.blocked,
        "first_synced": desk.record.first_synced_at is not None,
        "dead_letters": desk.dead_letters,
        "trouble": desk.trouble or (desk.last_error if desk.locked_out else None),
    }


def oldest_seconds(desk: Desk) -> float | None:
    """For how long the write that waits longest has been owed; None when none is."""
    since = desk.owed.oldest_since
    return None if since is None else round(max(0.0, anyio.current_time() - since), 3)


def needs_a_person(conflicts: Mapping[str, int], letters: int, rows: list[dict[str, Any]]) -> list[str]:
    """Each thing that goes on only when somebody acts, in words."""
    found = [f"{_counted(count, f'open {kind} conflict')}: syncd conflicts list" for kind, count in conflicts.items()]
    if letters:
        found.append(f"{_counted(letters, 'dead letter')}: syncd dead-letters list")
    for row in rows:
        channel, state = row["channel"], row["state"]
        if state == "awaiting_first_sync":
            found.append(f"{channel} waits for its first synchronisation: syncd reconcile {channel}, then --apply")
        elif state == "failed" or row["trouble"]:
            found.append(f"{channel} is {state}: {row['trouble'] or row['last_error'] or 'it keeps crashing'}")
    return found


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


ROUTES = [web.get("/v1/status", status)]
