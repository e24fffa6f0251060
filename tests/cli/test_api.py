"""The control socket as curl and screens see it, on the running program."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.daemon.conftest import Building, Site

pytestmark = [pytest.mark.anyio, pytest.mark.daemon]


def socket_of(site: Site) -> Path:
    return site.daemon.folder / "state" / "control.sock"


@asynccontextmanager
async def session_of(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession("http://syncd", connector=aiohttp.UnixConnector(str(socket_of(site)))) as session:
        yield session


async def test_errors_have_one_form_and_web_pages_are_refused(running: Building) -> None:
    async with running() as site, session_of(site) as session:
        for path, headers, status, code in (
            ("/v1/nothing", {}, 404, "not_found"),
            ("/v1/why?sku=NOPE", {}, 404, "not_found"),
            ("/v1/stock?limit=many", {}, 400, "usage"),
            ("/v1/stock?location=nowhere", {}, 404, "not_found"),
            ("/v1/why?sku=TEE&at=soon", {}, 400, "usage"),
            ("/v1/conflicts/x", {}, 400, "usage"),
            ("/v1/status", {"Origin": "https://evil.example"}, 403, "forbidden"),
            ("/v1/status", {"Referer": "https://evil.example/"}, 403, "forbidden"),
        ):
            async with session.get(path, headers=headers) as answer:
                document = await answer.json()
            assert (answer.status, document["error"]["code"]) == (status, code), path
            assert set(document["error"]) == {"code", "message", "hint"}


async def test_requests_that_make_no_sense_change_nothing(running: Building) -> None:
    async with running() as site, session_of(site) as session:
        good = {"sku": "TEE", "location": "warehouse", "on_hand": 5, "reason": "x"}
        for change in (
            {"on_hand": 1.5},
            {"on_hand": -1},
            {"on_hand": True},
            {"on_hand": 10**12},
            {"sku": ""},
            {"sku": "A\nB"},
            {"reason": " "},
            {"location": None},
        ):
            async with session.post("/v1/stock/set", json={**good, **change}) as answer:
                assert answer.status == 400, change
        async with session.post("/v1/stock/set", data=b"{nonsense") as answer:
            assert answer.status == 400
        async with session.post("/v1/stock/import?apply=1", data=b'[2,"TEE","warehouse",5]\n{"x":1}\n') as answer:
            assert answer.status == 400
        assert await site.daemon.level("TEE") == (10, 0)


async def test_a_listener_gets_a_snapshot_then_what_changes_then_a_goodbye(running: Building) -> None:
    async with running() as site, session_of(site) as session:
        async with session.get("/v1/events") as answer:
            snapshot = json.loads(await answer.content.readline())
            await site.daemon.json("stock", "set", "TEE", "warehouse", "4", "--reason", "count")
            stock = await event_of(answer, "stock")
            tick = await event_of(answer, "tick")
            assert await site.daemon.stop() == 0
            bye = await event_of(answer, "bye")

        assert (snapshot["topic"], snapshot["status"]["ready"]) == ("snapshot", True)
        assert [row["channel"] for row in snapshot["channels"]] == ["one", "two"]
        assert (stock["sku"], stock["on_hand"]) == ("TEE", 4)
        assert snapshot["seq"] < stock["seq"] <= tick["seq"] <= bye["seq"]
        assert len({event["epoch"] for event in (snapshot, stock, tick, bye)}) == 1


async def event_of(answer: aiohttp.ClientResponse, topic: str) -> dict[str, Any]:
    """The next event of a topic."""
    async for line in answer.content:
        event: dict[str, Any] = json.loads(line)
        if event["topic"] == topic:
            return event
    raise AssertionError(f"the stream ended without {topic}")
