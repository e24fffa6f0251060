"""What arrived, as it is stored: deliveries, dead letters, and applying either again."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from syncd.control.answers import CONTEXT, Problem, answer, body_of, flag, limit_of, listed, text_in
from syncd.control.context import ControlContext
from syncd.control.finding import channel_asked
from syncd.control.moments import moment
from syncd.control.peer import actor
from syncd.domain.books import Audited
from syncd.storage import decisions, inbox
from syncd.storage.inbox import InboxRow
from syncd.storage.queries import load

READS = load("reads")
PAGE: Final = 1000
HIDDEN: Final = "[hidden]"
_SECRET: Final = re.compile(r"authorization|cookie|signature|hmac|token|secret|password|api-?key", re.IGNORECASE)


async def list_deliveries(request: web.Request) -> web.StreamResponse:
    context = request.app[CONTEXT]
    since_text = request.query.get("since")
    since = moment(since_text, context.now()) if since_text else None
    asked = (channel_asked(request), since, request.query.get("topic"))
    limit = limit_of(request)
    if flag(request, "newest"):
        return await listed(request, _newest(context, asked, limit or PAGE))
    return await listed(request, _pages(context, asked, limit))


Asked = tuple[str | None, datetime | None, str | None]


async def _newest(context: ControlContext, asked: Asked, limit: int) -> AsyncIterator[list[dict[str, Any]]]:
    async with context.database.reading() as connection:
        rows = await connection.fetch(READS.newest_deliveries, *asked, limit)
    yield [_delivery(row) for row in reversed(rows)]


async def _pages(context: ControlContext, asked: Asked, limit: int | None) -> AsyncIterator[list[dict[str, Any]]]:
    after, left = 0, limit
    while left is None or left > 0:
        most = PAGE if left is None else min(PAGE, left)
        async with context.database.reading() as connection:
            rows = await connection.fetch(READS.deliveries, after, *asked, most)
        if not rows:
            return
        after = rows[-1]["id"]
        left = None if left is None else left - len(rows)
        yield [_delivery(row) for row in rows]


def _delivery(row: Any) -> dict[str, Any]:
    return {
        "event_id": row["event_id"],
        "channel": row["channel"],
        "topic": row["topic"],
        "received_at": row["received_at"],
        "state": _state(applied=row["applied"], letter=row["letter"]),
        "id": row["id"],
    }


def _state(*, applied: bool, letter: str | None) -> str:
    if letter == "open":
        return "dead"
    if letter == "discarded":
        return "discarded"
    return "applied" if applied else "waiting"


async def show_delivery(request: web.Request) -> web.StreamResponse:
    """Every stored delivery with this id: some vendors give one id to several."""
    context = request.app[CONTEXT]
    event_id = request.query.get("event_id", "")
    rows = await _stored(context, event_id)

    async def pages() -> AsyncIterator[list[dict[str, Any]]]:
        for row in rows:
            yield [await _whole(context, row)]

    return await listed(request, pages())


async def _whole(context: ControlContext, row: InboxRow) -> dict[str, Any]:
    async with context.database.reading() as connection:
        letter = await connection.fetchrow(READS.letter, row.id)
        entries = await connection.fetch(READS.ledger_of_event, row.event_id, row.channel)
    return {
        "event_id": row.event_id,
        "channel": row.channel,
        "topic": row.topic,
        "received_at": row.received_at,
        "state": _state(applied=row.id <= context.stock.through, letter=letter["state"] if letter else None),
        "reason": letter["reason"] if letter is not None and letter["state"] == "open" else None,
        "id": row.id,
        "headers": {name: HIDDEN if _SECRET.search(name) else value for name, value in row.headers.items()},
        "body": row.body.decode("utf-8", "replace"),
        "entries": [dict(entry) for entry in entries],
    }


async def _stored(context: ControlContext, event_id: str) -> list[InboxRow]:
    async with context.database.reading() as connection:
        rows = await inbox.by_event(connection, event_id) if event_id and "\0" not in event_id else []
    if not rows:
        raise Problem("not_found", f"there is no delivery {event_id}", "`syncd events list` shows them")
    return rows


async def replay(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    event_id = text_in(await body_of(request), "event_id")
    rows = await _stored(context, event_id)
    results = await _apply_again(context, [row.id for row in rows], actor(request), f"event {event_id}")
    return answer({"event_id": event_id, **results})


async def _apply_again(context: ControlContext, ids: Sequence[int], who: str, target: str) -> dict[str, Any]:
    outcome: dict[int, str] = {}
    for start in range(0, len(ids), 100):
        outcome.update(await context.stock.replay(ids[start : start + 100]))
    audit = Audited(actor=who, action="delivery.replay", target=target)
    async with decisions.deciding(context.database.dsn) as connection:
        await decisions.audit(connection, audit, context.now())
    return {
        "applied": [number for number, reason in outcome.items() if not reason],
        "failed": [{"id": number, "reason": reason} for number, reason in outcome.items() if reason],
    }


async def list_letters(request: web.Request) -> web.StreamResponse:
    context = request.app[CONTEXT]
    pages = _letters(context, channel_asked(request), limit_of(request), closed=flag(request, "all"))
    return await listed(request, pages)


async def _letters(
    context: ControlContext, channel: str | None, limit: int | None, *, closed: bool
) -> AsyncIterator[list[Mapping[str, Any]]]:
    after, left = 0, limit
    while left is None or left > 0:
        most = PAGE if left is None else min(PAGE, left)
        async with context.database.reading() as connection:
            rows = await connection.fetch(READS.letters, after, closed, channel, most)
        if not rows:
            return
        after = rows[-1]["id"]
        left = None if left is None else left - len(rows)
        yield [dict(row) for row in rows]


async def show_letter(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    number = _number(request.match_info["id"])
    async with context.database.reading() as connection:
        row = await connection.fetchrow(READS.letter, number)
        stored = await inbox.by_ids(connection, [number])
    if row is None:
        raise Problem("not_found", f"there is no dead letter {number}", "`syncd dead-letters list` shows them")
    return answer({**dict(row), "delivery": await _whole(context, stored[0]) if stored else None})


async def retry_letters(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    ids = await _open_letters(context, await body_of(request))
    return answer(await _apply_again(context, ids, actor(request), f"{len(ids)} dead letters"))


async def discard_letters(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    document = await body_of(request)
    ids = await _open_letters(context, document)
    reason = text_in(document, "reason", optional=True)
    target = f"dead letters {', '.join(map(str, ids[:20]))}{' ...' if len(ids) > 20 else ''}"
    audit = Audited(actor=actor(request), action="letter.discard", target=target, reason=reason)
    async with decisions.deciding(context.database.dsn) as connection:
        discarded = await decisions.discard(connection, ids, context.now())
        await decisions.audit(connection, audit, context.now())
        left = await inbox.open_letters(connection)
    for channel, desk in context.desks.items():
        desk.dead_letters = left.get(channel, 0)
    return answer({"discarded": discarded})


async def _open_letters(context: ControlContext, document: Mapping[str, Any]) -> list[int]:
    """Those asked for; raises when one of them is not open."""
    async with context.database.reading() as connection:
        every = await decisions.open_letters(connection)
    if document.get("all") is True:
        return every
    ids = document.get("ids")
    if not isinstance(ids, list) or not ids:
        raise Problem("usage", "give the ids of dead letters, or all")
    numbers = [_number(str(number)) for number in ids]
    for number in numbers:
        if number not in every:
            raise Problem("not_found", f"there is no open dead letter {number}", "`syncd dead-letters list` shows them")
    return numbers


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Problem("usage", f"{text} is not the number of a dead letter")
    return int(text)


ROUTES = [
    web.get("/v1/deliveries", list_deliveries),
    web.get("/v1/delivery", show_delivery),
    web.post("/v1/deliveries/replay", replay),
    web.get("/v1/dead-letters", list_letters),
    web.get("/v1/dead-letters/{id}", show_letter),
    web.post("/v1/dead-letters/retry", retry_letters),
    web.post("/v1/dead-letters/discard", discard_letters),
]
