"""Where an authority's books and ours stand, and its snapshots that wait to be judged, as rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import orjson

from syncd.domain.authority import Booked, Document, Standing, Unbooked
from syncd.domain.books import Books, Need
from syncd.domain.ids import ChannelId, LevelKey, LineId, LocationId, OrderId, OrderKey, RemoteId, Sku
from syncd.storage.inbox import WRITER, InboxRow, row_of
from syncd.storage.pool import Connection
from syncd.storage.queries import load

SQL = load("authorities")
PAGE: Final = 5000


async def load_standings(connection: Connection, books: Books, need: Need, skus: Iterable[str]) -> None:
    """What the books need to judge counts of these SKUs, or movements at places that an authority counts."""
    names = list(skus)
    for row in await connection.fetch(SQL.standings, names):
        standing = standing_from_text(row["record"])
        books.standings[LevelKey(Sku(row["sku"]), LocationId(row["location"]))] = standing
    if need.documents or any(one.booked or one.waiting for one in books.standings.values()):
        for row in await connection.fetch(SQL.promises, names):
            held = books.promises.setdefault(LevelKey(Sku(row["sku"]), LocationId(row["location"])), {})
            order = OrderKey(ChannelId(row["channel"]), OrderId(row["order_id"]))
            held[order, LineId(row["line_id"])] = (row["name"], row["units"])
    if need.documents:
        numbers = list(need.documents)
        columns = [channel for channel, _ in numbers], [number for _, number in numbers]
        for row in await connection.fetch(SQL.known_documents, *columns):
            where = LevelKey(Sku(row["sku"]), LocationId(row["location"]))
            books.known_documents.add((ChannelId(row["channel"]), row["number"], where))


async def save_standings(connection: Connection, books: Books, at: datetime) -> None:
    if books.changed_standings:
        changed = [(key, books.standings[key]) for key in books.changed_standings]
        await connection.execute(
            SQL.save_standings,
            [key.sku for key, _ in changed],
            [key.location for key, _ in changed],
            [standing.counted_to for _, standing in changed],
            [standing.asked for _, standing in changed],
            [standing_to_text(standing) for _, standing in changed],
        )
    if books.new_documents:
        await connection.execute(
            SQL.enter_documents,
            [channel for channel, _, _ in books.new_documents],
            [number for _, number, _ in books.new_documents],
            [key.sku for _, _, key in books.new_documents],
            [key.location for _, _, key in books.new_documents],
            at,
        )
    if books.snapshot_parts:
        parts = {(part.channel, part.name, part.number): part for part in books.snapshot_parts}.values()
        await connection.execute(
            SQL.add_parts,
            [part.channel for part in parts],
            [part.name for part in parts],
            [part.number for part in parts],
            [part.inbox_id for part in parts],
            [part.last for part in parts],
        )
    for channel, name in books.ended_snapshots:
        await connection.execute(SQL.end_snapshot, channel, name)


async def whole_snapshots(connection: Connection) -> list[tuple[ChannelId, str]]:
    """Snapshots that wait to be judged, the first completed first."""
    return [(ChannelId(row["channel"]), row["name"]) for row in await connection.fetch(SQL.whole_snapshots)]


async def parts(connection: Connection, channel: ChannelId, name: str) -> list[InboxRow]:
    return [row_of(row) for row in await connection.fetch(SQL.parts, WRITER, channel, name)]


async def linked_items(connection: Connection, channel: ChannelId, items: Sequence[RemoteId]) -> Mapping[RemoteId, Sku]:
    rows = await connection.fetch(SQL.linked_items, channel, list(items))
    return {RemoteId(row["remote_id"]): Sku(row["sku"]) for row in rows}


async def counted_before(connection: Connection, location: LocationId) -> list[Sku]:
    """Every SKU that the authority of the location has counted and that is not at zero."""
    found: list[Sku] = []
    while True:
        rows = await connection.fetch(SQL.counted_before, location, found[-1] if found else "", PAGE)
        found += [Sku(row["sku"]) for row in rows]
        if len(rows) < PAGE:
            return found


def standing_to_text(standing: Standing) -> str:
    return orjson.dumps(
        [
            standing.counted,
            standing.counted_to,
            [tuple(one) for one in standing.unbooked],
            [tuple(one) for one in standing.booked],
            [tuple(one) for one in standing.waiting],
            standing.risen,
            standing.asked,
        ]
    ).decode()


def standing_from_text(text: str) -> Standing:
    counted, counted_to, unbooked, booked, waiting, risen, asked = orjson.loads(text)
    return Standing(
        counted=counted,
        counted_to=counted_to,
        unbooked=tuple(Unbooked(*row) for row in unbooked),
        booked=tuple(Booked(*row) for row in booked),
        waiting=tuple(Document(*row) for row in waiting),
        risen=tuple((at, units) for at, units in risen),
        asked=asked,
    )
