"""The traffic as a plan: what happens when, drawn from the seed before anything runs.

A deed names no order: which one it falls on depends on what the shops have by then, and is chosen with the deed's own
seed.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from syncd.sim.demo.options import Options
from syncd.sim.demo.shops import World

AFTER_SALES: Final[dict[str, float]] = {
    "fulfil": 0.55,
    "fulfil_part": 0.15,
    "cancel_fulfilment": 0.04,
    "refund_unshipped": 0.05,
    "refund_shipped": 0.05,
    "refund_keep": 0.04,
    "refund_legacy": 0.02,
    "refund_money": 0.02,
    "goods_back": 0.04,
    "cancel_restock": 0.05,
    "cancel_written_off": 0.02,
    "edit": 0.05,
    "move": 0.03,
    "drift": 0.06,
    "hold_back": 0.01,
}
"""How often each happens for one order placed."""

OURS: Final[dict[str, float]] = {"delivery": 0.05, "loss": 0.01}
"""Likewise for what is entered into syncd."""

POPULARITY: Final = 1.3
"""Shape of the Pareto distribution of what buyers want: the smaller, the longer its tail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that somebody does: buyers and staff of `shop` (an index), or the people who run syncd."""

    at: float
    what: str
    shop: int
    seed: int
    wants: tuple[tuple[str, int], ...] = ()
    """SKUs and quantities that a buyer has in mind."""


def make_plan(options: Options, world: World) -> list[Deed]:
    """The same options give the same plan, deed by deed."""
    rng = random.Random(f"{options.seed}:traffic")  # noqa: S311 - repeatable on purpose
    deeds = [*_sales(options, world, rng), *_races(options, world, rng)]
    for what, rate in (*AFTER_SALES.items(), *OURS.items()):
        for at in _arrivals(options.orders_per_second * rate, options.duration_seconds, rng):
            deeds.append(Deed(at=at, what=what, shop=rng.randrange(len(world.shops)), seed=rng.getrandbits(32)))
    if options.duration_seconds >= 5:
        deeds += _pause(options, len(world.shops), rng)
    return sorted(deeds, key=lambda deed: deed.at)


def _sales(options: Options, world: World, rng: random.Random) -> Iterator[Deed]:
    wanted = [list(demo.by_sku) for demo in world.shops]
    for at in _arrivals(options.orders_per_second, options.duration_seconds, rng):
        shop = rng.randrange(len(world.shops))
        lines = rng.choice((1, 1, 1, 1, 2, 2, 3, 4))
        wants = tuple((_popular(wanted[shop], rng), rng.choice((1, 1, 1, 1, 2, 2, 3, 5))) for _ in range(lines))
        counter = world.shops[shop].till is not None and rng.random() < 0.2
        yield Deed(at=at, what="counter_sale" if counter else "sale", shop=shop, seed=rng.getrandbits(32), wants=wants)


def _races(options: Options, world: World, rng: random.Random) -> Iterator[Deed]:
    """Two shops sell the last units of a scarce SKU: at once, or seconds apart."""
    both = [sku for sku in world.scarce if all(sku in demo.by_sku for demo in world.shops)]
    if not both:
        return
    for at in _arrivals(options.orders_per_second * 0.06, options.duration_seconds * 0.9, rng):
        sku, gap = rng.choice(both), rng.choice((0.0, 0.02, 0.3, 2.0))
        for shop in rng.sample(range(len(world.shops)), len(world.shops)):
            yield Deed(at=at, what="last_units", shop=shop, seed=rng.getrandbits(32), wants=((sku, 1),))
            at = min(at + gap, options.duration_seconds)


def _pause(options: Options, shops: int, rng: random.Random) -> Iterator[Deed]:
    """One channel is paused for a tenth of the time, at most five seconds."""
    shop, begin = rng.randrange(shops), options.duration_seconds * rng.uniform(0.3, 0.6)
    end = begin + min(5.0, options.duration_seconds * 0.1)
    yield Deed(at=begin, what="pause", shop=shop, seed=0)
    yield Deed(at=end, what="resume", shop=shop, seed=0)


def _popular(skus: Sequence[str], rng: random.Random) -> str:
    """A few are wanted all the time and most now and then."""
    rank = rng.paretovariate(POPULARITY) - 1
    return skus[int(rank * len(skus) / 30) % len(skus)]


def _arrivals(per_second: float, duration_seconds: float, rng: random.Random) -> Iterator[float]:
    """Moments of a Poisson process."""
    at = 0.0
    while per_second > 0:
        at += rng.expovariate(per_second)
        if at >= duration_seconds:
            return
        yield round(at, 4)
