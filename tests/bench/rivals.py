"""The three that syncd is held against, on a PostgreSQL of their own with the same settings."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import asyncpg

from syncd.storage.embedded import DATABASE, USER, EmbeddedPostgres
from syncd.storage.socket_folder import PORT
from tests.bench.payload import sku
from tests.bench.plain import TABLES
from tests.bench.stand import UNITS, Failed, LoadGenerator, Sent, cluster, pgbench, served

CLIENTS: Final = 16

ONE_STATEMENT: Final = """\\set n random(0, {last})
WITH moved AS (
    UPDATE levels SET on_hand = on_hand - 1 WHERE sku = 'SKU-' || lpad(:n::text, 6, '0') RETURNING sku, on_hand
)
INSERT INTO ledger (sku, delta, balance, key) SELECT sku, -1, on_hand, gen_random_uuid()::text FROM moved;
"""
_TPS: Final = re.compile(r"tps = (\d+\.?\d*) ")


@dataclass(slots=True)
class Rivals:
    server: EmbeddedPostgres
    folder: Path
    plain_port: int
    bare_port: int
    load: LoadGenerator
    sold: int = 0

    async def plain(self, *, count: int, skus: int) -> Sent:
        sent = await self.load.send(self.plain_port, count=count, skus=skus)
        self.sold += sent.acknowledged
        return sent

    async def bare(self, *, count: int) -> Sent:
        return await self.load.send(self.bare_port, count=count, skus=1)

    async def pgbench(self, *, seconds: float, skus: int, clients: int = CLIENTS) -> float:
        """Commits per second of one statement that enters a ledger row and moves the level."""
        script = self.folder / f"one-statement-{skus}.sql"
        script.write_text(ONE_STATEMENT.format(last=skus - 1), encoding="ascii")
        command = [
            str(pgbench()),
            "-n",
            "-M",
            "prepared",
            "-c",
            str(clients),
            "-j",
            "1",
            "-T",
            str(max(1, round(seconds))),
        ]
        place = ["-h", str(self.server.socket_folder), "-p", str(PORT), "-U", USER]
        done = await anyio.run_process([*command, *place, "-f", str(script), DATABASE], check=False)
        told = _TPS.search(done.stdout.decode())
        if told is None:
            raise Failed(f"pgbench: {done.stdout.decode()} {done.stderr.decode()}")
        return float(told[1])

    async def faults(self) -> list[str]:
        """What is wrong with the plain service's books; it is to be a correct one."""
        connection = await asyncpg.connect(self.server.dsn)
        try:
            booked = await connection.fetchval("SELECT count(*) FROM ledger WHERE key ~ '^[0-9]+$'")
        finally:
            await connection.close()
        return [] if booked == self.sold else [f"the plain service booked {booked} of {self.sold} sales"]


@asynccontextmanager
async def rivals(folder: Path, load: LoadGenerator, *, skus: int, connections: int = CLIENTS) -> AsyncIterator[Rivals]:
    async with cluster(folder / "rivals") as server:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute(TABLES)
        records = [(sku(index), UNITS) for index in range(skus)]
        await connection.copy_records_to_table("levels", records=records)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        async with (
            served("tests.bench.plain", server.dsn, "--connections", str(connections)) as plain_port,
            served("tests.bench.bare") as bare_port,
        ):
            yield Rivals(server, folder, plain_port, bare_port, load)
