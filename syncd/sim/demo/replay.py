"""What our shelves must hold, computed from the shops' order books and nothing of syncd's.

The table of effects is written down here once more, on purpose: by the vendor's pages, not by syncd's code.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from syncd.sim.demo.shops import DemoShop, World
from syncd.sim.remotes.shopify import Item, Line, Location, Movement

Key = tuple[str, str]
"""A SKU at one of our locations."""

# What one unit of an order does to (on_hand, committed), by what the shop entered in its books.
EFFECTS: Final[Mapping[str, tuple[int, int]]] = {
    "sold": (0, +1),
    "released": (0, -1),
    "written off": (-1, -1),
    "shipped": (-1, -1),
    "unshipped": (+1, +1),
    "returned": (+1, 0),
}


class Stock(NamedTuple):
    on_hand: int
    committed: int

    @property
    def available(self) -> int:
        return self.on_hand - self.committed


NOTHING: Final = Stock(0, 0)

OrderKey = tuple[str, str, str, str]
"""Channel, order id, SKU and location of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that moved stock of ours; `demo` None where it was entered into syncd."""

    at: datetime
    what: str
    key: Key
    on_hand: int
    committed: int
    demo: DemoShop | None = None
    by: str = ""
    order_id: int = 0
    item: Item | None = None
    location: Location | None = None

    @property
    def available(self) -> int:
        return self.on_hand - self.committed


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """Entered into syncd: asked for at `asked`, answered at `at`."""

    asked: datetime
    at: datetime
    key: Key
    by: int
    reason: str


@dataclass(slots=True, kw_only=True)
class Entered:
    """What was entered into syncd: the counts, and when they were true, and every adjustment since."""

    counted_at: datetime
    counts: Mapping[Key, int]
    adjustments: list[Adjustment]


def steps_of_orders(world: World) -> Iterator[Step]:
    """Every movement by an order, of SKUs that we know at locations that are mapped, shop by shop."""
    for demo in world.shops:
        for movement in demo.shop.books:
            step = _step(demo, movement)
            if step is not None:
                yield step


def _step(demo: DemoShop, movement: Movement) -> Step | None:
    ours, sold = demo.places.get(movement.location), demo.sold.get(movement.item)
    if not movement.cause.startswith("order:") or ours is None or sold is None:
        return None
    order_id = int(movement.cause.split(":")[1])
    units = max(abs(delta) for delta in movement.deltas.values()) * sold.pack
    on_hand, committed = EFFECTS[movement.what]
    return Step(
        at=movement.at,
        what=movement.what,
        key=(sold.sku, ours),
        on_hand=on_hand * units,
        committed=committed * units,
        demo=demo,
        by=movement.by,
        order_id=order_id,
        item=movement.item,
        location=movement.location,
    )


def all_steps(world: World, entered: Entered) -> list[Step]:
    """In order of time; what left the shelf before it was counted is in the count."""
    steps = [step if step.at > entered.counted_at else replace(step, on_hand=0) for step in steps_of_orders(world)]
    steps += [
        Step(at=each.at, what="adjusted", key=each.key, on_hand=each.by, committed=0) for each in entered.adjustments
    ]
    return sorted(steps, key=lambda step: step.at)


def expected_levels(world: World, entered: Entered) -> dict[Key, Stock]:
    """What syncd must have on its books for every SKU and location that anything ever touched."""
    on_hand: Counter[Key] = Counter(entered.counts)
    committed: Counter[Key] = Counter()
    for step in all_steps(world, entered):
        on_hand[step.key] += step.on_hand
        committed[step.key] += step.committed
    return {key: Stock(on_hand[key], committed[key]) for key in on_hand.keys() | committed.keys()}


def booked_by_order(world: World, entered: Entered) -> dict[OrderKey, Stock]:
    """What each order must have moved of each SKU at each location, since the counts."""
    found: dict[OrderKey, Stock] = {}
    for step in all_steps(world, entered):
        if step.demo is not None:
            key = (step.demo.channel, str(step.order_id), *step.key)
            had = found.get(key, NOTHING)
            found[key] = Stock(had.on_hand + step.on_hand, had.committed + step.committed)
    return found


def available_of(levels: Mapping[Key, Stock], key: Key) -> int:
    return levels[key].available if key in levels else 0


def wanted(demo: DemoShop, item: Item, location: Location, levels: Mapping[Key, Stock]) -> int:
    """What the policy wants the shop to show of the item there: available, less the buffer, in packs."""
    sold, ours = demo.sold[item], demo.ours(location)
    return 0 if ours is None else should_show(demo, sold.pack, available_of(levels, (sold.sku, ours)))


def should_show(demo: DemoShop, pack: int, available: int) -> int:
    return max(0, available - demo.buffer) // pack


def crooked_lines(world: World) -> Iterator[str]:
    """Order lines on which the shop's stock book and its order record disagree: a fault of the simulation itself."""
    for demo in world.shops:
        told: dict[int, Counter[str]] = {}
        for movement in demo.shop.books:
            if movement.cause.startswith("order:"):
                units = max(abs(delta) for delta in movement.deltas.values())
                told.setdefault(int(movement.cause.split(":")[3]), Counter())[movement.what] += units
        for order in demo.shop.orders.values():
            for line in order.lines:
                if line.carries_stock and not _straight(line, told.get(line.id, Counter())):
                    yield f"{demo.channel} {order.name} line {line.id}: {dict(told.get(line.id, Counter()))}"


def _straight(line: Line, told: Mapping[str, int]) -> bool:
    """Units moved to another location were released here and sold there, so those two are held together."""
    shipped = told.get("shipped", 0) - told.get("unshipped", 0)
    waiting = told.get("sold", 0) - told.get("released", 0) - told.get("written off", 0) - shipped
    return shipped == line.shipped and waiting == line.unfulfilled and told.get("returned", 0) <= line.returned
