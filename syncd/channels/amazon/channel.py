"""The Amazon channel: the port's methods, each handed to the module that does it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from syncd.channels.amazon.api import GET_ORDERS_V0, PARTICIPATIONS, SEARCH_ORDERS, Api
from syncd.channels.amazon.fba import FbaReader
from syncd.channels.amazon.listings import ListingReader
from syncd.channels.amazon.notifications import identify, parse_notification
from syncd.channels.amazon.order_facts import read_order, read_order_v0
from syncd.channels.amazon.orders import FETCHED, FETCHED_V0, POLLED, POLLED_V0, OrderReader
from syncd.channels.amazon.orders_v0 import ENDS
from syncd.channels.amazon.settings import CAPABILITIES, Settings
from syncd.channels.amazon.values import FBA, MFN, decode, inside, objects, place, text
from syncd.channels.amazon.writes import StockWriter
from syncd.domain.ids import ListingKey, OrderId, RemoteLocation
from syncd.ports import (
    CatalogueRow,
    Cursor,
    Delivery,
    Facts,
    Now,
    OrdersPage,
    Record,
    RowOutcome,
    ShopFacts,
    ShopLocation,
    Tokens,
    WriteBatch,
)

PARTICIPATIONS_PATH: Final = ("sellers", "v1", "marketplaceParticipations")


class AmazonChannel:
    def __init__(self, settings: Settings, mapped: Iterable[str], now: Now) -> None:
        self.capabilities = replace(
            CAPABILITIES,
            batch=settings.batch,
            orders_lag_seconds=settings.orders_lag_seconds,
            lands_within_seconds=settings.lands_within_seconds,
        )
        self._settings = settings
        self._mapped = {place(each) for each in mapped}
        self._secrets = settings.webhook_secrets()
        self._api = Api(settings, now)
        self._orders = OrderReader(self._api, settings, now)
        self._listings = ListingReader(self._api, settings)
        self._fba = FbaReader(self._api, settings)
        self._writer = StockWriter(self._api, settings, self._listings, self._orders.sales)

    def learn(self, facts: ShopFacts) -> None:
        """Nothing of it is needed to verify a delivery."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        return identify(headers, body, self._secrets)

    def parse(self, topic: str, headers: Mapping[str, str], body: bytes) -> Facts:
        """What a stored notification, or an order that was read, says. Raises Refused and nothing else."""
        if topic in (POLLED, FETCHED):
            facts = read_order(decode(body, topic), topic)
        elif topic in (POLLED_V0, FETCHED_V0):
            facts = read_order_v0(decode(body, topic), topic)
        else:
            return parse_notification(topic, body, self._settings.seller_id)
        if topic in (FETCHED, FETCHED_V0):
            return replace(facts, fetched=tuple(order.order_id for order in facts.orders))
        return facts

    def tokens(self) -> Tokens:
        """Of the scarcest: reading orders."""
        return self._api.tokens(GET_ORDERS_V0 if self._settings.orders_api == "v0" else SEARCH_ORDERS)

    async def connect(self) -> ShopFacts:
        """Prove the credentials; say which of the marketplaces the seller does not sell in."""
        reply = await self._api.call(PARTICIPATIONS, "GET", PARTICIPATIONS_PATH)
        selling: set[str] = set()
        suspended: set[str] = set()
        for each in objects(reply.body.get("payload")):
            marketplace = text(inside(each.get("marketplace")).get("id"))
            participation = inside(each.get("participation"))
            if participation.get("isParticipating") is not False:
                selling.add(marketplace)
            if participation.get("hasSuspendedListings") is True:
                suspended.add(marketplace)
        locations = (
            ShopLocation(MFN, "shipped by the merchant", True),
            ShopLocation(FBA, "shipped by Amazon (only read)", True),
        )
        return ShopFacts(
            identity=self._settings.seller_id, locations=locations, warnings=tuple(self._warnings(selling, suspended))
        )

    async def subscribe(self, address: str) -> Sequence[str]:
        """Amazon sends to queues, not to web addresses: the forwarder's set-up is in the README."""
        return ()

    def poll_orders(self, cursor: Cursor | None) -> AsyncIterator[OrdersPage]:
        return self._orders.pages(cursor)

    async def fetch_orders(self, order_ids: Sequence[OrderId]) -> Sequence[Record]:
        return await self._orders.fetch(order_ids)

    async def read_catalogue(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        if MFN in self._mapped:
            async for page in self._listings.catalogue():
                yield [row for shown in page if (row := shown.row) is not None]
        if FBA in self._mapped:
            async for rows in self._fba.catalogue():
                yield rows

    async def read_levels(self, keys: Sequence[ListingKey]) -> Sequence[CatalogueRow]:
        found: list[CatalogueRow] = []
        merchant = [key.remote_id for key in keys if key.remote_location == MFN]
        amazon = [key.remote_id for key in keys if key.remote_location == FBA]
        if merchant:
            shown = await self._listings.read(merchant)
            found += [row for each in shown.values() if (row := each.row) is not None]
        if amazon:
            found += await self._fba.read(amazon)
        return found

    async def write(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        return await self._writer.write(batch)

    async def landed(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        return await self._writer.landed(batch)

    async def close(self) -> None:
        await self._api.close()

    def _warnings(self, selling: set[str], suspended: set[str]) -> list[str]:
        told = [
            f"the seller does not sell in the marketplace {each}"
            for each in self._settings.marketplaces
            if selling and each not in selling
        ]
        told += [f"listings in {each} are suspended" for each in self._settings.marketplaces if each in suspended]
        if self._settings.orders_api == "v0":
            told.append(f'the Orders API v0 ends on {ENDS}; set orders_api = "2026-01-01" before')
        return told


def normal_location(remote: str) -> RemoteLocation:
    """A location as the configuration may write it, as the channel names it. ValueError when it is neither."""
    return RemoteLocation(place(remote))
