"""Webhook subscriptions: what the app asked for by API, and what stands in its own configuration."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from syncd.sim.remotes.shopify.ids import Numbers, gid, number_of, to_second

_NAME = re.compile(r"[A-Za-z0-9_-]*")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_JSON_ONLY = ("RETURNS_", "FULFILLMENT_ORDERS_", "BULK_OPERATIONS_", "APP_SCOPES_")


@dataclass(slots=True, kw_only=True, eq=False)
class Subscription:
    """`topic` in the header's spelling (orders/create); "*" stands for all, in configured ones only."""

    id: int
    topic: str
    uri: str
    format: str
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    filter: str | None = None
    include_fields: list[str] = field(default_factory=list)
    metafield_namespaces: list[str] = field(default_factory=list)
    configured: bool = False
    secret: str | None = None

    @property
    def gid(self) -> str:
        return gid("WebhookSubscription", self.id)

    def wants(self, topic: str) -> bool:
        return self.topic in (topic, "*")


@dataclass(frozen=True, slots=True)
class UserError:
    field: list[str] | None
    message: str
    code: str | None = None


class Subscriptions:
    """Checks as the vendor does. `allow_loopback` takes http:// to this machine, which the vendor never does."""

    def __init__(self, *, now: Callable[[], datetime], numbers: Numbers) -> None:
        self._now = now
        self._numbers = numbers
        self.allow_loopback = True
        self.by_id: dict[int, Subscription] = {}

    def for_topic(self, topic: str) -> list[Subscription]:
        return [each for each in self.by_id.values() if each.wants(topic)]

    def asked_by_api(self) -> list[Subscription]:
        return [each for each in self.by_id.values() if not each.configured]

    def configure(self, url: str, *, topics: Sequence[str], secret: str | None) -> None:
        for topic in topics or ("*",):
            made = self._make(topic, url)
            made.configured = True
            made.secret = secret

    @property
    def configured_address(self) -> str | None:
        return next((each.uri for each in self.by_id.values() if each.configured), None)

    def clear_configured(self) -> None:
        for each in [each for each in self.by_id.values() if each.configured]:
            del self.by_id[each.id]

    def create(self, topic: str, given: Mapping[str, object]) -> tuple[Subscription | None, list[UserError]]:
        uri = _address(given)
        errors = self._refuse(topic, uri, given, other_than=None)
        if errors:
            return None, errors
        made = self._make(_header(topic), uri or "")
        _fill(made, given)
        return made, []

    def update(self, global_id: str, given: Mapping[str, object]) -> tuple[Subscription | None, list[UserError]]:
        known = self._known(global_id)
        if known is None:
            return None, [UserError(["id"], "Webhook subscription does not exist")]
        uri = _address(given) if ("uri" in given or "callbackUrl" in given) else known.uri
        errors = self._refuse(enum_of(known.topic), uri, {"format": known.format, **given}, other_than=known)
        if errors:
            return None, errors
        known.uri = uri or known.uri
        _fill(known, given)
        known.updated_at = to_second(self._now())
        return known, []

    def delete(self, global_id: str) -> tuple[str | None, list[UserError]]:
        known = self._known(global_id)
        if known is None:
            return None, [UserError(["id"], "Webhook subscription does not exist")]
        del self.by_id[known.id]
        return known.gid, []

    def drop(self, subscription: Subscription) -> None:
        """What the vendor does to a subscription made by API after the last retry failed."""
        if not subscription.configured:
            self.by_id.pop(subscription.id, None)

    def _known(self, global_id: str) -> Subscription | None:
        number = number_of(global_id, "WebhookSubscription")
        known = self.by_id.get(number) if number is not None else None
        return None if known is None or known.configured else known

    def _make(self, topic: str, uri: str) -> Subscription:
        at = to_second(self._now())
        number = self._numbers.next("WebhookSubscription")
        made = Subscription(id=number, topic=topic, uri=uri, format="JSON", created_at=at, updated_at=at)
        self.by_id[made.id] = made
        return made

    def _refuse(
        self, topic: str, uri: str | None, given: Mapping[str, object], *, other_than: Subscription | None
    ) -> list[UserError]:
        wanted = str(given.get("format") or "JSON")
        address = ["webhookSubscription", "callbackUrl"]
        trouble = self._address_trouble(uri)
        if trouble:
            return [UserError(address, trouble)]
        errors = [*_format_trouble(topic, wanted, uri or ""), *self._name_trouble(given, other_than)]
        taken = any(
            each.uri == uri and each.topic == _header(topic) and each.format == wanted and each is not other_than
            for each in self.asked_by_api()
        )
        if taken:
            errors.append(UserError(address, "Address for this topic has already been taken"))
        return errors

    def _address_trouble(self, uri: str | None) -> str | None:
        if not uri or not uri.strip():
            return "Address can't be blank"
        parts = urlsplit(uri)
        if parts.scheme in ("pubsub", "arn"):
            return None
        host = parts.hostname or ""
        if self.allow_loopback and parts.scheme in ("http", "https") and host in _LOOPBACK:
            return None
        if parts.scheme == "http":
            return "Address protocol http:// is not supported"
        if parts.scheme != "https" or not host:
            return "Address is invalid"
        if host in _LOOPBACK or host.endswith((".myshopify.com", ".shopify.com", ".internal", ".local")):
            return "Address cannot be a Shopify or an internal domain"
        return None

    def _name_trouble(self, given: Mapping[str, object], other_than: Subscription | None) -> list[UserError]:
        if given.get("name") is None:
            return []
        name, where = str(given["name"]), ["webhookSubscription", "name"]
        errors = []
        if not name:
            errors.append(UserError(where, "Name is too short (minimum is 1 character)"))
        if len(name) > 50:
            errors.append(UserError(where, "Name is too long (maximum is 50 characters)"))
        if not name or not _NAME.fullmatch(name):
            errors.append(
                UserError(where, "Name name field can only contain alphanumeric characters, underscores, and hyphens")
            )
        same = any((each.name or "").lower() == name.lower() and each is not other_than for each in self.asked_by_api())
        if name and same:
            errors.append(UserError(where, "Name already exists, no duplicate allowed"))
        return errors


def enum_of(header: str) -> str:
    """orders/create -> ORDERS_CREATE."""
    return header.replace("/", "_").upper()


def _header(enum: str) -> str:
    for stem in ("FULFILLMENT_ORDERS", "BULK_OPERATIONS", "INVENTORY_ITEMS", "INVENTORY_LEVELS"):
        if enum.startswith(stem + "_"):
            return f"{stem}/{enum.removeprefix(stem + '_')}".lower()
    return enum.lower().replace("_", "/", 1)


def _address(given: Mapping[str, object]) -> str | None:
    uri = given.get("uri") if given.get("uri") is not None else given.get("callbackUrl")
    return None if uri is None else str(uri)


def _fill(made: Subscription, given: Mapping[str, object]) -> None:
    if given.get("format"):
        made.format = str(given["format"])
    if "filter" in given:
        made.filter = None if given["filter"] is None else str(given["filter"])
    if given.get("name") is not None:
        made.name = str(given["name"])
    for key, names in (("includeFields", made.include_fields), ("metafieldNamespaces", made.metafield_namespaces)):
        listed = given.get(key)
        if isinstance(listed, list):
            names[:] = [str(each) for each in listed]


def _format_trouble(topic: str, wanted: str, uri: str) -> list[UserError]:
    where = ["webhookSubscription", "format"]
    if wanted != "XML":
        return []
    if topic.startswith(_JSON_ONLY):
        return [UserError(where, "Format 'xml' is invalid for this webhook topic. Allowed formats: json")]
    if urlsplit(uri).scheme in ("pubsub", "arn"):
        return [UserError(where, "Format can only be used with format: 'json'")]
    return []
