"""Listings: what each channel calls our SKUs, and what it should and does show."""

from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import web

from syncd.control.answers import CONTEXT, Problem, answer, as_time, body_of, flag, limit_of, listed, text_in
from syncd.control.context import ControlContext
from syncd.control.finding import channel_asked, channel_named, item_named, sku_named
from syncd.control.peer import actor
from syncd.domain.commands import Link, Unlink
from syncd.domain.ids import ChannelId, RemoteId, Sku
from syncd.storage.books import unbound_orders
from syncd.storage.queries import load

READS = load("reads")
PAGE: Final = 2000
_SHOWN: Final = (
    "channel",
    "sku",
    "remote_id",
    "remote_location",
    "desired",
    "expected",
    "observed",
    "observed_at",
    "state",
    "paused",
)


async def list_listings(request: web.Request) -> web.StreamResponse:
    context = request.app[CONTEXT]
    channel = channel_asked(request)
    sku, state = request.query.get("sku"), request.query.get("state")
    wide = flag(request, "wide")
    if sku is not None:
        async with context.database.reading() as connection:
            await sku_named(connection, sku)
    return await listed(request, _pages(context, channel, sku, state, limit_of(request), wide=wide))


async def _pages(
    context: ControlContext,
    channel: ChannelId | None,
    sku: str | None,
    state: str | None,
    limit: int | None,
    *,
    wide: bool,
) -> AsyncIterator[list[dict[str, Any]]]:
    after = ("", "", "")
    left = limit
    while left is None or left > 0:
        most = PAGE if left is None else min(PAGE, left)
        async with context.database.reading() as connection:
            rows = await connection.fetch(READS.listings, *after, channel, sku, state, most)
        if not rows:
            return
        after = (rows[-1]["channel"], rows[-1]["remote_id"], rows[-1]["remote_location"])
        left = None if left is None else left - len(rows)
        yield [_document(context, row, wide=wide) for row in rows]


def _document(context: ControlContext, row: Any, *, wide: bool) -> dict[str, Any]:
    desk = context.desks.get(row["channel"])
    paused = row["paused"] or (desk is not None and desk.record.paused)
    document = {**row, "observed_at": as_time(row["observed_at"]), "paused": paused}
    return document if wide else {name: document[name] for name in _SHOWN}


async def link(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    document = await body_of(request)
    channel = channel_named(context, text_in(document, "channel"))
    async with context.database.reading() as connection:
        sku = await sku_named(connection, text_in(document, "sku"))
    remote_id = await _item(context, channel, text_in(document, "remote_id"))
    listings = await link_item(context, channel, remote_id, sku, actor(request))
    return answer({"channel": channel, "remote_id": remote_id, "sku": sku, "listings": listings})


async def _item(context: ControlContext, channel: ChannelId, name: str) -> RemoteId:
    """The item; one that the shop may have made just now is looked for in its catalogue first."""
    try:
        async with context.database.reading() as connection:
            return await item_named(connection, channel, name)
    except Problem:
        if not context.desks[channel].catalogue_wanted:
            raise
    await context.crew[channel].reconciler.read_catalogue(adopt=False)
    async with context.database.reading() as connection:
        return await item_named(connection, channel, name)


async def link_item(context: ControlContext, channel: ChannelId, remote_id: RemoteId, sku: Sku, who: str) -> int:
    """Link an item and book the orders that waited for it; returns at how many locations it is listed."""
    async with context.database.reading() as connection:
        waiting = frozenset(await unbound_orders(connection, channel))
    return await context.stock.ask(Link(channel=channel, remote_id=remote_id, sku=sku, actor=who, waiting=waiting))


async def unlink(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    document = await body_of(request)
    channel = channel_named(context, text_in(document, "channel"))
    async with context.database.reading() as connection:
        remote_id = await item_named(connection, channel, text_in(document, "remote_id"))
    listings = await context.stock.ask(Unlink(channel=channel, remote_id=remote_id, actor=actor(request)))
    return answer({"channel": channel, "remote_id": remote_id, "sku": None, "listings": listings})


ROUTES = [
    web.get("/v1/listings", list_listings),
    web.post("/v1/listings/link", link),
    web.post("/v1/listings/unlink", unlink),
]
