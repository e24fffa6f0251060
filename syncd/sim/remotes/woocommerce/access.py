"""Who may call: Basic over TLS, or OAuth 1.0a without token ("one-legged") over plain HTTP."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from syncd.sim.remotes.woocommerce.shop import Shop

OLDEST_SECONDS: Final = 900
_DIGESTS: Final = {"HMAC-SHA256": hashlib.sha256, "HMAC-SHA1": hashlib.sha1}


class ApiError(Exception):
    """An error as the API tells it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    @property
    def body(self) -> dict[str, object]:
        return {"code": self.code, "message": self.message, "data": {"status": self.status}}


class Doorman:
    """`tls`: whether the shop believes to be asked over TLS, as it does behind a proxy that ends it; Basic is only
    looked at then. OAuth is, in truth, only looked at without TLS; here it always is."""

    def __init__(self, shop: "Shop", *, tls: bool) -> None:
        self._shop = shop
        self._tls = tls
        self._nonces: set[tuple[str, str]] = set()

    def admit(self, method: str, url: str, query: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """Raises ApiError 401 for whoever may not call this."""
        if "oauth_consumer_key" in query:
            permissions = self._oauth(method, url, query)
        elif self._tls:
            permissions = self._basic(query, headers)
        else:
            permissions = ""
        if not permissions:
            raise ApiError(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        if ("write" if method not in ("GET", "HEAD", "OPTIONS") else "read") not in permissions:
            told = f"The API key provided does not have {'read' if method == 'GET' else 'write'} permissions."
            raise _refused(told)

    def _basic(self, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
        key, secret = query.get("consumer_key", ""), query.get("consumer_secret", "")
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                key, _, secret = base64.b64decode(given).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                key = ""
        if not key:
            return ""
        known = self._shop.keys.get(key)
        if known is None:
            raise _refused("Consumer key is invalid.")
        if not hmac.compare_digest(known[0], secret):
            raise _refused("Consumer secret is invalid.")
        return known[1]

    def _oauth(self, method: str, url: str, query: Mapping[str, str]) -> str:
        missing = [
            name for name in ("timestamp", "nonce", "signature", "signature_method") if f"oauth_{name}" not in query
        ]
        if missing:
            raise _refused(f"Missing OAuth parameter oauth_{missing[0]}")
        known = self._shop.keys.get(query["oauth_consumer_key"])
        if known is None:
            raise _refused("Consumer key is invalid.")
        digest = _DIGESTS.get(query["oauth_signature_method"])
        if digest is None:
            raise _refused("Invalid signature - signature method is invalid.")
        signed = _string_to_sign(method, url, query)
        expected = base64.b64encode(hmac.digest(f"{known[0]}&".encode(), signed.encode(), digest)).decode()
        if not hmac.compare_digest(expected, query["oauth_signature"].replace(" ", "+")):
            raise _refused("Invalid signature - provided signature does not match.")
        age = self._shop.now().timestamp() - int(query["oauth_timestamp"])
        nonce = (query["oauth_consumer_key"], query["oauth_nonce"])
        if abs(age) > OLDEST_SECONDS:
            raise _refused("Invalid timestamp.")
        if nonce in self._nonces:
            raise _refused("Invalid nonce - nonce has already been used.")
        self._nonces.add(nonce)
        return known[1]


def _string_to_sign(method: str, url: str, query: Mapping[str, str]) -> str:
    parts = [
        f"{_twice_quoted(key)}%3D{_twice_quoted(value)}"
        for key, value in sorted(query.items())
        if key != "oauth_signature"
    ]
    return f"{method}&{quote(url, safe='')}&{'%26'.join(parts)}"


def _twice_quoted(value: str) -> str:
    return quote(unquote(value), safe="").replace("%", "%25")


def _refused(message: str) -> ApiError:
    return ApiError(401, "woocommerce_rest_authentication_error", message)
