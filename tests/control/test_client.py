"""What a client makes of a daemon that is gone, frozen, or breaks off."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syncd.control.client import Client, Refusal, Unreachable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[Client]:
    """A server that reads one request and answers with these bytes, then closes."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with Client(path, timeout_seconds=10) as client:
            yield client
        thread.join()


def test_lines_come_whole_however_they_were_cut(tmp_path: Path) -> None:
    answer = HEAD + chunk(b'{"a":1}\n{"a"') + chunk(b":2}\n") + chunk(b"") + b"\r\n"

    with answering(tmp_path / "s", answer) as client:
        assert list(client.lines("/v1/stock")) == [b'{"a":1}\n', b'{"a":2}\n']


def test_a_list_that_is_cut_off_is_never_taken_for_a_whole_one(tmp_path: Path) -> None:
    with answering(tmp_path / "s", HEAD + chunk(b'{"a":1}\n')) as client:
        lines = client.lines("/v1/stock")

        assert next(lines) == b'{"a":1}\n'
        with pytest.raises(Unreachable, match="went away in the middle"):
            next(lines)


def test_an_error_in_the_last_line_ends_the_list(tmp_path: Path) -> None:
    error = b'{"error":{"code":"try_later","message":"the database is away","hint":"wait"}}\n'

    with answering(tmp_path / "s", HEAD + chunk(b'{"a":1}\n' + error) + chunk(b"")) as client:
        lines = client.lines("/v1/stock")

        assert next(lines) == b'{"a":1}\n'
        with pytest.raises(Refusal, match="the database is away") as refusal:
            next(lines)
    assert (refusal.value.code, refusal.value.hint) == ("try_later", "wait")


def test_an_answer_that_is_not_ours_is_an_internal_error(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"

    with answering(tmp_path / "s", answer) as client, pytest.raises(Refusal) as refusal:
        client.get("/v1/status")

    assert refusal.value.code == "internal"


def test_without_a_socket_it_says_how_to_start_a_daemon(tmp_path: Path) -> None:
    with Client(tmp_path / "none.sock") as client, pytest.raises(Unreachable, match="there is no socket") as gone:
        client.get("/v1/status")

    assert "syncd run" in gone.value.hint


def test_a_socket_left_over_from_a_daemon_that_died_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with Client(path) as client, pytest.raises(Unreachable, match="left over from one that died"):
        client.get("/v1/status")


def test_a_daemon_that_is_frozen_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(path))
        frozen.listen()

        with Client(path, timeout_seconds=0.05) as client, pytest.raises(Unreachable, match="does not answer in time"):
            client.get("/v1/status")
