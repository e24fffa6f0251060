"""What the outside may call: webhooks, health, metrics."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from aiohttp import web
from anyio.abc import TaskStatus
from prometheus_client import Counter

from syncd.actors.desk import Desk
from syncd.actors.raw import RawWriter
from syncd.config.model import ListenerTable
from syncd.domain.errors import BadSignature, Retry, Unverifiable
from syncd.domain.ids import ChannelId
from syncd.observe.metrics import CONTENT_TYPE, Metrics
from syncd.ports import Channel, Delivery, Now
from syncd.storage.inbox import Arrival

log = structlog.get_logger(__name__)

READ_SECONDS: Final = 10.0
"""A sender that has not delivered its body by then is hung up on."""
KEEP_ALIVE_SECONDS: Final = 75.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Listener:
    settings: ListenerTable
    channels: Mapping[ChannelId, Channel]
    desks: Mapping[ChannelId, Desk]
    raw: RawWriter
    metrics: Metrics
    now: Now
    ready: Callable[[], bool]
    address: str = ""
    """Where it listens, once it does."""
    _counters: dict[tuple[ChannelId, str, str], Counter] = field(default_factory=dict)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=self.settings.max_body)
        app.router.add_post("/hooks/{channel}", self.hook)
        app.router.add_get("/hooks/{channel}", self.not_here)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.exposition)
        return app

    async def run(self, *, task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; reports the address it listens on, whose port may have been 0."""
        runner = web.AppRunner(
            self.application(), access_log=None, shutdown_timeout=2.0, keepalive_timeout=KEEP_ALIVE_SECONDS
        )
        await runner.setup()
        try:
            site: web.BaseSite
            if self.settings.socket is not None:
                self.settings.socket.unlink(missing_ok=True)
                site = web.UnixSite(runner, str(self.settings.socket))
                await site.start()
                self.address = f"unix:{self.settings.socket}"
            else:
                site = web.TCPSite(runner, self.settings.host, self.settings.port, backlog=1024)
                await site.start()
                host, port = runner.addresses[0][:2]
                self.address = f"http://{host}:{port}"
            task_status.started(self.address)
            await anyio.sleep_forever()
        finally:
            with anyio.move_on_after(5, shield=True):
                await runner.cleanup()

    async def hook(self, request: web.Request) -> web.Response:
        """200 once the raw bytes are on disk; what they say is looked at afterwards."""
        channel_id = ChannelId(request.match_info["channel"])
        channel = self.channels.get(channel_id)
        if channel is None:
            return _refuse(404, "unknown_channel", f"there is no channel {channel_id}")
        try:
            body = await _body(request)
        except web.HTTPRequestEntityTooLarge:
            return self._refused(channel_id, 413, "too_large", f"a body may have {self.settings.max_body} bytes")
        except TimeoutError:
            return self._refused(channel_id, 408, "too_slow", f"the body did not come within {READ_SECONDS:g} s")
        try:
            delivery = channel.verify(request.headers, body)
        except BadSignature as error:
            return self._refused(channel_id, 401, "bad_signature", str(error))
        except Unverifiable as error:
            return self._refused(channel_id, 400, "unverifiable", str(error))
        if delivery is None:
            self._count(channel_id, "ping", "")
            return web.Response(status=200)
        if not _is_text(delivery):
            return self._refused(channel_id, 400, "unverifiable", "a header that names the delivery is no text")
        arrival = Arrival(
            channel=channel_id,
            key=delivery.key,
            event_id=delivery.event_id,
            topic=delivery.topic,
            headers=delivery.headers,
            body=body,
            received_at=self.now(),
        )
        try:
            stored = await self.raw.persist([arrival])
        except Retry as error:
            self._count(channel_id, "unavailable", delivery.topic)
            return _refuse(503, "unavailable", str(error), retry_after_seconds=error.after_seconds or 2)
        self._count(channel_id, "stored" if stored[0] else "repeated", delivery.topic)
        return web.Response(status=200)

    async def not_here(self, request: web.Request) -> web.Response:
        return _refuse(405, "method_not_allowed", "deliveries are posted")

    async def healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        ready = self.ready()
        return web.Response(status=200 if ready else 503, text="ready\n" if ready else "not ready\n")

    async def exposition(self, request: web.Request) -> web.Response:
        return web.Response(body=self.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    def _refused(self, channel: ChannelId, status: int, code: str, message: str) -> web.Response:
        """Refused deliveries leave nothing behind but a counter and a line in the log."""
        self._count(channel, code, "")
        log.info("webhook.refused", channel=channel, why=code)
        return _refuse(status, code, message)

    def _count(self, channel: ChannelId, result: str, topic: str) -> None:
        counter = self._counters.get((channel, topic, result))
        if counter is None:
            counter = self.metrics.webhooks_received_total.labels(channel, topic, result)
            self._counters[channel, topic, result] = counter
        counter.inc()


def _is_text(delivery: Delivery) -> bool:
    """Header bytes that are no UTF-8 arrive as lone surrogates, which no database stores."""
    try:
        "".join((delivery.key, delivery.event_id, delivery.topic, *delivery.headers.values())).encode()
    except UnicodeEncodeError:
        return False
    return True


async def _body(request: web.Request) -> bytes:
    """A body that came together with its head is not waited for, and needs no clock.

    Raises TimeoutError when the sender is too slow.
    """
    if request.content.is_eof():
        return await request.read()
    with anyio.fail_after(READ_SECONDS):
        return await request.read()


def _refuse(status: int, code: str, message: str, *, retry_after_seconds: float | None = None) -> web.Response:
    headers = {"Retry-After": str(max(1, round(retry_after_seconds)))} if retry_after_seconds is not None else {}
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)
