"""The control server: HTTP over a unix socket that only its group can open; whoever connects is known by uid."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import anyio
import structlog
from aiohttp import web
from anyio.abc import TaskStatus

from syncd.control import channels, conflicts, deliveries, imports, ledger, listings, orders, overview, stock, why
from syncd.control.answers import CONTEXT, Problem, failure, problem_of
from syncd.control.context import ControlContext
from syncd.control.stream import HUB, Hub, stream
from syncd.domain.errors import SyncdError

log = structlog.get_logger(__name__)

SOCKET_UMASK: Final = 0o117
SHUTDOWN_SECONDS: Final = 2.0
BACKLOG: Final = 128

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SocketTaken(SyncdError):
    """Another daemon answers on this control socket."""


async def serve_control(
    context: ControlContext, path: Path, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Serve until cancelled.

    Raises SocketTaken while another daemon holds the socket; its own is left alone then.
    """
    with claimed(path), listening(path) as sock:
        hub = Hub(context)
        app = make_app(context, hub)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.SockSite(runner, sock, backlog=BACKLOG).start()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hub.run)
                task_status.started()
        finally:
            hub.close()
            with anyio.move_on_after(2 * SHUTDOWN_SECONDS + 1, shield=True):
                await runner.cleanup()


def make_app(context: ControlContext, hub: Hub) -> web.Application:
    app = web.Application(middlewares=[_guarded])
    app[CONTEXT] = context
    app[HUB] = hub
    imports.prepare(app)
    for subject in (overview, channels, stock, imports, listings, orders, conflicts, deliveries, ledger, why):
        app.add_routes(subject.ROUTES)
    app.add_routes([web.get("/v1/events", stream)])

    async def say_goodbye(_: web.Application) -> None:
        hub.close()

    app.on_shutdown.append(say_goodbye)
    return app


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every request: no web page's, and its failure told in one form."""
    if "Origin" in request.headers or "Referer" in request.headers:
        return failure(Problem("forbidden", "the control socket does not answer web pages"))
    try:
        return await handler(request)
    except web.HTTPException as error:
        code = "not_found" if error.status == 404 else "usage"
        return failure(Problem(code, f"{request.method} {request.path}: {error.reason}"))
    except Exception as error:
        problem = problem_of(error)
        if problem.code == "internal":
            log.exception("control.failed", path=request.path)
        return failure(problem)


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the lock beside the socket: a second daemon would take over a live socket without a word."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise SocketTaken(f"another syncd daemon answers on {path}; stop it first, or use another socket") from None
        yield
    finally:
        os.close(lock)


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A listening socket at the path, never open to more than owner and group; what an earlier run left is replaced."""
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(SOCKET_UMASK)
        try:
            sock.bind(os.fspath(path))
        finally:
            os.umask(before)
        sock.setblocking(False)
        yield sock
    finally:
        sock.close()
        _clear(path)


def _clear(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SyncdError(f"{path} is in the way of the control socket and is not a socket; move it away")
        path.unlink()
    except FileNotFoundError:
        return
