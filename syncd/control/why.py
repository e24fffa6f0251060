"""Why a SKU is at what it is: every unit explained, and what each channel was sent and says."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
from aiohttp import web

from syncd.control.answers import CONTEXT, answer, as_time
from syncd.control.context import ControlContext
from syncd.control.explaining import Figures, equation, figures_of, unexplained
from syncd.control.finding import sku_named
from syncd.control.moments import moment
from syncd.control.orders import order_of, why_no_effect
from syncd.domain.books import Books, Listing, Need
from syncd.domain.ids import ChannelId, ListingKey, Sku
from syncd.domain.showing import should_show, state
from syncd.storage.books import BookStore
from syncd.storage.pool import Connection
from syncd.storage.queries import load

READS = load("reads")
PAGE: Final = 5000
MOST_ORDERS: Final = 100
SEARCH_MILLISECONDS: Final = 3000


async def why(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    at_text = request.query.get("at")
    at = moment(at_text, context.now()) if at_text else None
    async with context.database.reading() as connection:
        sku = await sku_named(connection, request.query.get("sku", ""))
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            entries = await _entries(connection, sku, at)
            stored = await connection.fetch(READS.levels_of, sku)
            books = await _books(context, connection, sku)
            writes = {listing_key(row): row for row in await connection.fetch(READS.last_writes, sku)}
        lines, searched = await _lines_without_effect(context, connection, sku, books)
    counted = {row["location"]: as_time(row["counted_at"]) for row in stored}
    levels = figures_of(entries) if at is not None else {row["location"]: Figures.of(row) for row in stored}
    return answer(
        {
            "sku": sku,
            "at": at,
            "available": sum(figures.available for figures in levels.values()),
            "equation": equation(entries, levels),
            "levels": [
                {"location": location, **figures.document(), "counted_at": counted.get(location)}
                for location, figures in sorted(levels.items())
            ],
            "unexplained": unexplained(entries, levels),
            "entries": entries,
            "channels": [
                _channel(context, books, listing, sku, writes.get(listing.key)) for listing in books.listings_of(sku)
            ],
            "lines_without_effect": lines,
            "lines_searched": searched,
        }
    )


async def _entries(connection: Connection, sku: Sku, at: datetime | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["seq"] if found else 0
        rows = await connection.fetch(READS.ledger_of, sku, after, at, PAGE)
        found += [dict(row) for row in rows]
        if len(rows) < PAGE:
            return found


async def _books(context: ControlContext, connection: Connection, sku: Sku) -> Books:
    store = BookStore(connection)
    await store.start()
    blocked = frozenset(channel for channel, desk in context.desks.items() if desk.record.blocked)
    return await store.load(Need(skus={sku}), context.stock.setup, 0, blocked)


def listing_key(row: asyncpg.Record) -> ListingKey:
    return ListingKey(row["channel"], row["remote_id"], row["remote_location"])


def _channel(
    context: ControlContext, books: Books, listing: Listing, sku: Sku, last: asyncpg.Record | None
) -> dict[str, Any]:
    key, account = listing.key, listing.account
    desk = context.desks.get(key.channel)
    wanted = should_show(books, listing, sku)
    ours = context.stock.setup.ours(key.channel, key.remote_location)
    return {
        "channel": key.channel,
        "remote_id": key.remote_id,
        "remote_location": key.remote_location,
        "title": listing.title,
        "locations": list(ours),
        "desired": wanted.units if ours else None,
        "because": wanted.because if ours else "it stands for none of our locations",
        "counts": wanted.atp,
        "expected": account.expected,
        "observed": listing.observed,
        "observed_at": as_time(listing.observed_at),
        "difference": None if account.expected is None or not ours else wanted.units - account.expected,
        "state": state(books, listing),
        "sent": last["sent"] if last is not None else None,
        "sent_at": as_time(last["sent_at"]) if last is not None else None,
        "confirmed": last["confirmed"] if last is not None else None,
        "confirmed_at": as_time(last["confirmed_at"]) if last is not None else None,
        "waits": _waits(listing, desk.record.paused if desk else False, desk is not None and desk.may_write),
        "question_open": account.asked or account.reading is not None,
    }


def _waits(listing: Listing, channel_paused: bool, may_write: bool) -> str | None:
    """Why nothing is written to the listing for now, if so."""
    if listing.rejected:
        return f"the channel refused the last write: {listing.rejected}"
    if listing.held:
        return listing.held
    if not listing.tracked:
        return "the channel keeps no stock of the item"
    if listing.paused:
        return "the listing is paused"
    if channel_paused:
        return "the channel is paused"
    if listing.account.base is None:
        return "what the channel shows has not been read and covered yet"
    return None if may_write else "the channel's first synchronisation is not confirmed yet"


async def _lines_without_effect(
    context: ControlContext, connection: Connection, sku: Sku, books: Books
) -> tuple[list[dict[str, Any]], bool]:
    """Order lines that name this SKU and move nothing; and whether there was time to look at every order."""
    items = sorted({listing.alias for listing in books.listings_of(sku) if listing.alias is not None})
    try:
        async with connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {SEARCH_MILLISECONDS}")
            rows = await connection.fetch(READS.orders_without_effect, sku, items, MOST_ORDERS)
    except asyncpg.QueryCanceledError:
        return [], False
    return [line for row in rows for line in _idle_lines(context, row, sku, items)], True


def _idle_lines(context: ControlContext, row: asyncpg.Record, sku: Sku, items: Sequence[str]) -> list[dict[str, Any]]:
    order, channel = order_of(row), ChannelId(row["channel"])
    found = []
    for line in order.lines.values():
        binding = order.bindings.get(line.line_id)
        names_it = binding.sku == sku if binding is not None else line.sku_text == sku or line.item in items
        reason = why_no_effect(order, line, channel, context.stock.setup) if names_it else ""
        if reason:
            found.append(
                {
                    "channel": channel,
                    "order_id": order.order_id,
                    "name": order.name,
                    "line_id": line.line_id,
                    "ordered": line.ordered,
                    "placed_at": as_time(order.placed_at),
                    "why": reason,
                }
            )
    return found


ROUTES = [web.get("/v1/why", why)]
