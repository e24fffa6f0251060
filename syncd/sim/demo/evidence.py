"""What syncd says about itself at the end, asked over its control socket like anybody's script would."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.sim.demo.control import Control
from syncd.sim.demo.shops import World

EXPLAINED_BESIDE_SCARCE: Final = 10

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`why` by SKU: the scarce ones and a sample of the rest."""

    status: Mapping[str, Any]
    stock: Rows
    listings: Rows
    ledger: Rows
    orders: Rows
    conflicts: Rows
    dead_letters: Rows
    channels: Rows
    why: Mapping[str, Mapping[str, Any]]


async def gather(control: Control, world: World) -> Evidence:
    skus = sorted({sku for sku, _ in world.counts})
    step = max(1, len(skus) // EXPLAINED_BESIDE_SCARCE)
    sample = [*world.scarce, *(sku for sku in skus[::step] if sku not in world.scarce)]
    return Evidence(
        status=await control.get("/v1/status"),
        stock=await control.rows("/v1/stock"),
        listings=await control.rows("/v1/listings"),
        ledger=await control.rows("/v1/ledger"),
        orders=await control.rows("/v1/orders"),
        conflicts=await control.rows("/v1/conflicts"),
        dead_letters=await control.rows("/v1/dead-letters"),
        channels=await control.rows("/v1/channels"),
        why={sku: await control.get("/v1/why", sku=sku) for sku in sample},
    )
