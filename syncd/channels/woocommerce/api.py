"""Calls of the REST API: the key, the rate, and every refusal turned into what the caller does next."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic_core import from_json

from syncd.channels.woocommerce.settings import Settings
from syncd.channels.woocommerce.values import text
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Rejected, Retry, Throttled
from syncd.domain.listings import Span
from syncd.ports import Now, Tokens
from syncd.wire.http import Answer, Http
from syncd.wire.limiter import Limiter

ROOT: Final = ("wp-json", "wc", "v3")
BURST: Final = 20.0

_CLOSED: Final = {
    401: "the consumer key is not accepted; some hosts drop the Authorization header",
    403: "the key may not do this, or a firewall stands before the shop",
}


class Missing(Rejected):
    """The thing asked for does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    data: Any
    at: Span
    total: int | None = None
    """How many there are in all, where the answer is a page of a list."""
    pages: int | None = None


class Api:
    """One shop's API under one limiter; safe to be called by several tasks at once."""

    def __init__(self, settings: Settings, now: Now) -> None:
        self._http = Http(settings.endpoint, now=now, call_seconds=settings.call_timeout_seconds)
        key = f"{settings.consumer_key}:{settings.consumer_secret.get_secret_value()}"
        self._headers = {"Authorization": f"Basic {b64encode(key.encode()).decode()}"}
        burst = max(BURST, settings.calls_per_second)
        self._limiter = Limiter(capacity=burst, restore_per_second=settings.calls_per_second)
        self._page = settings.page

    def tokens(self) -> Tokens:
        return self._limiter.tokens()

    async def get(self, *path: object, **query: object) -> Reply:
        """One resource, or one page of a list; a query value may be a list."""
        return await self._call("GET", path, query=_flat(query), changes=False)

    async def page(self, *path: object, number: int = 1, **query: object) -> tuple[list[Any], Reply]:
        """A page of a list, and the answer it came in.

        Raises Retry for a page that holds nothing though the shop says that there is more.
        """
        reply = await self.get(*path, page=number, per_page=self._page, **query)
        if type(reply.data) is not list:
            raise Retry(f"GET {_shown(path)}: no list but {type(reply.data).__name__}")
        if not reply.data and reply.total and number <= (reply.pages or 1):
            raise Retry(f"GET {_shown(path)}: an empty page {number} where there should be {reply.total}")
        return reply.data, reply

    def is_last(self, items: Sequence[Any], reply: Reply, number: int) -> bool:
        """Pages may be short in the middle: what a plugin hides is counted all the same."""
        return number >= reply.pages if reply.pages is not None else len(items) < self._page

    async def post(self, *path: object, body: object) -> Reply:
        return await self._call("POST", path, body=body, changes=True)

    async def put(self, *path: object, body: object) -> Reply:
        return await self._call("PUT", path, body=body, changes=True)

    async def index(self) -> Reply:
        """What WordPress says of itself and of the APIs it has; asked without the key."""
        return await self._send("GET", ("wp-json",), query=None, body=None, headers={}, changes=False)

    async def close(self) -> None:
        await self._http.close()

    async def _call(
        self,
        method: str,
        path: Sequence[object],
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        changes: bool,
    ) -> Reply:
        headers = dict(self._headers)
        raw = None
        if body is not None:
            raw = orjson.dumps(body)
            headers["Content-Type"] = "application/json"
        whole = (*ROOT, *(str(piece) for piece in path))
        return await self._send(method, whole, query=query, body=raw, headers=headers, changes=changes)

    async def _send(
        self,
        method: str,
        path: Sequence[str],
        *,
        query: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
        changes: bool,
    ) -> Reply:
        await self._limiter.acquire()
        try:
            answer = await self._http.send(method, path, query=query, body=body, headers=headers, changes=changes)
        except Retry as busy:
            if busy.after_seconds is not None:
                self._limiter.pause(busy.after_seconds)
            elif isinstance(busy, Throttled):
                self._limiter.pause(1.0)
            raise
        return _reply(f"{method} {_shown(path)}", answer, changes=changes)


def _reply(call: str, answer: Answer, *, changes: bool) -> Reply:
    """Everything but JSON under 200 or 201 becomes an error."""
    if 300 <= answer.status < 400:
        where = answer.headers.get("Location", "elsewhere")[:200]
        raise AuthFailed(f"{call}: {answer.status} redirected to {where}; set endpoint to the permanent address")
    try:
        data = from_json(answer.body)
    except ValueError as error:
        if answer.status not in (200, 201):
            data = None
        else:  # a page for people: maintenance, a firewall, a plugin that prints warnings
            told = f"{call}: the answer is no JSON: {answer.shown[:120]}"
            raise (OutcomeUnknown(told) if changes else Retry(told)) from error
    if answer.status not in (200, 201):
        _refuse(call, answer, data)
    return Reply(data=data, at=answer.at, total=_count(answer, "X-WP-Total"), pages=_count(answer, "X-WP-TotalPages"))


def _refuse(call: str, answer: Answer, data: Any) -> None:
    held = data if type(data) is dict else {}
    code = text(held.get("code"))
    told = f"{call}: {answer.status} {code or answer.shown[:120]}: {text(held.get('message'))}".rstrip(": ")
    if answer.status in _CLOSED:
        raise AuthFailed(f"{told}; {_CLOSED[answer.status]}")
    if answer.status == 404:
        if not code or code in ("rest_no_route", "rest_disabled"):
            raise AuthFailed(f"{told}; is this a WooCommerce shop with pretty permalinks? check endpoint")
        raise Missing(told)
    raise Rejected(told)


def _count(answer: Answer, header: str) -> int | None:
    value = answer.headers.get(header, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 12 else None


def _flat(query: Mapping[str, object]) -> dict[str, str]:
    return {
        name: ",".join(str(each) for each in value) if isinstance(value, list | tuple) else str(value)
        for name, value in query.items()
    }


def _shown(path: Sequence[object]) -> str:
    return "/".join(str(piece) for piece in path)
