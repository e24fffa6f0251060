"""Loads the named statements of `queries/*.sql`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from syncd.storage.errors import BadQueryFile

_NAME: Final = re.compile(r"^--\s*name:\s*(?P<name>.*?)\s*$")
_IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A statement, what it is for in one line, and where it stands."""

    name: str
    purpose: str
    sql: str
    where: str


class Queries(Mapping[str, str]):
    """The statements of one file, by key or by attribute: `queries.take_waiting` is its SQL text."""

    def __init__(self, source: str, found: Mapping[str, Query]) -> None:
        self.source = source
        self.found = found

    def __getitem__(self, name: str) -> str:
        return self.found[name].sql

    def __getattr__(self, name: str) -> str:
        """Raises AttributeError naming the file: a missing statement shows when the module is imported."""
        if name.startswith("__") or name not in self.found:
            raise AttributeError(f"{self.source} has no query named {name!r}; it has: {', '.join(self.found)}")
        return self.found[name].sql

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)


@cache
def load(table_group: str) -> Queries:
    """The statements of `syncd/storage/queries/<table_group>.sql`."""
    return read(resources.files("syncd.storage") / "queries" / f"{table_group}.sql")


def read(file: Traversable) -> Queries:
    """Read blocks of `-- name: word`, one line `-- what it is for`, and the statement.

    Raises BadQueryFile with file and line for a block without name, purpose or statement, or a name used twice.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadQueryFile(f"{file}: no such file") from None
    found: dict[str, Query] = {}
    for number, lines in _blocks(file.name, text):
        query = _parse(file.name, number, lines)
        if query.name in found:
            raise BadQueryFile(f"{query.where}: {query.name} is already defined at {found[query.name].where}")
        found[query.name] = query
    return Queries(file.name, found)


def _blocks(source: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each block with the number of its first line; what stands before the first block may only be comment."""
    block: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if _NAME.match(line):
            if block:
                yield start, block
            block, start = [line], number
        elif block:
            block.append(line)
        elif line.strip() and not line.startswith("--"):
            raise BadQueryFile(f"{source}:{number}: a statement without `-- name:` above it")
    if block:
        yield start, block


def _parse(source: str, number: int, lines: list[str]) -> Query:
    where = f"{source}:{number}"
    heading = _NAME.match(lines[0])
    name = heading["name"] if heading else ""
    if not _IDENTIFIER.fullmatch(name) or hasattr(Queries, name):
        raise BadQueryFile(f"{where}: {name!r} is not a name (lower case letters, digits and _; no mapping method)")
    if len(lines) < 2 or not lines[1].startswith("--") or not lines[1].removeprefix("--").strip():
        raise BadQueryFile(f"{where}: {name} has no line that says what it is for")
    body = lines[2:]
    if not any(line.strip() and not line.lstrip().startswith("--") for line in body):
        raise BadQueryFile(f"{where}: {name} has no statement")
    sql = "\n".join(body).strip().removesuffix(";")
    return Query(name=name, purpose=lines[1].removeprefix("--").strip(), sql=sql, where=where)
