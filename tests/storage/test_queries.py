"""Named statements are read from files, and a slip in such a file is named with its line."""

from pathlib import Path

import pytest

from syncd.storage.errors import BadQueryFile
from syncd.storage.queries import load, read

GOOD = """-- Statements about units.

-- name: take
-- Take what waits.
SELECT id
FROM units  -- by age
WHERE waiting;

-- name: put_back
-- Put it back.
UPDATE units SET waiting = true
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "units.sql"
    path.write_text(text, encoding="utf-8")
    return path


def test_statements_are_found_by_attribute_and_by_key_without_their_semicolon(tmp_path: Path) -> None:
    queries = read(written(tmp_path, GOOD))

    assert queries.take == queries["take"] == "SELECT id\nFROM units  -- by age\nWHERE waiting"
    assert list(queries) == ["take", "put_back"]
    assert queries.found["put_back"].purpose == "Put it back."
    assert queries.found["put_back"].where == "units.sql:9"


def test_a_statement_that_is_missing_is_named_with_its_file(tmp_path: Path) -> None:
    queries = read(written(tmp_path, GOOD))

    with pytest.raises(AttributeError, match=r"units.sql has no query named 'tkae'; it has: take, put_back"):
        _ = queries.tkae


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1", r"units.sql:1: a statement without `-- name:` above it"),
        (
            "-- name: a\n-- x\nSELECT 1;\n-- name: a\n-- y\nSELECT 2",
            r"units.sql:4: a is already defined at units.sql:1",
        ),
        ("\n-- name: no_purpose\nSELECT 1", r"units.sql:2: no_purpose has no line that says what it is for"),
        ("-- name: empty\n-- Nothing.\n-- still nothing", r"units.sql:1: empty has no statement"),
        ("-- name: Bad Name\n-- x\nSELECT 1", r"units.sql:1: 'Bad Name' is not a name"),
        ("-- name: items\n-- Hidden by a method.\nSELECT 1", r"units.sql:1: 'items' is not a name"),
    ],
)
def test_a_slip_in_the_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadQueryFile, match=message):
        read(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(BadQueryFile, match=r"nothing.sql: no such file"):
        load("nothing")


def test_every_file_of_the_program_can_be_read() -> None:
    folder = Path(__file__).resolve().parents[2] / "syncd" / "storage" / "queries"

    for file in folder.glob("*.sql"):
        assert len(load(file.stem)) > 0
