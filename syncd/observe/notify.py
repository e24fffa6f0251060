"""Tells systemd how we are: one datagram a message (sd_notify(3)). Without `NOTIFY_SOCKET` nothing is sent."""

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

MICROSECONDS: Final = 1_000_000


class Notifier:
    """Nothing here raises or waits: a service manager that does not listen is no reason to stop."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._address = environ.get("NOTIFY_SOCKET", "")

    @property
    def watchdog_seconds(self) -> float | None:
        """How often systemd wants to hear from us at the least; ping in half that time. None: it does not watch."""
        pid = self._environ.get("WATCHDOG_PID", "")
        interval = self._environ.get("WATCHDOG_USEC", "")
        if not interval.isdigit() or int(interval) == 0 or (pid and pid != str(os.getpid())):
            return None
        return int(interval) / MICROSECONDS

    def ready(self, status: str = "") -> bool:
        return self._send("READY=1", *_status(status))

    def reloading(self) -> bool:
        """To be followed by `ready`; systemd 253 and later insist on the time in the same message."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> bool:
        return self._send("STOPPING=1", *_status(status))

    def status(self, status: str) -> bool:
        return self._send(*_status(status))

    def watchdog(self) -> bool:
        """Only from the progress of real work, never from a timer of its own."""
        return self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> bool:
        """Ask for so much more time, from now on, to start, stop or reload."""
        return self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * MICROSECONDS)}")

    def _send(self, *assignments: str) -> bool:
        """Whether the message left."""
        if not self._address or not assignments:
            return False
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(assignments).encode(), address)
        except OSError:
            return False
        return True


def _status(text: str) -> tuple[str, ...]:
    """One line; a line break would begin another assignment."""
    return (f"STATUS={' '.join(text.split())}",) if text.strip() else ()
