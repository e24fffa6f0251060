"""Connections: a page of records with cursors that hold a sort key, so that a record whose key changes between two
pages moves, as it does at the vendor."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson

MAX_PAGE = 250

Key = Callable[[Any], tuple[Any, int]]


class PageRefused(Exception):
    """The page arguments are not acceptable; the text is what the caller is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    cursor: str
    node: object


class Page:
    def __init__(self, nodes: list[Any], key: Key, *, before: bool, after: bool) -> None:
        self.nodes = nodes
        self._key = key
        self._before = before
        self._after = after

    @cached_property
    def edges(self) -> list[Edge]:
        return [Edge(cursor=_encode(self._key(node)), node=node) for node in self.nodes]

    @cached_property
    def page_info(self) -> PageInfo:
        return PageInfo(
            has_next_page=self._after,
            has_previous_page=self._before,
            start_cursor=_encode(self._key(self.nodes[0])) if self.nodes else None,
            end_cursor=_encode(self._key(self.nodes[-1])) if self.nodes else None,
        )


def page(records: Iterable[Any], key: Key, args: Mapping[str, Any], *, whole: bool = False) -> Page:
    """One page of `records`, ordered by `key` (which must end in a unique number); `whole` ignores the limits."""
    reverse = bool(args.get("reverse"))
    ordered = sorted(records, key=key, reverse=reverse)
    if whole:
        return Page(ordered, key, before=False, after=False)
    first, last = args.get("first"), args.get("last")
    _refuse(first, last)
    start, end = 0, len(ordered)
    if args.get("after"):
        edge = _decode(args["after"])
        start = _past(ordered, key, edge, reverse=reverse, inclusive=True)
    if args.get("before"):
        edge = _decode(args["before"])
        end = _past(ordered, key, edge, reverse=reverse, inclusive=False)
    low, high = start, max(start, end)
    if first is not None:
        high = min(high, low + first)
    elif last is not None:
        low = max(low, high - last)
    return Page(ordered[low:high], key, before=low > 0, after=high < len(ordered))


def _refuse(first: int | None, last: int | None) -> None:
    if first is None and last is None:
        raise PageRefused("you must provide one of first or last")
    if first is not None and last is not None:
        raise PageRefused("providing both first and last is not supported")
    name, value = ("first", first) if first is not None else ("last", last)
    if value is not None and value < 0:
        raise PageRefused(f"{name} cannot be negative")
    if value is not None and value > MAX_PAGE:
        raise PageRefused(f"{name} cannot exceed {MAX_PAGE}")


def _past(ordered: list[Any], key: Key, edge: tuple[Any, int], *, reverse: bool, inclusive: bool) -> int:
    """Index of the first record behind the cursor (`inclusive`: the cursor's own record counts as before)."""
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        held = _comparable(key(ordered[middle]))
        ahead = held > edge if reverse else held < edge
        if ahead or (inclusive and held == edge):
            low = middle + 1
        else:
            high = middle
    return low


def _comparable(key: tuple[Any, int]) -> tuple[Any, int]:
    value, number = key
    return (value.timestamp(), number) if isinstance(value, datetime) else (value, number)


def _encode(key: tuple[Any, int]) -> str:
    value, number = _comparable(key)
    return base64.b64encode(orjson.dumps({"last_id": number, "last_value": value})).decode()


def _decode(cursor: str) -> tuple[Any, int]:
    try:
        held = orjson.loads(base64.b64decode(cursor, validate=True))
        return held["last_value"], int(held["last_id"])
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise PageRefused("Invalid cursor for current pagination sort.") from error
