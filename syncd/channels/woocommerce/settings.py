"""The keys of a WooCommerce channel in the configuration, and what such a channel can do."""

from typing import Annotated, Final

from pydantic import Field, PositiveFloat

from syncd.config.model import Name, Table, WebAddress
from syncd.config.secrets import Secret, Secrets
from syncd.domain.listings import WriteKind
from syncd.ports import Capabilities

CAPABILITIES: Final = Capabilities(
    write=WriteKind.ABSOLUTE,
    keeps_keys=False,
    batch=50,
    has_locations=False,
    has_webhooks=True,
    orders_lag_seconds=1.0,
    lands_within_seconds=60.0,
)


class Settings(Table):
    """A key made in the shop under WooCommerce > Settings > Advanced > REST API, with permission to read and write."""

    endpoint: WebAddress
    """The shop's address, with the folder that WordPress lies in, if any."""
    consumer_key: Name
    consumer_secret: Secret
    webhook_secret: Secrets | None = None
    """A list while a secret is rotated; the first is given to the webhooks that we make. Without any, no delivery is
    taken and orders are only polled."""
    shipped_statuses: list[Name] = Field(default_factory=lambda: ["completed"])
    """Order statuses that say that the goods have left; plugins add their own (`shipped`, `picked-up`)."""
    batch: Annotated[int, Field(ge=1, le=100)] = CAPABILITIES.batch
    """Listings per write. A hundred take a small host over five seconds."""
    page: Annotated[int, Field(ge=1, le=100)] = 100
    calls_per_second: PositiveFloat = 10.0
    """WooCommerce has no limit of its own; hosts and firewalls have."""
    orders_lag_seconds: Annotated[float, Field(ge=0)] = CAPABILITIES.orders_lag_seconds
    """By how much the list of orders may lag behind the orders."""
    overlap_seconds: PositiveFloat = 120.0
    """How far behind the newest order seen a poll begins anew, once a minute; the polls in between reach back less."""
    lands_within_seconds: Annotated[float, Field(ge=0)] = CAPABILITIES.lands_within_seconds
    """How long the server may go on with a request after we have stopped waiting for it: PHP's `max_execution_time`,
    and what requests wait for a free worker."""
    call_timeout_seconds: PositiveFloat = 12.0

    @classmethod
    def normal_location(cls, remote: str) -> str:
        if remote:
            raise ValueError('a WooCommerce shop has no locations of its own; write locations = "warehouse"')
        return remote

    def webhook_secrets(self) -> tuple[bytes, ...]:
        return tuple(secret.get_secret_value().encode() for secret in self.webhook_secret or ())
