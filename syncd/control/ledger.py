"""The ledger, every entry in its order."""

from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import web

from syncd.control.answers import CONTEXT, listed
from syncd.control.context import ControlContext
from syncd.storage.queries import load

READS = load("reads")
PAGE: Final = 2000


async def export(request: web.Request) -> web.StreamResponse:
    return await listed(request, _pages(request.app[CONTEXT]))


async def _pages(context: ControlContext) -> AsyncIterator[list[dict[str, Any]]]:
    after = (-1, 0)
    while True:
        async with context.database.reading() as connection:
            rows = await connection.fetch(READS.ledger, *after, PAGE)
        if not rows:
            return
        after = (rows[-1]["partition"], rows[-1]["seq"])
        yield [dict(row) for row in rows]


ROUTES = [web.get("/v1/ledger", export)]
