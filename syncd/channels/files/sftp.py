"""The other side's SFTP server: files are fetched whole into `in`, and taken from `out`.

The library is the extra `sftp` and is imported when the first connection is made.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import anyio

from syncd.channels.files.folder import IN, OUT, SENT, is_meant
from syncd.channels.files.settings import Sftp
from syncd.domain.errors import AuthFailed, Retry

if TYPE_CHECKING:
    from asyncssh import SFTPClient

GOES_WITH: Final = (".sha256",)


@dataclass(slots=True)
class Server:
    settings: Sftp
    root: Path
    stable_seconds: float
    companions: tuple[str, ...]
    """Endings of files that go with another: triggers and checksums."""
    clock: Callable[[], float]
    _seen: dict[str, tuple[int, int, float]] = field(default_factory=dict)

    async def fetch(self, patterns: Iterable[str]) -> int:
        """Bring every file that has stopped changing; returns how many.

        A file that was fetched and could not be moved away there is fetched again, and known by its bytes.
        Raises Retry, AuthFailed.
        """
        if self.settings.fetch is None:
            return 0
        wanted = list(patterns)
        fetched = 0
        async with self._connected() as client:
            for name in await self._whole(client, self.settings.fetch, wanted):
                await self._fetch_one(client, self.settings.fetch, name)
                fetched += 1
        return fetched

    async def deliver(self, *, proving: bool = False) -> int:
        """Put what waits in `out` there, the oldest first, a checksum before its file; each gets its name when it is
        whole. With `proving` the server is called though nothing waits.

        Raises Retry, AuthFailed; what was not delivered waits.
        """
        if self.settings.deliver is None:
            return 0
        found = [path for path in (self.root / OUT).iterdir() if not path.name.startswith(".")]
        waiting = sorted(found, key=lambda path: (path.name.removesuffix(".sha256"), path.suffix != ".sha256"))
        if not waiting and not proving:
            return 0
        async with self._connected() as client:
            for path in waiting:
                target = f"{self.settings.deliver}/{path.name}"
                await client.put(str(path), f"{target}.part")
                await client.posix_rename(f"{target}.part", target)
                path.rename(self.root / SENT / path.name)
        return len(waiting)

    async def check(self) -> None:
        """Prove the credentials and the folders."""
        async with self._connected() as client:
            for folder in (self.settings.fetch, self.settings.fetched, self.settings.deliver):
                if folder is not None and not await client.isdir(folder):
                    raise Retry(f"{self.settings.host} has no folder {folder}")

    async def _whole(self, client: "SFTPClient", folder: str, patterns: list[str]) -> list[str]:
        found: dict[str, tuple[int, int, float]] = {}
        for entry in await client.readdir(folder):
            name = str(entry.filename)
            if entry.attrs.type not in (None, 1):  # regular files
                continue
            size, changed = entry.attrs.size or 0, int(entry.attrs.mtime or 0)
            before = self._seen.get(name)
            same = before is not None and before[:2] == (size, changed)
            found[name] = before if same and before is not None else (size, changed, self.clock())
        self._seen = found
        stable = [name for name, look in found.items() if self.clock() - look[2] >= self.stable_seconds]
        meant = [name for name in sorted(stable) if is_meant(name, patterns)]
        return [name for name in meant if all(name + ending in found for ending in self.companions)]

    async def _fetch_one(self, client: "SFTPClient", folder: str, name: str) -> None:
        for part in (*(name + ending for ending in self.companions), name):
            target = self.root / IN / part
            local = target.with_name(f".{part}.part")
            await client.get(f"{folder}/{part}", str(local), preserve=True)
            expected = self._seen[part][0]
            if local.stat().st_size != expected:
                local.unlink()
                raise Retry(f"{name} changed while it was fetched")
            os.replace(local, target)
        for part in (*(name + ending for ending in self.companions), name):
            if self.settings.fetched is None:
                await client.remove(f"{folder}/{part}")
            else:
                await client.posix_rename(f"{folder}/{part}", f"{self.settings.fetched}/{part}")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator["SFTPClient"]:
        asyncssh = _library()
        try:
            with anyio.fail_after(self.settings.timeout_seconds):
                connection = await asyncssh.connect(**self._arguments(asyncssh))
            async with connection, connection.start_sftp_client() as client:
                yield client
        except (asyncssh.PermissionDenied, asyncssh.HostKeyNotVerifiable) as error:
            raise AuthFailed(f"{self.settings.host}: {error}") from error
        except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPNoSuchFile) as error:
            raise Retry(f"{self.settings.host}: {error}; see `fetch`, `fetched` and `deliver`") from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise Retry(f"{self.settings.host} cannot be reached: {error}") from error

    def _arguments(self, asyncssh: ModuleType) -> dict[str, Any]:
        settings = self.settings
        keys = [asyncssh.import_private_key(settings.key.get_secret_value())] if settings.key is not None else []
        host = settings.host if settings.port == 22 else f"[{settings.host}]:{settings.port}"
        return {
            "host": settings.host,
            "port": settings.port,
            "username": settings.user,
            "password": settings.password.get_secret_value() if settings.password is not None else None,
            "client_keys": keys,
            "known_hosts": asyncssh.import_known_hosts(f"{host} {settings.host_key}\n"),
            "agent_path": None,
            "config": None,
            "keepalive_interval": settings.timeout_seconds,
            "login_timeout": settings.timeout_seconds,
        }


def _library() -> ModuleType:
    try:
        import asyncssh
    except ImportError:
        raise Retry("an SFTP server needs the extra: pip install 'syncd[sftp]'", after_seconds=60) from None
    return asyncssh
