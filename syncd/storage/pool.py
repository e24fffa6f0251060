"""Connections to PostgreSQL, transactions that a cancellation cannot tear, and what a database error means."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, Final, TypeAlias

import anyio
import anyio.lowlevel
import asyncpg
import orjson

from syncd.storage.errors import TransactionOverdue

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

CONNECT_SECONDS: Final = 10.0
STATEMENT_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 3.0
JSONB_VERSION: Final = b"\x01"


class Trouble(Enum):
    """What a caller does about a database error."""

    LOST = "lost"
    """Connect anew, after a wait; whether a transaction that was committing took effect is not known."""
    AGAIN = "again"
    """Everything was rolled back; the same transaction may simply be repeated."""
    DISK = "disk"
    """Everything was rolled back for want of room or memory; wait, and acknowledge nothing meanwhile."""
    CONTENT = "content"
    """These values cannot be stored; repeating them never helps, others may well be stored."""
    BROKEN = "broken"
    """The program, the schema, the rights or the database are wrong; a person has to look."""


_BY_CODE: Final = {
    "25006": Trouble.LOST,  # read-only: after a failover the old primary is a replica; another connection finds the new
    "25P03": Trouble.LOST,  # idle in transaction for too long
    "40003": Trouble.LOST,  # statement completion unknown
    "53300": Trouble.LOST,  # too many connections
    "55P03": Trouble.AGAIN,  # lock not available
    "57014": Trouble.AGAIN,  # statement_timeout
}
_BY_CLASS: Final = {
    "08": Trouble.LOST,
    "22": Trouble.CONTENT,
    "23": Trouble.CONTENT,
    "40": Trouble.AGAIN,  # serialization failure, deadlock
    "53": Trouble.DISK,  # disk full, out of memory, limits
    "57": Trouble.LOST,  # shutdown, crash, starting up
    "58": Trouble.DISK,  # input/output errors of the server
}


def trouble(error: BaseException) -> Trouble:
    """What the error of a connection attempt, statement or transaction means for its caller."""
    match error:
        case TransactionOverdue() | OSError():  # of which TimeoutError and ConnectionError are kinds
            return Trouble.LOST
        case asyncpg.PostgresError():
            code = str(error.sqlstate or "")
            return _BY_CODE.get(code) or _BY_CLASS.get(code[:2], Trouble.BROKEN)
        case asyncpg.ClientConfigurationError():
            return Trouble.BROKEN
        case asyncpg.InterfaceError() if isinstance(error, ValueError):  # the client's encoder refused a value
            return Trouble.CONTENT
        case asyncpg.InterfaceError() if "closed" in str(error) or "released" in str(error):
            return Trouble.LOST
        case asyncpg.InternalClientError():  # "cannot switch to state": the server went away between two messages
            return Trouble.LOST
        case _:
            return Trouble.BROKEN


def is_connection_lost(error: BaseException) -> bool:
    return trouble(error) is Trouble.LOST


def is_retryable(error: BaseException) -> bool:
    """Whether doing the same again can succeed without anybody's help, on a new connection if need be."""
    return trouble(error) in (Trouble.LOST, Trouble.AGAIN)


def is_disk_full(error: BaseException) -> bool:
    return trouble(error) is Trouble.DISK


@asynccontextmanager
async def transaction(connection: Connection, *, timeout_seconds: float) -> AsyncIterator[None]:
    """Commit at the end, roll back on an error; a cancellation from outside waits until that is decided.

    An asyncpg transaction that is cancelled in COMMIT has often committed while its caller believes the contrary.
    So the body runs shielded, within a time of its own. Keep calls to other systems out of it.

    Raises TransactionOverdue when the time is up; the connection is then closed and the outcome unknown.
    """
    async with one_statement(connection, timeout_seconds=timeout_seconds), connection.transaction():
        yield


@asynccontextmanager
async def one_statement(connection: Connection, *, timeout_seconds: float) -> AsyncIterator[None]:
    """The same for a single statement, which is a transaction by itself: two round trips less."""
    await anyio.lowlevel.checkpoint_if_cancelled()  # or a loop of nothing but transactions could never be ended
    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + timeout_seconds) as scope:
        try:
            yield
        except anyio.get_cancelled_exc_class():
            connection.terminate()
            raise
    if scope.cancelled_caught:
        raise TransactionOverdue(f"a transaction took longer than {timeout_seconds:g} s; its outcome is unknown")


@asynccontextmanager
async def connected(
    dsn: str, *, application_name: str = "syncd", statement_seconds: float = STATEMENT_SECONDS
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of one's own, for a writer; closed at the end however that comes."""
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS,
        command_timeout=statement_seconds + 5,  # the server's own limit comes first, unless it is frozen or cut off
        server_settings=_session(application_name, statement_seconds),
    )
    try:
        await _prepare(connection)
        yield connection
    finally:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True) as scope:
            try:
                await connection.close(timeout=CLOSE_SECONDS)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                connection.terminate()
        if scope.cancelled_caught:
            connection.terminate()


class Database:
    """The dsn, and a pool of connections that can only read. Made by `open_database`."""

    def __init__(self, dsn: str, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.dsn = dsn
        self._pool = pool

    @asynccontextmanager
    async def reading(self, *, timeout_seconds: float = CONNECT_SECONDS) -> AsyncIterator[Connection]:
        """A connection from the pool on which every transaction is read-only.

        Raises TimeoutError when none becomes free, or the server cannot be reached, in time.
        """
        async with self._pool.acquire(timeout=timeout_seconds) as connection:
            yield connection


@asynccontextmanager
async def open_database(
    dsn: str, *, application_name: str = "syncd", readers: int = 4, statement_seconds: float = STATEMENT_SECONDS
) -> AsyncIterator[Database]:
    """Does not connect yet: a database that is down shows at the first use, and connections heal by themselves."""
    pool = asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=readers,
        timeout=CONNECT_SECONDS,
        command_timeout=statement_seconds + 5,
        server_settings={
            **_session(f"{application_name} reader", statement_seconds),
            "default_transaction_read_only": "on",
        },
        init=_prepare,
    )
    await pool
    try:
        yield Database(dsn, pool)
    finally:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await pool.close()
        pool.terminate()


def _session(application_name: str, statement_seconds: float) -> dict[str, str]:
    return {
        "application_name": application_name,
        "statement_timeout": f"{statement_seconds * 1000:.0f}",
        "lock_timeout": f"{statement_seconds * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{statement_seconds * 2000:.0f}",
        "timezone": "UTC",
    }


async def _prepare(connection: Any) -> None:
    """Make json and jsonb columns Python values; orjson refuses NaN and integers beyond 64 bits."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: JSONB_VERSION + orjson.dumps(value),
        decoder=lambda stored: orjson.loads(stored[len(JSONB_VERSION) :]),
    )
    await connection.set_type_codec(
        "json", schema="pg_catalog", format="binary", encoder=orjson.dumps, decoder=orjson.loads
    )
