"""Stock: levels as they are, counts and adjustments that people enter."""

from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import web

from syncd.control.answers import CONTEXT, Problem, answer, as_time, body_of, limit_of, listed, text_in, whole_in
from syncd.control.context import ControlContext
from syncd.control.finding import location_named, no_such_sku, sku_named
from syncd.control.peer import actor
from syncd.domain.commands import AdjustStock, SetCount
from syncd.domain.errors import NotFound
from syncd.domain.ids import LevelKey, Sku
from syncd.domain.quantities import LARGEST, BadQuantity, Level, whole
from syncd.storage.queries import load

READS = load("reads")
PAGE: Final = 2000
LONGEST_SKU: Final = 255


async def list_stock(request: web.Request) -> web.StreamResponse:
    context = request.app[CONTEXT]
    sku = request.query.get("sku")
    if sku is not None:
        return answer(await _one(context, sku))
    location = request.query.get("location")
    if location is not None:
        location_named(context, location)
    return await listed(request, _pages(context, location, _like(request.query.get("q")), limit_of(request)))


async def _pages(
    context: ControlContext, location: str | None, like: str | None, limit: int | None
) -> AsyncIterator[list[dict[str, Any]]]:
    after = ("", "")
    left = limit
    while left is None or left > 0:
        most = PAGE if left is None else min(PAGE, left)
        async with context.database.reading() as connection:
            rows = await connection.fetch(READS.levels, *after, location, like, most)
        if not rows:
            return
        after = (rows[-1]["sku"], rows[-1]["location"])
        left = None if left is None else left - len(rows)
        yield [{**row, "available": row["on_hand"] - row["committed"] - row["unavailable"]} for row in rows]


async def _one(context: ControlContext, name: str) -> dict[str, Any]:
    async with context.database.reading() as connection:
        sku = await sku_named(connection, name)
        rows = await connection.fetch(READS.levels_of, sku)
        listings = await connection.fetch(READS.listings, "", "", "", None, sku, None, PAGE)
    authority = context.stock.setup.authority
    levels = [
        {
            **row,
            "available": row["on_hand"] - row["committed"] - row["unavailable"],
            "counted_at": as_time(row["counted_at"]),
            "authority": authority.get(row["location"], "syncd"),
        }
        for row in rows
    ]
    shown = [{**row, "observed_at": as_time(row["observed_at"])} for row in listings]
    return {
        "sku": sku,
        "available": sum(level["available"] for level in levels),
        "levels": levels,
        "listings": shown,
    }


async def set_stock(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    document = await body_of(request)
    location = location_named(context, text_in(document, "location"))
    sku, reason = sku_in(document), _reason_in(document)
    try:
        on_hand = whole(whole_in(document, "on_hand"))
    except BadQuantity as bad:
        raise Problem("usage", str(bad)) from None
    key = LevelKey(sku, location)
    level = await context.stock.ask(SetCount(key=key, on_hand=on_hand, reason=reason, actor=actor(request)))
    return answer(level_document(key, level))


async def adjust_stock(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    document = await body_of(request)
    location = location_named(context, text_in(document, "location"))
    sku, reason, by = sku_in(document), _reason_in(document), whole_in(document, "by")
    if abs(by) > LARGEST:
        raise Problem("usage", f"{by} is beyond {LARGEST}")
    key = LevelKey(sku, location)
    try:
        level = await context.stock.ask(AdjustStock(key=key, by=by, reason=reason, actor=actor(request)))
    except NotFound:
        async with context.database.reading() as connection:
            raise await no_such_sku(connection, sku) from None
    return answer(level_document(key, level))


def sku_in(document: object) -> Sku:
    """A SKU that may be new."""
    sku = text_in(document, "sku") if isinstance(document, dict) else ""
    fault = sku_fault(sku)
    if fault:
        raise Problem("usage", fault)
    return Sku(sku)


def sku_fault(sku: str) -> str:
    """Why this cannot be a SKU; empty when it can."""
    if not sku:
        return "the SKU is empty"
    if sku != sku.strip() or not sku.isprintable():
        return "a SKU holds no control characters and no space at its ends"
    if len(sku) > LONGEST_SKU:
        return f"a SKU has at most {LONGEST_SKU} characters"
    return ""


def level_document(key: LevelKey, level: Level) -> dict[str, Any]:
    return {
        "sku": key.sku,
        "location": key.location,
        "on_hand": level.on_hand,
        "committed": level.committed,
        "unavailable": level.unavailable,
        "incoming": level.incoming,
        "available": level.available,
    }


def _reason_in(document: Any) -> str:
    reason = text_in(document, "reason").strip()
    if not reason:
        raise Problem("usage", "a change of stock needs a reason")
    return reason


def _like(wanted: str | None) -> str | None:
    """Every SKU that contains the text."""
    if not wanted:
        return None
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


ROUTES = [
    web.get("/v1/stock", list_stock),
    web.post("/v1/stock/set", set_stock),
    web.post("/v1/stock/adjust", adjust_stock),
]
