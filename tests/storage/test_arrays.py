"""Array literals arrive in PostgreSQL as the very values that were written."""

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.storage.arrays import columns, literal

pytestmark = pytest.mark.anyio

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=20)
AWKWARD = [
    '"',
    "\\",
    "\\n",
    "\n",
    "\t\x01\x1f",
    "NULL",
    "null",
    "",
    " ",
    "{",
    "}",
    ",",
    "a,b",
    'say "hi" \\',
    "\x7f",
    "ñ🙂",
]


async def read(dsn: str, text: str, kind: str) -> list[object]:
    connection = await asyncpg.connect(dsn)
    try:
        found: list[object] = await connection.fetchval(f"SELECT $1::text::{kind}[]", text)
        return found
    finally:
        await connection.close()


async def test_awkward_text_is_stored_as_it_is(empty_database: str) -> None:
    assert await read(empty_database, literal(AWKWARD), "text") == AWKWARD


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=TEXTS)
async def test_any_text_comes_back(empty_database: str, values: list[str | None]) -> None:
    assert await read(empty_database, literal(values), "text") == values


async def test_numbers_truth_and_nothing_keep_their_kind(empty_database: str) -> None:
    numbers = [0, -1, 2**63 - 1, -(2**63), None]

    assert await read(empty_database, literal(numbers), "bigint") == numbers
    assert await read(empty_database, literal([True, False, None]), "boolean") == [True, False, None]


async def test_rows_become_columns_and_no_rows_become_empty_ones(empty_database: str) -> None:
    first, second = columns([("a", 1), ("b", 2)], 2)

    assert await read(empty_database, first, "text") == ["a", "b"]
    assert await read(empty_database, second, "bigint") == [1, 2]
    assert await read(empty_database, columns([], 1)[0], "bigint") == []


def test_what_is_no_unicode_is_refused() -> None:
    with pytest.raises(TypeError):
        literal(["\udcff"])
