"""Loads the books for a group of changes and stores what the group did, in one transaction.

The one who holds a `BookStore` holds the only writer's connection; numbers of ledger entries are given here, without
gaps, and only become real with the commit.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

from syncd.domain.booking import is_unbound
from syncd.domain.books import Books, ChannelRecord, Listing, Need
from syncd.domain.conflicts import Conflict, ConflictKind, Resolution
from syncd.domain.ids import (
    Alias,
    ChannelId,
    EventId,
    Instant,
    LevelKey,
    ListingKey,
    LocationId,
    OrderId,
    OrderKey,
    RemoteId,
    RemoteLocation,
    Sku,
)
from syncd.domain.quantities import Level
from syncd.domain.setup import Setup
from syncd.domain.showing import state
from syncd.domain.writes import SentWrite, WriteRow
from syncd.storage.arrays import columns
from syncd.storage.authorities import load_standings, save_standings
from syncd.storage.codec import (
    account_from_text,
    account_to_text,
    order_from_text,
    order_to_text,
    override_from_json,
    override_to_text,
)
from syncd.storage.pool import Connection
from syncd.storage.queries import load

SQL = load("books")
CONFLICTS = load("conflicts")


class BookStore:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.seq = 0
        self.write_id = 0
        self.through = 0
        self._has_policies = False

    async def start(self) -> None:
        """Learn where the books stand."""
        row = (await self.connection.fetch(SQL.last_numbers))[0]
        self.seq, self.write_id, self.through = row["seq"], row["write_id"], row["through"]
        self._has_policies = row["policies"]

    async def load(self, need: Need, setup: Setup, now: Instant, blocked: frozenset[ChannelId]) -> Books:
        """Load everything that the group may touch, in a handful of queries."""
        books = Books(setup, now, blocked_channels=blocked, last_write_id=self.write_id)
        aliases = set(need.aliases)
        if need.orders:
            await self._load_orders(books, need.orders, aliases)
        await self._load_listings(books, aliases, need.items, need.skus)
        skus = need.skus | {listing.sku for listing in books.listings.values() if listing.sku is not None}
        skus |= {binding.sku for order in books.orders.values() for binding in order.bindings.values()}
        if skus:
            for row in await self.connection.fetch(SQL.load_levels, list(skus)):
                level = Level(
                    on_hand=row["on_hand"],
                    committed=row["committed"],
                    unavailable=row["unavailable"],
                    incoming=row["incoming"],
                )
                books.add_level(LevelKey(Sku(row["sku"]), LocationId(row["location"])), level, row["counted_at"])
            if self._has_policies:
                for row in await self.connection.fetch(SQL.load_policies, list(skus)):
                    books.overrides[row["channel"], Sku(row["sku"])] = override_from_json(row["override"])
            if setup.books_within:
                await load_standings(self.connection, books, need, skus)
        if need.new_skus:
            books.known_skus |= await self.existing(need.new_skus)
        return books

    async def _load_orders(self, books: Books, keys: set[OrderKey], aliases: set[tuple[ChannelId, Alias]]) -> None:
        rows = await self.connection.fetch(SQL.load_orders, [k.channel for k in keys], [k.order_id for k in keys])
        for row in rows:
            key = OrderKey(ChannelId(row["channel"]), OrderId(row["order_id"]))
            order = order_from_text(key.order_id, row["name"], row["placed_at"], row["updated_at"], row["record"])
            books.orders[key] = order
            books.order_events[key] = EventId(row["event_id"])
            aliases.update((key.channel, line.item) for line in order.lines.values() if line.item is not None)

    async def _load_listings(
        self,
        books: Books,
        aliases: set[tuple[ChannelId, Alias]],
        items: set[tuple[ChannelId, RemoteId]],
        skus: set[Sku],
    ) -> None:
        if not (aliases or items or skus):
            return
        rows = await self.connection.fetch(
            SQL.load_listings,
            [channel for channel, _ in aliases],
            [alias for _, alias in aliases],
            [channel for channel, _ in items],
            [remote_id for _, remote_id in items],
            list(skus),
        )
        for row in rows:
            books.add_listing(listing_from_row(row))

    async def existing(self, skus: Iterable[Sku]) -> set[Sku]:
        return {Sku(row["sku"]) for row in await self.connection.fetch(SQL.known_skus, list(skus))}

    async def unlinked_named(self, skus: Iterable[Sku]) -> list[tuple[ChannelId, RemoteId]]:
        """Listings without a SKU that go by one of these names on their channel."""
        rows = await self.connection.fetch(SQL.unlinked_named, list(skus))
        return [(ChannelId(row["channel"]), RemoteId(row["remote_id"])) for row in rows]

    async def save(self, books: Books, through: int) -> None:
        """Store what the group changed; to be called inside the group's transaction, once.

        When `is_one_statement` says so of the group, it needs none.
        """
        recorded_at = datetime.fromtimestamp(books.now / 1000, UTC)
        await self.connection.execute(
            SQL.commit_group,
            recorded_at,
            *_entry_columns(books, self.seq),
            *_level_columns(books),
            *_order_columns(books),
            *_commitment_columns(books),
            *_listing_columns(books),
            through,
        )
        if not is_one_statement(books):
            await self._save_rarities(books, recorded_at)

    async def _save_rarities(self, books: Books, recorded_at: datetime) -> None:
        """What most groups do not have."""
        if books.new_skus:
            await self.connection.execute(SQL.create_skus, recorded_at, list(books.new_skus))
        released = [key for key, held in books.commitments.items() if not held.units]
        if released:
            keyed = zip(*((*order, line_id, location) for order, line_id, location in released), strict=True)
            await self.connection.execute(SQL.release_commitments, *map(list, keyed))
        if books.wanted:
            keys = list(books.wanted)
            channels, order_ids = [k.channel for k in keys], [k.order_id for k in keys]
            await self.connection.execute(SQL.want_orders, recorded_at, channels, order_ids)
        if books.read:
            keys = list(books.read)
            await self.connection.execute(SQL.released_wanted, [k.channel for k in keys], [k.order_id for k in keys])
        if books.changed_overrides:
            changed = [(channel, sku, books.overrides[channel, sku]) for channel, sku in books.changed_overrides]
            await self.connection.execute(
                SQL.save_policies,
                [channel for channel, _, _ in changed],
                [sku for _, sku, _ in changed],
                [override_to_text(override) for _, _, override in changed],
            )
        await save_standings(self.connection, books, recorded_at)
        await self._save_conflicts(books, recorded_at)
        await self._save_writes(books, recorded_at)
        for record in books.channel_records.values():
            await self.connection.execute(SQL.save_channel, *channel_columns(record))
        if books.audits:
            await self.connection.executemany(
                SQL.audit, [(recorded_at, a.actor, a.action, a.target, a.reason) for a in books.audits]
            )

    async def _save_writes(self, books: Books, at: datetime) -> None:
        if books.begun:
            rows = [(w.write_id, w.channel, w.key, sent_to_json(w), at) for w in books.begun]
            await self.connection.executemany(SQL.begin_write, rows)
            sent = [(*row.key, row.target) for write in books.begun for row in write.rows]
            await self.connection.execute(SQL.remember_sent, at, *map(list, zip(*sent, strict=True)))
        if books.doubted:
            await self.connection.execute(SQL.doubt_writes, books.doubted)
        if books.confirmed:
            told = [(*key, units) for key, units in books.confirmed]
            await self.connection.execute(SQL.remember_confirmed, at, *map(list, zip(*told, strict=True)))
        if books.ended:
            await self.connection.execute(SQL.end_writes, books.ended)

    def committed(self, books: Books, through: int) -> None:
        """The transaction is in: its numbers are taken."""
        self.seq += len(books.entries)
        self.write_id = max([self.write_id, *(write.write_id for write in books.begun)])
        self.through = max(self.through, through)
        self._has_policies = self._has_policies or bool(books.changed_overrides)

    async def _save_conflicts(self, books: Books, at: datetime) -> None:
        short = books.short
        last = {(c.kind, c.subject): c for c in books.conflicts}
        opened = [c for c in books.conflicts if isinstance(c, Conflict)]
        closed = [c for c in books.conflicts if isinstance(c, Resolution)]
        # The last word on a subject stands: what was opened and settled in one group ends settled.
        reopened = [c for c in closed if isinstance(last[c.kind, c.subject], Conflict)]
        settled = [c for c in closed if isinstance(last[c.kind, c.subject], Resolution)]
        if short:
            opened += await self._oversells(books, short)
        settled += [
            Resolution(kind=ConflictKind.OVERSELL, subject=sku, how="enough units are available again")
            for sku in books.relieved
        ]
        await self._resolve(reopened, at)
        if opened:
            newest = {(c.kind, c.subject): c for c in opened}.values()
            await self.connection.execute(
                CONFLICTS.open,
                [c.kind.value for c in newest],
                [c.subject for c in newest],
                [c.sku for c in newest],
                [c.location for c in newest],
                [c.channel for c in newest],
                [orjson.dumps(dict(c.facts)).decode() for c in newest],
                at,
            )
        await self._resolve(settled, at)

    async def _resolve(self, closed: Sequence[Resolution], at: datetime) -> None:
        if closed:
            await self.connection.execute(
                CONFLICTS.resolve,
                [c.kind.value for c in closed],
                [c.subject for c in closed],
                [c.how for c in closed],
                at,
            )

    async def _oversells(self, books: Books, short: Mapping[Sku, Sequence[LevelKey]]) -> list[Conflict]:
        """Who competes for the missing units, the first placed first, and where units could come from."""
        competing: dict[str, list[dict[str, Any]]] = {}
        for row in await self.connection.fetch(CONFLICTS.competing, list(short)):
            competing.setdefault(row["sku"], []).append({k: v for k, v in row.items() if k != "sku"})
        found = []
        for sku, keys in short.items():
            levels = dict(books.levels_of(sku))
            facts = {
                "missing": sum(-levels[key].available for key in keys),
                "locations": {key.location: levels[key].available for key in keys},
                "could_come_from": {k.location: v.available for k, v in levels.items() if v.available > 0},
                "competing": competing.get(sku, []),
                "suggestion": "first placed wins; move, reorder or cancel the others",
            }
            found.append(
                Conflict(kind=ConflictKind.OVERSELL, subject=sku, sku=sku, location=keys[0].location, facts=facts)
            )
        return found


def is_one_statement(books: Books) -> bool:
    """Is all that the group changed stored by one statement, which is a transaction by itself?"""
    rarities = (
        books.new_skus,
        books.wanted,
        books.read,
        books.changed_overrides,
        books.conflicts,
        books.begun,
        books.doubted,
        books.ended,
        books.channel_records,
        books.audits,
        books.changed_standings,
        books.new_documents,
        books.snapshot_parts,
        books.ended_snapshots,
    )
    if any(rarities) or any(not held.units for held in books.commitments.values()):
        return False
    return not books.short and not books.relieved


async def unbound_orders(connection: Connection, channel: ChannelId) -> list[OrderKey]:
    """Orders of the channel with lines whose SKU was not known when they were booked."""
    rows = await connection.fetch(SQL.unbound_orders, channel)
    return [OrderKey(channel, OrderId(row["order_id"])) for row in rows]


def channel_columns(record: ChannelRecord) -> list[Any]:
    return [
        record.channel,
        record.kind,
        record.first_synced_at,
        record.paused,
        record.frozen,
        record.blocked,
        record.facts,
    ]


def channel_from_row(row: asyncpg.Record) -> ChannelRecord:
    return ChannelRecord(
        channel=ChannelId(row["channel"]),
        kind=row["kind"],
        first_synced_at=row["first_synced_at"],
        paused=row["paused"],
        frozen=row["frozen"],
        blocked=row["blocked"],
        facts=row["facts"],
    )


def sent_to_json(write: SentWrite) -> list[list[Any]]:
    return [[*row.key, row.target, row.was, row.active] for row in write.rows]


def sent_from_row(row: asyncpg.Record) -> SentWrite:
    return SentWrite(
        write_id=row["id"],
        channel=ChannelId(row["channel"]),
        key=row["key"],
        rows=tuple(WriteRow(key=ListingKey(*r[:3]), target=r[3], was=r[4], active=r[5]) for r in row["rows"]),
    )


def listing_from_row(row: asyncpg.Record) -> Listing:
    return Listing(
        key=ListingKey(ChannelId(row["channel"]), RemoteId(row["remote_id"]), RemoteLocation(row["remote_location"])),
        alias=row["alias"],
        sku_text=row["sku_text"],
        title=row["title"],
        tracked=row["tracked"],
        active=row["active"],
        sku=row["sku"],
        linked_by=row["linked_by"],
        paused=row["paused"],
        held=row["held"],
        rejected=row["rejected"],
        drifting=row["drifting"],
        account=account_from_text(row["account"]),
        desired=row["desired"],
        observed=row["observed"],
        observed_at=row["observed_at"],
        write_id=row["write_id"],
    )


def _entry_columns(books: Books, seq: int) -> list[str]:
    rows = [
        (
            number,
            e.sku,
            e.location,
            e.quantity.value,
            e.delta,
            e.balance,
            e.reason,
            e.cause.channel,
            e.cause.event_id,
            e.cause.order_id,
            e.cause.line_id,
            e.cause.actor,
        )
        for number, e in enumerate(books.entries, seq + 1)
    ]
    return columns(rows, 12)


def _level_columns(books: Books) -> list[str]:
    rows = []
    for key in books.changed_levels:
        level = books.levels[key]
        rows.append(
            (*key, level.on_hand, level.committed, level.unavailable, level.incoming, books.counted_at.get(key))
        )
    return columns(rows, 7)


def _order_columns(books: Books) -> list[str]:
    rows = []
    for key in books.changed_orders:
        order = books.orders[key]
        rows.append(
            (
                *key,
                order.name,
                order.placed_at,
                order.updated_at,
                is_unbound(order),
                books.order_events[key],
                order_to_text(order),
            )
        )
    return columns(rows, 8)


def _commitment_columns(books: Books) -> list[str]:
    rows = [
        (*order, line_id, location, held.sku, held.units, held.placed_at)
        for (order, line_id, location), held in books.commitments.items()
        if held.units
    ]
    return columns(rows, 7)


def _listing_columns(books: Books) -> list[str]:
    rows = []
    for key in books.changed_listings:
        listing = books.listings[key]
        rows.append(
            (
                *key,
                listing.alias,
                listing.sku_text,
                listing.title,
                listing.tracked,
                listing.active,
                listing.sku,
                listing.linked_by,
                listing.paused,
                listing.held,
                listing.rejected,
                listing.drifting,
                listing.account.asked or listing.account.reading is not None,
                account_to_text(listing.account),
                listing.desired,
                listing.account.expected,
                state(books, listing),
                listing.observed,
                listing.observed_at,
                listing.write_id,
            )
        )
    return columns(rows, 22)
