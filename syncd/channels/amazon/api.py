"""Calls of the Selling Partner API: token, one bucket per operation, and every refusal as what the caller does next."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json, to_json

from syncd.channels.amazon.settings import Settings
from syncd.channels.amazon.values import inside, objects, text
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Rejected, Retry, Throttled
from syncd.domain.listings import Span
from syncd.ports import Now, Tokens
from syncd.wire.http import Answer, Http
from syncd.wire.limiter import Limiter
from syncd.wire.oauth import RefreshToken

TOKEN_HEADER: Final = "x-amz-access-token"  # noqa: S105 - the name of a header
RATE_HEADER: Final = "x-amzn-RateLimit-Limit"
USER_AGENT: Final = f"syncd/1 (Language=Python/{platform.python_version()})"
PATIENCE_SECONDS: Final = 8.0
"""A call that would wait longer for its token is refused at once, so that others need not wait with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One of the vendor's operations with the rate and burst that its model names (fact sheet 8)."""

    name: str
    rate: float
    burst: float
    patience_seconds: float = PATIENCE_SECONDS


SEARCH_ORDERS: Final = Operation(name="searchOrders", rate=0.0056, burst=20)
GET_ORDER: Final = Operation(name="getOrder", rate=0.5, burst=30, patience_seconds=0.5)
GET_ORDERS_V0: Final = Operation(name="getOrders (v0)", rate=0.0167, burst=20)
GET_ORDER_V0: Final = Operation(name="getOrder (v0)", rate=0.5, burst=30)
GET_ORDER_ITEMS_V0: Final = Operation(name="getOrderItems (v0)", rate=0.5, burst=30, patience_seconds=60.0)
PATCH_LISTING: Final = Operation(name="patchListingsItem", rate=5, burst=5)
GET_LISTING: Final = Operation(name="getListingsItem", rate=5, burst=5)
SEARCH_LISTINGS: Final = Operation(name="searchListingsItems", rate=5, burst=5)
FBA_SUMMARIES: Final = Operation(name="getInventorySummaries", rate=2, burst=2)
CREATE_FEED_DOCUMENT: Final = Operation(name="createFeedDocument", rate=0.5, burst=15)
CREATE_FEED: Final = Operation(name="createFeed", rate=0.0083, burst=5)
"""The model's burst is 15; feeds of this type are held to five in five minutes."""
GET_FEED: Final = Operation(name="getFeed", rate=2, burst=15)
CANCEL_FEED: Final = Operation(name="cancelFeed", rate=2, burst=15)
GET_FEEDS: Final = Operation(name="getFeeds", rate=0.0222, burst=10)
GET_FEED_DOCUMENT: Final = Operation(name="getFeedDocument", rate=0.0222, burst=10)
PARTICIPATIONS: Final = Operation(name="getMarketplaceParticipations", rate=0.016, burst=15)


class Refusal(Rejected):
    """The vendor refused the call for its content (400, 404, 409, 413, 415); it was not executed."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    body: Mapping[str, Any]
    at: Span


class Api:
    """One seller's API; safe to be called by several tasks at once."""

    def __init__(self, settings: Settings, now: Now) -> None:
        seconds = settings.call_timeout_seconds
        self._http = Http(settings.endpoint, now=now, call_seconds=seconds)
        origin, _, path = settings.token_endpoint.partition("//")[2].partition("/")
        scheme = settings.token_endpoint.partition("//")[0]
        self._lwa = Http(f"{scheme}//{origin}", now=now, call_seconds=seconds)
        self._credentials = RefreshToken(
            self._lwa,
            path,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            refresh_token=settings.refresh_token.get_secret_value(),
        )
        self._buckets: dict[str, Limiter] = {}

    @property
    def http(self) -> Http:
        return self._http

    def tokens(self, operation: Operation) -> Tokens:
        return self._bucket(operation).tokens()

    def wait_seconds(self, operation: Operation) -> float:
        """How long a call would wait for its token."""
        there = self.tokens(operation)
        return max(0.0, (1.0 - there.available) / there.restore_per_second)

    async def call(
        self,
        operation: Operation,
        method: str,
        path: Sequence[str],
        query: Mapping[str, str] | None = None,
        body: object = None,
        *,
        changes: bool = False,
    ) -> Reply:
        """Make one call and return its JSON object.

        Raises Throttled (also when its own bucket is empty for longer than the operation has patience), Retry,
        OutcomeUnknown for what `changes` something, AuthFailed, and Refusal.
        """
        bucket = self._bucket(operation)
        wait = self.wait_seconds(operation)
        if wait > operation.patience_seconds:
            raise Throttled(f"{operation.name}: no token for {wait:.0f} s", after_seconds=wait)
        await bucket.acquire()
        try:
            answer = await self._send(method, path, query, body, changes=changes)
        except Throttled as refused:
            after = max(refused.after_seconds or 0.0, 1.0 / bucket.tokens().restore_per_second)
            await bucket.told(left=0.0)
            bucket.pause(after)
            raise Throttled(str(refused), after_seconds=after) from refused
        await _follow(bucket, answer)
        return _reply(operation, answer, changes=changes)

    async def close(self) -> None:
        await self._http.close()
        await self._lwa.close()

    async def _send(
        self, method: str, path: Sequence[str], query: Mapping[str, str] | None, body: object, *, changes: bool
    ) -> Answer:
        """A refused token is renewed once: 403 is also what an expired one gets."""
        token = await self._credentials.token()
        answer = await self._post(method, path, query, body, token, changes=changes)
        if answer.status not in (401, 403):
            return answer
        other = await self._credentials.renewed(token)
        if other is None or other == token:
            return answer
        return await self._post(method, path, query, body, other, changes=changes)

    async def _post(
        self,
        method: str,
        path: Sequence[str],
        query: Mapping[str, str] | None,
        body: object,
        token: str,
        *,
        changes: bool,
    ) -> Answer:
        headers = {TOKEN_HEADER: token, "User-Agent": USER_AGENT}
        if body is not None:
            headers["Content-Type"] = "application/json"
        raw = to_json(body) if body is not None else None
        return await self._http.send(method, path, query=query, body=raw, headers=headers, changes=changes)

    def _bucket(self, operation: Operation) -> Limiter:
        known = self._buckets.get(operation.name)
        if known is None:
            known = Limiter(capacity=operation.burst, restore_per_second=operation.rate)
            self._buckets[operation.name] = known
        return known


async def _follow(bucket: Limiter, answer: Answer) -> None:
    """The header names the rate that this seller and application really have; it may be absent."""
    try:
        rate = float(answer.headers.get(RATE_HEADER, ""))
    except ValueError:
        return
    if 0 < rate < 1e6:
        await bucket.told(restore_per_second=rate)


def _reply(operation: Operation, answer: Answer, *, changes: bool) -> Reply:
    name = operation.name
    if 200 <= answer.status < 300:
        try:
            held = from_json(answer.body)
        except ValueError as error:
            held = None if answer.body else {}
            if held is None:
                raise _unclear(f"{name}: the answer is no JSON: {answer.shown[:120]}", changes=changes) from error
        if not isinstance(held, dict):
            raise _unclear(f"{name}: the answer is no object: {answer.shown[:120]}", changes=changes)
        return Reply(body=held, at=answer.at)
    told = f"{name}: {answer.status} {errors_told(answer)}"
    if answer.status in (401, 403):
        hint = "; check the application's roles and whether the seller still authorises it"
        raise AuthFailed(told + hint)
    if 300 <= answer.status < 400:
        raise AuthFailed(f"{told}; redirected: check endpoint")
    raise Refusal(told, status=answer.status)


def errors_told(answer: Answer) -> str:
    """`{"errors": [{code, message, details}]}`; a message may be null."""
    try:
        held = from_json(answer.body)
    except ValueError:
        return answer.shown[:200]
    errors = objects(inside(held).get("errors"))
    told = [" ".join(text(each.get(part)) for part in ("code", "message", "details")).strip() for each in errors]
    return "; ".join(told)[:400] or answer.shown[:200]


def _unclear(told: str, *, changes: bool) -> Exception:
    return OutcomeUnknown(told) if changes else Retry(told)
