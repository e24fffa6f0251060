"""Numbers and global ids as the vendor writes them."""

import random
import re
from datetime import UTC, datetime
from typing import Final

_STEP: Final = 32_768
_GID: Final = re.compile(r"gid://shopify/(?P<kind>[A-Za-z]+)/(?P<number>\d+)(?:\?.*)?")


class Numbers:
    """Hands out ids of 64 bits, all odd and above 2^53, so that one that went through a float is seen to be wrong."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._last: dict[str, int] = {}

    def next(self, kind: str) -> int:
        last = self._last.get(kind)
        if last is None:
            last = (self._rng.randrange(2**54, 2**59) // _STEP) * _STEP + 1
        number = last + _STEP * self._rng.randint(1, 3)
        self._last[kind] = number
        return number

    def uuid(self) -> str:
        value = self._rng.getrandbits(128)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def number_of(global_id: str, kind: str | None = None) -> int | None:
    """The number in a global id (or a bare number); None when it is no such id or of another kind."""
    if global_id.isdigit():
        return int(global_id)
    match = _GID.fullmatch(global_id)
    if match is None or (kind is not None and match["kind"] != kind):
        return None
    return int(match["number"])


def kind_of(global_id: str) -> str | None:
    match = _GID.fullmatch(global_id)
    return match["kind"] if match else None


def to_second(moment: datetime) -> datetime:
    """Cut to whole seconds, the vendor's resolution."""
    exact = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return exact.replace(microsecond=0)


def iso(moment: datetime) -> str:
    """As GraphQL answers show it: UTC, whole seconds, `Z`."""
    return to_second(moment).replace(tzinfo=None).isoformat() + "Z"
