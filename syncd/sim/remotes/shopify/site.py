"""One shop on the wire: its address, its API, its token endpoint and its bulk files."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import anyio
import orjson
from aiohttp import web

from syncd.sim.remotes.shopify import engine
from syncd.sim.remotes.shopify.bulk import BulkOperation
from syncd.sim.remotes.shopify.call import Call, ServerBroke
from syncd.sim.remotes.shopify.cost import Bucket
from syncd.sim.remotes.shopify.delivery import Deliverer, DeliverySettings
from syncd.sim.remotes.shopify.faults import CallFault, Faults
from syncd.sim.remotes.shopify.shop import RELEASE_CANDIDATE, VERSIONS, Shop

if TYPE_CHECKING:
    from syncd.sim.remotes.shopify.server import ApiCall

_VERSION = re.compile(r"\d{4}-\d{2}")


@dataclass(slots=True, kw_only=True)
class Heard:
    """What was made of one request, for the record of calls."""

    operation: str = ""
    roots: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    requested: int | None = None
    actual: int | None = None
    codes: tuple[str, ...] = ()
    fault: str | None = None


class Site:
    """`faults` may be exchanged at run time; `down` True cuts every connection, as an outage does."""

    def __init__(
        self,
        shop: Shop,
        *,
        faults: Faults,
        delivery: DeliverySettings,
        monotonic: Callable[[], float],
        record: Callable[["ApiCall"], None],
        bulk_seconds: float,
    ) -> None:
        self.shop = shop
        self.url = ""
        self.down = False
        self.bulk_seconds = bulk_seconds
        self.webhooks = Deliverer(shop, faults, delivery)
        self.bucket = Bucket(shop.plan.maximum, shop.plan.restore, monotonic())
        self._faults = faults
        self._monotonic = monotonic
        self._record = record

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = self.webhooks.faults = faults

    def application(self) -> web.Application:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_post("/admin/api/{version}/graphql.json", self._graphql)
        app.router.add_post("/admin/oauth/access_token", self._token)
        app.router.add_get("/bulk/{number}.jsonl", self._bulk_file)
        return app

    async def run_bulk(self, operation: BulkOperation) -> None:
        """Bring one bulk operation to its end, reading the shop as it is when its time is up."""
        await anyio.sleep(self.bulk_seconds / 2)
        if operation.status == "CREATED":
            operation.status = "RUNNING"
        await anyio.sleep(self.bulk_seconds / 2)
        call = Call(shop=self.shop, version=operation.version, whole_connections=True)
        self.shop.bulk.finish(operation, engine.bulk_data(call, operation.query), self.url)
        with self.shop.acting("app") as act:
            act.tell("bulk_operations/finish", operation)

    async def _graphql(self, request: web.Request) -> web.Response:
        received, heard = self._monotonic(), Heard()
        response = await self._answered(request, heard)
        from syncd.sim.remotes.shopify.server import ApiCall  # the server is made of sites

        self._record(
            ApiCall(
                shop=self.shop.domain,
                operation=heard.operation,
                roots=heard.roots,
                variables=summary(heard.variables),
                requested_cost=heard.requested,
                actual_cost=heard.actual,
                status=response.status if response is not None else None,
                codes=heard.codes,
                fault=heard.fault,
                received_at=received,
                answered_at=self._monotonic(),
            )
        )
        return response if response is not None else _cut(request)

    async def _answered(self, request: web.Request, heard: Heard) -> web.Response | None:
        """The answer, or None when the connection is to be cut."""
        if self.down:
            return None
        served = _served(request.match_info["version"])
        if served is None:
            return self._json(404, {"errors": "Not Found"}, None)
        text, variables, name = _asked(await request.read())
        if text is None:
            return self._json(400, {"errors": {"query": "Required parameter missing or invalid"}}, served)
        heard.variables = variables
        heard.roots = engine.roots_of(served, text, name)
        fault = self._faults.draw(heard.roots)
        heard.fault = fault
        if fault == "unauthorised" or not self.shop.credentials.accepts(request.headers.get("X-Shopify-Access-Token")):
            told = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return self._json(401, {"errors": told}, served)
        refused = await self._before(fault, served)
        if refused is not None or fault == "cut_before_effect":
            return refused
        call = self._call(served, fault)
        try:
            return await self._executed(call, text, variables, name, fault, heard)
        finally:
            call.settle()

    async def _before(self, fault: CallFault | None, served: str) -> web.Response | None:
        if fault == "slow_before_effect":
            await anyio.sleep(self._faults.slow_seconds)
        if fault == "server_error":
            return web.Response(status=502, text="<html><body>502 Bad Gateway</body></html>", content_type="text/html")
        if fault in ("too_many_requests", "too_many_requests_bare"):
            response = self._json(429, {"errors": "Exceeded 2 calls per second for api client."}, served)
            if fault == "too_many_requests":
                response.headers["Retry-After"] = f"{self._faults.retry_after_seconds:.1f}"
            return response
        return None

    def _call(self, served: str, fault: CallFault | None) -> Call:
        stale = timedelta(seconds=self._faults.stale_seconds)
        return Call(
            shop=self.shop,
            version=served,
            as_of=self.shop.now() - stale if fault == "stale_read" else None,
            search_lag_seconds=self._faults.orders_search_lag_seconds,
            fail_before_effect=fault == "error_before_effect",
            service_unavailable=fault == "service_unavailable",
        )

    async def _executed(
        self,
        call: Call,
        text: str,
        variables: Mapping[str, Any],
        name: str | None,
        fault: CallFault | None,
        heard: Heard,
    ) -> web.Response | None:
        try:
            answer = engine.answer(call, text, variables, name, bucket=self.bucket, monotonic=self._monotonic)
        except ServerBroke:
            return self._broke(call.version, heard)
        heard.operation, heard.requested, heard.actual = answer.operation, answer.requested, answer.actual
        heard.codes = codes_in(answer.body)
        if fault == "slow_after_effect":
            await anyio.sleep(self._faults.slow_seconds)
        if fault == "cut_after_effect":
            return None
        if fault in ("error_after_effect", "error_before_effect"):
            return self._broke(call.version, heard)
        return self._json(200, answer.body, call.version)

    def _broke(self, served: str, heard: Heard) -> web.Response:
        heard.codes = ("INTERNAL_SERVER_ERROR",)
        number = self.shop.wire_numbers.uuid()
        told = f"Internal error. Looks like something went wrong on our end.\nRequest ID: {number}"
        body = {"errors": [{"message": told, "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": number}}]}
        return self._json(200, body, served)

    def _json(self, status: int, body: Mapping[str, Any], served: str | None) -> web.Response:
        headers = {
            "X-Request-Id": self.shop.wire_numbers.uuid(),
            "Date": format_datetime(self.shop.second, usegmt=True),
        }
        if served is not None:
            headers["X-Shopify-API-Version"] = served
        return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=headers)

    async def _token(self, request: web.Request) -> web.Response:
        if self.down:
            return _cut(request)
        form = {key: str(value) for key, value in (await request.post()).items()}
        if not form and request.content_type == "application/json":
            form = orjson.loads(await request.read())
        status, body = self.shop.credentials.grant(form)
        return self._json(status, body, None)

    async def _bulk_file(self, request: web.Request) -> web.Response:
        operation = self.shop.bulk.by_id.get(int(request.match_info["number"]))
        if operation is None or operation.url is None:
            return self._json(404, {"errors": "Not Found"}, None)
        return web.Response(body=operation.lines, content_type="application/jsonl")


def summary(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with every list replaced by its length."""
    return {
        key: summary(value)
        if isinstance(value, Mapping)
        else f"{len(value)} entries"
        if isinstance(value, list)
        else value
        for key, value in variables.items()
    }


def codes_in(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Codes of the top-level errors, then of the userErrors."""
    found = [str(error.get("extensions", {}).get("code", "")) for error in body.get("errors", ())]
    for payload in (body.get("data") or {}).values():
        if isinstance(payload, Mapping):
            found += [str(error.get("code") or error.get("message", "")) for error in payload.get("userErrors") or ()]
    return tuple(found)


def _served(asked: str) -> str | None:
    """The version that answers: retired ones fall forward to the oldest supported."""
    if asked in (*VERSIONS, RELEASE_CANDIDATE):
        return asked
    return VERSIONS[0] if _VERSION.fullmatch(asked) and asked < VERSIONS[0] else None


def _asked(body: bytes) -> tuple[str | None, dict[str, Any], str | None]:
    try:
        posted = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None, {}, None
    if not isinstance(posted, dict) or not isinstance(posted.get("query"), str):
        return None, {}, None
    return posted["query"], posted.get("variables") or {}, posted.get("operationName")


def _cut(request: web.Request) -> web.Response:
    """End the connection without an answer; what is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
