"""The shops' servers: one address for each, webhooks on their way, and a record of every call."""

import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio
from aiohttp import web
from anyio.abc import TaskGroup

from syncd.sim.remotes.woocommerce.delivery import DeliverySettings
from syncd.sim.remotes.woocommerce.faults import Faults
from syncd.sim.remotes.woocommerce.shop import Shop
from syncd.sim.remotes.woocommerce.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call as it was answered; status None when the connection was cut. Times are of the monotonic clock."""

    shop: str
    method: str
    path: str
    """Below the API's root, e.g. `products/batch`."""
    query: Mapping[str, str]
    status: int | None
    fault: str | None
    received_at: float
    answered_at: float

    @property
    def is_write(self) -> bool:
        return self.method != "GET" and self.path.endswith("batch")


class WooCommerceServer:
    """Serve the shops while the context is entered; each has an address of its own (`url`).

    `faults` is shared by all shops; give one its own through `site(shop).faults`. With `tls` the shops behave as if
    they were asked over TLS, as they do behind a proxy that ends it: they take Basic authentication.
    """

    def __init__(
        self,
        *,
        shops: Sequence[Shop],
        faults: Faults | None = None,
        delivery: DeliverySettings | None = None,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        tls: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        calls_kept: int = 10_000,
    ) -> None:
        self.faults = faults or Faults(rng=random.Random(0))  # noqa: S311 - repeatable on purpose
        self.calls: deque[ApiCall] = deque(maxlen=calls_kept)
        self._host = host
        self._ports = ports or {}
        self._stack = AsyncExitStack()
        self._called = anyio.Event()
        self._sites = {
            shop.name: Site(
                shop,
                faults=self.faults,
                delivery=delivery or DeliverySettings(),
                tls=tls,
                monotonic=monotonic,
                record=self._record,
            )
            for shop in shops
        }

    @property
    def shops(self) -> list[Shop]:
        return [site.shop for site in self._sites.values()]

    def site(self, shop: Shop) -> Site:
        return self._sites[shop.name]

    def url(self, shop: Shop) -> str:
        """The shop's endpoint, without a path: what a daemon's configuration names."""
        return self._sites[shop.name].url

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        tasks = anyio.create_task_group()
        await tasks.__aenter__()
        self._stack.push_async_exit(_ending(tasks))
        for site in self._sites.values():
            await self._open(site)
            tasks.start_soon(site.webhooks.run)
            site.shop.listeners.append(site.webhooks.accept)
            self._stack.callback(site.shop.listeners.remove, site.webhooks.accept)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)

    async def wait_for_call(self, predicate: Callable[[ApiCall], bool], *, timeout_seconds: float = 10.0) -> ApiCall:
        """The first recorded call, past or to come, that the predicate holds for."""
        with anyio.fail_after(timeout_seconds):
            while True:
                found = next((call for call in self.calls if predicate(call)), None)
                if found is not None:
                    return found
                await self._called.wait()

    async def drained(self, *, timeout_seconds: float = 10.0) -> None:
        """Return once no shop has a webhook left to deliver."""
        for site in self._sites.values():
            await site.webhooks.drained(timeout_seconds=timeout_seconds)

    def _record(self, call: ApiCall) -> None:
        self.calls.append(call)
        self._called.set()
        self._called = anyio.Event()

    async def _open(self, site: Site) -> None:
        runner = web.AppRunner(site.application(), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        listener = web.TCPSite(runner, self._host, self._ports.get(site.shop.name, 0))
        await listener.start()
        port = runner.addresses[0][1]
        site.url = f"http://{self._host}:{port}"


def _ending(tasks: TaskGroup) -> Callable[..., Awaitable[bool]]:
    """Ends the background tasks; an error of the block's own passes by as it is, not inside an exception group."""

    async def end(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        tasks.cancel_scope.cancel()
        if isinstance(error, anyio.get_cancelled_exc_class()):
            return bool(await tasks.__aexit__(kind, error, trace))
        await tasks.__aexit__(None, None, None)
        return False

    return end


async def serve(server: WooCommerceServer, *, started: Callable[[WooCommerceServer], None] | None = None) -> None:
    """Serve until cancelled; `started` is called once the addresses are known."""
    async with server:
        if started is not None:
            started(server)
        await anyio.sleep_forever()
