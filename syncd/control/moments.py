"""Times as people write them."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

from syncd.control.answers import Problem

_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(\.\d{1,6})?)?")
_TO_THE_MINUTE: Final = re.compile(r".*[T ]\d{2}:\d{2}(Z|[+-].*)?")
_TO_THE_SECOND: Final = re.compile(r".*[T ]\d{2}:\d{2}:\d{2}(Z|[+-].*)?")
_LAST_INSTANT: Final = timedelta(microseconds=1)


def moment(text: str, now: datetime) -> datetime:
    """ISO 8601, or a time of today; without an offset the machine's own time zone is meant.

    What is not written is included: 10:02 means the end of that minute, 10:02:05 the end of that second.
    """
    text = text.strip()
    try:
        clock = _CLOCK.fullmatch(text)
        if clock is not None:
            today = now.astimezone().date()
            found = datetime.combine(today, time(int(clock[1]), int(clock[2]), int(clock[3] or 0)))
            found += timedelta(seconds=float(clock[4] or 0))
            width = timedelta(minutes=1) if clock[3] is None else timedelta(seconds=0 if clock[4] else 1)
        else:
            found = datetime.fromisoformat(text)
            width = _width(text)
        return (found + max(width - _LAST_INSTANT, timedelta())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem("usage", f"{text} is not a time", "write 2026-03-01T10:02:00Z, or 10:02 for today") from None


def _width(text: str) -> timedelta:
    if _TO_THE_SECOND.fullmatch(text):
        return timedelta(seconds=1)
    if _TO_THE_MINUTE.fullmatch(text):
        return timedelta(minutes=1)
    return timedelta(days=1) if len(text) <= len("2026-03-01") else timedelta()
