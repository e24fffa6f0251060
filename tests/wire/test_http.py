"""Every way in which a call can fail, against real sockets, becomes what the caller has to do next."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from aiohttp import web

from syncd.domain.errors import OutcomeUnknown, Retry, Throttled
from syncd.wire.http import Http, retry_after_seconds

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def now() -> datetime:
    return NOW


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[Http]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = Http(f"http://127.0.0.1:{runner.addresses[0][1]}/base", now=now, **options)
    try:
        yield http
    finally:
        await http.close()
        await runner.cleanup()


def answering(status: int = 200, body: bytes = b"{}", headers: dict[str, str] | None = None) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return answer


async def cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport is not None
    request.transport.close()
    return response


async def silence(request: web.Request) -> web.Response:
    await anyio.sleep(30)
    return web.Response()


async def call(http: Http, *, changes: bool = True) -> Any:
    return await http.send("POST", "/things", body=b"1", changes=changes)


async def test_an_answer_tells_when_the_server_dealt_with_the_request() -> None:
    async with serving(answering(headers={"Date": "Mon, 23 Nov 2026 12:00:05 GMT"})) as http:
        answer = await call(http)

    second = int(datetime(2026, 11, 23, 12, 0, 5, tzinfo=UTC).timestamp()) * 1000
    assert second - 5000 < answer.at.earliest < second
    assert answer.at.latest == second + 999


@pytest.mark.parametrize("date", ["", "yesterday"])
async def test_a_server_without_a_clock_is_dated_by_ours(date: str) -> None:
    async with serving(answering(headers={"Date": date})) as http:
        answer = await call(http)

    assert answer.at.latest == int(NOW.timestamp()) * 1000 + 999


async def test_paths_begin_at_the_base_address() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    async with serving(answer) as http:
        await http.send("GET", "/admin/api/x.json", changes=False)

    assert asked == ["/base/admin/api/x.json"]


@pytest.mark.parametrize("status", [200, 201, 301, 400, 401, 403, 404, 422])
async def test_answers_below_500_are_for_the_caller_to_judge(status: int) -> None:
    async with serving(answering(status, headers={"Location": "/elsewhere"} if status == 301 else None)) as http:
        assert (await call(http)).status == status


@pytest.mark.parametrize("changes", [True, False])
async def test_a_refused_connection_did_nothing(changes: bool) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        http = Http(f"http://127.0.0.1:{free.getsockname()[1]}", now=now)
        with pytest.raises(Retry):
            await call(http, changes=changes)
        await http.close()


async def test_an_address_that_does_not_exist_did_nothing() -> None:
    http = Http("https://shop.invalid", now=now)
    with pytest.raises(Retry, match=r"shop\.invalid"):
        await call(http)
    await http.close()


async def test_a_server_that_speaks_no_tls_did_nothing() -> None:
    async with serving(answering()) as plain:
        http = Http(str(plain.base.with_scheme("https")), now=now)
        with pytest.raises(Retry):
            await call(http)
        await http.close()


@pytest.mark.parametrize("handler", [cut, half], ids=["cut", "half an answer"])
async def test_a_connection_lost_after_sending_leaves_a_change_in_doubt(handler: Handler) -> None:
    async with serving(handler) as http:
        with pytest.raises(OutcomeUnknown):
            await call(http)
        with pytest.raises(Retry):
            await call(http, changes=False)


async def test_no_answer_in_time_leaves_a_change_in_doubt() -> None:
    async with serving(silence, call_seconds=0.1) as http:
        with pytest.raises(OutcomeUnknown, match="no answer in time"):
            await call(http)
        with pytest.raises(Retry, match="no answer in time"):
            await call(http, changes=False)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_broken_server_leaves_a_change_in_doubt(status: int) -> None:
    async with serving(answering(status, b"<html>oops</html>")) as http:
        with pytest.raises(OutcomeUnknown, match=f"{status} <html>oops"):
            await call(http)
        with pytest.raises(Retry, match=str(status)):
            await call(http, changes=False)


async def test_a_server_that_says_when_to_come_back_did_nothing() -> None:
    async with serving(answering(503, headers={"Retry-After": "7"})) as http:
        with pytest.raises(Retry) as refused:
            await call(http)
    assert refused.value.after_seconds == 7


@pytest.mark.parametrize(("headers", "after"), [({"Retry-After": "2.0"}, 2.0), ({}, None)])
async def test_too_many_requests_did_nothing(headers: dict[str, str], after: float | None) -> None:
    async with serving(answering(429, headers=headers)) as http:
        with pytest.raises(Throttled) as throttled:
            await call(http)
    assert throttled.value.after_seconds == after


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("inf", None),
        ("-5", 0.0),
        ("1.5", 1.5),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
    ],
)
def test_how_long_to_wait_is_given_in_seconds_or_as_a_date(given: str, seconds: float | None) -> None:
    assert retry_after_seconds({"Retry-After": given}, NOW) == seconds


async def test_lines_of_any_length_come_one_by_one() -> None:
    long = b"x" * 300_000
    async with serving(answering(body=b"one\n" + long + b"\n\nlast")) as http:
        assert await _read(http, f"{http.base}/file") == [b"one", long, b"", b"last"]


@pytest.mark.parametrize("handler", [answering(404), cut, half], ids=["404", "cut", "half"])
async def test_a_file_that_breaks_off_is_read_again(handler: Handler) -> None:
    async with serving(handler) as http:
        file = f"{http.base}/file"
        with pytest.raises(Retry):
            await _read(http, file)


async def _read(http: Http, file: str) -> list[bytes]:
    async with http.lines(file) as lines:
        return [line async for line in lines]
