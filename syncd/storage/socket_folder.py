"""A private folder for PostgreSQL's unix socket whose path is short enough for the kernel."""

import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from syncd.storage.errors import PostgresUnusable

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_PATH = 107  # sockaddr_un holds 108 bytes with the closing NUL


def private_socket_folder(state_dir: Path, *, uid: int, gid: int) -> Path:
    """Make, or take again, the folder (mode 0700, owned by `uid`) that belongs to this state directory.

    It lies in the state directory where that is short enough and holds sockets; else in the run-time directory of
    the service or the user; else under /tmp. A folder of that name that somebody else owns is never used: whoever
    made it could answer in the place of the database. Whatever an earlier server left in it is removed, so the
    caller must hold the lock of the state directory.

    Raises PostgresUnusable naming what is wrong with each place.
    """
    refused: list[str] = []
    for folder in _candidates(state_dir):
        reason = _prepare(folder, uid=uid, gid=gid)
        if reason is None:
            return folder
        refused.append(f"{folder}: {reason}")
    raise PostgresUnusable("no place for the database's socket: " + "; ".join(refused))


def _candidates(state_dir: Path) -> Iterator[Path]:
    yield state_dir / "postgres-socket"
    name = "syncd-" + hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        base = os.environ.get(variable, "").partition(":")[0]
        if base and Path(base).is_dir():
            yield Path(base) / name
    yield Path(tempfile.gettempdir()) / name
    yield Path("/tmp") / name  # noqa: S108 - the folder's owner and mode are checked before it is used


def _prepare(folder: Path, *, uid: int, gid: int) -> str | None:
    """Why the folder cannot be used, or None when it is ready."""
    if len(os.fsencode(folder / SOCKET_NAME)) > LONGEST_SOCKET_PATH:
        return "its path is too long for a socket"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            return "it is not a folder"
        if found.st_uid not in (uid, os.geteuid()):
            return f"it belongs to uid {found.st_uid}"
        if os.geteuid() == 0:
            os.chown(folder, uid, gid, follow_symlinks=False)
        folder.chmod(0o700)
        for leftover in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
            (folder / leftover).unlink(missing_ok=True)
        _prove_that_sockets_work(folder / SOCKET_NAME)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _prove_that_sockets_work(path: Path) -> None:
    """Some shared and network file systems take files but no sockets."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.bind(os.fspath(path))
    path.unlink()
