"""What is made of the answer to a GraphQL call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from aiohttp import web

from syncd.domain.errors import OutcomeUnknown, Retry
from syncd.wire.graphql import Cost, Reply, post
from syncd.wire.http import Http

pytestmark = pytest.mark.anyio

COST = {
    "requestedQueryCost": 70,
    "actualQueryCost": None,
    "throttleStatus": {"maximumAvailable": 1000.0, "currentlyAvailable": 20, "restoreRate": 50.0},
}


@asynccontextmanager
async def answering(body: Any, status: int = 200) -> AsyncIterator[tuple[Http, list[Any]]]:
    heard: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        heard.append((request.headers, orjson.loads(await request.read())))
        return web.Response(status=status, body=body if isinstance(body, bytes) else orjson.dumps(body))

    app = web.Application()
    app.router.add_post("/graphql", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = Http(f"http://127.0.0.1:{runner.addresses[0][1]}", now=lambda: datetime.now(UTC))
    try:
        yield http, heard
    finally:
        await http.close()
        await runner.cleanup()


async def ask(http: Http, *, changes: bool = False) -> Reply:
    return await post(
        http,
        "/graphql",
        name="Shop",
        query="query Shop { shop }",
        variables={"a": None},
        headers={"X-Token": "t"},
        changes=changes,
    )


async def test_a_document_is_sent_with_its_name_and_nulls_stay() -> None:
    async with answering({"data": {"shop": 1}}) as (http, heard):
        reply = await ask(http)

    headers, body = heard[0]
    assert body == {"query": "query Shop { shop }", "variables": {"a": None}, "operationName": "Shop"}
    assert (headers["X-Token"], headers["Content-Type"]) == ("t", "application/json")
    assert (reply.data, reply.errors, reply.cost, reply.executed) == ({"shop": 1}, (), None, True)


async def test_the_cost_and_the_wait_until_it_is_there() -> None:
    body = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "extensions": {"cost": COST}}
    async with answering(body) as (http, _):
        reply = await ask(http)

    assert reply.cost == Cost(requested=70, actual=None, available=20, capacity=1000, restore_per_second=50)
    assert reply.cost.wait_seconds == 1.0
    assert reply.errors[0].code == "THROTTLED"
    assert not reply.executed


async def test_errors_carry_their_code_and_path() -> None:
    told = {"message": "no", "extensions": {"code": "ACCESS_DENIED"}, "path": ["orders", "nodes", 0, "returns"]}
    async with answering({"data": None, "errors": [told, {}, "odd"]}) as (http, _):
        reply = await ask(http)

    assert [(error.message, error.code, error.path) for error in reply.errors] == [
        ("no", "ACCESS_DENIED", ("orders", "nodes", "0", "returns")),
        ("", "", ()),
        ("odd", "", ()),
    ]
    assert reply.executed


@pytest.mark.parametrize("extensions", [None, [], {"cost": None}, {"cost": {"requestedQueryCost": "?"}}, {"cost": {}}])
async def test_a_cost_that_makes_no_sense_is_none(extensions: Any) -> None:
    async with answering({"data": {}, "extensions": extensions}) as (http, _):
        assert (await ask(http)).cost is None


@pytest.mark.parametrize("body", [b"", b"<html></html>", b'{"data":'])
async def test_what_is_no_json_leaves_a_change_in_doubt(body: bytes) -> None:
    async with answering(body) as (http, _):
        with pytest.raises(OutcomeUnknown):
            await ask(http, changes=True)
        with pytest.raises(Retry):
            await ask(http)


async def test_other_statuses_come_back_with_the_beginning_of_their_body() -> None:
    async with answering(b"<b>not  you</b>", status=403) as (http, _):
        reply = await ask(http, changes=True)

    assert (reply.status, reply.data, reply.shown) == (403, None, "<b>not you</b>")
