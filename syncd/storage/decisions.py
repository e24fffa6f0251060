"""Stores what people decide beside the books. Each decision is one transaction on a connection of its own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from syncd.domain.authority import Document
from syncd.domain.books import Audited
from syncd.domain.conflicts import Conflict, ConflictState
from syncd.domain.ids import ChannelId, Instant, LevelKey, LocationId, Sku
from syncd.storage import inbox
from syncd.storage.books import SQL as BOOKS
from syncd.storage.pool import Connection, connected, transaction
from syncd.storage.queries import load

SQL = load("decisions")
DECISION_SECONDS: Final = 30.0
CONFLICTS = load("conflicts")
Counts = Sequence[tuple[LevelKey, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldChange:
    """Counts too large a change to be believed, as they came."""

    subject: str
    source: str
    actor: str
    as_of: Instant
    counts: Counts
    channel: ChannelId | None = None
    """The authority whose snapshot it is; None when people counted."""
    as_of_latest: Instant | None = None
    documents: Sequence[tuple[LevelKey, Document]] | None = None


@asynccontextmanager
async def deciding(dsn: str) -> AsyncIterator[Connection]:
    """A connection in a transaction that is committed when the body ends well."""
    async with (
        connected(dsn, application_name="syncd control") as connection,
        transaction(connection, timeout_seconds=DECISION_SECONDS),
    ):
        yield connection


async def hold(connection: Connection, change: HeldChange, conflict: Conflict, at: datetime) -> int:
    """Keep a change and open the question about it; returns the conflict's id."""
    rows = [[key.sku, key.location, on_hand] for key, on_hand in change.counts]
    await connection.execute(
        CONFLICTS.hold_change,
        change.subject,
        change.source,
        change.actor,
        change.as_of,
        rows,
        at,
        change.channel,
        change.as_of_latest,
        None if change.documents is None else [[*key, *document] for key, document in change.documents],
    )
    facts = orjson.dumps(dict(conflict.facts)).decode()
    await connection.execute(
        CONFLICTS.open, [conflict.kind.value], [conflict.subject], [None], [None], [conflict.channel], [facts], at
    )
    return int(await connection.fetchval(SQL.open_id, conflict.kind.value, conflict.subject))


async def held(connection: Connection, subject: str) -> HeldChange | None:
    row = await connection.fetchrow(CONFLICTS.held_change, subject)
    if row is None:
        return None
    counts = [(LevelKey(Sku(sku), LocationId(location)), on_hand) for sku, location, on_hand in row["rows"]]
    documents = row["documents"]
    return HeldChange(
        subject=subject,
        source=row["source"],
        actor=row["actor"],
        as_of=row["as_of"],
        counts=counts,
        channel=row["channel"],
        as_of_latest=row["as_of_latest"],
        documents=None if documents is None else [_document(*each) for each in documents],
    )


def _document(sku: str, location: str, number: str, reference: str, units: int) -> tuple[LevelKey, Document]:
    return LevelKey(Sku(sku), LocationId(location)), Document(number, reference, units)


async def drop(connection: Connection, subject: str) -> None:
    """The change was applied or discarded."""
    await connection.execute(CONFLICTS.drop_change, subject)


async def close(
    connection: Connection, conflict_id: int, state: ConflictState, at: datetime, *, actor: str, how: str
) -> bool:
    """Close a conflict by a person's word; False when it is closed already."""
    return await connection.fetchval(SQL.close_conflict, conflict_id, state.value, at, actor, how) is not None


async def audit(connection: Connection, entry: Audited, at: datetime) -> None:
    await connection.execute(BOOKS.audit, at, entry.actor, entry.action, entry.target, entry.reason)


async def discard(connection: Connection, ids: Sequence[int], at: datetime) -> list[int]:
    """Give up dead letters; returns those that were open."""
    return await inbox.discard(connection, ids, at)


async def open_letters(connection: Connection, channel: str | None = None) -> list[int]:
    rows: list[Any] = await connection.fetch(SQL.open_letter_ids, channel)
    return [row["id"] for row in rows]
