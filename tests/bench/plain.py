"""What syncd is held against: the plain service that a careful developer writes in an afternoon.

aiohttp, a pool of asyncpg connections, one transaction for each webhook with the level locked by SELECT ... FOR UPDATE,
a ledger row under a unique key, and the answer after the commit. It is correct; it is only not fast.
"""

import argparse
import base64
import hashlib
import hmac

import asyncpg
import orjson
import uvloop
from aiohttp import web

from tests.bench.payload import SECRET
from tests.bench.serving import serve

TABLES = """
CREATE TABLE levels (sku text PRIMARY KEY, on_hand bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku text NOT NULL, delta bigint NOT NULL,
    balance bigint NOT NULL, key text NOT NULL UNIQUE, at timestamptz NOT NULL DEFAULT now()
);
"""
LOCK = "SELECT on_hand FROM levels WHERE sku = $1 FOR UPDATE"
ENTER = (
    "INSERT INTO ledger (sku, delta, balance, key) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING RETURNING id"
)
SET = "UPDATE levels SET on_hand = $2 WHERE sku = $1"

POOL = web.AppKey("pool", asyncpg.Pool)


async def hook(request: web.Request) -> web.Response:
    body = await request.read()
    signature = base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256)).decode()
    if not hmac.compare_digest(signature, request.headers.get("X-Shopify-Hmac-Sha256", "")):
        return web.Response(status=401)
    order = orjson.loads(body)
    async with request.app[POOL].acquire() as connection, connection.transaction():
        for line in order["line_items"]:
            level = await connection.fetchval(LOCK, line["sku"]) - line["quantity"]
            entered = await connection.fetchval(ENTER, line["sku"], -line["quantity"], level, str(line["id"]))
            if entered is not None:
                await connection.execute(SET, line["sku"], level)
    return web.Response()


async def application(dsn: str, connections: int) -> web.Application:
    app = web.Application(client_max_size=4 << 20)
    app[POOL] = await asyncpg.create_pool(dsn, min_size=connections, max_size=connections)
    app.router.add_post("/hooks/{channel}", hook)
    return app


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("dsn")
    arguments.add_argument("--connections", type=int, default=16)
    given = arguments.parse_args()
    uvloop.run(serve(application(given.dsn, given.connections)))
