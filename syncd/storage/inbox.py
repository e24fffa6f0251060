"""What arrived, as rows: stored raw, read back in order, set aside when it cannot be applied."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from syncd.domain.ids import ChannelId, EventId
from syncd.storage.arrays import literal
from syncd.storage.pool import Connection
from syncd.storage.queries import load

SQL = load("inbox")
WRITER: Final = 1
SMALL_WINDOW: Final = 12
ORDERS_READ: Final = "syncd/orders-read"
"""Topic of the mark that a channel's orders have been read up to some time; applied in its place among the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A delivery or record to be stored; `key` identifies it within its channel."""

    channel: ChannelId
    key: str
    event_id: EventId
    topic: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    id: int
    channel: ChannelId
    event_id: EventId
    topic: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A delivery that could not be applied, and why."""

    row: InboxRow
    reason: str


async def last_id(connection: Connection) -> int:
    return int(await connection.fetchval(SQL.last_id, WRITER))


async def persist(connection: Connection, first_id: int, arrivals: Sequence[Arrival]) -> set[int]:
    """Store a batch under numbers from `first_id` on; returns the numbers that were new."""
    rows = await connection.fetch(
        SQL.persist,
        WRITER,
        first_id,
        literal([a.channel for a in arrivals]),
        literal([a.key for a in arrivals]),
        literal([a.event_id for a in arrivals]),
        literal([a.topic for a in arrivals]),
        literal([orjson.dumps(dict(a.headers)).decode() for a in arrivals]),
        [_packed(a.body) for a in arrivals],
        literal([a.received_at for a in arrivals]),
    )
    return {row["id"] for row in rows}


def _packed(body: bytes) -> bytes:
    """Small bodies need no large window, whose making costs more than the packing."""
    return zlib.compress(body, 1, SMALL_WINDOW if len(body) <= 2 << SMALL_WINDOW else zlib.MAX_WBITS)


async def save_cursor(connection: Connection, channel: ChannelId, cursor: Mapping[str, str]) -> None:
    await connection.execute(SQL.save_cursor, channel, dict(cursor))


async def after(connection: Connection, through: int, most: int) -> list[InboxRow]:
    return [row_of(row) for row in await connection.fetch(SQL.after, WRITER, through, most)]


async def by_ids(connection: Connection, ids: Iterable[int]) -> list[InboxRow]:
    return [row_of(row) for row in await connection.fetch(SQL.by_ids, WRITER, list(ids))]


async def by_event(connection: Connection, event_id: str) -> list[InboxRow]:
    return [row_of(row) for row in await connection.fetch(SQL.by_event, event_id)]


async def bury(connection: Connection, letters: Sequence[Letter], at: datetime) -> None:
    await connection.execute(
        SQL.bury,
        [letter.row.id for letter in letters],
        [letter.row.channel for letter in letters],
        [letter.row.topic for letter in letters],
        [letter.reason for letter in letters],
        at,
    )


async def revive(connection: Connection, ids: Sequence[int], at: datetime) -> None:
    await connection.execute(SQL.revive, list(ids), at)


async def discard(connection: Connection, ids: Sequence[int], at: datetime) -> list[int]:
    return [row["id"] for row in await connection.fetch(SQL.discard, list(ids), at)]


async def open_letters(connection: Connection) -> dict[ChannelId, int]:
    return {ChannelId(row["channel"]): row["letters"] for row in await connection.fetch(SQL.open_letters)}


def row_of(row: asyncpg.Record) -> InboxRow:
    return InboxRow(
        id=row["id"],
        channel=ChannelId(row["channel"]),
        event_id=EventId(row["event_id"]),
        topic=row["topic"],
        headers=orjson.loads(row["headers"]),
        body=zlib.decompress(row["body"]),
        received_at=row["received_at"],
    )
