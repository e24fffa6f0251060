"""The app on a shop: its scopes, its permanent token if it has one, and the tokens it minted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

LIFETIME_SECONDS = 86_399


@dataclass(slots=True, kw_only=True)
class AppCredentials:
    """`static_token` None: only minted tokens work. Revoking ends all tokens there are; minting goes on.

    `signing_secret` is what webhooks are signed with when it is not (or not yet) the client secret: after a rotation
    the vendor signs with the old one for up to an hour.
    """

    client_id: str
    client_secret: str
    scopes: frozenset[str]
    static_token: str | None
    now: Callable[[], datetime]
    signing_secret: str | None = None
    installed: bool = True
    lifetime_seconds: int = LIFETIME_SECONDS
    minted: dict[str, datetime] = field(default_factory=dict)
    _serial: int = 0

    def accepts(self, token: str | None) -> bool:
        if not token or not self.installed:
            return False
        if self.static_token is not None and token == self.static_token:
            return True
        ends = self.minted.get(token)
        return ends is not None and self.now() < ends

    def revoke(self) -> None:
        self.minted.clear()
        self.static_token = None

    def grant(self, form: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        """Answer of POST /admin/oauth/access_token: status and body."""
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type", "error_description": "The grant type is not supported"}
        if form.get("client_id") != self.client_id or form.get("client_secret") != self.client_secret:
            return 400, {"error": "invalid_client", "error_description": "Client authentication failed"}
        if not self.installed:
            return 400, {
                "error": "app_not_installed",
                "error_description": "The app is not installed on this shop",
            }
        self._serial += 1
        token = f"shpca_{self._serial:08d}{self.client_id}"
        self.minted[token] = self.now() + timedelta(seconds=self.lifetime_seconds)
        for old in list(self.minted)[:-64]:
            del self.minted[old]
        return 200, {
            "access_token": token,
            "scope": ",".join(sorted(self.scopes)),
            "expires_in": self.lifetime_seconds,
        }
