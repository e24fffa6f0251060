"""The other side's SFTP server: a real one, in this process, on a folder of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from syncd.channels.files import FilesChannel
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Retry
from tests.channels.files_world import FULL, MAIN, NOON, STOCK, Desk, counts, settings_for
from tests.channels.test_files_channel import EXPORT, batch

pytestmark = pytest.mark.anyio


class Door(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("syncd", "secret")


@dataclass
class Remote:
    root: Path
    port: int
    host_key: str

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.root / folder).iterdir())

    def settings(self, **keys: Any) -> dict[str, Any]:
        given = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "syncd",
            "password": {"env": "SFTP_PASSWORD"},
            "host_key": self.host_key,
            "timeout_seconds": 5,
        }
        return {**given, **keys}


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Remote]:
    async with running(tmp_path / "remote") as remote:
        yield remote


@asynccontextmanager
async def running(root: Path, port: int = 0) -> AsyncIterator[Remote]:
    for folder in ("export", "old", "import"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    key = asyncssh.generate_private_key("ssh-ed25519")

    def served(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=str(root).encode())

    async with await asyncssh.listen(
        "127.0.0.1", port, server_host_keys=[key], server_factory=Door, sftp_factory=served
    ) as server:
        public = key.export_public_key().decode().strip()
        yield Remote(root, server.get_port(), public)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "local"
    made.mkdir()
    return made


def desk_with(folder: Path, sftp: dict[str, Any], **keys: Any) -> Desk:
    clock = [NOON]
    return Desk(FilesChannel(settings_for(folder, sftp=sftp, **keys), [MAIN], lambda: clock[0]), folder, clock)


async def test_a_file_is_fetched_taken_in_and_moved_away_there(remote: Remote, folder: Path) -> None:
    desk = desk_with(folder, remote.settings(fetch="/export", fetched="/old"), stock=FULL)
    await desk.channel.connect()
    (remote.root / "export" / "stock.csv").write_text("sku,qty\nTEE,5\n")
    (remote.root / "export" / "stock.csv.part").write_text("sku,qty\nTEE")

    assert counts(await desk.poll()) == {"TEE": 5}
    assert remote.names("export") == ["stock.csv.part"]
    assert remote.names("old") == ["stock.csv"]


async def test_a_file_that_cannot_be_moved_away_is_taken_once_all_the_same(remote: Remote, folder: Path) -> None:
    desk = desk_with(folder, remote.settings(fetch="/export", fetched="/missing"), stock=STOCK)
    (folder / "in").mkdir()
    (remote.root / "export" / "stock.csv").write_text("sku,qty\nTEE,5\n")
    with pytest.raises(Retry, match="see `fetch`"):
        await desk.poll()
    (remote.root / "missing").mkdir()
    for name in ("processing", "done", "error", "out", "sent", ".syncd"):
        (folder / name).mkdir()

    assert counts(await desk.poll()) == {"TEE": 5}
    assert counts(await desk.poll()) == {}
    assert remote.names("missing") == ["stock.csv"]


async def test_a_file_that_still_grows_there_is_left_alone(remote: Remote, folder: Path) -> None:
    desk = desk_with(folder, remote.settings(fetch="/export"), stock=STOCK, stable_seconds=0.2)
    await desk.channel.connect()
    (remote.root / "export" / "stock.csv").write_text("sku,qty\nTEE,")

    assert await desk.poll() == []
    assert remote.names("export") == ["stock.csv"]
    assert desk.names("in") == []


async def test_an_export_is_put_there_whole_and_once(remote: Remote, folder: Path) -> None:
    desk = desk_with(folder, remote.settings(deliver="/import"), export=EXPORT)
    await desk.channel.connect()
    for _ in range(2):
        await desk.channel.write(batch("k1", TEE=5))

    assert remote.names("import") == ["levels_20261123T120000000Z.csv"]
    assert (remote.root / "import" / "levels_20261123T120000000Z.csv").read_bytes() == b"sku,quantity\r\nTEE,5\r\n"
    assert desk.names("out") == []
    assert len(desk.names("sent")) == 1


async def test_a_server_that_is_away_is_noticed_before_the_write(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "remote") as remote:
        desk = desk_with(folder, remote.settings(deliver="/import"), export=EXPORT)
        await desk.channel.connect()
        await desk.channel.write(batch("k1", TEE=5))
    with pytest.raises(Retry, match="cannot be reached"):
        await desk.channel.write(batch("k2", TEE=4))
    assert desk.names("out") == []


async def test_a_server_that_fails_after_the_file_was_made_gets_it_when_the_write_is_said_again(
    remote: Remote, folder: Path
) -> None:
    desk = desk_with(folder, remote.settings(deliver="/import"), export=EXPORT)
    await desk.channel.connect()
    (remote.root / "import").rename(remote.root / "away")
    with pytest.raises(OutcomeUnknown):
        await desk.channel.write(batch("k1", TEE=5))
    assert len(desk.names("out")) == 1
    (remote.root / "away").rename(remote.root / "import")

    await desk.channel.write(batch("k1", TEE=5))

    assert remote.names("import") == ["levels_20261123T120000000Z.csv"]


async def test_a_wrong_password_and_another_host_key_are_refused(remote: Remote, folder: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    for sftp in (remote.settings(fetch="/export", user="nobody"), remote.settings(fetch="/export", host_key=other)):
        with pytest.raises(AuthFailed):
            await desk_with(folder, sftp, stock=STOCK).channel.connect()
    with pytest.raises(Retry, match="has no folder /nowhere"):
        await desk_with(folder, remote.settings(fetch="/nowhere"), stock=STOCK).channel.connect()
