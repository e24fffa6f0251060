"""The search syntax of `query:` arguments: field:value terms, comparisons, quotes, AND, OR, NOT, parentheses.

Unknown fields are ignored, as the vendor ignores them, but named in `ignored`, which ends up in `extensions.search`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Getter = Callable[[Any], object]
Predicate = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])
    |(?P<sign>-)?(?:(?P<field>[A-Za-z_][\w.]*):(?P<op><=|>=|<|>)?)?
     (?P<value>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s()]+))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    matches: Predicate
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The right-hand side of a term, read once in every way it might be meant."""

    text: str
    operator: str
    moment: datetime | None
    number: int | None


def compile_search(text: str | None, fields: Mapping[str, Getter]) -> Search:
    """`fields` maps a name to what it reads from a record; the name "" is what a bare word is compared with."""
    if not text or not text.strip():
        return Search(matches=lambda record: True, ignored=())
    parser = _Parser(list(_tokens(text)), fields)
    predicate = parser.any_of()
    return Search(matches=predicate, ignored=tuple(parser.ignored))


def _tokens(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            return
        yield match
        position = match.end()


class _Parser:
    def __init__(self, tokens: list[re.Match[str]], fields: Mapping[str, Getter]) -> None:
        self._tokens = tokens
        self._next = 0
        self._fields = fields
        self.ignored: list[str] = []

    def any_of(self) -> Predicate:
        parts = [self._all_of()]
        while self._word("OR"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda record: any(part(record) for part in parts)

    def _all_of(self) -> Predicate:
        parts: list[Predicate] = []
        while self._next < len(self._tokens):
            token = self._tokens[self._next]
            if token["paren"] == ")" or _bare(token) == "OR":
                break
            if self._word("AND"):
                continue
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda record: all(part(record) for part in parts)

    def _one(self) -> Predicate:
        if self._word("NOT"):
            return _negated(self._one())
        token = self._tokens[self._next]
        self._next += 1
        if token["paren"] == "(":
            inside = self.any_of()
            self._next += 1
            return inside
        term = self._term(token["field"] or "", token["op"] or "", _unquoted(token["value"]))
        return _negated(term) if token["sign"] else term

    def _term(self, name: str, operator: str, value: str) -> Predicate:
        getter = self._fields.get(name)
        if getter is None:
            self.ignored.append(name)
            return lambda record: True
        wanted = Wanted(value, operator, _moment(value), _number(value))
        return lambda record: _compare(getter(record), wanted)

    def _word(self, word: str) -> bool:
        if self._next < len(self._tokens) and _bare(self._tokens[self._next]) == word:
            self._next += 1
            return True
        return False


def _bare(token: re.Match[str]) -> str | None:
    return token["value"] if not token["field"] and not token["sign"] else None


def _negated(predicate: Predicate) -> Predicate:
    return lambda record: not predicate(record)


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return re.sub(r"\\(.)", r"\1", value)


def _compare(held: object, wanted: Wanted) -> bool:
    if isinstance(held, tuple):
        return any(_compare(each, wanted) for each in held)
    if held is None:
        return False
    if isinstance(held, datetime):
        return wanted.moment is not None and _ordered(held, wanted.operator, wanted.moment)
    if isinstance(held, bool):
        return held == (wanted.text.lower() == "true")
    if isinstance(held, int):
        return wanted.number is not None and _ordered(held, wanted.operator, wanted.number)
    text = str(held).lower()
    if wanted.text.endswith("*"):
        return text.startswith(wanted.text[:-1].lower())
    return text == wanted.text.lower()


def _ordered(held: Any, operator: str, wanted: Any) -> bool:
    match operator:
        case "<":
            return bool(held < wanted)
        case "<=":
            return bool(held <= wanted)
        case ">":
            return bool(held > wanted)
        case ">=":
            return bool(held >= wanted)
    return bool(held == wanted)


def _number(text: str) -> int | None:
    """A bare number, or the one in a global id."""
    digits = text.rpartition("/")[2].partition("?")[0]
    return int(digits) if digits.lstrip("-").isdigit() else None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
