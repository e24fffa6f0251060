"""The scanner finds the line of every key that tomllib finds."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.lines import Path, key_lines

AWKWARD = '''# a comment with [brackets] and "quotes"
title = "a \\" # no comment"
"quoted.key" = 1
a.b.c = [
  1, # one
  [2, 3],
  { x = 1, y = { z = "}" } },
]
text = """
[not.a.table]
key = "x" """
raw = \'\'\'
"""
\'\'\'
date = 2024-01-01T00:00:00Z
[ table . "with \\u00e9" ]
k = 'c:\\path'
[[list]]
n = 1
[[list]]
n = 2
[list.sub]
deep = true
'''


def paths(value: Any, at: Path = ()) -> set[Path]:
    found = {at} if at else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths(inner, (*at, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            found |= paths(inner, (*at, index))
    return found


def test_every_key_of_an_awkward_text_has_its_line() -> None:
    lines = key_lines(AWKWARD)

    assert set(lines) == paths(tomllib.loads(AWKWARD))
    assert {
        ("title",): 2,
        ("quoted.key",): 3,
        ("a", "b", "c"): 4,
        ("a", "b", "c", 0): 5,
        ("a", "b", "c", 2, "y", "z"): 7,
        ("text",): 9,
        ("raw",): 12,
        ("date",): 15,
        ("table", "with é"): 16,
        ("table", "with é", "k"): 17,
        ("list", 1, "n"): 21,
        ("list", 1, "sub", "deep"): 23,
    }.items() <= lines.items()


KEYS = st.text(alphabet="abcXYZ09_- .#'\"[]{}=\\é\t", min_size=1, max_size=6)
VALUES = st.recursive(
    st.integers(-5, 5) | st.booleans() | st.text(alphabet="ab #[]{},=\"'\\\n", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            return quoted(value)
        case list():
            return "[\n" + "".join(f"  {written(item)}, # [x\n" for item in value) + "]"
        case _:
            return "{ " + ", ".join(f"{quoted(key)} = {written(item)}" for key, item in value.items()) + " }"


@given(tables=st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_every_key_of_any_text_has_a_line_that_shows_it(tables: dict[str, dict[str, Any]]) -> None:
    text = "".join(
        f"[{quoted(name)}]\n" + "".join(f"{quoted(key)} = {written(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )

    lines = key_lines(text)

    assert set(lines) == paths(tomllib.loads(text))
    for path, line in lines.items():
        if isinstance(path[-1], str):
            assert quoted(path[-1]) in text.split("\n")[line - 1]


@pytest.mark.parametrize("text", ["", "# only a comment", "\n\n"])
def test_a_text_without_keys_has_no_lines(text: str) -> None:
    assert key_lines(text) == {}
