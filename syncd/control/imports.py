"""`stock import`: rows of counts come in, what they change goes out; a change too large to be believed is held."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import anyio
import orjson
from aiohttp import web

from syncd.control.answers import CONTEXT, Lines, Problem, flag, streamed
from syncd.control.context import ControlContext
from syncd.control.counts import Plan, book, kind_of, plan
from syncd.control.peer import actor
from syncd.control.stock import sku_fault
from syncd.domain.ids import ChannelId, LevelKey, LocationId, Sku
from syncd.domain.mass_change import Reach, question, shares
from syncd.domain.quantities import BadQuantity, whole
from syncd.domain.setup import Setup
from syncd.storage import decisions
from syncd.storage.decisions import HeldChange

MOST_ROWS: Final = 2_000_000
_ROWS_A_LINE: Final = 500
_ONE_AT_A_TIME: Final = web.AppKey("one_import_at_a_time", anyio.Lock)


@dataclass(slots=True, kw_only=True)
class Upload:
    """What came up: counts that can be used, and rows that cannot, by their line in the file."""

    counts: list[tuple[LevelKey, int]]
    refused: list[dict[str, Any]]


async def import_counts(request: web.Request) -> web.StreamResponse:
    """Take rows `[line, sku, location, on_hand]`, one a line; without `apply` nothing is changed.

    Answers with lines of progress, then of changes, then the result.
    """
    context = request.app[CONTEXT]
    source = request.query.get("source") or "a file"
    apply, verbose, who = flag(request, "apply"), flag(request, "changes"), actor(request)
    upload = await receive(request, context)

    async def produce(lines: Lines) -> None:
        async def progress(what: str, done: int, of: int) -> None:
            await tell(lines, {"progress": {"what": what, "done": done, "of": of}})

        async with _lock(request.app):
            planned = await plan(context, upload.counts, _milliseconds(context), progress)
            result = _result(source, planned, upload)
            if verbose:
                await _send_changes(lines, planned)
            channels = context.stock.setup.channels
            beyond = planned.beyond(channels)
            result["held_by"] = {channel: shares(reach, channels[channel]) for channel, reach in beyond.items()}
            if apply and not upload.refused:
                if beyond:
                    result["conflict"] = await _hold(context, source, who, planned, beyond, upload)
                else:
                    await book(context, planned, f"imported from {source}", who, progress)
                    result["applied"] = True
        await lines.send([{"result": result}])

    return await streamed(request, produce)


async def receive(request: web.Request, context: ControlContext) -> Upload:
    """Read the upload to its end: rows that cannot be used are kept with their reason."""
    upload = Upload(counts=[], refused=[])
    seen: set[LevelKey] = set()
    locations = {str(location): location for location in context.stock.setup.locations}
    async for row in _rows(request):
        if not (isinstance(row, list) and len(row) == 4 and isinstance(row[0], int)):
            raise Problem("usage", "each line has to be [line, sku, location, on_hand]")
        if len(seen) >= MOST_ROWS:
            raise Problem("usage", f"more than {MOST_ROWS} rows at once")
        fault = row_fault(row, context.stock.setup, seen)
        if fault:
            upload.refused.append({"line": row[0], "reason": fault})
            continue
        key = LevelKey(Sku(row[1]), locations[row[2]])
        seen.add(key)
        upload.counts.append((key, int(row[3])))
    return upload


def row_fault(row: list[Any], setup: Setup, seen: set[LevelKey]) -> str:
    """Why the row cannot be booked; empty when it can."""
    _, sku, location, on_hand = row
    if not isinstance(sku, str) or not isinstance(location, str):
        return "SKU and location have to be text"
    if sku_fault(sku):
        return sku_fault(sku)
    if location not in setup.locations:
        return f"there is no location {location}; the configuration has: {', '.join(setup.locations) or 'none'}"
    owner = setup.authority.get(LocationId(location))
    if owner is not None:
        return f"the stock at {location} is {owner}'s to say; change it there"
    try:
        whole(on_hand)
    except BadQuantity as bad:
        return f"on_hand: {bad}"
    return f"{sku} at {location} stands in the file twice" if LevelKey(Sku(sku), LocationId(location)) in seen else ""


async def _rows(request: web.Request) -> AsyncIterator[Any]:
    rest = b""
    async for piece in request.content.iter_any():
        *whole_lines, rest = (rest + piece).split(b"\n")
        for line in whole_lines:
            if line.strip():
                yield _parsed(line)
    if rest.strip():
        yield _parsed(rest)


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Problem("usage", f"a line of the upload is not JSON: {error}") from None


async def _hold(
    context: ControlContext, source: str, who: str, planned: Plan, beyond: dict[ChannelId, Reach], upload: Upload
) -> int:
    """Book nothing; keep the counts, and ask a person."""
    subject = f"stock import|{source}"
    facts = {"source": source, "by": who, "rows": len(planned.changes), "counts": dict(planned.counts())}
    conflict = question(subject, beyond, context.stock.setup.channels, facts)
    change = HeldChange(subject=subject, source=source, actor=who, as_of=planned.as_of, counts=upload.counts)
    async with decisions.deciding(context.database.dsn) as connection:
        return await decisions.hold(connection, change, conflict, context.now())


def _result(source: str, planned: Plan, upload: Upload) -> dict[str, Any]:
    counts = planned.counts()
    return {
        "source": source,
        "applied": False,
        "rows": len(planned.changes) + len(upload.refused),
        "new": counts["new"],
        "changed": counts["changed"],
        "unchanged": counts["unchanged"],
        "refused": upload.refused,
        "conflict": None,
    }


async def _send_changes(lines: Lines, planned: Plan) -> None:
    telling = [change for change in planned.changes if kind_of(change) != "unchanged"]
    for start in range(0, len(telling), _ROWS_A_LINE):
        await lines.send(
            {
                "change": {
                    "what": kind_of(change),
                    "sku": change.key.sku,
                    "location": change.key.location,
                    "from": change.had,
                    "to": change.counted,
                }
            }
            for change in telling[start : start + _ROWS_A_LINE]
        )


async def tell(lines: Lines, document: dict[str, Any]) -> None:
    """Send what nobody has to hear: the work goes on when the client has gone away."""
    try:
        await lines.send([document])
    except ConnectionError:
        return


def _milliseconds(context: ControlContext) -> int:
    return int(context.now().timestamp() * 1000)


def _lock(app: web.Application) -> anyio.Lock:
    return app[_ONE_AT_A_TIME]


def prepare(app: web.Application) -> None:
    app[_ONE_AT_A_TIME] = anyio.Lock()


ROUTES = [web.post("/v1/stock/import", import_counts)]
