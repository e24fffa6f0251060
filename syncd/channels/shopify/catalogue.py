"""Reading what the shop shows: every item at every mapped location, or some listings now."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from syncd.channels.shopify.api import Api, TooDear
from syncd.channels.shopify.bulk import BulkReader
from syncd.channels.shopify.documents import (
    ITEMS,
    ITEMS_BY_ID,
    MORE_COST,
    MORE_FIRST,
    connection_cost,
    item_cost,
    more_of,
)
from syncd.channels.shopify.rows import rows_of
from syncd.channels.shopify.settings import Settings
from syncd.domain.errors import Retry
from syncd.domain.ids import ListingKey, RemoteId, RemoteLocation
from syncd.ports import CatalogueRow
from syncd.wire.graphql import Reply

LEVELS_FIRST: Final = 10
READ_AT_ONCE: Final = 100


class CatalogueReader:
    """`levels_first` is how many locations of an item are read at once; told when the shop's locations are known."""

    def __init__(self, api: Api, settings: Settings, mapped: Sequence[RemoteLocation]) -> None:
        self._api = api
        self._settings = settings
        self._mapped = tuple(mapped)
        self._page = settings.items_page
        self.levels_first = LEVELS_FIRST

    async def read(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        """Pages of the whole catalogue; a large one is read to its end by a bulk operation instead.

        What was read before turning to the bulk operation comes again: the later reading of a listing counts.
        """
        after: str | None = None
        read = 0
        while True:
            reply = await self._pages(after)
            connection = (reply.data or {}).get("inventoryItems") or {}
            items = [item for item in connection.get("nodes") or () if isinstance(item, dict)]
            read += len(items)
            yield [row for item in items for row in await self._rows(item, reply)]
            info = connection.get("pageInfo") or {}
            after = info.get("endCursor")
            if not info.get("hasNextPage") or not after:
                return
            if read >= self._settings.bulk_above:
                break
        async for rows in BulkReader(self._api, self._settings, self._mapped, self.levels).read():
            yield rows

    async def levels(self, keys: Sequence[ListingKey]) -> Sequence[CatalogueRow]:
        """Some listings as they are now; one whose item is gone is absent."""
        wanted = {(key.remote_id, key.remote_location) for key in keys}
        places = {place for _, place in wanted}
        found: list[CatalogueRow] = []
        waiting = _chunks(list(dict.fromkeys(key.remote_id for key in keys)), READ_AT_ONCE)
        while waiting:
            some = waiting.pop(0)
            variables = {"ids": some, "levels": self.levels_first}
            try:
                reply = await self._api.call(ITEMS_BY_ID, variables, cost=item_cost(self.levels_first))
            except TooDear:
                if len(some) == 1:
                    raise
                waiting[:0] = _chunks(some, (len(some) + 1) // 2)
                continue
            for item in (reply.data or {}).get("nodes") or ():
                if isinstance(item, dict) and item.get("id"):
                    rows = await self._rows(item, reply, places)
                    found += [row for row in rows if (row.remote_id, row.remote_location) in wanted]
        return found

    async def _pages(self, after: str | None) -> Reply:
        """One page of items; smaller from then on where it is too dear for this shop."""
        while True:
            variables = {"first": self._page, "after": after, "levels": self.levels_first}
            cost = connection_cost(self._page, item_cost(self.levels_first))
            try:
                return await self._api.call(ITEMS, variables, cost=cost)
            except TooDear:
                if self._page == 1:
                    raise
                self._page = max(1, self._page // 2)

    async def _rows(
        self, item: dict[str, Any], reply: Reply, places: Iterable[RemoteLocation] | None = None
    ) -> list[CatalogueRow]:
        levels = item.get("inventoryLevels") or {}
        held = list(levels.get("nodes") or ())
        info = levels.get("pageInfo") or {}
        while info.get("hasNextPage") and info.get("endCursor"):
            document = more_of("InventoryItem", "inventoryLevels")
            variables = {"id": item["id"], "first": MORE_FIRST, "after": info["endCursor"]}
            more = await self._api.call(document, variables, cost=MORE_COST)
            found = ((more.data or {}).get("node") or {}).get("inventoryLevels")
            if not isinstance(found, dict):
                raise Retry(f"{document.name}: {item['id']} is not there any more")
            held += found.get("nodes") or ()
            info = found.get("pageInfo") or {}
        return list(rows_of(item, held, self._mapped if places is None else places, lambda level: reply.at))


def _chunks(items: list[RemoteId], size: int) -> list[list[RemoteId]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
