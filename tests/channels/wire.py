"""Between a channel and its shop: a proxy that can do anything to a call, and a tap on the shop's webhooks."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import aiohttp
import anyio
from aiohttp import web

UNTOLD = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "content-encoding"}


class Step(StrEnum):
    """What a call is for."""

    ORDERS = "orders"
    LEVELS = "levels"
    CATALOGUE = "catalogue"
    WRITE = "write"
    OTHER = "other"


class Fault(StrEnum):
    TOO_MANY = "429"
    TOO_MANY_LATER = "429 with a delay named"
    UNAVAILABLE = "503"
    UNAVAILABLE_LATER = "503 with a delay named"
    BROKEN = "500"
    BROKEN_AFTER_EFFECT = "500 after the effect"
    CUT = "cut before the effect"
    CUT_AFTER_EFFECT = "cut after the effect"
    SILENT_AFTER_EFFECT = "no answer after the effect"
    LANDS_LATE = "cut, and the effect comes later"


LATER_SECONDS = 1
LATE_SECONDS = 0.5
_STATUS = {
    Fault.TOO_MANY: 429,
    Fault.TOO_MANY_LATER: 429,
    Fault.UNAVAILABLE: 503,
    Fault.UNAVAILABLE_LATER: 503,
    Fault.BROKEN: 500,
}

StepOf = Callable[[str, str, bytes], Step]
Hook = Callable[[], Awaitable[None] | None]


@dataclass
class Wire:
    """`before` and `after` hold what is done, once, when the next call of a step comes in or has had its effect."""

    upstream: str
    step_of: StepOf
    url: str = ""
    before: dict[Step, Hook] = field(default_factory=dict)
    after: dict[Step, Hook] = field(default_factory=dict)
    watch: Callable[[str, Step], None] | None = None
    """Told of every call that goes through, right `before` and right `after` the shop deals with it."""
    rewrite: Callable[[Step, bytes], bytes] | None = None
    script: list[tuple[Step, Fault]] = field(default_factory=list)
    calls: list[tuple[Step, float]] = field(default_factory=list)
    """Every call that came in, with the loop's time."""

    def count(self, step: Step) -> int:
        return sum(each is step for each, _ in self.calls)

    def fail(self, step: Step, *faults: Fault) -> None:
        self.script += [(step, fault) for fault in faults]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ended = anyio.Event()
        async with (
            aiohttp.ClientSession(auto_decompress=False) as self._session,
            anyio.create_task_group() as self._tasks,
        ):
            try:
                yield
            finally:
                self._ended.set()
                self._tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        step = self.step_of(request.method, request.raw_path, body)
        self.calls.append((step, anyio.current_time()))
        fault = self._fault(step)
        if fault in _STATUS:
            later = {"Retry-After": str(LATER_SECONDS)} if fault.value.endswith("named") else {}
            return web.Response(status=_STATUS[fault], text="busy", headers=later)
        if fault is Fault.CUT:
            return _cut(request)
        if fault is Fault.LANDS_LATE:
            self._tasks.start_soon(self._later, request, body, step)
            return _cut(request)
        status, headers, answer = await self._pass(request, body, step)
        if fault is Fault.BROKEN_AFTER_EFFECT:
            return web.Response(status=500, text="broke")
        if fault is Fault.CUT_AFTER_EFFECT:
            return _cut(request)
        if fault is Fault.SILENT_AFTER_EFFECT:
            with anyio.move_on_after(20):
                await self._ended.wait()
            return _cut(request)
        if self.rewrite is not None:
            answer = self.rewrite(step, answer)
        return web.Response(status=status, headers=headers, body=answer)

    def _fault(self, step: Step) -> Fault | None:
        for place, (on, fault) in enumerate(self.script):
            if on is step:
                del self.script[place]
                return fault
        return None

    async def _later(self, request: web.Request, body: bytes, step: Step) -> None:
        await anyio.sleep(LATE_SECONDS)
        await self._pass(request, body, step)

    async def _pass(self, request: web.Request, body: bytes, step: Step) -> tuple[int, Mapping[str, str], bytes]:
        await _call(self.before, step)
        if self.watch is not None:
            self.watch("before", step)
        answer = await self._forward(request, body)
        if self.watch is not None:
            self.watch("after", step)
        await _call(self.after, step)
        return answer

    async def _forward(self, request: web.Request, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in UNTOLD}
        url = f"{self.upstream}{request.raw_path}"
        async with self._session.request(request.method, url, data=body, headers=headers) as response:
            told = {name: value for name, value in response.headers.items() if name.lower() not in UNTOLD}
            return response.status, told, await response.read()


async def _call(hooks: dict[Step, Hook], step: Step) -> None:
    hook = hooks.pop(step, None)
    done = hook() if hook is not None else None
    if done is not None:
        await done


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


@dataclass(frozen=True)
class Delivery:
    """A webhook as the shop sent it; header names in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass
class Tap:
    """Takes a shop's webhooks, and hands them on only when it is told where to."""

    url: str = ""
    forward_to: str | None = None
    heard: list[Delivery] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with aiohttp.ClientSession() as self._session:
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await runner.cleanup()

    async def hand_on(self, delivery: Delivery, to: str) -> int:
        headers = {name: value for name, value in delivery.headers.items() if name not in UNTOLD}
        async with self._session.post(to, data=delivery.body, headers=headers) as response:
            return response.status

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = Delivery(headers, await request.read())
        self.heard.append(delivery)
        status = 200
        if self.forward_to is not None:
            status = await self.hand_on(delivery, self.forward_to)
        self.answers.append(status)
        return web.Response(status=status)
