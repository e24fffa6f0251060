"""One embedded PostgreSQL per test process, and a fresh migrated database for each test that asks for one."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from syncd.storage.pool import connected


@pytest.fixture
async def connection(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection as the daemon makes them, on a fresh migrated database."""
    async with connected(database, application_name="test") as opened:
        yield opened
