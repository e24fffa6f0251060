"""systemd hears what it is told, on a path or an abstract socket, and its absence hurts nobody."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.observe.notify import Notifier

SAID: list[tuple[Callable[[Notifier], bool], str]] = [
    (lambda notifier: notifier.ready("4/5 channels up"), "READY=1\nSTATUS=4/5 channels up"),
    (lambda notifier: notifier.ready(), "READY=1"),
    (lambda notifier: notifier.stopping("draining"), "STOPPING=1\nSTATUS=draining"),
    (lambda notifier: notifier.status("one\nREADY=1"), "STATUS=one READY=1"),
    (lambda notifier: notifier.watchdog(), "WATCHDOG=1"),
    (lambda notifier: notifier.extend_timeout(2.5), "EXTEND_TIMEOUT_USEC=2500000"),
]


@pytest.mark.parametrize("abstract", [False, True])
def test_each_message_is_one_datagram(tmp_path: Path, abstract: bool) -> None:
    name = f"@{tmp_path}/notify" if abstract else f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        notifier = Notifier({"NOTIFY_SOCKET": name})

        for say, expected in SAID:
            assert say(notifier)
            assert manager.recv(4096).decode() == expected

        assert notifier.reloading()
        reloading, monotonic = manager.recv(4096).decode().split("\n")
        assert reloading == "RELOADING=1"
        assert int(monotonic.removeprefix("MONOTONIC_USEC=")) > 0


def test_without_a_manager_nothing_is_sent_and_nothing_raised(tmp_path: Path) -> None:
    assert not Notifier({}).ready()
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert not Notifier({"NOTIFY_SOCKET": "/" + "x" * 200}).ready()


def test_a_manager_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{tmp_path}/notify")
        notifier = Notifier({"NOTIFY_SOCKET": f"{tmp_path}/notify"})

        assert not all(notifier.watchdog() for _ in range(10_000))


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_for_the_process_it_names(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environ).watchdog_seconds == seconds
