"""The keys of an Amazon channel in the configuration, and what such a channel can do."""

from typing import Annotated, Final, Literal

from pydantic import Field, PositiveFloat

from syncd.channels.amazon.values import place
from syncd.config.model import Name, Table, WebAddress
from syncd.config.secrets import Secret, Secrets
from syncd.domain.listings import WriteKind
from syncd.ports import Capabilities

CAPABILITIES: Final = Capabilities(
    write=WriteKind.ABSOLUTE,
    keeps_keys=False,
    batch=300,
    has_locations=True,
    has_webhooks=True,
    orders_lag_seconds=120.0,
    lands_within_seconds=1800.0,
    takes_force_later=True,
)


class Settings(Table):
    """One seller account in one region; its marketplaces share one stock."""

    endpoint: WebAddress = "https://sellingpartnerapi-eu.amazon.com"
    """Europe; `-na` and `-fe` in its place for the other regions, `sandbox.` before it for the vendor's sandbox."""
    token_endpoint: WebAddress = "https://api.amazon.com/auth/o2/token"  # noqa: S105 - an address, not a token
    client_id: Name
    client_secret: Secret
    refresh_token: Secret
    seller_id: Name
    marketplaces: Annotated[list[Name], Field(min_length=1, max_length=25)]
    """Marketplace ids, e.g. A1F83G8C2ARO7P; the first is asked first for a listing, and its FBA stock is read."""
    webhook_secret: Secrets | None = None
    """With which a forwarder signs notifications. Without any, none is taken and orders are only polled."""
    orders_api: Literal["2026-01-01", "v0"] = "2026-01-01"
    """v0 ends on 2027-03-27. It also stands in while the newer one refuses our request."""
    batch: Annotated[int, Field(ge=1, le=2000)] = CAPABILITIES.batch
    """Listings per write."""
    feed_above: Annotated[int, Field(ge=0)] = 40
    """Writes of more listings go out as one feed; a single call may change only some 40 within its time."""
    feed_minutes: PositiveFloat = 30.0
    """A feed that takes longer is cancelled if it is still queued, else said to be stuck."""
    orders_lag_seconds: Annotated[float, Field(ge=0)] = CAPABILITIES.orders_lag_seconds
    """By how much the list of orders lags behind the orders."""
    overlap_seconds: PositiveFloat = 600.0
    """How far behind the last reading's end a poll begins anew."""
    deep_every_hours: PositiveFloat = 24.0
    deep_days: PositiveFloat = 2.0
    """So often are the orders of so many days read again, for those that the list showed late."""
    open_days: PositiveFloat = 90.0
    """How far the first reading looks back for orders that are still open."""
    lands_within_seconds: PositiveFloat = CAPABILITIES.lands_within_seconds
    """When an accepted write that was not seen in force can no longer land."""
    call_timeout_seconds: PositiveFloat = 10.0

    @classmethod
    def normal_location(cls, remote: str) -> str:
        return place(remote)

    def webhook_secrets(self) -> tuple[bytes, ...]:
        return tuple(secret.get_secret_value().encode() for secret in self.webhook_secret or ())
