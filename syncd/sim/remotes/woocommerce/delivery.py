"""Webhooks on their way out: built when they leave, signed, never tried again, switched off when they keep failing."""

import base64
import hashlib
import heapq
import hmac
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp
import anyio

from syncd.sim.remotes.woocommerce.bodies import encoded, order_body, product_body
from syncd.sim.remotes.woocommerce.faults import Faults
from syncd.sim.remotes.woocommerce.records import Event, Webhook

if TYPE_CHECKING:
    from syncd.sim.remotes.woocommerce.shop import Shop

FAILURES: Final = 5
"""More than so many in a row, and the one after that, switch a webhook off (8.4.0: the seventh)."""
AGENT: Final = "WooCommerce/{version} Hookshot (WordPress/6.4.2)"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """`delay_seconds` is what the queue of background work adds: seconds to a minute at a real shop, none here."""

    delay_seconds: float = 0.0
    connect_seconds: float = 1.0
    total_seconds: float = 5.0
    kept: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One attempt; status None when no answer came."""

    topic: str
    delivery_id: str
    status: int | None
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Queued:
    webhook: int
    event: Event | None
    """None for the ping."""
    secret: str | None = None


def signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


@dataclass(slots=True)
class Deliverer:
    """Delivers one shop's webhooks; `run` until cancelled, `accept` from any act of the shop."""

    shop: "Shop"
    faults: Faults
    settings: DeliverySettings
    url: str = ""
    sent: "deque[Sent]" = field(init=False)
    _queue: list[tuple[float, int, _Queued]] = field(default_factory=list)
    _serial: int = 0
    _busy: bool = False
    _rang: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.sent = deque(maxlen=self.settings.kept)

    @property
    def pending(self) -> int:
        return len(self._queue) + self._busy

    def ping(self, webhook: Webhook) -> None:
        """What a webhook sends when it is made: a form, without any signature."""
        self._push(_Queued(webhook=webhook.id, event=None), 0.0)

    def accept(self, event: Event) -> None:
        for webhook in self.shop.webhooks.values():
            if webhook.topic == event.topic and webhook.status == "active":
                self._spoil(_Queued(webhook=webhook.id, event=event))

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self.settings.total_seconds, sock_connect=self.settings.connect_seconds)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                queued = await self._next()
                self._busy = True
                try:
                    await self._deliver(session, queued)
                finally:
                    self._busy = False
                    self._ring()

    async def drained(self, *, timeout_seconds: float = 10.0) -> None:
        """Return once nothing is waiting; TimeoutError when that takes too long."""
        with anyio.fail_after(timeout_seconds):
            while self.pending:
                await self._rang.wait()

    def _spoil(self, queued: _Queued) -> None:
        faults, wait = self.faults, self.settings.delay_seconds
        if faults.happens("webhook_drop"):
            return
        if faults.happens("webhook_wrong_secret"):
            queued = _Queued(webhook=queued.webhook, event=queued.event, secret=faults.old_secret)
        if faults.happens("webhook_delay"):
            wait += faults.webhook_delay_seconds * faults.rng.random()
        if faults.happens("webhook_reorder"):
            wait += 0.05 + 0.5 * faults.rng.random()
        self._push(queued, wait)
        if faults.happens("webhook_duplicate"):
            self._push(queued, wait + faults.rng.random())

    def _push(self, queued: _Queued, wait_seconds: float) -> None:
        self._serial += 1
        heapq.heappush(self._queue, (anyio.current_time() + wait_seconds, self._serial, queued))
        self._ring()

    def _ring(self) -> None:
        self._rang.set()
        self._rang = anyio.Event()

    async def _next(self) -> _Queued:
        while True:
            rang = self._rang
            wait = self._queue[0][0] - anyio.current_time() if self._queue else 3600.0
            if self._queue and wait <= 0:
                return heapq.heappop(self._queue)[2]
            with anyio.move_on_after(wait):
                await rang.wait()

    async def _deliver(self, session: aiohttp.ClientSession, queued: _Queued) -> None:
        webhook = self.shop.webhooks.get(queued.webhook)
        if webhook is None:
            return
        headers = {"User-Agent": AGENT.format(version=self.shop.version)}
        if queued.event is None:
            body = f"webhook_id={webhook.id}".encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            await self._attempt(session, webhook, "", headers, body)
            return
        if webhook.status != "active":
            return
        body = encoded(self._body(queued.event))
        headers |= self._headers(webhook, signature(queued.secret or webhook.secret, body))
        status = await self._attempt(session, webhook, headers["X-WC-Webhook-Delivery-ID"], headers, body)
        if status is not None and 200 <= status < 303:
            webhook.failure_count = 0
        elif webhook.failure_count > FAILURES:
            webhook.status = "disabled"
        else:
            webhook.failure_count += 1

    def _body(self, event: Event) -> object:
        """What the thing is now, not what it was at the event; of what is gone, its id alone."""
        resource, _, what = event.topic.partition(".")
        order, product = self.shop.orders.get(event.subject), self.shop.products.get(event.subject)
        if what != "deleted" and resource == "order" and order is not None:
            return order_body(self.shop, order, self.url)
        if what != "deleted" and resource == "product" and product is not None:
            return product_body(product, self.url)
        return {"id": event.subject}

    def _headers(self, webhook: Webhook, signed: str) -> dict[str, str]:
        resource, _, event = webhook.topic.partition(".")
        instant = f"{webhook.id}{int(self.shop.now().timestamp())}"
        return {
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": f"{self.url}/",
            "X-WC-Webhook-Topic": webhook.topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": signed,
            "X-WC-Webhook-ID": str(webhook.id),
            "X-WC-Webhook-Delivery-ID": hashlib.md5(instant.encode(), usedforsecurity=False).hexdigest(),
        }

    async def _attempt(
        self, session: aiohttp.ClientSession, webhook: Webhook, delivery_id: str, headers: dict[str, str], body: bytes
    ) -> int | None:
        status: int | None = None
        try:
            async with session.post(
                webhook.delivery_url, data=body, headers=headers, allow_redirects=False
            ) as response:
                await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError):
            status = None
        self.sent.append(Sent(topic=webhook.topic, delivery_id=delivery_id, status=status, headers=headers, body=body))
        return status
