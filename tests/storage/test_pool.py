"""Connections speak JSON, transactions are decided whatever happens around them, and errors are told apart."""

import os
import random
import signal

import anyio
import asyncpg
import pytest

from syncd.storage.errors import TransactionOverdue
from syncd.storage.pool import (
    Connection,
    Database,
    Trouble,
    connected,
    is_connection_lost,
    is_disk_full,
    is_retryable,
    open_database,
    transaction,
    trouble,
)

pytestmark = pytest.mark.anyio


async def count(dsn: str, table: str) -> int:
    async with connected(dsn) as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


async def read_one(database: Database) -> object:
    async with database.reading(timeout_seconds=2) as connection:
        return await connection.fetchval("SELECT 1")


async def test_jsonb_columns_are_python_values(empty_database: str) -> None:
    value = {"lines": [{"sku": "tee", "units": 3}], "note": None}

    async with connected(empty_database, application_name="syncd test") as connection:
        assert await connection.fetchval("SELECT $1::jsonb", value) == value
        assert await connection.fetchval("SELECT $1::jsonb -> 'lines' -> 0 ->> 'units'", value) == "3"
        assert await connection.fetchval("SELECT '[1]'::json") == [1]
        assert await connection.fetchval("SHOW application_name") == "syncd test"


async def test_a_transaction_that_fails_leaves_nothing(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await connection.execute("CREATE TABLE sales (units int)")

        async def sell_without_payment() -> None:
            async with transaction(connection, timeout_seconds=5):
                await connection.execute("INSERT INTO sales VALUES (1)")
                raise ValueError("no payment")

        with pytest.raises(ValueError, match="no payment"):
            await sell_without_payment()

        assert await connection.fetchval("SELECT count(*) FROM sales") == 0


async def test_a_cancelled_caller_knows_whether_its_transaction_committed(empty_database: str) -> None:
    """Cancelled at many different moments, what the caller noted and what the table holds never differ."""
    rng = random.Random(7)
    noted = 0

    async def sell(connection: Connection, selling: anyio.Event) -> None:
        nonlocal noted
        while True:
            async with transaction(connection, timeout_seconds=5):
                await connection.execute("INSERT INTO sales VALUES (1)")
            noted += 1
            selling.set()

    async with connected(empty_database) as connection:
        await connection.execute("CREATE TABLE sales (units int)")
        for _ in range(60):
            async with anyio.create_task_group() as group:
                selling = anyio.Event()
                group.start_soon(sell, connection, selling)
                await selling.wait()
                await anyio.sleep(rng.uniform(0, 0.004))  # a moment somewhere in a transaction
                group.cancel_scope.cancel()

    assert await count(empty_database, "sales") == noted


async def test_a_transaction_past_its_time_is_ended_and_its_connection_closed(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        await connection.execute("CREATE TABLE sales (units int)")

        async def dawdle() -> None:
            async with transaction(connection, timeout_seconds=0.05):
                await connection.execute("INSERT INTO sales VALUES (1)")
                await connection.execute("SELECT pg_sleep(60)")

        with pytest.raises(TransactionOverdue) as raised:
            await dawdle()

        assert is_connection_lost(raised.value)
        assert connection.is_closed()

    assert await count(empty_database, "sales") == 0


async def test_the_shield_does_not_outlive_the_transaction(empty_database: str) -> None:
    reached = False
    async with connected(empty_database) as connection:
        with anyio.CancelScope() as scope:
            async with transaction(connection, timeout_seconds=5):
                scope.cancel()
                await connection.execute("CREATE TABLE sales (units int)")
            await anyio.lowlevel.checkpoint()
            reached = True

    assert scope.cancelled_caught
    assert not reached
    assert await count(empty_database, "sales") == 0, "the table is there"


async def test_readers_cannot_write_and_heal_after_their_connections_were_cut(empty_database: str) -> None:
    async with open_database(empty_database, readers=2) as database:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with database.reading() as connection:
                await connection.execute("CREATE TABLE sales (units int)")

        async with connected(empty_database) as admin:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'syncd reader'"
            )
        failed: list[Exception] = []
        with anyio.fail_after(20):
            while len(failed) < 10:
                try:
                    async with database.reading() as connection:
                        assert await connection.fetchval("SELECT 1") == 1
                        break
                except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                    failed.append(error)
        assert all(is_connection_lost(error) for error in failed), failed


async def test_a_database_that_is_not_there_shows_at_the_first_use_and_can_be_retried() -> None:
    async with open_database("postgresql://syncd@/syncd?host=/nonexistent&port=5432") as database:
        with pytest.raises(FileNotFoundError) as raised:
            await read_one(database)

    assert is_retryable(raised.value)


async def test_a_backend_that_is_killed_or_ended_is_a_lost_connection(empty_database: str) -> None:
    async with connected(empty_database) as admin, connected(empty_database) as connection:
        await admin.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())

        for _ in range(2):  # the statement in flight, and every one after it
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)) as raised:
                await connection.execute("SELECT pg_sleep(5)")
            assert trouble(raised.value) is Trouble.LOST, repr(raised.value)


async def test_a_frozen_server_is_given_up_in_time(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        backend = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)
        try:
            with pytest.raises(TransactionOverdue):
                async with transaction(connection, timeout_seconds=0.2):
                    await connection.execute("SELECT 1")
        finally:
            os.kill(backend, signal.SIGCONT)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", Trouble.AGAIN),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", Trouble.AGAIN),
        ("SET statement_timeout = 20; SELECT pg_sleep(5)", Trouble.AGAIN),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", Trouble.DISK),
        ("DO $$ BEGIN RAISE SQLSTATE '58030'; END $$", Trouble.DISK),
        ("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$", Trouble.LOST),
        ("SET transaction_read_only = on; CREATE TABLE t ()", Trouble.LOST),
        ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", Trouble.LOST),
        ("SELECT 9223372036854775807 + 1", Trouble.CONTENT),
        ("DO $$ BEGIN RAISE SQLSTATE '23505'; END $$", Trouble.CONTENT),
        ("SELECT * FROM no_such_table", Trouble.BROKEN),
        ("SELEC", Trouble.BROKEN),
    ],
)
async def test_a_servers_error_says_what_to_do(empty_database: str, statement: str, expected: Trouble) -> None:
    async with connected(empty_database) as connection:
        with pytest.raises(asyncpg.PostgresError) as raised:
            await connection.execute(statement)

    assert trouble(raised.value) is expected
    assert is_disk_full(raised.value) is (expected is Trouble.DISK)


async def test_a_value_that_the_client_cannot_send_is_content_not_a_lost_connection(empty_database: str) -> None:
    async with connected(empty_database) as connection:
        with pytest.raises(asyncpg.DataError) as raised:
            await connection.fetchval("SELECT $1::bigint", 2**63)

    assert trouble(raised.value) is Trouble.CONTENT


async def test_a_programming_mistake_is_neither_lost_nor_retried() -> None:
    assert trouble(KeyError("units")) is Trouble.BROKEN
    assert not is_retryable(asyncpg.UndefinedTableError("x"))
