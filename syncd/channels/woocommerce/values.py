"""Reading single values out of the shop's JSON: ids, moments, quantities, text.

Plugins write what they like into these bodies: numbers come as text, dates without an offset, lists as objects.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic_core import from_json

from syncd.domain.errors import Refused
from syncd.domain.ids import Alias, Instant, LineId, OrderId, RemoteId, RemoteLocation
from syncd.domain.listings import Span
from syncd.domain.quantities import LARGEST, BadQuantity, whole

Object = Mapping[str, Any]

NOWHERE: Final = RemoteLocation("")
"""A WooCommerce shop has one stock, at no location of its own."""
SECOND: Final = 1000
LARGEST_ID: Final = (1 << 63) - 1
LONGEST_TEXT: Final = 255
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,12})?")


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


def number(value: object, what: str) -> int:
    """An id, which is above zero."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is int:
        if 0 < value <= LARGEST_ID:
            return value
        raise Unusable(f"{what} {value if abs(value) < 10**40 else 'of over 40 digits'} is no 64-bit id")
    raise Unusable(f"{what} is missing" if value is None else f"{what} {repr(value)[:60]} is no id")


def order_id(value: object) -> OrderId:
    return OrderId(str(number(value, "order id")))


def line_id(value: object) -> LineId:
    return LineId(str(number(value, "line id")))


def item_id(product: int, variation: int = 0) -> RemoteId:
    """`12`, or `12:34` for the variation 34 of product 12: variations can only be written through their product."""
    return RemoteId(f"{product}:{variation}" if variation else str(product))


def item_alias(product: int, variation: int = 0) -> Alias:
    return Alias(item_id(product, variation))


def parts_of(remote_id: RemoteId) -> tuple[int, int]:
    """Product and variation, 0 for none; (0, 0) for what this channel never gave out."""
    product, _, variation = remote_id.partition(":")
    if product.isdigit() and (variation.isdigit() or not variation):
        return int(product), int(variation or 0)
    return 0, 0


def instant(value: object, what: str) -> Instant:
    """A moment in milliseconds. The `_gmt` dates have no offset and are UTC."""
    if type(value) is not str:
        raise Unusable(f"{what} is missing" if value is None else f"{what} is no time but {type(value).__name__}")
    try:
        moment = datetime.fromisoformat(value)
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError) as error:
        raise Unusable(f"{what} {value[:40]!r} is no time") from error


def moment(value: object, what: str) -> Instant | None:
    return None if value is None or value == "" else instant(value, what)


def second(at: Instant) -> Span:
    """The vendor's times are cut to the second: the moment lies anywhere in it."""
    return Span(at, at + SECOND - 1)


def gmt(at: Instant) -> str:
    """As the API takes and tells it, cut to the second."""
    return (_EPOCH + timedelta(seconds=at // SECOND)).strftime("%Y-%m-%dT%H:%M:%S")


def units(value: object, what: str, *, least: int = 0) -> int:
    """A count of units, as a number or as its text."""
    if type(value) is int and least <= value <= LARGEST:
        return value
    if type(value) is str and _NUMBER.fullmatch(value):
        value = Decimal(value)
    try:
        return whole(value, least=least)
    except BadQuantity as error:
        raise Unusable(f"{what}: {error}") from error


def level(value: object, what: str) -> int:
    """A stock figure, which is below zero where back-orders are taken."""
    return units(value, what, least=-LARGEST)


def text(value: object) -> str:
    """Text as it was written; databases take no NUL, so one is replaced visibly."""
    if type(value) is not str or not value:
        return ""
    return value.replace("\x00", "\ufffd")[:LONGEST_TEXT] if len(value) > LONGEST_TEXT or "\x00" in value else value


def objects(value: object, what: str) -> list[Any]:
    """A list that may be absent; PHP writes an empty list as an object at times, and one with gaps as a filled one."""
    if type(value) is list:
        return value
    if value is None or value == "":
        return []
    if type(value) is dict:
        return list(value.values())
    raise Unusable(f"{what} is no list")


def named(value: object, what: str) -> dict[str, Any]:
    if type(value) is dict:
        return value
    raise Unusable(f"{what} is missing" if value is None else f"{what} is no object")
