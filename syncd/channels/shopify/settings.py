"""The keys of a Shopify channel in the configuration, and what such a channel can do."""

from typing import Annotated, Final, Self

from pydantic import Field, PositiveFloat, model_validator

from syncd.channels.shopify.values import location_gid
from syncd.config.model import Table, WebAddress
from syncd.config.secrets import Secret, Secrets
from syncd.domain.listings import WriteKind
from syncd.ports import Capabilities

NEWEST_VERSION: Final = "2026-10"
OLDEST_VERSION: Final = "2026-04"
"""The first one with mandatory idempotency keys and compares, on which every write here rests."""

CAPABILITIES: Final = Capabilities(
    write=WriteKind.COMPARE_AND_SET,
    keeps_keys=True,
    batch=250,
    has_locations=True,
    has_webhooks=True,
    orders_lag_seconds=2.0,
    lands_within_seconds=60.0,
    sweep=1000,
)


class Settings(Table):
    """`access_token` (made in the shop's admin before 2026), or `client_id` and `client_secret` of one's own app."""

    endpoint: WebAddress
    """`https://<shop>.myshopify.com`."""
    access_token: Secret | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    webhook_secret: Secrets | None = None
    """Default: the client secret, with which an app's webhooks are signed. A list while a secret is rotated. Without
    any, no delivery is taken and orders are only polled."""
    api_version: Annotated[str, Field(pattern=r"^\d{4}-(01|04|07|10)$")] = NEWEST_VERSION
    batch: Annotated[int, Field(ge=1, le=250)] = CAPABILITIES.batch
    """Listings per write; one stale listing holds up its whole batch for one round."""
    orders_page: Annotated[int, Field(ge=1, le=250)] = 100
    items_page: Annotated[int, Field(ge=1, le=250)] = 250
    orders_lag_seconds: Annotated[float, Field(ge=0)] = CAPABILITIES.orders_lag_seconds
    """By how much the list of orders may lag behind the orders."""
    overlap_seconds: PositiveFloat = 120.0
    """How far behind the newest order seen a poll begins anew, once a minute; the polls in between reach back less."""
    bulk_above: Annotated[int, Field(ge=1, le=24_000)] = 20_000
    """Catalogues with more items are read by a bulk operation: paging ends at 25,000 objects."""
    bulk_poll_seconds: PositiveFloat = 2.0
    bulk_timeout_seconds: PositiveFloat = 3600.0
    call_timeout_seconds: PositiveFloat = 15.0

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            raise ValueError("client_id and client_secret belong together")
        if (self.access_token is None) == (self.client_id is None):
            raise ValueError("give either access_token, or client_id and client_secret")
        if self.api_version < OLDEST_VERSION:
            raise ValueError(f"api_version must be {OLDEST_VERSION} or later")
        return self

    @classmethod
    def normal_location(cls, remote: str) -> str:
        return location_gid(remote)

    def webhook_secrets(self) -> tuple[bytes, ...]:
        given = self.webhook_secret or (() if self.client_secret is None else (self.client_secret,))
        return tuple(secret.get_secret_value().encode() for secret in given)
