"""Opens the control socket for a verb, and says what it means when the daemon does not answer or does not agree."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from syncd.cli.exits import INTERNAL, NOT_PERMITTED, OF_CODE, UNREACHABLE, Stop
from syncd.cli.place import control_socket

if TYPE_CHECKING:
    from syncd.control.client import Client


@contextmanager
def reach(config: Path | None, socket: Path | None, *, timeout_seconds: float | None = None) -> Iterator["Client"]:
    """A client of the daemon that runs on this configuration. Raises Stop with the words and the exit status."""
    from syncd.control.client import ANSWER_SECONDS, Client, NotPermitted, Refusal, Unreachable

    path = control_socket(config, socket, os.environ)
    try:
        with Client(path, timeout_seconds=timeout_seconds or ANSWER_SECONDS) as client:
            yield client
    except NotPermitted as error:
        raise Stop(NOT_PERMITTED, *_words(str(error), error.hint)) from None
    except Unreachable as error:
        raise Stop(UNREACHABLE, *_words(str(error), error.hint)) from None
    except Refusal as error:
        raise Stop(OF_CODE.get(error.code, INTERNAL), *_words(str(error), error.hint)) from None


def _words(message: str, hint: str) -> list[str]:
    return [f"syncd: {message}", *([hint] if hint else [])]
