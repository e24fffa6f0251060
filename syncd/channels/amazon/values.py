"""Reading single values out of the vendor's JSON: ids, moments, quantities, text. Nothing ever passes through a float.

Keys are looked up whatever their case: notifications come in upper and in lower camel case.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic_core import from_json

from syncd.domain.errors import Refused
from syncd.domain.ids import Instant, RemoteLocation
from syncd.domain.quantities import BadQuantity, whole

MFN: Final = RemoteLocation("mfn")
"""What the merchant ships: one stock for all marketplaces of the seller."""
FBA: Final = RemoteLocation("fba")
"""What Amazon ships from its own warehouses; only read."""
LONGEST_ID: Final = 200
LONGEST_TEXT: Final = 255
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Unusable(ValueError):
    """A value that cannot be used; the message says which and why."""


def place(remote: str) -> str:
    """A location as the configuration may write it; a channel with one location means the merchant's."""
    known = remote.strip().lower() or MFN
    if known not in (MFN, FBA):
        raise ValueError(f'{remote[:60]!r} is neither "mfn" (you ship) nor "fba" (Amazon ships)')
    return known


def decode(body: bytes, topic: str) -> dict[str, Any]:
    """The body as an object. Integers of any size stay integers; deep nesting and broken text are refused."""
    try:
        value = from_json(body)
    except ValueError as error:
        raise Refused(f"{topic}: not JSON: {error}") from error
    if type(value) is not dict:
        raise Refused(f"{topic}: not a JSON object but {type(value).__name__}")
    return value


def ident(value: object, what: str) -> str:
    """An id as it was written; Amazon's are text, and a number is taken at its digits."""
    if type(value) is int and 0 <= value < 10**40:
        return str(value)
    if type(value) is not str or not value.strip():
        raise Unusable(f"{what} is missing" if value in (None, "") else f"{what} is no id but {type(value).__name__}")
    if len(value) > LONGEST_ID or "\x00" in value:
        raise Unusable(f"{what} {value[:40]!r} is no id")
    return value


def instant(value: object, what: str) -> Instant:
    """A moment in milliseconds."""
    if type(value) is not str:
        raise Unusable(f"{what} is missing" if value is None else f"{what} is no time but {type(value).__name__}")
    try:
        moment = datetime.fromisoformat(value)
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError) as error:
        raise Unusable(f"{what} {value[:40]!r} is no time") from error


def iso(at: Instant) -> str:
    """With milliseconds, rounded down."""
    moment = _EPOCH + timedelta(milliseconds=at)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def units(value: object, what: str) -> int:
    """A count of units, zero or more."""
    try:
        return whole(value)
    except BadQuantity as error:
        raise Unusable(f"{what}: {error}") from error


def text(value: object) -> str:
    """Text as it was written; databases take no NUL, so one is replaced visibly."""
    if type(value) is not str:
        return ""
    return value.replace("\x00", "\ufffd")[:LONGEST_TEXT]


def named(value: object, what: str) -> dict[str, Any]:
    if type(value) is dict:
        return value
    raise Unusable(f"{what} is missing" if value is None else f"{what} is no object")


def inside(value: object) -> Mapping[str, Any]:
    """An object that may be absent."""
    return value if type(value) is dict else {}


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of a list that may be absent."""
    return [each for each in value if type(each) is dict] if type(value) is list else []


def get(holder: Mapping[str, Any], name: str) -> Any:
    """A member whatever the case of its key."""
    if name in holder:
        return holder[name]
    lower = name.lower()
    return next((value for key, value in holder.items() if key.lower() == lower), None)
