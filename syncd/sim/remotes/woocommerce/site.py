"""One shop on the wire: its address, its API and its webhooks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import anyio
import orjson
from aiohttp import web

from syncd.sim.remotes.woocommerce import orders_api, products_api, webhooks_api
from syncd.sim.remotes.woocommerce.access import ApiError, Doorman
from syncd.sim.remotes.woocommerce.bodies import encoded
from syncd.sim.remotes.woocommerce.delivery import Deliverer, DeliverySettings
from syncd.sim.remotes.woocommerce.faults import CallFault, Faults
from syncd.sim.remotes.woocommerce.paging import Answer
from syncd.sim.remotes.woocommerce.shop import Shop

if TYPE_CHECKING:
    from syncd.sim.remotes.woocommerce.server import ApiCall

ROOT = "/wp-json/wc/v3"
_PAGE = "<!DOCTYPE html><html><body>Briefly unavailable for scheduled maintenance.</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    method: str
    pieces: tuple[str, ...]
    query: Mapping[str, str]
    body: Mapping[str, Any]


class Site:
    """`faults` may be exchanged at run time; `down` True cuts every connection, as an outage does."""

    def __init__(
        self,
        shop: Shop,
        *,
        faults: Faults,
        delivery: DeliverySettings,
        tls: bool,
        monotonic: Callable[[], float],
        record: Callable[["ApiCall"], None],
    ) -> None:
        self.shop = shop
        self.down = False
        self.webhooks = Deliverer(shop, faults, delivery)
        self._doorman = Doorman(shop, tls=tls)
        self._faults = faults
        self._monotonic = monotonic
        self._record = record
        self._url = ""

    @property
    def url(self) -> str:
        return self._url

    @url.setter
    def url(self, url: str) -> None:
        self._url = self.webhooks.url = url

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = self.webhooks.faults = faults

    def application(self) -> web.Application:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_get("/wp-json", self._index)
        app.router.add_get("/wp-json/", self._index)
        app.router.add_route("*", ROOT + "/{path:.*}", self._api)
        app.router.add_route("*", "/{path:.*}", self._nowhere)
        return app

    async def _index(self, request: web.Request) -> web.Response:
        if self.down:
            return _cut(request)
        told = {
            "name": self.shop.name,
            "description": "",
            "url": self.url,
            "home": self.url,
            "gmt_offset": "0",
            "timezone_string": "",
            "namespaces": ["oembed/1.0", "wc/v1", "wc/v2", "wc/v3", "wp/v2"],
        }
        return self._json(Answer(body=told))

    async def _nowhere(self, request: web.Request) -> web.Response:
        if self.down:
            return _cut(request)
        told = "No route was found matching the URL and request method."
        return self._json(Answer(status=404, body=ApiError(404, "rest_no_route", told).body))

    async def _api(self, request: web.Request) -> web.Response:
        received = self._monotonic()
        pieces = tuple(piece for piece in request.match_info["path"].split("/") if piece)
        fault = None if self.down else self._faults.draw(pieces)
        response = None if self.down else await self._answered(request, pieces, fault)
        from syncd.sim.remotes.woocommerce.server import ApiCall  # the server is made of sites

        call = ApiCall(
            shop=self.shop.name,
            method=request.method,
            path="/".join(pieces),
            query=dict(request.query),
            status=response.status if response is not None else None,
            fault=fault,
            received_at=received,
            answered_at=self._monotonic(),
        )
        self._record(call)
        return response if response is not None else _cut(request)

    async def _answered(
        self, request: web.Request, pieces: tuple[str, ...], fault: CallFault | None
    ) -> web.Response | None:
        """The answer, or None when the connection is to be cut."""
        raw = await request.read()
        refused = await self._before(fault)
        if refused is not None or fault == "cut_before_effect":
            return refused
        query = dict(request.query)  # of a name given twice, PHP keeps the last
        try:
            url = f"{self.url}{request.path}"
            self._doorman.admit(request.method, url, query, request.headers)
            asked = Asked(method=request.method, pieces=pieces, query=query, body=_decoded(raw))
            answer = self._dispatch(asked)
        except ApiError as error:
            answer = Answer(status=error.status, body=error.body)
        if fault == "slow_after_effect":
            await anyio.sleep(self._faults.slow_seconds)
        if fault == "cut_after_effect":
            return None
        if fault == "error_after_effect":
            broke = ApiError(500, "internal_server_error", "There has been a critical error on this website.")
            answer = Answer(status=500, body=broke.body)
        if fault == "empty_page" and isinstance(answer.body, list):
            answer = Answer(status=answer.status, body=[], headers=answer.headers)
        return self._json(answer)

    async def _before(self, fault: CallFault | None) -> web.Response | None:
        if fault == "slow_before_effect":
            await anyio.sleep(self._faults.slow_seconds)
        if fault == "unauthorised":
            told = ApiError(401, "woocommerce_rest_authentication_error", "Consumer key is invalid.")
            return self._json(Answer(status=401, body=told.body))
        html = {
            "server_error": 502,
            "too_many_requests": 429,
            "too_many_requests_bare": 429,
            "unavailable": 503,
            "unavailable_bare": 503,
            "web_page": 200,
        }
        if fault not in html:
            return None
        response = web.Response(status=html[fault], text=_PAGE, content_type="text/html", headers=self._dated())
        if fault in ("too_many_requests", "unavailable"):
            response.headers["Retry-After"] = f"{self._faults.retry_after_seconds:g}"
        return response

    def _dispatch(self, asked: Asked) -> Answer:
        if asked.method == "OPTIONS":
            return Answer(body={"namespace": "wc/v3", "methods": ["GET", "POST", "PUT", "DELETE"]})
        match asked.pieces:
            case ("products", *rest):
                answer = self._products(asked, rest)
            case ("orders", *rest):
                answer = self._orders(asked, rest)
            case ("webhooks", *rest):
                answer = webhooks_api.dispatch(
                    self.shop, self.url, asked.method, rest, asked.query, asked.body, self.webhooks.ping
                )
            case ("reports", "orders", "totals"):
                answer = orders_api.totals(self.shop)
            case ("settings", "products", "woocommerce_manage_stock"):
                answer = Answer(
                    body={"id": "woocommerce_manage_stock", "value": "yes" if self.shop.keeps_stock else "no"}
                )
            case _:
                answer = None
        if answer is None:
            raise ApiError(404, "rest_no_route", "No route was found matching the URL and request method.")
        return answer

    def _products(self, asked: Asked, rest: list[str]) -> Answer | None:
        shop, url, query, body = self.shop, self.url, asked.query, asked.body
        match asked.method, rest:
            case "GET", []:
                return products_api.list_products(shop, url, query)
            case "POST", []:
                return products_api.create_product(shop, url, body)
            case (("POST" | "PUT" | "PATCH"), ["batch"]):
                return products_api.batch(shop, url, body)
            case method, [number, "variations", *inner]:
                parent = products_api.find_product(shop, number)
                return self._variations(asked, method, parent, inner)
            case "GET", [number]:
                return products_api.show_product(products_api.find_product(shop, number), url, query)
            case (("POST" | "PUT" | "PATCH"), [number]):
                product = products_api.find_product(shop, number)
                products_api.edit(shop, product, body)
                return products_api.show_product(product, url, query)
            case "DELETE", [number]:
                product = products_api.find_product(shop, number)
                shown = products_api.show_product(product, url, query)
                (shop.delete_product if query.get("force") == "true" else shop.trash_product)(product)
                return shown
        return None

    def _variations(self, asked: Asked, method: str, parent: Any, rest: list[str]) -> Answer | None:
        shop, url, query, body = self.shop, self.url, asked.query, asked.body
        match method, rest:
            case "GET", []:
                return products_api.list_products(shop, url, query, parent)
            case (("POST" | "PUT" | "PATCH"), ["batch"]):
                return products_api.batch(shop, url, body, parent)
            case "GET", [number]:
                return products_api.show_product(products_api.find_product(shop, number, parent), url, query)
            case (("POST" | "PUT" | "PATCH"), [number]):
                variation = products_api.find_product(shop, number, parent)
                products_api.edit(shop, variation, body)
                return products_api.show_product(variation, url, query)
        return None

    def _orders(self, asked: Asked, rest: list[str]) -> Answer | None:
        shop, url, query, body = self.shop, self.url, asked.query, asked.body
        if not rest:
            if asked.method == "GET":
                return orders_api.list_orders(shop, url, query, self._faults.orders_lag_seconds)
            return orders_api.create_order(shop, url, body) if asked.method == "POST" else None
        order = orders_api.find_order(shop, rest[0])
        match asked.method, rest[1:]:
            case "GET", []:
                return orders_api.show_order(shop, url, order, query)
            case (("POST" | "PUT" | "PATCH"), []):
                return orders_api.edit_order(shop, url, order, body)
            case "DELETE", []:
                return orders_api.delete_order(shop, url, order, query)
            case "GET", ["refunds"]:
                return orders_api.list_refunds(url, order, query)
            case "POST", ["refunds"]:
                return orders_api.create_refund(shop, url, order, body)
        return None

    def _json(self, answer: Answer) -> web.Response:
        return web.Response(
            status=answer.status,
            body=encoded(answer.body),
            content_type="application/json",
            headers={**self._dated(), **answer.headers},
        )

    def _dated(self) -> dict[str, str]:
        return {"Date": format_datetime(self.shop.second, usegmt=True)}


def _decoded(raw: bytes) -> Mapping[str, Any]:
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ApiError(400, "rest_invalid_json", "Invalid JSON body passed.") from None
    return body if isinstance(body, dict) else {}


def _cut(request: web.Request) -> web.Response:
    """End the connection without an answer; what is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
