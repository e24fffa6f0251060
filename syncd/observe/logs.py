"""Log lines on stderr: JSON for machines, with a priority for the journal, and plain text on a terminal."""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import orjson
import structlog
from pydantic import SecretBytes, SecretStr

REDACTED: Final = "[redacted]"
PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_SECRET_KEY: Final = re.compile(
    r"(^|_)(authorization|cookie|password|passwd|secrets?|signature|hmac|(access|api|auth|refresh)_?(token|key)|token)$",
    re.IGNORECASE,
)
_URL_PASSWORD: Final = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^/\s:@]*):[^/\s@]+@", re.IGNORECASE)
_BEARER: Final = re.compile(r"\b(?P<scheme>Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)

Event = MutableMapping[str, Any]


def configure_logs(
    *, environ: Mapping[str, str], level: str = "info", stream: TextIO | None = None, cache: bool = True
) -> None:
    """Send every log line of the program, of its libraries and of Python's warnings to stderr.

    A line that cannot be written is dropped: a full disk or a closed terminal must not stop the daemon. Tests that
    capture logs switch `cache` off, since a cached logger no longer sees a new configuration.
    """
    stream = sys.stderr if stream is None else stream
    renderers = _for_people(environ) if stream.isatty() else _for_machines(environ, stream)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            redact,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=cache,
    )
    root = logging.getLogger()
    root.handlers = [_FromLibraries()]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)


def redact(_: object, __: str, event: Event) -> Event:
    """Take out what looks like a secret, by the name of its field and by its form inside a text."""
    return {key: REDACTED if _SECRET_KEY.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    match value:
        case str():
            return _BEARER.sub(rf"\g<scheme> {REDACTED}", _URL_PASSWORD.sub(rf"\g<before>:{REDACTED}@", value))
        case SecretStr() | SecretBytes():
            return REDACTED
        case Mapping():
            return {
                str(key): REDACTED if _SECRET_KEY.search(str(key)) else _clean(inner) for key, inner in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_clean(inner) for inner in value]
        case _:
            return value


def _for_people(environ: Mapping[str, str]) -> list[structlog.typing.Processor]:
    return [structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in environ, timestamp_key="time")]


def _for_machines(environ: Mapping[str, str], stream: TextIO) -> list[structlog.typing.Processor]:
    if goes_to_journal(environ, stream):
        return [lambda _, __, event: f"<{PRIORITIES.get(event['level'], 6)}>{as_json(event)}"]
    return [lambda _, __, event: as_json(event)]


def goes_to_journal(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether the stream is the one that systemd connected: `JOURNAL_STREAM` names its device and inode.

    The variable is inherited by children whose stderr goes elsewhere (systemd.exec(5)).
    """
    named = environ.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def as_json(event: Mapping[str, Any]) -> str:
    """One line; the time, the level and the event come first."""
    ordered = {key: event[key] for key in ("time", "level", "event") if key in event} | dict(event)
    try:
        return orjson.dumps(ordered, default=str).decode()
    except TypeError:  # an integer beyond 64 bits, or text that is not Unicode: orjson takes neither
        return json.dumps(ordered, default=str)


class _Lines:
    """The logger at the end of the chain: one text, one line, one write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            pass

    debug = info = warning = error = critical = exception = log = msg


class _FromLibraries(logging.Handler):
    """Takes over what aiohttp, asyncio and Python's warnings log."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, "library.logged", logger=record.name, text=record.getMessage(), exc_info=record.exc_info
        )
