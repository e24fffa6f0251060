"""Reading a large catalogue by a bulk operation: one query, its answer a file of lines, read as it streams in.

The file is no picture of one moment: its rows are read while stock moves. A level that did not change since the
operation was made is exact as of then; any other may be of any moment until its end.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import anyio
from pydantic_core import from_json

from syncd.channels.shopify.api import Api
from syncd.channels.shopify.documents import ALL_ITEMS, BULK, MUTATION_COST, RUN_BULK
from syncd.channels.shopify.rows import rows_of
from syncd.channels.shopify.settings import Settings
from syncd.channels.shopify.values import Unusable, instant, second, text
from syncd.domain.errors import OutcomeUnknown, Rejected, Retry
from syncd.domain.ids import ChannelId, ListingKey, RemoteId, RemoteLocation
from syncd.domain.listings import Span
from syncd.ports import CatalogueRow

ROWS_AT_ONCE: Final = 500
_UNDER_WAY: Final = frozenset({"CREATED", "RUNNING", "CANCELING"})
ReadLevels = Callable[[Sequence[ListingKey]], Awaitable[Sequence[CatalogueRow]]]


class BulkReader:
    def __init__(self, api: Api, settings: Settings, mapped: Sequence[RemoteLocation], read_levels: ReadLevels) -> None:
        self._api = api
        self._settings = settings
        self._mapped = mapped
        self._read_levels = read_levels

    async def read(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        """Run the operation to its end and read its file.

        Raises Retry when the shop runs as many operations as it may, or when this one failed.
        """
        operation = await self._finished(await self._started())
        address = operation.get("url")
        if address is None:
            return  # an empty catalogue
        when = _as_of(operation)
        ready: list[CatalogueRow] = []
        strays: dict[str, None] = {}
        item: dict[str, Any] | None = None
        levels: list[Any] = []
        async with self._api.http.lines(str(address)) as lines:
            async for line in lines:
                record = _decoded(line)
                if record is None:
                    continue
                parent = record.get("__parentId")
                if parent is None:
                    ready += self._rows(item, levels, when)
                    item, levels = record, []
                elif item is not None and parent == item.get("id"):
                    levels.append(record)
                else:
                    strays[text(parent)] = None
                if len(ready) >= ROWS_AT_ONCE:
                    yield ready
                    ready = []
        ready += self._rows(item, levels, when)
        yield ready
        if strays:  # levels that stood apart from their item: those items are read singly
            yield await self._read_levels(
                [ListingKey(ChannelId(""), RemoteId(each), place) for each in strays for place in self._mapped]
            )

    def _rows(self, item: dict[str, Any] | None, levels: list[Any], when: Callable[[Mapping[str, Any]], Span]) -> Any:
        return list(rows_of(item, levels, self._mapped, when)) if item is not None else ()

    async def _started(self) -> str:
        try:
            reply = await self._api.call(RUN_BULK, {"query": ALL_ITEMS, "groupObjects": True}, cost=MUTATION_COST)
        except (Rejected, OutcomeUnknown) as refusal:  # one that runs unheeded harms nobody
            raise Retry(str(refusal), after_seconds=60.0) from refusal
        payload = (reply.data or {}).get("bulkOperationRunQuery") or {}
        for error in payload.get("userErrors") or ():
            raise Retry(f"bulk operation: {error.get('code')}: {error.get('message')}", after_seconds=60.0)
        made = payload.get("bulkOperation") or {}
        if not made.get("id"):
            raise Retry("bulk operation: none was made")
        return str(made["id"])

    async def _finished(self, operation_id: str) -> Mapping[str, Any]:
        with anyio.move_on_after(self._settings.bulk_timeout_seconds):
            while True:
                reply = await self._api.call(BULK, {"id": operation_id}, cost=1)
                operation: Mapping[str, Any] = (reply.data or {}).get("bulkOperation") or {}
                status = operation.get("status")
                if status == "COMPLETED":
                    return operation
                if status not in _UNDER_WAY:
                    raise Retry(f"bulk operation {status}: {operation.get('errorCode')}", after_seconds=60.0)
                await anyio.sleep(self._settings.bulk_poll_seconds)
        raise Retry(f"bulk operation {operation_id} did not end within {self._settings.bulk_timeout_seconds:.0f} s")


def _as_of(operation: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Span]:
    try:
        made = second(operation.get("createdAt"), "createdAt")
        ended = second(operation.get("completedAt") or operation.get("createdAt"), "completedAt")
    except Unusable as error:
        raise Retry(f"bulk operation: {error}") from error
    wide = Span(made.earliest, max(made.latest, ended.latest))

    def when(level: Mapping[str, Any]) -> Span:
        for entry in level.get("quantities") or ():
            if entry.get("name") != "available":
                continue
            try:
                changed = instant(entry.get("updatedAt"), "updatedAt")
            except Unusable:
                return wide
            return made if changed < made.earliest else wide
        return wide

    return when


def _decoded(line: bytes) -> dict[str, Any] | None:
    if not line.strip():
        return None
    try:
        record = from_json(line)
    except ValueError as error:
        raise Retry(f"bulk operation: a line of its file is no JSON: {error}") from error
    return record if isinstance(record, dict) else None
