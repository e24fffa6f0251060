"""Answers the questions about a channel's listings: reads them, has the readings covered, has them judged.

Also reads the whole catalogue: at first, when an order names an item that nobody knows, and every so often; and with
each poll some listings in turn, webhooks or not, where the channel makes that cheap.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

import anyio
import structlog
from asyncpg import Record

from syncd.actors.contact import Contact
from syncd.actors.desk import PATIENCE_SECONDS, Desk
from syncd.actors.poller import Poller
from syncd.actors.stock import StockActor
from syncd.domain.books import Audited
from syncd.domain.commands import LinkBySku, SaveChannel
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Retry
from syncd.domain.ids import ChannelId, Instant, ListingKey, RemoteId, RemoteLocation, Sku
from syncd.domain.reading import AdoptCounts, Cover, TakeReadings
from syncd.domain.setup import ChannelSetup, FirstSync
from syncd.domain.showing import SETTLE
from syncd.ports import CatalogueRow, Channel, Now
from syncd.storage.books import SQL as BOOKS
from syncd.storage.books import unbound_orders
from syncd.storage.pool import Database

log = structlog.get_logger(__name__)

T = TypeVar("T")

NOTHING: Final[Mapping[ListingKey, int | None]] = {}
CHUNK: Final = 500
LOOK_SECONDS: Final = 1.0
CATALOGUE_SECONDS: Final = 6 * 3600.0
UNKNOWN_SECONDS: Final = 2.0
"""So long after the last reading is the catalogue read for an item that nobody knows; twice as long each time that
there is one again, since some items are never found."""
UNKNOWN_MOST_SECONDS: Final = 1800.0
CATALOGUE_CALL_SECONDS: Final = 3600.0
SWEEP_SECONDS: Final = 5.0
"""Listings are not read in turn more often than this, however often orders are."""
RECONCILE_SECONDS: Final = 60.0
READ_BATCH: Final = 250
CLOCK_SECONDS: Final = 1.1
"""Channels' clocks tick in seconds: that much later an order reading surely reaches beyond a reading."""
MOST_SECONDS: Final = 30.0


@dataclass(slots=True)
class Reconciler:
    channel: Channel
    setup: ChannelSetup
    desk: Desk
    stock: StockActor
    database: Database
    contact: Contact
    poller: Poller
    now: Now
    catalogue_at: float | None = None
    _read_at: float = 0.0
    _covered_at: float = 0.0
    _unknown_seconds: float = UNKNOWN_SECONDS
    _swept_at: float = 0.0
    _swept_to: tuple[str, str] = ("", "")
    _failures: int = 0
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    async def run(self) -> None:
        """Read the catalogue once, then answer questions as they come, for ever."""
        while True:
            try:
                await self._round()
                self._failures = 0
                wait = LOOK_SECONDS if self.desk.asked else min(self._until_catalogue(), self._until_sweep())
                await self.desk.questions.wait(at_most_seconds=wait)
            except (Retry, AuthFailed, OutcomeUnknown) as error:
                self._failures += 1
                if self._failures == 1:
                    log.warning("listings.unread", channel=self.desk.channel, error=str(error))
                await anyio.sleep(min(self.contact.pause_seconds(error, self._failures), MOST_SECONDS))

    async def _round(self) -> None:
        if self._until_catalogue() <= 0.0:
            await self.read_catalogue(adopt=self.setup.first_sync is FirstSync.ADOPT)
        if self.desk.link_wanted:
            await self.link()
        await self._judge()
        if self._until_sweep() <= 0.0:
            await self._sweep()
        await self._read_asked()
        if self._waiting():
            await self._cover()
            await self._judge()
        if self.desk.record.first_synced_at is None and not self._waiting():
            if self.setup.first_sync is FirstSync.ASK:
                self.desk.state = "awaiting_first_sync"
            else:
                await self._confirm_first_sync("syncd")

    def _until_catalogue(self) -> float:
        if self.catalogue_at is None:
            return 0.0
        every = self._unknown_seconds if self.desk.catalogue_wanted else CATALOGUE_SECONDS
        return max(0.0, self.catalogue_at + every - anyio.current_time())

    def _until_sweep(self) -> float:
        if not self.channel.capabilities.sweep:
            return CATALOGUE_SECONDS
        return max(0.0, self._swept_at + max(self.poller.every_seconds, SWEEP_SECONDS) - anyio.current_time())

    async def _sweep(self) -> None:
        """Read the next listings in turn: a change of stock whose event was lost shows here, and asks for itself.

        What agrees is not entered, and what has a question open is not read: a newer reading would wait longer.
        """
        most = self.channel.capabilities.sweep
        async with self.database.reading() as connection:
            found = await connection.fetch(BOOKS.listings_after, self.desk.channel, *self._swept_to, most)
        expected = {_key(self.desk.channel, row): row["expected"] for row in found if not row["asked"]}
        for keys in _chunks(list(expected), READ_BATCH):
            await self._read(keys, expected)
        self._swept_to = (found[-1]["remote_id"], found[-1]["remote_location"]) if len(found) == most else ("", "")
        self._swept_at = anyio.current_time()

    async def read_catalogue(self, *, adopt: bool) -> None:
        """Read every item at every mapped location and link what can be linked; its readings wait for their cover.

        With `adopt`, or where the channel is the authority, a first reading becomes the counts.
        """
        async with self._reading:
            wanted, self.desk.catalogue_wanted = self.desk.catalogue_wanted, False
            self._unknown_seconds = min(self._unknown_seconds * 2, UNKNOWN_MOST_SECONDS) if wanted else UNKNOWN_SECONDS
            first = self.desk.record.first_synced_at is None
            adopted: list[CatalogueRow] = []
            async with self.contact.attempt("read catalogue"):
                with anyio.fail_after(CATALOGUE_CALL_SECONDS):
                    async for rows in self.channel.read_catalogue():
                        for chunk in _chunks(rows):
                            await self.stock.ask(TakeReadings(channel=self.desk.channel, rows=chunk))
                        if first:
                            adopted += [row for row in rows if adopt or self._is_authority(row.remote_location)]
            self._read_at = self._swept_at = self.catalogue_at = anyio.current_time()
            await self._adopt(adopted)
            await self.link()
            log.info("catalogue.read", channel=self.desk.channel)

    def _is_authority(self, remote: RemoteLocation) -> bool:
        return self.stock.setup.is_authority(self.desk.channel, remote)

    async def _adopt(self, rows: Sequence[CatalogueRow]) -> None:
        """Only items with a SKU text that no other item of the channel has."""
        items: dict[str, set[RemoteId]] = {}
        for row in rows:
            items.setdefault(row.sku_text, set()).add(row.remote_id)
        clear = [row for row in rows if row.sku_text and len(items[row.sku_text]) == 1]
        for chunk in _chunks(clear):
            skus = [Sku(row.sku_text) for row in chunk]
            await self.stock.ask(AdoptCounts(channel=self.desk.channel, rows=chunk, skus=skus))

    async def link(self) -> None:
        """Link items by SKU text where that is unambiguous, ask about the others, book the orders that waited."""
        created = self.desk.skus_created
        async with self.database.reading() as connection:
            found = await connection.fetch(BOOKS.link_candidates, self.desk.channel)
        pairs = [(RemoteId(row["remote_id"]), Sku(row["sku"])) for row in found]
        for chunk in _chunks(pairs):
            await self.stock.ask(LinkBySku(channel=self.desk.channel, pairs=chunk))
        async with self.database.reading() as connection:
            unlinked = await connection.fetch(BOOKS.unlinked_items, self.desk.channel)
            waiting = await unbound_orders(connection, self.desk.channel)
        puzzles = [
            (RemoteId(row["remote_id"]), _puzzle(row["sku_text"], row["exists"], row["alike"])) for row in unlinked
        ]
        for some in _chunks(puzzles):
            await self.stock.ask(LinkBySku(channel=self.desk.channel, puzzles=some))
        for orders in _chunks(waiting):
            await self.stock.ask(LinkBySku(channel=self.desk.channel, waiting=frozenset(orders)))
        self.desk.skus_linked = max(self.desk.skus_linked, created)

    async def reconcile(self, *, apply: bool, actor: str) -> None:
        """Read the channel anew and judge it; with `apply`, a person says that what is owed may be written."""
        await self.read_catalogue(adopt=self.setup.first_sync is FirstSync.ADOPT)
        if not apply and self.desk.record.first_synced_at is not None:
            return  # what differs is to be seen as it is now, before it is judged and mended
        with anyio.move_on_after(RECONCILE_SECONDS):
            while self._waiting():
                await self._cover()
                await self._judge(settle=0 if apply else SETTLE)
        if apply:
            await self._confirm_first_sync(actor)

    async def _confirm_first_sync(self, actor: str) -> None:
        record = self.desk.record
        if record.first_synced_at is None:
            record = replace(record, first_synced_at=self.now())
            audit = Audited(actor=actor, action="channel.first_sync", target=self.desk.channel)
            await self.stock.ask(SaveChannel(record=record, audit=audit))
            log.info("channel.first_synced", channel=self.desk.channel, by=actor)
        self.desk.state = "live"
        self.desk.writes.ring()

    def _waiting(self) -> bool:
        return any(asked.read_to is not None for asked in self.desk.asked.values())

    async def _cover(self) -> None:
        """Read the orders once they can be known beyond the readings that wait."""
        lag_seconds = self.channel.capabilities.orders_lag_seconds + CLOCK_SECONDS
        soonest = max(self._read_at + lag_seconds, self._covered_at + LOOK_SECONDS)
        await anyio.sleep(max(0.0, soonest - anyio.current_time()))
        self._covered_at = anyio.current_time()
        await self.poller.poll()
        await self.stock.caught_up()

    async def _judge(self, *, settle: Instant = SETTLE) -> None:
        known = self.desk.orders_known
        if known is None:
            return
        keys = [key for key, asked in self.desk.asked.items() if asked.read_to is not None and asked.read_to <= known]
        for chunk in _chunks(keys):
            may_enforce = self.desk.dead_letters == 0
            await self.stock.ask(Cover(keys=chunk, reached=known, settle=settle, may_enforce=may_enforce))

    async def _read_asked(self) -> None:
        now = anyio.current_time()
        due = [key for key, asked in self.desk.asked.items() if asked.read_to is None and asked.due <= now]
        for chunk in _chunks(due, READ_BATCH):
            await self._read(chunk)
            self._read_at = anyio.current_time()
            for key in chunk:
                asked = self.desk.asked.get(key)
                if asked is not None and asked.read_to is None:
                    asked.due = anyio.current_time() + PATIENCE_SECONDS

    async def _read(self, keys: Sequence[ListingKey], expected: Mapping[ListingKey, int | None] = NOTHING) -> None:
        """Read listings anew; those that show what is expected of them are left as they are."""
        rows = await self.contact.call("read levels", partial(self.channel.read_levels, keys))
        found = {row.key(self.desk.channel): row for row in rows}
        news = [row for key, row in found.items() if row.units is None or expected.get(key) != row.units]
        gone = sorted(set(keys) - found.keys())
        if news or gone:
            await self.stock.ask(TakeReadings(channel=self.desk.channel, rows=news, gone=gone))


def _key(channel: ChannelId, row: Record) -> ListingKey:
    return ListingKey(channel, RemoteId(row["remote_id"]), RemoteLocation(row["remote_location"]))


def _puzzle(sku_text: str, exists: bool, alike: int) -> str:
    if not sku_text:
        return "the item has no SKU on the channel"
    if alike > 1:
        return f"{alike} items of the channel go by the SKU {sku_text}"
    if not exists:
        return f"there is no SKU {sku_text} here"
    return f"another item of the channel is linked to {sku_text} already"


def _chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
