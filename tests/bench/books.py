"""Fills a database with SKUs, their counts and their listings, as if all had been imported and read long ago."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import asyncpg

from syncd.domain.listings import Account, Reading, Span
from syncd.storage.codec import account_to_text
from syncd.storage.migrate import migrate
from syncd.storage.pool import connected
from tests.bench.payload import FIRST_ITEM, FIRST_VARIANT, sku
from tests.bench.shop import ITEM, PLACE

HOUSE: Final = "warehouse"


async def fill(dsn: str, *, skus: int, units: int, channels: Sequence[str]) -> None:
    """Every SKU in the one location and on every channel; nothing is owed and no question is open."""
    at = datetime.now(UTC)
    moment = int(at.timestamp() * 1000) - 60_000
    async with connected(dsn, statement_seconds=600) as connection:
        await migrate(connection)
        await connection.executemany(
            "INSERT INTO channels (channel, kind, first_synced_at, cursor) VALUES ($1, 'shopify', $2, $3)",
            [(channel, at, {"changed": at.strftime("%Y-%m-%dT%H:%M:%SZ")}) for channel in channels],
        )
        names = [sku(index) for index in range(skus)]
        await connection.copy_records_to_table(
            "skus", records=[(name, at) for name in names], columns=["sku", "created_at"]
        )
        await connection.copy_records_to_table(
            "levels",
            records=[(name, HOUSE, units, moment) for name in names],
            columns=["sku", "location", "on_hand", "counted_at"],
        )
        await connection.copy_records_to_table(
            "ledger",
            records=[
                (number, name, HOUSE, "on_hand", units, units, "count", "bench", at)
                for number, name in enumerate(names, 1)
            ],
            columns=["seq", "sku", "location", "quantity", "delta", "balance", "reason", "actor", "recorded_at"],
        )
        account = account_to_text(Account(base=Reading(units, Span(moment, moment + 999))))
        for channel in channels:
            await connection.copy_records_to_table(
                "listings",
                records=[_listing(channel, index, name, account, units) for index, name in enumerate(names)],
                columns=[
                    *("channel", "remote_id", "remote_location", "alias", "sku_text", "title", "sku", "linked_by"),
                    *("account", "desired", "expected", "state", "observed", "observed_at"),
                ],
            )
        await connection.execute("VACUUM ANALYZE")


def _listing(channel: str, index: int, name: str, account: str, units: int) -> tuple[object, ...]:
    names = (
        channel,
        f"{ITEM}{FIRST_ITEM + index}",
        PLACE,
        str(FIRST_VARIANT + index),
        name,
        "Example mug",
        name,
        "syncd",
    )
    return (*names, account, units, units, "synced", units, None)


async def faults(connection: "asyncpg.Connection[asyncpg.Record]", *, sold: int) -> list[str]:
    """What is wrong with the books after so many sales of one unit each; empty when nothing is."""
    row = await connection.fetchrow(
        """SELECT (SELECT count(*) FROM orders) AS orders, (SELECT sum(committed) FROM levels) AS committed,
                  (SELECT count(*) FROM dead_letters) AS letters, (SELECT count(*) FROM conflicts) AS conflicts,
                  (SELECT count(*) FROM (
                      SELECT sku, location, sum(delta) FILTER (WHERE quantity = 'committed') AS committed,
                             sum(delta) FILTER (WHERE quantity = 'on_hand') AS on_hand
                      FROM ledger GROUP BY sku, location) AS booked
                   JOIN levels l USING (sku, location)
                   WHERE coalesce(booked.committed, 0) <> l.committed
                      OR coalesce(booked.on_hand, 0) <> l.on_hand) AS off"""
    )
    if row is None:
        return ["the books cannot be read"]
    told = []
    if row["orders"] != sold or row["committed"] != sold:
        told.append(f"{sold} deliveries were acknowledged; {row['orders']} orders hold {row['committed']} units")
    for what in ("letters", "conflicts", "off"):
        if row[what]:
            told.append(f"{row[what]} {what}")
    return told
