"""What every test may use: the anyio backend, the vendors' published material, and a real PostgreSQL."""

import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from syncd.storage.embedded import EmbeddedPostgres
from syncd.storage.migrate import migrate
from syncd.storage.pool import connected

FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "1GB"}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def specs() -> Path:
    """The vendors' schemas and recordings; a test that needs them skips, with the reason, where they are absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "specs"
    path = Path(os.environ.get("SYNCD_SPECS", default))
    if not path.is_dir():
        reason = f"vendor material not found at {path}; set SYNCD_SPECS"
        if os.environ.get("SYNCD_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


class TestServer:
    """One PostgreSQL for this test process, on a loop of its own, so that any test and any fixture may use it."""

    __test__ = False

    def __init__(self, postgres: EmbeddedPostgres, portal: BlockingPortal) -> None:
        self.postgres = postgres
        self._portal = portal
        self._numbers = itertools.count(1)
        self._template: str | None = None

    def create(self, *, migrated: bool) -> str:
        """A new database; returns its dsn."""
        name = f"test_{next(self._numbers)}"
        template = self._migrated_template() if migrated else "template1"
        self._admin(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')  # a third of the time here
        return self._dsn(name)

    def drop(self, dsn: str) -> None:
        self._admin(f'DROP DATABASE "{dsn.partition("@/")[2].partition("?")[0]}" WITH (FORCE)')

    def _migrated_template(self) -> str:
        if self._template is None:
            self._admin('CREATE DATABASE "migrated"')
            self._portal.call(_migrate, self._dsn("migrated"))
            self._template = "migrated"
        return self._template

    def _admin(self, statement: str) -> None:
        self._portal.call(_execute, self.postgres.dsn, statement)

    def _dsn(self, name: str) -> str:
        return self.postgres.dsn.replace("@/syncd?", f"@/{name}?")


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _migrate(dsn: str) -> None:
    async with connected(dsn) as connection:
        await migrate(connection)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), rng=random.Random(1), settings=FAST_AND_FORGETFUL)
    with start_blocking_portal() as portal:
        running, _ = portal.start_task(postgres.run)
        yield TestServer(postgres, portal)
        portal.call(postgres.stop)
        running.result()


@pytest.fixture
def empty_database(postgres_server: TestServer) -> Iterator[str]:
    """The dsn of a new database without tables."""
    dsn = postgres_server.create(migrated=False)
    yield dsn
    postgres_server.drop(dsn)


@pytest.fixture
def database(postgres_server: TestServer) -> Iterator[str]:
    """The dsn of a new database with the schema of this program: a copy of one that was migrated once."""
    dsn = postgres_server.create(migrated=True)
    yield dsn
    postgres_server.drop(dsn)
