"""Reading what Amazon holds and ships itself. It is Amazon's number: nothing here writes.

What can be sold is `fulfillableQuantity`; the total also counts what is on its way or unfit. A page token lives for
thirty seconds.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from syncd.channels.amazon.api import FBA_SUMMARIES, Api, Reply
from syncd.channels.amazon.settings import Settings
from syncd.channels.amazon.values import FBA, Unusable, ident, inside, objects, text, units
from syncd.domain.errors import Retry
from syncd.domain.ids import Alias, RemoteId
from syncd.ports import CatalogueRow

PATH: Final = ("fba", "inventory", "v1", "summaries")
SKUS_AT_ONCE: Final = 50


class FbaReader:
    def __init__(self, api: Api, settings: Settings) -> None:
        self._api = api
        self._marketplace = settings.marketplaces[0]

    async def catalogue(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        async for rows in self._pages({}):
            yield rows

    async def read(self, skus: Sequence[str]) -> list[CatalogueRow]:
        """Some SKUs now. The list is known to skip some: one that is missing is asked for once more by itself."""
        found: dict[str, CatalogueRow] = {}
        for start in range(0, len(skus), SKUS_AT_ONCE):
            await self._find(skus[start : start + SKUS_AT_ONCE], found)
        missing = [sku for sku in skus if sku not in found]
        for sku in missing[:5]:
            await self._find([sku], found)
        if len(missing) > 5:
            raise Retry(f"getInventorySummaries: {len(missing)} of {len(skus)} SKUs are missing from the answer")
        return list(found.values())

    async def _find(self, skus: Sequence[str], found: dict[str, CatalogueRow]) -> None:
        async for rows in self._pages({"sellerSkus": ",".join(skus)}):
            found.update((row.remote_id, row) for row in rows)

    async def _pages(self, narrowed: Mapping[str, str]) -> AsyncIterator[list[CatalogueRow]]:
        query = {
            "details": "true",
            "granularityType": "Marketplace",
            "granularityId": self._marketplace,
            "marketplaceIds": self._marketplace,
            **narrowed,
        }
        token = ""
        while True:
            reply = await self._api.call(FBA_SUMMARIES, "GET", PATH, {**query, "nextToken": token} if token else query)
            summaries = objects(inside(reply.body.get("payload")).get("inventorySummaries"))
            rows = [_row(summary, reply) for summary in summaries]
            yield [row for row in rows if row is not None]
            following = inside(reply.body.get("pagination")).get("nextToken")
            if not isinstance(following, str) or not following:
                return
            token = following


def _row(summary: Mapping[str, Any], reply: Reply) -> CatalogueRow | None:
    try:
        sku = ident(summary.get("sellerSku"), "sellerSku")
        details = inside(summary.get("inventoryDetails"))
        fulfillable = units(details.get("fulfillableQuantity"), "fulfillableQuantity")
    except Unusable:
        return None
    return CatalogueRow(
        remote_id=RemoteId(sku),
        remote_location=FBA,
        alias=Alias(sku),
        sku_text=text(sku),
        title=text(summary.get("productName")),
        units=fulfillable,
        committed=0,
        at=reply.at,
    )
