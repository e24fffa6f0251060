"""What the simulators' side sees of syncd: when each order's news was acknowledged, and when each write first came."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from syncd.sim.demo.shops import World
from syncd.sim.remotes.shopify import Order, Shop, ShopifyServer
from syncd.sim.remotes.shopify.delivery import Delivery
from syncd.sim.remotes.shopify.state import ShopEvent

WRITE_URI: Final = "gid://syncd/Write/"


@dataclass(slots=True)
class News:
    """An act that concerned an order, and when a webhook about it was first acknowledged, if one was."""

    happened_at: datetime
    acknowledged_at: datetime | None = None


@dataclass(slots=True)
class Watch:
    """Attached to the shops before anything happens; times are wall time."""

    server: ShopifyServer
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _news: dict[tuple[str, int], dict[str, News]] = field(default_factory=dict)
    """(shop domain, order id) to event id to its news."""
    _by_event: dict[str, News] = field(default_factory=dict)

    def attach(self, world: World) -> None:
        for demo in world.shops:
            self._attach(demo.shop)

    def _attach(self, shop: Shop) -> None:
        def happened(event: ShopEvent) -> None:
            if isinstance(event.subject, Order) and event.topic.startswith("orders/"):
                of_order = self._news.setdefault((shop.domain, event.subject.id), {})
                if event.event_id not in of_order:
                    of_order[event.event_id] = self._by_event[event.event_id] = News(self.now())

        def acknowledged(delivery: Delivery) -> None:
            news = self._by_event.get(delivery.event_id)
            if news is not None and news.acknowledged_at is None and delivery.topic.startswith("orders/"):
                news.acknowledged_at = self.now()

        shop.listeners.insert(0, happened)
        self.server.site(shop).webhooks.on_acknowledged = acknowledged

    def heard(self, shop: Shop, order: Order) -> None:
        """Everything about the order so far was acknowledged now."""
        for news in self._news.get((shop.domain, order.id), {}).values():
            news.acknowledged_at = news.acknowledged_at or self.now()

    def known_at(self, shop: Shop, order_id: int, at: datetime) -> datetime | None:
        """From when on syncd could have known what happened to the order at `at`; None when no webhook told it."""
        told = [
            news.acknowledged_at
            for news in self._news.get((shop.domain, order_id), {}).values()
            if news.acknowledged_at is not None and news.happened_at >= at
        ]
        return min(told, default=None)

    def first_sendings(self) -> dict[str, datetime]:
        """When each write, by its idempotency key, was first heard; a repetition is bound to what was sent first."""
        found: dict[str, datetime] = {}
        for call in self.server.calls:
            key = call.variables.get("key")
            if isinstance(key, str) and call.is_write:
                found.setdefault(WRITE_URI + key, _wall(call.received_at))
        return found

    def spoilt(self, shop: Shop) -> list[datetime]:
        """When calls to the shop were spoilt, by a fault or by a limit."""
        return [
            _wall(call.answered_at)
            for call in self.server.calls
            if call.shop == shop.domain and (call.fault is not None or call.status != 200 or "THROTTLED" in call.codes)
        ]


def _wall(monotonic: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=monotonic - time.monotonic())
