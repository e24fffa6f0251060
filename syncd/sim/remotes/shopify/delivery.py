"""Webhooks on their way out: signed, in order, tried again by the vendor's schedule, and spoilt on demand."""

import base64
import hashlib
import heapq
import hmac
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import aiohttp
import anyio
import orjson

from syncd.sim.remotes.shopify.bodies import body_of
from syncd.sim.remotes.shopify.faults import Faults
from syncd.sim.remotes.shopify.ids import iso
from syncd.sim.remotes.shopify.subscriptions import Subscription

if TYPE_CHECKING:
    from syncd.sim.remotes.shopify.shop import Shop
    from syncd.sim.remotes.shopify.state import ShopEvent

RETRIES = 8
RETRIES_WITHIN_SECONDS = 4 * 3600
# Eight waits, each twice the one before, that add up to four hours.
RETRY_WAITS_SECONDS = tuple(RETRIES_WITHIN_SECONDS / (2**RETRIES - 1) * 2**attempt for attempt in range(RETRIES))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """`time_factor` below 1 shortens all waits, `retry_factor` those of the schedule of retries once more;
    `concurrency` above 1 gives up the order.
    """

    time_factor: float = 1.0
    retry_factor: float = 1.0
    concurrency: int = 1
    connect_seconds: float = 1.0
    total_seconds: float = 5.0
    max_pending: int = 10_000
    kept: int = 2_000


@dataclass(slots=True, kw_only=True)
class DeliveryCounts:
    """`sent` counts attempts; `dropped` those that a fault swallowed; `given_up` those whose last retry failed;
    `duplicated` those that a fault made two of; `delayed` those that it held back.
    """

    sent: int = 0
    acknowledged: int = 0
    retried: int = 0
    dropped: int = 0
    given_up: int = 0
    overflowed: int = 0
    duplicated: int = 0
    delayed: int = 0
    subscriptions_deleted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    subscription: Subscription
    topic: str
    webhook_id: str
    event_id: str
    triggered_at: str
    body: bytes
    secret: str
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One attempt, kept for tests and for the curious; status None when no answer came."""

    topic: str
    webhook_id: str
    attempt: int
    status: int | None
    body: bytes


def signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@dataclass(slots=True)
class Deliverer:
    """Delivers one shop's webhooks; `run` until cancelled, `accept` from any act of the shop."""

    shop: "Shop"
    faults: Faults
    settings: DeliverySettings
    counts: DeliveryCounts = field(default_factory=DeliveryCounts)
    on_acknowledged: Callable[[Delivery], None] | None = None
    sent: "deque[Sent]" = field(init=False)
    _queue: list[tuple[float, int, Delivery]] = field(default_factory=list)
    _serial: int = 0
    _busy: int = 0
    _rang: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.sent = deque(maxlen=self.settings.kept)

    @property
    def pending(self) -> int:
        return len(self._queue) + self._busy

    def accept(self, event: "ShopEvent") -> None:
        """Take one event of the shop for all who subscribed to it; the body is written now and never again."""
        subscribers = self.shop.subscriptions.for_topic(event.topic)
        if not subscribers:
            return
        whole = body_of(self.shop, event)
        for subscription in subscribers:
            shown = {key: whole[key] for key in subscription.include_fields if key in whole}
            body = orjson.dumps(shown if subscription.include_fields else whole)
            secret = subscription.secret or self.shop.credentials.signing_secret or self.shop.credentials.client_secret
            delivery = Delivery(
                subscription=subscription,
                topic=event.topic,
                webhook_id=self.shop.wire_numbers.uuid(),
                event_id=event.event_id,
                triggered_at=iso(event.at),
                body=body,
                secret=secret,
            )
            self._spoil(delivery)

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self.settings.total_seconds, sock_connect=self.settings.connect_seconds)
        async with aiohttp.ClientSession(timeout=timeout) as session, anyio.create_task_group() as workers:
            for _ in range(self.settings.concurrency):
                workers.start_soon(self._work, session)

    async def drained(self, *, timeout_seconds: float = 10.0) -> None:
        """Return once nothing is waiting, retries included; TimeoutError when that takes too long."""
        with anyio.fail_after(timeout_seconds):
            while self.pending:
                await self._rang.wait()

    def _spoil(self, delivery: Delivery) -> None:
        faults, wait = self.faults, 0.0
        if faults.happens("webhook_drop"):
            self.counts.dropped += 1
            return
        if faults.happens("webhook_wrong_secret"):
            delivery = replace(delivery, secret=faults.old_secret)
        if faults.happens("webhook_delay"):
            wait += faults.webhook_delay_seconds * faults.rng.random()
        if faults.happens("webhook_reorder"):
            wait += 0.05 + 0.5 * faults.rng.random()
        self.counts.delayed += wait > 0
        self._push(delivery, wait * self.settings.time_factor)
        if faults.happens("webhook_duplicate"):
            self.counts.duplicated += 1
            self._push(delivery, (wait + faults.rng.random()) * self.settings.time_factor)
        if faults.happens("webhook_unchanged"):
            self.counts.duplicated += 1
            again = replace(delivery, webhook_id=self.shop.wire_numbers.uuid())
            self._push(again, (wait + faults.rng.random()) * self.settings.time_factor)

    def _push(self, delivery: Delivery, wait_seconds: float) -> None:
        if len(self._queue) >= self.settings.max_pending:
            self.counts.overflowed += 1
            return
        self._serial += 1
        heapq.heappush(self._queue, (anyio.current_time() + wait_seconds, self._serial, delivery))
        self._ring()

    def _ring(self) -> None:
        self._rang.set()
        self._rang = anyio.Event()

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            delivery = await self._next()
            self._busy += 1
            try:
                await self._deliver(session, delivery)
            finally:
                self._busy -= 1
                self._ring()

    async def _next(self) -> Delivery:
        while True:
            rang = self._rang
            wait = self._queue[0][0] - anyio.current_time() if self._queue else 3600.0
            if self._queue and wait <= 0:
                return heapq.heappop(self._queue)[2]
            with anyio.move_on_after(wait):
                await rang.wait()

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        status = await self._attempt(session, delivery)
        self.counts.sent += 1
        self.sent.append(
            Sent(
                topic=delivery.topic,
                webhook_id=delivery.webhook_id,
                attempt=delivery.attempt,
                status=status,
                body=delivery.body,
            )
        )
        if status is not None and 200 <= status < 300:
            self.counts.acknowledged += 1
            if self.on_acknowledged is not None:
                self.on_acknowledged(delivery)
        elif delivery.attempt < RETRIES:
            self.counts.retried += 1
            wait = RETRY_WAITS_SECONDS[delivery.attempt] * self.settings.time_factor * self.settings.retry_factor
            self._push(replace(delivery, attempt=delivery.attempt + 1), wait)
        else:
            self._give_up(delivery)

    def _give_up(self, delivery: Delivery) -> None:
        self.counts.given_up += 1
        if not delivery.subscription.configured:
            self.counts.subscriptions_deleted += 1
            self.shop.subscriptions.drop(delivery.subscription)
            self.shop.notify()

    async def _attempt(self, session: aiohttp.ClientSession, delivery: Delivery) -> int | None:
        try:
            async with session.post(
                delivery.subscription.uri, data=delivery.body, headers=self._headers(delivery), allow_redirects=False
            ) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": delivery.topic,
            "X-Shopify-Hmac-Sha256": signature(delivery.secret, delivery.body),
            "X-Shopify-Shop-Domain": self.shop.domain,
            "X-Shopify-API-Version": self.shop.api_version,
            "X-Shopify-Webhook-Id": delivery.webhook_id,
            "X-Shopify-Event-Id": delivery.event_id,
            "X-Shopify-Triggered-At": delivery.triggered_at,
        }
        if delivery.subscription.name:
            headers["X-Shopify-Name"] = delivery.subscription.name
        return headers
