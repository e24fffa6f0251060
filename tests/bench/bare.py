"""The most that any service on this HTTP server and loop could reach: it reads the body and answers."""

import uvloop
from aiohttp import web

from tests.bench.serving import serve


async def hook(request: web.Request) -> web.Response:
    await request.read()
    return web.Response()


async def application() -> web.Application:
    app = web.Application(client_max_size=4 << 20)
    app.router.add_post("/hooks/{channel}", hook)
    return app


if __name__ == "__main__":
    uvloop.run(serve(application()))
