"""Who may call, and how often: Login with Amazon, and one token bucket per operation (fact sheets 1 and 8)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

LIMITS: Mapping[str, tuple[float, float]] = {
    "searchOrders": (0.0056, 20),
    "getOrder": (0.5, 30),
    "getOrders": (0.0167, 20),
    "getOrderV0": (0.5, 30),
    "getOrderItems": (0.5, 30),
    "patchListingsItem": (5, 5),
    "getListingsItem": (5, 10),
    "searchListingsItems": (5, 5),
    "getInventorySummaries": (2, 2),
    "createFeedDocument": (0.5, 15),
    "createFeed": (0.0083, 15),
    "getFeed": (2, 15),
    "cancelFeed": (2, 15),
    "getFeeds": (0.0222, 10),
    "getFeedDocument": (0.0222, 10),
    "getMarketplaceParticipations": (0.016, 15),
}
"""Rate per second and burst."""


@dataclass(slots=True)
class Bucket:
    rate: float
    burst: float
    left: float
    at: float

    def take(self) -> bool:
        now = anyio.current_time()
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class Buckets:
    """`speed` above 1 lets more through, and says so in the header."""

    speed: float = 1.0
    _held: dict[str, Bucket] = field(default_factory=dict)

    def take(self, operation: str) -> bool:
        rate, burst = LIMITS[operation]
        bucket = self._held.get(operation)
        if bucket is None:
            bucket = self._held[operation] = Bucket(rate * self.speed, burst, burst, anyio.current_time())
        return bucket.take()

    def rate(self, operation: str) -> str:
        return f"{LIMITS[operation][0] * self.speed:.10g}"

    def left(self, operation: str) -> float:
        bucket = self._held.get(operation)
        return bucket.left if bucket is not None else LIMITS[operation][1]


@dataclass(slots=True, kw_only=True)
class Application:
    """The application and the seller's grant to it."""

    now: Callable[[], datetime]
    client_id: str = "amzn1.application-oa2-client.sim"
    client_secret: str = "amzn1.oa2-cs.v1.sim"  # noqa: S105 - of a simulation
    refresh_token: str = "Atzr|sim"  # noqa: S105 - of a simulation
    granted: bool = True
    lifetime_seconds: int = 3600
    minted: dict[str, datetime] = field(default_factory=dict)
    mintings: int = 0

    def accepts(self, token: str | None) -> bool:
        ends = self.minted.get(token or "")
        return ends is not None and self.now() < ends

    def expire(self) -> None:
        self.minted.clear()

    def grant(self, form: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        kind = form.get("grant_type")
        if form.get("client_id") != self.client_id or form.get("client_secret") != self.client_secret:
            return 401, _error("invalid_client", "Client authentication failed")
        if kind not in ("refresh_token", "client_credentials"):
            return 400, _error("unsupported_grant_type", "The authorization grant type is not supported")
        if kind == "refresh_token" and (form.get("refresh_token") != self.refresh_token or not self.granted):
            return 400, _error("invalid_grant", "The request has an invalid grant parameter : refresh_token")
        self.mintings += 1
        token = f"Atza|{self.mintings:08d}"
        self.minted[token] = self.now() + timedelta(seconds=self.lifetime_seconds)
        told: dict[str, object] = {"access_token": token, "token_type": "bearer", "expires_in": self.lifetime_seconds}
        if kind == "refresh_token":
            told["refresh_token"] = self.refresh_token
        return 200, told


def _error(code: str, description: str) -> dict[str, object]:
    return {"error": code, "error_description": description}
