"""PostgreSQL processes of an earlier life that still hold the data directory."""

import os
import signal
from pathlib import Path

import anyio
import structlog

log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS = 10.0
"""For a living postmaster to write out its buffers, which saves the next one the recovery."""
BACKENDS_SECONDS = 2.0


async def clear_leftovers(data: Path) -> None:
    """Return when no PostgreSQL process is left in the data directory and `postmaster.pid` cannot mislead a new one.

    A daemon that was killed leaves a postmaster; a postmaster that was killed leaves backends that hold the shared
    memory until they notice. Both are asked, then told, then killed. The caller holds the lock of the state
    directory, so whatever runs here has no living owner.
    """
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        pids = postgres_processes(data)
        if not pids:
            break
        postmaster = recorded_postmaster(data)
        targets = [postmaster] if postmaster in pids and sign != signal.SIGKILL else sorted(pids)
        log.warning("postgres.orphan_signalled", pids=targets, signal=sign.name)
        for pid in targets:
            _signal(pid, sign)
        lives = postmaster in pids and sign == signal.SIGINT
        with anyio.move_on_after(SHUTDOWN_SECONDS if lives else BACKENDS_SECONDS):
            while postgres_processes(data):  # noqa: ASYNC110 - another process's end makes no event here
                await anyio.sleep(0.02)
    _drop_misleading_pid_file(data)


def postgres_processes(data: Path) -> set[int]:
    """Processes named `postgres` that stand in this data directory, as every PostgreSQL process does."""
    here = os.path.realpath(data)
    return {int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _is_postgres_in(int(entry), here)}


def recorded_postmaster(data: Path) -> int | None:
    """The pid in `postmaster.pid`, alive or not."""
    try:
        first_line = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        return abs(int(first_line))  # a stand-alone backend writes its pid negated
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _is_postgres_in(pid: int, here: str) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
            return comm.read().strip() == "postgres" and os.readlink(f"/proc/{pid}/cwd") == here
    except OSError:
        return False  # gone meanwhile, or another user's


def _signal(pid: int, sign: signal.Signals) -> None:
    """A signal held back from a stopped process arrives with SIGCONT, so a frozen orphan is woken too."""
    try:
        os.kill(pid, sign)
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def _drop_misleading_pid_file(data: Path) -> None:
    """Remove a `postmaster.pid` whose pid now belongs to some other program.

    PostgreSQL takes any living process with that pid for a server, and pids are given out again quickly in a
    container. It is safe only here: no PostgreSQL process stands in the directory and nobody else may start one.
    A file whose pid is dead stays, since PostgreSQL reads from it which shared memory to check.
    """
    pid = recorded_postmaster(data)
    if pid is None or postgres_processes(data) or not os.path.exists(f"/proc/{pid}"):
        return
    log.warning("postgres.pid_file_removed", pid=pid, reason="the pid belongs to another program now")
    (data / "postmaster.pid").unlink(missing_ok=True)
