"""The same over HTTP: who may call, how often, what goes wrong, and which handler answers."""

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from types import TracebackType
from typing import Any

import anyio
from aiohttp import web

from syncd.sim.remotes.amazon import fba_api, listings_api, orders_api
from syncd.sim.remotes.amazon.access import Application, Buckets
from syncd.sim.remotes.amazon.call import Call, Refused, Told
from syncd.sim.remotes.amazon.faults import Faults
from syncd.sim.remotes.amazon.feeds_api import Feeds
from syncd.sim.remotes.amazon.seller import Seller

Handler = Callable[[Seller, Call], Told]

DENIED = "Access to requested resource is denied."
LIMITED = "You exceeded your quota for the requested resource."
INTERNAL = "We encountered an internal error. Please try again."

ROUTES: Sequence[tuple[str, str, str, Handler]] = (
    ("GET", "/orders/2026-01-01/orders", "searchOrders", orders_api.search_orders),
    ("GET", "/orders/2026-01-01/orders/{order_id}", "getOrder", orders_api.get_order),
    ("GET", "/orders/v0/orders", "getOrders", orders_api.get_orders_v0),
    ("GET", "/orders/v0/orders/{order_id}", "getOrderV0", orders_api.get_order_v0),
    ("GET", "/orders/v0/orders/{order_id}/orderItems", "getOrderItems", orders_api.get_order_items_v0),
    ("GET", "/listings/2021-08-01/items/{seller_id}", "searchListingsItems", listings_api.search_listings),
    ("GET", "/listings/2021-08-01/items/{seller_id}/{sku}", "getListingsItem", listings_api.get_listing),
    ("PATCH", "/listings/2021-08-01/items/{seller_id}/{sku}", "patchListingsItem", listings_api.patch_listing),
    ("GET", "/fba/inventory/v1/summaries", "getInventorySummaries", fba_api.get_summaries),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One call and its answer, for holding both against the vendor's models."""

    operation: str
    query: Mapping[str, str]
    request: Any
    status: int
    answer: Any


class AmazonServer:
    """`async with AmazonServer(seller)`; its address is `url`. `on_call` hears ("before" or "after", operation), where
    "after" is when the effect is there and the answer is not yet sent."""

    def __init__(
        self,
        seller: Seller,
        *,
        faults: Faults | None = None,
        speed: float = 1.0,
        port: int = 0,
        application: Application | None = None,
    ) -> None:
        self.seller = seller
        self.faults = faults or Faults()
        self.buckets = Buckets(speed)
        self.application = application or Application(now=seller.now)
        self.feeds = Feeds(seller)
        self.on_call: list[Callable[[str, str], None]] = []
        self.calls: list[str] = []
        self.bodies: deque[tuple[str, Any]] = deque(maxlen=1000)
        self.exchanges: deque[Exchange] = deque(maxlen=1000)
        self.agents: set[str] = set()
        self.url = ""
        self._port = port
        self._requests = 0
        self._runner: web.AppRunner | None = None

    def count(self, operation: str) -> int:
        return self.calls.count(operation)

    async def __aenter__(self) -> "AmazonServer":
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/auth/o2/token", self._token)
        app.router.add_put("/documents/{document_id}", self._upload)
        app.router.add_get("/documents/{document_id}", self._download)
        routes = [*ROUTES, *self._more_routes()]
        for method, path, operation, handler in routes:
            app.router.add_route(method, path, self._serve(operation, handler))
        app.router.add_route("*", "/{path:.*}", self._unknown)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _more_routes(self) -> Sequence[tuple[str, str, str, Handler]]:
        feeds, path = self.feeds, "/feeds/2021-06-30"
        return (
            ("POST", f"{path}/documents", "createFeedDocument", lambda seller, call: feeds.create_document(call)),
            (
                "GET",
                path + "/documents/{document_id}",
                "getFeedDocument",
                lambda seller, call: feeds.get_document(call),
            ),
            ("POST", f"{path}/feeds", "createFeed", lambda seller, call: feeds.create(call)),
            ("GET", f"{path}/feeds", "getFeeds", lambda seller, call: feeds.listed(call)),
            ("GET", path + "/feeds/{feed_id}", "getFeed", lambda seller, call: feeds.get(call)),
            ("DELETE", path + "/feeds/{feed_id}", "cancelFeed", lambda seller, call: feeds.cancel(call)),
            ("GET", "/sellers/v1/marketplaceParticipations", "getMarketplaceParticipations", _participations),
        )

    def _serve(self, operation: str, handler: Handler) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.agents.add(request.headers.get("User-Agent", ""))
            try:
                body = await request.read()
                self._admit(operation, request)
                fault = self.faults.draw(operation)
                await self._spoil_before(fault, request)
                self._say("before", operation)
                told = handler(self.seller, self._call(request, body, fault, operation))
                self._say("after", operation)
                await self._spoil_after(fault, request)
            except Refused as refused:
                return self._refusal(operation, refused)
            self.exchanges.append(
                Exchange(
                    operation=operation,
                    query=dict(request.query),
                    request=json.loads(body) if body else None,
                    status=told.status,
                    answer=told.body,
                )
            )
            return self._respond(operation, told.status, b"<html>" if fault == "not_json" else _json(told.body))

        return answer

    def _admit(self, operation: str, request: web.Request) -> None:
        self.seller.settle()
        self.feeds.settle()
        agent = request.headers.get("User-Agent", "")
        if not agent or len(agent) > 500:
            raise Refused(403, "MissingUserAgent", "A User-Agent header is required")
        if not self.application.accepts(request.headers.get("x-amz-access-token")):
            details = "The access token you provided is revoked, malformed or invalid."
            raise Refused(403, "Unauthorized", DENIED, details)
        if not self.buckets.take(operation):
            raise Refused(429, "QuotaExceeded", LIMITED)
        self.calls.append(operation)

    def _call(self, request: web.Request, body: bytes, fault: str | None, operation: str) -> Call:
        try:
            held = json.loads(body) if body else {}
        except ValueError as error:
            raise Refused(400, "InvalidInput", "The body is no JSON") from error
        if body:
            self.bodies.append((operation, held))
        return Call(
            query=tuple(request.query.items()),
            match=request.match_info,
            body=held if isinstance(held, dict) else {},
            origin=self.url,
            fault=fault,
        )

    async def _spoil_before(self, fault: str | None, request: web.Request) -> None:
        match fault:
            case "unauthorised":
                self.application.expire()
                raise Refused(403, "Unauthorized", DENIED, "The access token you provided has expired.")
            case "cut_before_effect":
                _cut(request)
            case "slow_before_effect":
                await anyio.sleep(self.faults.slow_seconds)
            case "server_error":
                raise Refused(500, "InternalFailure", INTERNAL)
            case "service_unavailable":
                raise Refused(503, "ServiceUnavailable", "Service is temporarily unavailable.")
            case "too_many_requests":
                raise Refused(429, "QuotaExceeded", LIMITED)

    async def _spoil_after(self, fault: str | None, request: web.Request) -> None:
        match fault:
            case "cut_after_effect":
                _cut(request)
            case "slow_after_effect":
                await anyio.sleep(self.faults.slow_seconds)
            case "error_after_effect":
                raise Refused(500, "InternalFailure", INTERNAL)

    def _refusal(self, operation: str, refused: Refused) -> web.Response:
        body = {"errors": [{"code": refused.code, "message": str(refused), "details": refused.details}]}
        return self._respond(operation, refused.status, _json(body))

    def _respond(self, operation: str, status: int, body: bytes) -> web.Response:
        self._requests += 1
        headers = {"Date": self._date(), "x-amzn-RequestId": f"req-{self._requests:08d}"}
        if status < 500 and status not in (403, 429):
            headers["x-amzn-RateLimit-Limit"] = self.buckets.rate(operation)
        if status in (429, 503) and self.faults.retry_after is not None:
            headers["Retry-After"] = f"{self.faults.retry_after:g}"
        if status >= 400:
            headers["x-amzn-ErrorType"] = "Error"
        return web.Response(status=status, body=body, content_type="application/json", headers=headers)

    def _date(self) -> str:
        return format_datetime(self.seller.now(), usegmt=True)

    def _say(self, phase: str, operation: str) -> None:
        for listener in self.on_call:
            listener(phase, operation)
        self.seller.settle()

    async def _token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        status, told = self.application.grant(form)
        return web.json_response(told, status=status, headers={"Date": self._date()})

    async def _upload(self, request: web.Request) -> web.Response:
        signature = request.url.raw_query_string.partition("X-Amz-Signature=")[2]
        content_type = request.headers.get("Content-Type", "")
        status = self.feeds.upload(request.match_info["document_id"], signature, content_type, await request.read())
        return web.Response(status=status)

    async def _download(self, request: web.Request) -> web.Response:
        signature = request.url.raw_query_string.partition("X-Amz-Signature=")[2]
        body = self.feeds.download(request.match_info["document_id"], signature)
        return web.Response(status=403) if body is None else web.Response(body=body)

    async def _unknown(self, request: web.Request) -> web.Response:
        body = {"errors": [{"code": "NotFound", "message": f"No such operation: {request.method} {request.path}"}]}
        return web.json_response(body, status=404)


def _participations(seller: Seller, call: Call) -> Told:
    return Told(
        body={
            "payload": [
                {
                    "marketplace": {
                        "id": each,
                        "name": "Amazon.co.uk",
                        "countryCode": "GB",
                        "defaultCurrencyCode": "GBP",
                        "defaultLanguageCode": "en_GB",
                        "domainName": "www.amazon.co.uk",
                    },
                    "storeName": "Simulated",
                    "participation": {"isParticipating": True, "hasSuspendedListings": False},
                }
                for each in seller.marketplaces
            ]
        }
    )


def _cut(request: web.Request) -> None:
    """The connection breaks off without an answer."""
    if request.transport is not None:
        request.transport.abort()
    raise Refused(500, "InternalFailure", "cut")


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
