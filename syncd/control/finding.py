"""Finds what a person named, or says what they may have meant."""

import difflib
from collections.abc import Iterable

from aiohttp import web

from syncd.control.answers import CONTEXT, Problem
from syncd.control.context import ControlContext
from syncd.domain.ids import Alias, ChannelId, LocationId, RemoteId, Sku
from syncd.storage.pool import Connection
from syncd.storage.queries import load

READS = load("reads")


def channel_named(context: ControlContext, name: str) -> ChannelId:
    if name in context.desks:
        return ChannelId(name)
    known = sorted(context.desks)
    hint = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}"
    raise Problem("not_found", f"there is no channel {name}", hint)


def channel_asked(request: web.Request) -> ChannelId | None:
    """The channel that the query is limited to; None where it is not."""
    name = request.query.get("channel")
    return channel_named(request.app[CONTEXT], name) if name else None


def location_named(context: ControlContext, name: str) -> LocationId:
    known = list(context.stock.setup.locations)
    if name in known:
        return LocationId(name)
    hint = did_you_mean(name, known) or f"the configuration has: {', '.join(known) or 'none'}"
    raise Problem("not_found", f"there is no location {name}", hint)


async def sku_named(connection: Connection, name: str) -> Sku:
    if "\0" not in name and await connection.fetchval(READS.sku_exists, name):
        return Sku(name)
    raise await no_such_sku(connection, name)


async def no_such_sku(connection: Connection, name: str) -> Problem:
    near: list[str] = []
    if "\0" not in name:
        near = [row["sku"] for row in await connection.fetch(READS.skus_like, name)]
    hint = did_you_mean(name, near) or "`syncd stock list` shows them; `stock set` or `stock import` creates one"
    return Problem("not_found", f"there is no SKU {name}", hint)


async def item_named(connection: Connection, channel: ChannelId, name: str) -> RemoteId:
    """An item by its full id, its alias, or the number at the end of either."""
    rows = await connection.fetch(READS.items_named, channel, name)
    exact = [row for row in rows if row["exact"]]
    found = {row["remote_id"] for row in exact or rows}
    if not found:
        raise Problem(
            "not_found", f"{channel} has no item {name}", f"`syncd listings list --channel {channel}` shows them"
        )
    if len(found) > 1:
        raise Problem("usage", f"{name} may be {' or '.join(sorted(found))}", "give the full id")
    return RemoteId(found.pop())


async def item_of_alias(connection: Connection, channel: ChannelId, alias: Alias) -> RemoteId:
    return await item_named(connection, channel, alias)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    lowered = {word.lower(): word for word in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(lowered[word] for word in near)}?" if near else ""
