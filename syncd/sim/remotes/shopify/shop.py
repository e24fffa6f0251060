"""One simulated shop: its records, its staff and buyers, and the app that is installed on it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

from syncd.sim.remotes.shopify.aftersales import AfterSales
from syncd.sim.remotes.shopify.bulk import BulkOperations
from syncd.sim.remotes.shopify.idempotency import IdempotencyStore
from syncd.sim.remotes.shopify.subscriptions import Subscriptions
from syncd.sim.remotes.shopify.tokens import AppCredentials

VERSIONS = ("2026-01", "2026-04", "2026-07", "2026-10")
RELEASE_CANDIDATE = "2027-01"

SCOPES = (
    "read_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
    "read_orders",
    "read_fulfillments",
    "read_returns",
    "read_merchant_managed_fulfillment_orders",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The query-cost bucket of the shop's plan, in points and points per second."""

    maximum: float = 2000
    restore: float = 100


def utc_now() -> datetime:
    return datetime.now(UTC)


class Shop(AfterSales):
    """The shop's own truth, driven by its buyers and staff in-process and by an app over HTTP (see `server`).

    `domain` is what the shop answers as its myshopifyDomain and what webhooks name. `api_version` is the version of the
    webhooks' bodies; calls name their own. Without `scopes` the app holds all that an inventory daemon needs.
    `unstocked_writes`: whether, from 2026-10 on, writing to an item not stocked at the location activates it there or
    is stored unseen; the vendor's pages do not say which. `utc_offset_hours`: of the times in webhooks' bodies.
    """

    def __init__(
        self,
        *,
        domain: str,
        now: Callable[[], datetime] = utc_now,
        rng: random.Random | None = None,
        api_version: str = "2026-10",
        plan: Plan | None = None,
        name: str | None = None,
        access_token: str = "shpat_simulated",  # noqa: S107 - a simulated shop's token guards nothing
        client_id: str = "simulated-client",
        client_secret: str = "simulated-secret",  # noqa: S107 - likewise
        scopes: Sequence[str] = SCOPES,
        announce_every_change: bool = False,
        unstocked_writes: Literal["activate", "store"] = "activate",
        utc_offset_hours: float = -5,
    ) -> None:
        super().__init__(now=now, rng=rng or random.Random(0), announce_every_change=announce_every_change)  # noqa: S311 - repeatable on purpose
        self.domain = domain
        self.name = name or domain.partition(".")[0]
        self.id = self.numbers.next("Shop")
        self.api_version = api_version
        self.plan = plan or Plan()
        self.credentials = AppCredentials(
            client_id=client_id,
            client_secret=client_secret,
            scopes=frozenset(scopes),
            static_token=access_token,
            now=now,
        )
        self.subscriptions = Subscriptions(now=now, numbers=self.numbers)
        self.idempotency = IdempotencyStore(now=now)
        self.bulk = BulkOperations(now=now, numbers=self.numbers)
        self.unstocked_writes = unstocked_writes
        self.timezone = timezone(timedelta(hours=utc_offset_hours))

    def send_webhooks_to(self, url: str, *, topics: Sequence[str] = (), secret: str | None = None) -> None:
        """Deliver to `url` as a subscription kept in the app's own configuration would: never deleted, all topics
        unless some are named, signed with `secret` (default: the app's client secret)."""
        self.subscriptions.configure(url, topics=topics, secret=secret)

    def uninstall_app(self) -> None:
        """The merchant removes the app: its tokens die, its subscriptions go, app/uninstalled is the last it hears."""
        with self.acting("staff") as act:
            act.tell("app/uninstalled", self)
        self.credentials.installed = False
        for subscription in self.subscriptions.asked_by_api():
            self.subscriptions.drop(subscription)

    @property
    def webhook_address(self) -> str | None:
        return self.subscriptions.configured_address

    @webhook_address.setter
    def webhook_address(self, url: str | None) -> None:
        self.subscriptions.clear_configured()
        if url is not None:
            self.send_webhooks_to(url)
