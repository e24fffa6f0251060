"""Calls of the Admin API: token, version, points, and every refusal turned into what the caller does next."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from syncd.channels.shopify.budget import Budget
from syncd.channels.shopify.documents import OPTIONAL_FIELDS, Document
from syncd.channels.shopify.settings import Settings
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Rejected, Retry, Throttled
from syncd.ports import Now, Tokens
from syncd.wire.graphql import GraphError, Reply, post
from syncd.wire.http import Http
from syncd.wire.oauth import ClientCredentials, Credentials, StaticToken

TOKEN_PATH: Final = "/admin/oauth/access_token"  # noqa: S105 - an address, not a token
TOKEN_HEADER: Final = "X-Shopify-Access-Token"  # noqa: S105 - the name of a header
VERSION_HEADER: Final = "X-Shopify-API-Version"

_CLOSED: Final = {
    402: "the shop is frozen for want of payment; settle its bill at Shopify",
    403: "the app may not do this; check its scopes in the shop's admin",
    404: "no such shop or API version; check endpoint and api_version",
    423: "the shop is locked; ask Shopify support",
}
_BROKEN: Final = frozenset({"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"})


class TooDear(Retry):
    """The document costs more than a single call may; a smaller page costs less."""


class Denied(AuthFailed):
    """The app lacks a scope for one of the fields asked for."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class Api:
    """One shop's API under one limiter; safe to be called by several tasks at once."""

    def __init__(self, settings: Settings, now: Now) -> None:
        self._http = Http(settings.endpoint, now=now, call_seconds=settings.call_timeout_seconds)
        self._path = f"/admin/api/{settings.api_version}/graphql.json"
        self._asked_version = settings.api_version
        self._credentials = _credentials(settings, self._http)
        self._budget = Budget()
        self._learned: dict[tuple[str, float], float] = {}
        self.served_version: str | None = None

    @property
    def http(self) -> Http:
        return self._http

    @property
    def version_warning(self) -> str | None:
        """Retired versions are answered by the oldest one that is still supported."""
        served = self.served_version
        if served is None or served == self._asked_version:
            return None
        return f"asked for API version {self._asked_version}, served by {served}; set api_version"

    def tokens(self) -> Tokens:
        return self._budget.tokens()

    async def call(self, document: Document, variables: Mapping[str, Any], *, cost: float) -> Reply:
        """Run a document and return its whole data; `cost` is what it is thought to request.

        The vendor's own word on what this document at this size requests replaces the thought from then on.
        """
        known = (document.name, cost)
        async with self._budget.spend(self._learned.get(known, cost), writes=document.changes) as spent:
            try:
                reply = await self._send(document, variables)
            except Retry as busy:
                if busy.after_seconds is not None:
                    self._budget.pause(busy.after_seconds)
                raise
            spent.told(reply.cost, answered=reply.data is not None)
        if reply.cost is not None:
            self._learned[known] = reply.cost.requested
        _raise_refusal(document, reply)
        return reply

    async def close(self) -> None:
        await self._http.close()

    async def _send(self, document: Document, variables: Mapping[str, Any]) -> Reply:
        token = await self._credentials.token()
        reply = await self._post(document, variables, token)
        if reply.status != 401:
            return reply
        other = await self._credentials.renewed(token)
        if other is None or other == token:
            return reply
        return await self._post(document, variables, other)

    async def _post(self, document: Document, variables: Mapping[str, Any], token: str) -> Reply:
        reply = await post(
            self._http,
            self._path,
            name=document.name,
            query=document.text,
            variables=variables,
            headers={TOKEN_HEADER: token},
            changes=document.changes,
        )
        self.served_version = reply.headers.get(VERSION_HEADER) or self.served_version
        return reply


def _credentials(settings: Settings, http: Http) -> Credentials:
    if settings.client_id is not None and settings.client_secret is not None:
        secret = settings.client_secret.get_secret_value()
        return ClientCredentials(http, TOKEN_PATH, client_id=settings.client_id, client_secret=secret)
    return StaticToken(settings.access_token.get_secret_value() if settings.access_token else "")


def _raise_refusal(document: Document, reply: Reply) -> None:
    """Everything but a whole answer becomes an error; data beside errors is not used."""
    name = document.name
    if reply.status == 401:
        raise AuthFailed(f"{name}: 401 the access token is not accepted; was the app removed from the shop?")
    if reply.status in _CLOSED:
        raise AuthFailed(f"{name}: {reply.status} {_CLOSED[reply.status]}")
    if 300 <= reply.status < 400:
        where = reply.headers.get("Location", "elsewhere")[:200]
        raise AuthFailed(f"{name}: {reply.status} redirected to {where}; set endpoint to the permanent address")
    if reply.status != 200:
        _reject(document, f"{name}: {reply.status} {reply.shown[:200]}")
    if reply.errors:
        _raise_error(document, reply)
    if reply.data is None:
        told = f"{name}: an answer without data"
        raise OutcomeUnknown(told) if document.changes else Retry(told)


def _raise_error(document: Document, reply: Reply) -> NoReturn:
    codes = {error.code: error for error in reversed(reply.errors)}
    first = reply.errors[0]
    told = f"{document.name}: {first.code or 'error'}: {first.message[:300]}"
    if "THROTTLED" in codes:
        if reply.cost is not None and reply.cost.requested > reply.cost.capacity:
            raise TooDear(f"{told} (costs {reply.cost.requested:.0f}, the bucket holds {reply.cost.capacity:.0f})")
        raise Throttled(told, after_seconds=reply.cost.wait_seconds if reply.cost else 1.0)
    if "MAX_COST_EXCEEDED" in codes:
        raise TooDear(told)
    if "ACCESS_DENIED" in codes:
        denied = codes["ACCESS_DENIED"]
        raise Denied(f"{document.name}: {denied.message[:300]}", _denied_field(denied))
    if "SHOP_INACTIVE" in codes:
        raise AuthFailed(f"{told}; the shop is closed")
    if not _BROKEN & codes.keys():
        _raise_if_optional(document, reply.errors)
    if _BROKEN & codes.keys():
        raise OutcomeUnknown(told) if document.changes else Retry(told)
    if document.changes and reply.executed and any(value is not None for value in (reply.data or {}).values()):
        raise OutcomeUnknown(told)
    _reject(document, told)


def _reject(document: Document, told: str) -> NoReturn:
    """Refused for its content: a change is given up; whoever reads tries again, as nothing else can be done."""
    raise Rejected(told) if document.changes else Retry(told)


def _raise_if_optional(document: Document, errors: tuple[GraphError, ...]) -> None:
    """A shop that cannot answer one of the optional fields is treated as one that does not let us ask."""
    for error in errors:
        field = _denied_field(error)
        if field in OPTIONAL_FIELDS:
            raise Denied(f"{document.name}: {error.message[:300]}", field)


def _denied_field(error: GraphError) -> str:
    """The field that was refused: an optional one on the path, else the last of it, else as the message says it."""
    names = [part for part in error.path if not part.isdigit()]
    if names:
        return next((name for name in names if name in OPTIONAL_FIELDS), names[-1])
    word, _, rest = error.message.partition("Access denied for ")
    return rest.partition(" ")[0] if not word else ""
