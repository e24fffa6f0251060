"""Conflicts that a group of changes opens and settles: the last word on each subject stands."""

import pytest

from syncd.domain.books import Need
from syncd.domain.conflicts import Conflict, ConflictKind, Resolution
from syncd.domain.setup import Setup
from syncd.storage.books import BookStore
from syncd.storage.pool import Connection, connected

pytestmark = pytest.mark.anyio

SETUP = Setup(channels={}, locations=())
DRIFT = Conflict(kind=ConflictKind.DRIFT, subject="shop|item|here", facts={"difference": 2, "expected": 7})
SETTLED = Resolution(kind=ConflictKind.DRIFT, subject="shop|item|here", how="taken over into the stock")


async def stored(connection: Connection, *groups: list[Conflict | Resolution]) -> list[str]:
    """The states of the conflicts, in order of opening, after these groups."""
    store = BookStore(connection)
    await store.start()
    for conflicts in groups:
        books = await store.load(Need(), SETUP, 1_000, frozenset())
        books.conflicts += conflicts
        async with connection.transaction():
            await store.save(books, 0)
    return [row["state"] for row in await connection.fetch("SELECT state FROM conflicts ORDER BY id")]


@pytest.mark.parametrize(
    ("groups", "states"),
    [
        ([[DRIFT]], ["open"]),
        ([[DRIFT], [SETTLED]], ["resolved"]),
        ([[DRIFT, SETTLED]], ["resolved"]),
        ([[DRIFT], [DRIFT, SETTLED]], ["resolved"]),
        ([[DRIFT], [SETTLED, DRIFT]], ["resolved", "open"]),
        ([[SETTLED]], []),
    ],
    ids=[
        "opened",
        "settled later",
        "settled at once",
        "updated and settled",
        "settled and opened anew",
        "nothing open",
    ],
)
async def test_the_last_word_on_a_subject_stands(
    database: str, groups: list[list[Conflict | Resolution]], states: list[str]
) -> None:
    async with connected(database) as connection:
        assert await stored(connection, *groups) == states


async def test_a_drift_that_goes_on_is_told_as_the_whole_way_since_it_opened(database: str) -> None:
    first = Conflict(
        kind=ConflictKind.DRIFT, subject="shop|item|here", facts={"expected": 13, "observed": 99, "difference": 86}
    )
    second = Conflict(
        kind=ConflictKind.DRIFT, subject="shop|item|here", facts={"expected": 99, "observed": 98, "difference": -1}
    )
    async with connected(database) as connection:
        await stored(connection, [first], [second])
        facts = await connection.fetchval("SELECT facts FROM conflicts")

    assert facts == {"expected": 13, "observed": 98, "difference": 85}
