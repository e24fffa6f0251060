"""Tokens by the client credentials grant, against a real token endpoint."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
import orjson
import pytest
from aiohttp import web

from syncd.domain.errors import AuthFailed, Retry
from syncd.wire.http import Http
from syncd.wire.oauth import ClientCredentials, StaticToken

pytestmark = pytest.mark.anyio


@dataclass
class TokenServer:
    """Mints token-1, token-2, ...; `answer` replaces what it says."""

    lifetime: Any = 86_399
    answer: tuple[int, Any] | None = None
    forms: list[dict[str, str]] = field(default_factory=list)

    async def mint(self, request: web.Request) -> web.Response:
        self.forms.append({key: str(value) for key, value in (await request.post()).items()})
        status, body = self.answer or (
            200,
            {"access_token": f"token-{len(self.forms)}", "scope": "a", "expires_in": self.lifetime},
        )
        return web.Response(status=status, body=body if isinstance(body, bytes) else orjson.dumps(body))


@asynccontextmanager
async def minting(server: TokenServer) -> AsyncIterator[ClientCredentials]:
    app = web.Application()
    app.router.add_post("/admin/oauth/access_token", server.mint)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = Http(f"http://127.0.0.1:{runner.addresses[0][1]}", now=lambda: datetime.now(UTC))
    try:
        yield ClientCredentials(http, "/admin/oauth/access_token", client_id="me & you", client_secret="s=cret")
    finally:
        await http.close()
        await runner.cleanup()


async def test_a_token_is_asked_for_as_a_form_and_kept() -> None:
    server = TokenServer()
    async with minting(server) as credentials:
        assert [await credentials.token() for _ in range(3)] == ["token-1"] * 3

    assert server.forms == [{"grant_type": "client_credentials", "client_id": "me & you", "client_secret": "s=cret"}]


async def test_many_who_want_a_token_at_once_cause_one_request() -> None:
    server = TokenServer()
    got: list[str] = []
    async with minting(server) as credentials:

        async def want() -> None:
            got.append(await credentials.token())

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(want)

    assert got == ["token-1"] * 20


async def test_a_token_is_renewed_before_it_ends() -> None:
    server = TokenServer(lifetime=0.0001)
    async with minting(server) as credentials:
        first = await credentials.token()
        await anyio.sleep(0.001)

        assert (first, await credentials.token()) == ("token-1", "token-2")


@pytest.mark.parametrize("lifetime", [None, "soon", -1, 0])
async def test_a_lifetime_that_is_not_told_is_taken_to_be_an_hour(lifetime: Any) -> None:
    server = TokenServer(lifetime=lifetime)
    async with minting(server) as credentials:
        assert [await credentials.token(), await credentials.token()] == ["token-1"] * 2


async def test_all_who_were_refused_with_one_token_share_the_next() -> None:
    server = TokenServer()
    got: list[str | None] = []
    async with minting(server) as credentials:
        refused = await credentials.token()

        async def renew() -> None:
            got.append(await credentials.renewed(refused))

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(renew)

        assert got == ["token-2"] * 20
        assert await credentials.token() == "token-2"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            (400, {"error": "invalid_client", "error_description": "Client authentication failed"}),
            "authentication failed",
        ),
        ((400, {"error": "app_not_installed"}), "app_not_installed"),
        ((401, b"<html>no</html>"), "401 <html>no"),
    ],
)
async def test_a_refused_client_calls_for_a_person_without_telling_its_secret(answer: Any, told: str) -> None:
    async with minting(TokenServer(answer=answer)) as credentials:
        with pytest.raises(AuthFailed, match=told) as failed:
            await credentials.token()

    assert "s=cret" not in str(failed.value)


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": 5}, [], b"<html>"])
async def test_an_answer_without_a_token_is_asked_for_again(body: Any) -> None:
    async with minting(TokenServer(answer=(200, body))) as credentials:
        with pytest.raises(Retry):
            await credentials.token()


async def test_a_token_that_never_changes_cannot_be_renewed() -> None:
    credentials = StaticToken("shpat")

    assert await credentials.token() == "shpat"
    assert await credentials.renewed("shpat") is None
