"""How the control API answers: JSON, lists as a line a row, and errors that say what to do."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import anyio
import orjson
import structlog
from aiohttp import web

from syncd.control.context import ControlContext
from syncd.domain.errors import AuthFailed, InvalidChange, NotFound, OutcomeUnknown, Retry
from syncd.domain.ids import Instant
from syncd.domain.orders import FOREVER
from syncd.storage.pool import Trouble, trouble

log = structlog.get_logger(__name__)

T = TypeVar("T")

CONTEXT: Final = web.AppKey("context", ControlContext)
NDJSON: Final = "application/x-ndjson"
HEARTBEAT_SECONDS: Final = 1.0
_STATUS: Final = {
    "usage": 400,
    "forbidden": 403,
    "not_found": 404,
    "refused": 409,
    "internal": 500,
    "try_later": 503,
}


class Problem(Exception):
    """Ends a request with an error that a person can act on."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    @property
    def status(self) -> int:
        return _STATUS[self.code]

    @property
    def document(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


def dumps(value: object) -> bytes:
    """Times as ISO 8601 with Z."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: object) -> object:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):  # beyond 64 bits
        return str(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def as_time(instant: Instant | None) -> datetime | None:
    """An instant as a time; None where there is none, or none that a calendar knows."""
    if instant is None or not 0 <= instant < 253_402_300_800_000 or instant >= FOREVER:
        return None
    return datetime.fromtimestamp(instant / 1000, UTC)


def answer(document: object, *, status: int = 200) -> web.Response:
    return web.Response(body=dumps(document) + b"\n", status=status, content_type="application/json")


def failure(problem: Problem) -> web.Response:
    return answer(problem.document, status=problem.status)


def problem_of(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case NotFound():
            return Problem("not_found", str(error))
        case InvalidChange():
            return Problem("refused", str(error))
        case AuthFailed():
            return Problem("refused", str(error), "the channel does not accept its credentials any more")
        case Retry() | OutcomeUnknown():
            return Problem("try_later", str(error), "try again in a moment; `syncd status` shows what is wrong")
    if trouble(error) in (Trouble.LOST, Trouble.AGAIN, Trouble.DISK):
        return Problem("try_later", "the database cannot be reached", "the daemon goes on as soon as it is back")
    return Problem("internal", f"{type(error).__name__}: {error}", "the daemon's log says more")


class Lines:
    """A list on its way to the client, a document a line."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response = web.StreamResponse(headers={"Content-Type": NDJSON})
        self.begun = False

    async def send(self, documents: Iterable[object]) -> None:
        if not self.begun:
            self.begun = True
            await self._response.prepare(self._request)
        chunk = b"".join(dumps(document) + b"\n" for document in documents)
        if chunk:
            await self._response.write(chunk)

    async def end(self) -> web.StreamResponse:
        await self.send(())
        await self._response.write_eof()
        return self._response


async def streamed(request: web.Request, produce: Callable[[Lines], Awaitable[None]]) -> web.StreamResponse:
    """Answer with lines; what fails after the first of them becomes the last one."""
    lines = Lines(request)
    try:
        await produce(lines)
    except ConnectionError:
        log.debug("control.client_gone", path=request.path)
        raise
    except Exception as error:
        if not lines.begun:
            raise
        problem = problem_of(error)
        if problem.code == "internal":
            log.exception("control.failed", path=request.path)
        await lines.send([problem.document])
    return await lines.end()


async def listed(request: web.Request, pages: AsyncIterator[Iterable[Mapping[str, Any]]]) -> web.StreamResponse:
    """Answer with a list; a page at a time is in memory."""

    async def produce(lines: Lines) -> None:
        async for page in pages:
            await lines.send(page)

    return await streamed(request, produce)


async def with_patience(lines: Lines, what: str, work: Awaitable[T]) -> T:
    """Await something long, with a line a second that says so; goes on when the client has gone away."""
    done = anyio.Event()

    async def beat() -> None:
        while not done.is_set():
            with anyio.move_on_after(HEARTBEAT_SECONDS):
                await done.wait()
                return
            try:
                await lines.send([{"progress": {"what": what}}])
            except ConnectionError:
                return

    outcome: list[T | Exception] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(beat)
        try:
            outcome.append(await work)
        except Exception as error:  # noqa: BLE001  # raised again below, outside of the group
            outcome.append(error)
        done.set()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


async def body_of(request: web.Request) -> Mapping[str, Any]:
    """The request's JSON object."""
    try:
        document = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError as error:
        raise Problem("usage", f"the request is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Problem("usage", "the request has to be a JSON object")
    return document


def text_in(document: Mapping[str, Any], name: str, *, optional: bool = False) -> str:
    value = document.get(name)
    if value is None and optional:
        return ""
    if not isinstance(value, str) or not (value or optional):
        raise Problem("usage", f"{name} has to be text")
    return value


def whole_in(document: Mapping[str, Any], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Problem("usage", f"{name} has to be a whole number")
    return value


def flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") in ("1", "true", "yes")


def limit_of(request: web.Request) -> int | None:
    """`limit` of the query; None where there is none."""
    given = request.query.get("limit")
    if given is None:
        return None
    if not given.isascii() or not given.isdecimal() or len(given) > 9:
        raise Problem("usage", "limit has to be a whole number")
    return int(given)
