"""The other end of the control socket: what the command line and the terminal screens are made of.

Imports nothing of the daemon, so that a short command starts quickly and needs no right but that to the socket.
"""

import http.client
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

ANSWER_SECONDS: Final = 60.0
_ERROR: Final = b'{"error":'
_PIECE: Final = 1 << 16

Query = Mapping[str, str | int | bool | None]


class Unreachable(Exception):
    """No daemon answers on the socket."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class NotPermitted(Unreachable):
    """The socket is there, and not for us."""


class Refusal(Exception):
    """The daemon answered that it will not, or cannot; `code` is one of the few that scripts may rely on."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("syncd", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """One connection, used for one request after the other."""

    def __init__(self, path: Path, *, timeout_seconds: float = ANSWER_SECONDS) -> None:
        self.path = path
        self._connection = _Connection(path, timeout_seconds)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str, query: Query | None = None) -> dict[str, Any]:
        return self._document(self._ask("GET", path, query))

    def post(self, path: str, document: Mapping[str, Any], query: Query | None = None) -> dict[str, Any]:
        return self._document(self._ask("POST", path, query, orjson.dumps(dict(document))))

    def lines(self, path: str, query: Query | None = None) -> Iterator[bytes]:
        """The lines of a list as they come, each with its line end."""
        return self._lines(self._ask("GET", path, query))

    def rows(self, path: str, query: Query | None = None) -> Iterator[dict[str, Any]]:
        """The same as documents."""
        return (orjson.loads(line) for line in self.lines(path, query))

    def long_work(
        self, path: str, query: Query | None = None, upload: Iterable[bytes] | None = None
    ) -> Iterator[dict[str, Any]]:
        """POST something that takes its time: documents with `progress`, `row` or `change`, then one with `result`."""
        return (orjson.loads(line) for line in self._lines(self._ask("POST", path, query, upload or b"{}")))

    def _ask(
        self, method: str, path: str, query: Query | None, body: bytes | Iterable[bytes] | None = None
    ) -> http.client.HTTPResponse:
        given = {name: _plain(value) for name, value in (query or {}).items() if value is not None}
        target = quote(path) + ("?" + urlencode(given) if given else "")
        try:
            try:
                self._connection.request(method, target, body, encode_chunked=not isinstance(body, bytes | None))
            except (BrokenPipeError, ConnectionResetError):
                if self._connection.sock is None:
                    raise  # it was never connected; else the daemon has answered before the upload was through
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        if response.status >= http.client.BAD_REQUEST:
            raise _refusal(self._read(response))
        return response

    def _lines(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        rest = b""
        while piece := self._piece(response):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                if line.startswith(_ERROR):
                    raise _refusal(line)
                yield line + b"\n"

    def _piece(self, response: http.client.HTTPResponse) -> bytes:
        """What there is by now; empty at the end. An answer that is cut off raises."""
        try:
            return response.read1(_PIECE)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _document(self, response: http.client.HTTPResponse) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(self._read(response))
        return document

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Unreachable:
        match error:
            case FileNotFoundError():
                return Unreachable(
                    f"no daemon answers: there is no socket {self.path}",
                    "start it with `syncd run`, or name its configuration with --config FILE",
                )
            case PermissionError():
                return NotPermitted(
                    f"{self.path} may not be opened by this user", "join the group that owns the socket, or use sudo"
                )
            case ConnectionRefusedError():
                return Unreachable(
                    f"no daemon answers on {self.path}; the socket is left over from one that died",
                    "start it again with `syncd run`, or `systemctl start syncd`",
                )
            case TimeoutError():
                return Unreachable(f"the daemon on {self.path} does not answer in time", "its log may say why")
            case _:
                return Unreachable(
                    f"the daemon on {self.path} went away in the middle of its answer ({type(error).__name__})",
                    "try again; it may be restarting",
                )


def _plain(value: str | int | bool | None) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _refusal(body: bytes) -> Refusal:
    try:
        error = orjson.loads(body)["error"]
        return Refusal(error["code"], error["message"], error.get("hint", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Refusal("internal", "the daemon's answer cannot be read", "does another program listen on the socket?")
