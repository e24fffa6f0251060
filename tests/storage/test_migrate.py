"""Migrations run once, in order, whole or not at all, and never over a database that is not what it should be."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import asyncpg
import pytest

from syncd.storage.errors import BadMigration, DatabaseNewer, MigrationChanged
from syncd.storage.migrate import Migration, bundled_migrations, migrate, read_migrations
from syncd.storage.pool import connected

pytestmark = pytest.mark.anyio

FIRST = Migration(number=1, name="shelf", sql="CREATE TABLE shelf (units int); INSERT INTO shelf VALUES (7);")
SECOND = Migration(number=2, name="label", sql="ALTER TABLE shelf ADD label text DEFAULT 'new';")


async def run(dsn: str, migrations: Sequence[Migration]) -> list[str]:
    async with connected(dsn) as connection:
        return [applied.file for applied in await migrate(connection, migrations)]


async def fetch(dsn: str, statement: str) -> list[tuple[object, ...]]:
    async with connected(dsn) as connection:
        return [tuple(row) for row in await connection.fetch(statement)]


async def test_what_is_missing_is_applied_in_order_and_only_once(empty_database: str) -> None:
    assert await run(empty_database, [FIRST]) == ["0001_shelf.sql"]
    assert await run(empty_database, [FIRST, SECOND]) == ["0002_label.sql"]
    assert await run(empty_database, [FIRST, SECOND]) == []

    assert await fetch(empty_database, "SELECT * FROM shelf") == [(7, "new")]
    assert await fetch(empty_database, "SELECT number, name, sha256 FROM schema_migrations ORDER BY number") == [
        (1, "shelf", FIRST.sha256),
        (2, "label", SECOND.sha256),
    ]


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database: str) -> None:
    broken = Migration(number=2, name="broken", sql="CREATE TABLE half (x int); SELECT 1/0;")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await run(empty_database, [FIRST, broken])

    assert await fetch(empty_database, "SELECT to_regclass('half') IS NULL, count(*) FROM schema_migrations") == [
        (True, 1)
    ]
    assert await run(empty_database, [FIRST, SECOND]) == ["0002_label.sql"], "the lock was given back"


async def test_a_database_that_a_newer_program_migrated_is_refused(empty_database: str) -> None:
    await run(empty_database, [FIRST, SECOND])

    with pytest.raises(DatabaseNewer, match=r"at migration 0002_label and this syncd knows up to 0001: run the newer"):
        await run(empty_database, [FIRST])


async def test_a_migration_that_was_changed_after_it_was_applied_is_refused(empty_database: str) -> None:
    await run(empty_database, [FIRST])
    changed = Migration(number=1, name="shelf", sql="CREATE TABLE shelf (units bigint);")

    with pytest.raises(MigrationChanged, match=r"0001_shelf.sql differs from what was applied .*here.*there"):
        await run(empty_database, [changed, SECOND])

    assert await fetch(empty_database, "SELECT count(*) FROM schema_migrations") == [(1,)]


async def test_two_programs_that_migrate_at_once_take_turns(empty_database: str) -> None:
    applied: list[list[str]] = []

    async def one() -> None:
        applied.append(await run(empty_database, [FIRST, SECOND]))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(one)

    assert sorted(applied) == [[], [], [], ["0001_shelf.sql", "0002_label.sql"]]


async def test_the_programs_own_migrations_build_the_schema(database: str) -> None:
    recorded = await fetch(database, "SELECT number, sha256 FROM schema_migrations ORDER BY number")

    assert recorded == [(migration.number, migration.sha256) for migration in bundled_migrations()]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0001_a.sql", "0003_c.sql"], r"0003_c.sql: expected number 0002 here"),
        (["0001_a.sql", "0001_b.sql"], r"0001_b.sql: expected number 0002 here"),
        (["1_a.sql"], r"1_a.sql: a migration is named NNNN_what_it_does.sql"),
    ],
)
def test_files_that_are_numbered_wrongly_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")

    with pytest.raises(BadMigration, match=message):
        read_migrations(tmp_path)


def test_files_are_read_in_order_and_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("0002_b.sql", "0001_a.sql", "README.md"):
        (tmp_path / name).write_text(f"-- {name}")

    assert [migration.file for migration in read_migrations(tmp_path)] == ["0001_a.sql", "0002_b.sql"]
