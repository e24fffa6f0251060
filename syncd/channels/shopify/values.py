"""Reading single values out of the vendor's JSON: ids, moments, quantities, text. Nothing ever passes through a float.

Ids are up to 64 bits and arrive as numbers (webhooks), as text, or inside a global id (GraphQL); all three come out as
the same text, so that what is told on different ways merges.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic_core import from_json

from syncd.domain.errors import Refused
from syncd.domain.ids import Alias, Instant, LineId, OrderId, PartId, RemoteId, RemoteLocation
from syncd.domain.listings import Span
from syncd.domain.quantities import LARGEST, BadQuantity, whole

Object = Mapping[str, Any]

LARGEST_ID: Final = (1 << 63) - 1
LONGEST_TEXT: Final = 255
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LOCATION: Final = "gid://shopify/Location/"
_ITEM: Final = "gid://shopify/InventoryItem/"


class Unusable(ValueError):
    """A value that cannot be used; the message says which and why."""


def decode(body: bytes, topic: str) -> dict[str, Any]:
    """The body as an object. Integers of any size stay integers; deep nesting and broken text are refused."""
    try:
        value = from_json(body)
    except ValueError as error:
        raise Refused(f"{topic}: not JSON: {error}") from error
    if type(value) is not dict:
        raise Refused(f"{topic}: not a JSON object but {type(value).__name__}")
    return value


def number(value: object, what: str) -> str:
    """An id as decimal text, from a whole number, its text, or a global id."""
    if type(value) is int:
        if 0 < value <= LARGEST_ID:
            return str(value)
        shown = str(value) if abs(value) < 10**40 else "an integer of over 40 digits"
        raise Unusable(f"{what} {shown} is no 64-bit id")
    if type(value) is str:
        digits = value.rpartition("/")[2].partition("?")[0] if value.startswith("gid://") else value
        if digits.isascii() and digits.isdigit() and len(digits) < 20:
            return number(int(digits), what)
        raise Unusable(f"{what} {value[:60]!r} is no id")
    if value is None:
        raise Unusable(f"{what} is missing")
    raise Unusable(f"{what} is no id but {type(value).__name__}")


def order_id(value: object) -> OrderId:
    return OrderId(number(value, "order id"))


def line_id(value: object) -> LineId:
    return LineId(number(value, "line id"))


def part_id(value: object, what: str) -> PartId:
    return PartId(number(value, what))


def alias(value: object) -> Alias:
    return Alias(number(value, "variant id"))


def item_gid(value: object) -> RemoteId:
    return RemoteId(_ITEM + number(value, "inventory item id"))


def location_gid(value: object) -> RemoteLocation:
    return RemoteLocation(_LOCATION + number(value, "location id"))


def instant(value: object, what: str) -> Instant:
    """A moment in milliseconds; bodies carry the shop's own offset, so only instants may be compared."""
    if type(value) is not str:
        raise Unusable(f"{what} is missing" if value is None else f"{what} is no time but {type(value).__name__}")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise Unusable(f"{what} {value[:40]!r} has no offset from UTC")
        return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError) as error:
        if isinstance(error, Unusable):
            raise
        raise Unusable(f"{what} {value[:40]!r} is no time") from error


def second(value: object, what: str) -> Span:
    """The vendor's times are cut to the second: the moment lies anywhere in it."""
    start = instant(value, what)
    return Span(start, start + 999)


def units(value: object, what: str) -> int:
    """A count of units, zero or more."""
    if type(value) is int and 0 <= value <= LARGEST:
        return value
    try:
        return whole(value)
    except BadQuantity as error:
        raise Unusable(f"{what}: {error}") from error


def level(value: object, what: str) -> int:
    """A stock figure, which may be below zero."""
    try:
        return whole(value, least=-LARGEST)
    except BadQuantity as error:
        raise Unusable(f"{what}: {error}") from error


def text(value: object) -> str:
    """Text as it was written; databases take no NUL, so one is replaced visibly."""
    if type(value) is not str or not value:
        return ""
    return value.replace("\x00", "\ufffd")[:LONGEST_TEXT] if len(value) > LONGEST_TEXT or "\x00" in value else value


def objects(value: object, what: str) -> list[Any]:
    """A list of objects that may be absent or null."""
    if type(value) is list:
        return value
    if value is None:
        return []
    raise Unusable(f"{what} is no list")


def named(value: object, what: str) -> dict[str, Any]:
    if type(value) is dict:
        return value
    raise Unusable(f"{what} is missing" if value is None else f"{what} is no object")
