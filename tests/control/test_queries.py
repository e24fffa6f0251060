"""Every statement behind a read model or a decision is one that the schema knows."""

import pytest

from syncd.storage.pool import connected
from syncd.storage.queries import load

pytestmark = pytest.mark.anyio
STATEMENTS = [(group, name) for group in ("reads", "decisions", "conflicts") for name in load(group)]


@pytest.mark.parametrize(("group", "name"), STATEMENTS)
async def test_the_statement_can_be_prepared(database: str, group: str, name: str) -> None:
    async with connected(database) as connection:
        await connection.prepare(load(group)[name])
