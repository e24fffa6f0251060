"""Reading what Amazon shows: every listing of the seller, or some now (fact sheet 4.1).

`fulfillmentAvailability` is what is in force; `attributes` would be what was submitted last. A SKU is one listing for
all marketplaces of the seller; it is looked for in each of them until it is found.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.channels.amazon.api import GET_LISTING, SEARCH_LISTINGS, Api, Refusal, Reply
from syncd.channels.amazon.settings import Settings
from syncd.channels.amazon.values import MFN, Unusable, ident, inside, instant, iso, objects, text, units
from syncd.domain.errors import Retry
from syncd.domain.ids import Alias, RemoteId
from syncd.domain.listings import Span
from syncd.ports import CatalogueRow

PATH: Final = ("listings", "2021-08-01", "items")
DATA: Final = "summaries,fulfillmentAvailability"
MERCHANT: Final = "DEFAULT"
AMAZON: Final = "AMAZON_"
PAGE: Final = 20
PAGING_ENDS: Final = 1000
"""A search shows no more results than these; it then begins anew from the newest listing seen."""
FEW: Final = 3
ASKED_SINGLY_AT_MOST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A listing as Amazon shows it. `units` None: no merchant's figure that could be used."""

    sku: str
    title: str
    units: int | None
    by_merchant: bool
    by_amazon: bool
    marketplace: str
    product_type: str
    at: Span
    created: str = ""

    @property
    def row(self) -> CatalogueRow | None:
        """None where Amazon alone ships it."""
        if self.by_amazon and not self.by_merchant:
            return None
        return CatalogueRow(
            remote_id=RemoteId(self.sku),
            remote_location=MFN,
            alias=Alias(self.sku),
            sku_text=text(self.sku),
            title=self.title,
            units=self.units,
            committed=0,
            at=self.at,
        )


class ListingReader:
    """Remembers which SKUs the vendor said it does not know, until it shows them again."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._api = api
        self._seller = settings.seller_id
        self._marketplaces = tuple(settings.marketplaces)
        self._unknown: set[str] = set()

    async def catalogue(self) -> AsyncIterator[Sequence[Shown]]:
        told: set[str] = set()
        for marketplace in self._marketplaces:
            async for page in self._listed(marketplace):
                yield [shown for shown in page if shown.sku not in told]
                told.update(shown.sku for shown in page)

    async def read(self, skus: Iterable[str]) -> dict[str, Shown]:
        """Some listings as they are now. One that is absent from a list is asked for by itself: only then is it gone.

        Raises Retry when so many are absent that the list itself is in doubt; asked again, it goes on from there.
        """
        wanted = list(dict.fromkeys(skus))
        found: dict[str, Shown] = {}
        if len(wanted) > FEW:
            for marketplace in self._marketplaces:
                left = [sku for sku in wanted if sku not in found and "," not in sku]
                for start in range(0, len(left), PAGE):
                    some = left[start : start + PAGE]
                    found.update((shown.sku, shown) for shown in await self._search(marketplace, some))
        self._unknown -= found.keys()
        absent = [sku for sku in wanted if sku not in found and sku not in self._unknown]
        for sku in absent[:ASKED_SINGLY_AT_MOST]:
            shown = await self._get(sku)
            if shown is None:
                self._unknown.add(sku)
            else:
                found[sku] = shown
        if len(absent) > ASKED_SINGLY_AT_MOST:
            raise Retry(f"searchListingsItems: {len(absent)} of {len(wanted)} listings are missing from the answer")
        self._unknown -= set(wanted)
        return found

    async def _get(self, sku: str) -> Shown | None:
        for marketplace in self._marketplaces:
            query = {"marketplaceIds": marketplace, "includedData": DATA}
            try:
                reply = await self._api.call(GET_LISTING, "GET", (*PATH, self._seller, sku), query)
            except Refusal as refusal:
                if refusal.status == 404:
                    continue
                raise
            shown = _shown(reply.body, marketplace, reply)
            if shown is not None:
                return shown
        return None

    async def _search(self, marketplace: str, skus: Sequence[str]) -> list[Shown]:
        query = {
            "marketplaceIds": marketplace,
            "includedData": DATA,
            "identifiers": ",".join(skus),
            "identifiersType": "SKU",
            "pageSize": str(PAGE),
        }
        reply = await self._api.call(SEARCH_LISTINGS, "GET", (*PATH, self._seller), query)
        return _page(reply, marketplace)

    async def _listed(self, marketplace: str) -> AsyncIterator[list[Shown]]:
        """Every listing, oldest first; the next thousand from the moment at which the newest so far was made."""
        since, token, listed = "", "", 0
        while True:
            query = {
                "marketplaceIds": marketplace,
                "includedData": DATA,
                "pageSize": str(PAGE),
                "sortBy": "createdDate",
                "sortOrder": "ASC",
            }
            if since:
                query["createdAfter"] = since
            if token:
                query["pageToken"] = token
            reply = await self._api.call(SEARCH_LISTINGS, "GET", (*PATH, self._seller), query)
            page = _page(reply, marketplace)
            yield page
            listed += len(objects(reply.body.get("items")))
            following = inside(reply.body.get("pagination")).get("nextToken")
            token = following if isinstance(following, str) else ""
            if listed >= PAGING_ENDS:
                newest = max((shown.created for shown in page if shown.created), default="")
                if not newest or newest == since:
                    raise Retry(f"searchListingsItems: more than {PAGING_ENDS} listings made at {since or 'one time'}")
                since, token, listed = newest, "", 0
            elif not token:
                return


def _page(reply: Reply, marketplace: str) -> list[Shown]:
    found = [_shown(item, marketplace, reply) for item in objects(reply.body.get("items"))]
    return [shown for shown in found if shown is not None]


def _shown(item: Mapping[str, Any], marketplace: str, reply: Reply) -> Shown | None:
    """An item whose SKU or figure cannot be read is left out: nothing may be concluded from it."""
    try:
        sku = ident(item.get("sku"), "sku")
        figures = {
            text(each.get("fulfillmentChannelCode")): each for each in objects(item.get("fulfillmentAvailability"))
        }
        merchant = figures.get(MERCHANT)
        quantity = merchant.get("quantity", 0) if merchant is not None else None
        shown_units = units(quantity, "quantity") if merchant is not None else None
    except Unusable:
        return None
    summary = next(iter(objects(item.get("summaries"))), {})
    by_amazon = any(code.startswith(AMAZON) for code in figures)
    return Shown(
        sku=sku,
        title=text(summary.get("itemName")),
        units=shown_units if merchant is not None or by_amazon else 0,
        by_merchant=merchant is not None or not by_amazon,
        by_amazon=by_amazon,
        marketplace=marketplace,
        product_type=text(summary.get("productType")),
        at=reply.at,
        created=_created(summary),
    )


def _created(summary: Mapping[str, Any]) -> str:
    try:
        return iso(instant(summary.get("createdDate"), "createdDate"))
    except Unusable:
        return ""
