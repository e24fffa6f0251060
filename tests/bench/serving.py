"""Serves an application on a port of the system's choice and tells which, on stdout."""

import asyncio
from collections.abc import Awaitable

from aiohttp import web


async def serve(application: Awaitable[web.Application]) -> None:
    """Until the process is ended; the first line on stdout is the port."""
    runner = web.AppRunner(await application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201 - told to whoever started us
    await asyncio.Event().wait()
