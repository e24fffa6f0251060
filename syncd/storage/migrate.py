"""Brings a database to the schema of this program."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

import anyio
import asyncpg
import structlog

from syncd.storage.errors import BadMigration, DatabaseNewer, MigrationChanged
from syncd.storage.pool import transaction

log = structlog.get_logger(__name__)

LOCK: Final = 0x73796E6364  # "syncd": one key for the advisory lock of every migration run
MIGRATION_SECONDS: Final = 3600.0
_FILE: Final = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")

CREATE_RECORD: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def file(self) -> str:
        return f"{self.number:04}_{self.name}.sql"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    number: int
    name: str
    sha256: str


def bundled_migrations() -> tuple[Migration, ...]:
    return read_migrations(resources.files("syncd.storage") / "migrations")


def read_migrations(directory: Traversable) -> tuple[Migration, ...]:
    """The files `NNNN_name.sql` of a directory in order, numbered from 0001 without a gap.

    Raises BadMigration for any other `.sql` file, a gap, or a number that two files have.
    """
    found: list[Migration] = []
    for file in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        parts = _FILE.fullmatch(file.name)
        if parts is None:
            raise BadMigration(f"{file.name}: a migration is named NNNN_what_it_does.sql")
        number = int(parts["number"])
        if number != len(found) + 1:
            raise BadMigration(f"{file.name}: expected number {len(found) + 1:04} here")
        found.append(Migration(number=number, name=parts["name"], sql=file.read_text(encoding="utf-8")))
    return tuple(found)


async def migrate(
    connection: "asyncpg.Connection[asyncpg.Record]", migrations: Sequence[Migration] | None = None
) -> tuple[Migration, ...]:
    """Apply what is missing, each in a transaction of its own, and return what was applied.

    A session lock makes a second program wait and then find nothing to do. The text of a file runs as one simple
    query, so it may hold many statements, but none that cannot run inside a transaction. Time limits of the session
    are lifted meanwhile.

    Raises DatabaseNewer and MigrationChanged, before anything is applied.
    """
    wanted = bundled_migrations() if migrations is None else migrations
    await connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=MIGRATION_SECONDS)
    try:
        missing = pending(wanted, await _applied(connection))
        for migration in missing:
            await _apply(connection, migration)
        return missing
    finally:
        if not connection.is_closed():  # a lost connection has lost its locks
            with anyio.CancelScope(shield=True):
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
                await connection.execute("RESET statement_timeout; RESET lock_timeout")


def pending(wanted: Sequence[Migration], applied: Mapping[int, Applied]) -> tuple[Migration, ...]:
    """Which migrations are still to be applied.

    Raises DatabaseNewer when the database has some that the program does not know, MigrationChanged when one that
    was applied has another text now.
    """
    known = {migration.number: migration for migration in wanted}
    unknown = sorted(set(applied) - set(known))
    if unknown:
        newest = applied[unknown[-1]]
        raise DatabaseNewer(
            f"the database is at migration {newest.number:04}_{newest.name} and this syncd knows up to "
            f"{max(known, default=0):04}: run the newer syncd that migrated it, or restore a backup made before"
        )
    for number, record in sorted(applied.items()):
        migration = known[number]
        if migration.sha256 != record.sha256:
            raise MigrationChanged(
                f"{migration.file} differs from what was applied to the database as {number:04}_{record.name} (sha256 "
                f"{migration.sha256[:12]} here, {record.sha256[:12]} there): install the syncd that applied it, or "
                "undo the change to the file and put it into a new migration"
            )
    return tuple(migration for migration in wanted if migration.number not in applied)


async def _applied(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[int, Applied]:
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        await connection.execute(CREATE_RECORD)
    rows = await connection.fetch("SELECT number, name, sha256 FROM schema_migrations")
    return {row["number"]: Applied(number=row["number"], name=row["name"], sha256=row["sha256"]) for row in rows}


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    log.info("migration.started", file=migration.file)
    async with transaction(connection, timeout_seconds=MIGRATION_SECONDS):
        await connection.execute(migration.sql, timeout=MIGRATION_SECONDS)
        await connection.execute(
            "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.sha256,
        )
    log.info("migration.applied", file=migration.file)
