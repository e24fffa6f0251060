"""The socket itself: its mode, its lock, and what lies in its way."""

import os
import socket
import stat
from pathlib import Path

import pytest

from syncd.control.server import SocketTaken, claimed, listening
from syncd.domain.errors import SyncdError


def test_only_owner_and_group_may_open_it_and_it_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    before = os.umask(0o022)
    os.umask(before)

    with listening(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660

    assert not path.exists()
    assert os.umask(before) == before


def test_a_socket_left_by_a_daemon_that_died_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with listening(path) as alive, socket.socket(socket.AF_UNIX) as client:
        alive.listen()
        client.connect(str(path))


def test_what_is_not_a_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")

    with pytest.raises(SyncdError, match="not a socket"), listening(path):
        pass

    assert path.read_text() == "precious"


def test_a_second_daemon_cannot_claim_it_until_the_first_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"

    with claimed(path), pytest.raises(SocketTaken, match="another syncd daemon"), claimed(path):
        pass

    with claimed(path):
        pass
