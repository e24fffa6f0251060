"""HTTP calls to a vendor, with every failure turned into what the caller has to do next.

A failure before the request was sent means that nothing happened (`Retry`). After that a request that changes
something is `OutcomeUnknown`, whatever went wrong; one that only reads may be made again.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn
from urllib.parse import quote

import aiohttp
import anyio
from yarl import URL

from syncd.domain.errors import OutcomeUnknown, Retry, SyncdError, Throttled
from syncd.domain.listings import Span
from syncd.ports import Now

CONNECT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 15.0

_UNSENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Refused, unreachable, not resolved, TLS not agreed, or no connection in time: no byte of the request went out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    at: Span
    """When the server dealt with the request, in its own clock: between sending it and the answer's `Date`."""

    def json(self) -> Any:
        """The decoded body; ValueError when it is none."""
        return json.loads(self.body)

    @property
    def shown(self) -> str:
        """The beginning of the body, for messages."""
        return " ".join(self.body[:300].decode("utf-8", "replace").split())


class Http:
    """One vendor's base address. The session is made at the first call, inside the running loop."""

    def __init__(self, base: str, *, now: Now, call_seconds: float = CALL_SECONDS) -> None:
        self.base = URL(base)
        self._now = now
        self._call_seconds = call_seconds
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self,
        method: str,
        path: str | Sequence[str],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        changes: bool,
    ) -> Answer:
        """One request; answers below 500 but 429 come back for the caller to judge. Redirects are not followed.

        A path given in pieces may hold anything in each of them, a slash included.
        """
        url = self._url(path)
        url = url.with_query(query) if query else url
        return await self._request(method, url, body=body, headers=headers, changes=changes)

    async def send_to(
        self,
        method: str,
        address: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        changes: bool,
    ) -> Answer:
        """The same to an absolute address that the vendor gave out, taken as it stands (a signature may be in it)."""
        url = URL(address, encoded=True)
        return await self._request(method, url, body=body, headers=headers, changes=changes)

    async def _request(
        self, method: str, url: URL, *, body: bytes | None, headers: Mapping[str, str] | None, changes: bool
    ) -> Answer:
        began = anyio.current_time()
        try:
            async with self._opened().request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                at = self._when(response, began)
                answer = Answer(status=response.status, headers=response.headers, body=await response.read(), at=at)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            _failed(f"{method} {url.host}{url.path}", error, changes=changes)
        _refused(f"{method} {url.host}{url.path}", answer, self._now(), changes=changes)
        return answer

    @asynccontextmanager
    async def lines(self, address: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of a file at an absolute address, as they arrive. Nothing of ours but the request goes there."""
        url = URL(address)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=60)
        try:
            async with self._opened().get(url, timeout=limits) as response:
                if response.status != 200:
                    raise Retry(f"GET {url.host}{url.path}: {response.status}")
                yield _lines(response.content)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            _failed(f"GET {url.host}{url.path}", error, changes=False)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _url(self, path: str | Sequence[str]) -> URL:
        if isinstance(path, str):
            return self.base.joinpath(*path.strip("/").split("/"))
        return self.base.joinpath(*(quote(piece, safe="") for piece in path), encoded=True)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._call_seconds, sock_connect=CONNECT_SECONDS),
                headers={"User-Agent": "syncd", "Accept": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _when(self, response: aiohttp.ClientResponse, began: float) -> Span:
        taken = int((anyio.current_time() - began) * 1000) + 1
        try:
            moment = parsedate_to_datetime(response.headers["Date"])
        except (KeyError, TypeError, ValueError):
            moment = self._now()  # a server without a clock of its own
        millis = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 1000
        return Span(millis - taken, millis + 999)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: the stream's own reader of lines refuses long ones."""
    held = b""
    async for chunk in content.iter_any():
        *whole, held = (held + chunk).split(b"\n")
        for line in whole:
            yield line
    if held:
        yield held


def _failed(call: str, error: Exception, *, changes: bool) -> NoReturn:
    told = f"{call}: {error or type(error).__name__}"
    if isinstance(error, _UNSENT):
        raise Retry(told) from error
    if isinstance(error, TimeoutError):
        told = f"{call}: no answer in time"
    raise _unanswered(told, changes=changes) from error


def _refused(call: str, answer: Answer, now: datetime, *, changes: bool) -> None:
    if answer.status == 429:
        raise Throttled(f"{call}: 429 too many requests", after_seconds=retry_after_seconds(answer.headers, now))
    if answer.status < 500:
        return
    told = f"{call}: {answer.status} {answer.shown[:120]}".rstrip()
    after = retry_after_seconds(answer.headers, now)
    if answer.status == 503 and after is not None:
        raise Retry(told, after_seconds=after)
    raise _unanswered(told, changes=changes)


def _unanswered(told: str, *, changes: bool) -> SyncdError:
    return OutcomeUnknown(told) if changes else Retry(told)


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long the server asks to wait, given in seconds or as a date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None
