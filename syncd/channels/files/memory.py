"""Which files were taken, kept in the channel's cursor: it is stored in one transaction with what they said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import orjson

from syncd.ports import Cursor

MOST_FILES: Final = 500


class Taken(NamedTuple):
    feed: str
    digest: str
    dated: int
    name: str
    full: bool


@dataclass(slots=True)
class Memory:
    taken: list[Taken] = field(default_factory=list)

    @classmethod
    def recalled(cls, cursor: Cursor | None) -> "Memory":
        if not cursor or "files" not in cursor:
            return cls()
        return cls([Taken(*row) for row in orjson.loads(cursor["files"])])

    def cursor(self) -> Mapping[str, str]:
        return {"files": orjson.dumps([tuple(one) for one in self.taken]).decode()}

    def remember(self, one: Taken) -> None:
        self.taken.append(one)
        del self.taken[:-MOST_FILES]

    def duplicate(self, one: Taken, *, dated_by_name: bool) -> str:
        """Why the file is one that was taken already; empty when it is new.

        A file that says its date is the same as another only of the same date. One that does not is compared with the
        last of its feed.
        """
        if any(known.digest == one.digest and known.dated == one.dated for known in self.taken):
            return "taken already"
        last = self._last(one.feed)
        if not dated_by_name and last is not None and last.digest == one.digest:
            return f"the same as {last.name}"
        return ""

    def fault(self, one: Taken, *, dated_by_name: bool) -> str:
        """Why the file must not be taken; empty when it may."""
        for known in reversed(self.taken):
            if not dated_by_name and known.feed == one.feed and known.digest == one.digest:
                return (
                    f"it is the same as {known.name}, after which others came: an old file sent again would bring back "
                    "what was sold since; if it is new, have the sender date its files by name (`as_of`)"
                )
            if known.feed == one.feed and known.full and known.dated > one.dated:
                return f"it is older than {known.name}, which was taken and held everything"
        return ""

    def _last(self, feed: str) -> Taken | None:
        return next((known for known in reversed(self.taken) if known.feed == feed), None)
