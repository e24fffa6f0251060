"""The search: breadth first, so that a trace found is a shortest one; from every state a quiet end is played."""

from collections import deque
from typing import NamedTuple

from syncd.domain import listings
from syncd.domain.listings import Circumstances, Hold
from tests.domain.explorer.model import Model, Wrong
from tests.domain.explorer.world import Left, Shop, World

ROUNDS = 8
"""A quiet end must have settled by then."""
WRITES = 4
"""No quiet end may take more writes a shop."""


class Found(NamedTuple):
    """What an exploration came to; `trace` and `wrong` are empty when nothing went wrong."""

    states: int
    depth: int
    complete: bool
    """Every state that the budget allows was reached, not only those of a depth."""
    wrong: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        end = "all of them" if self.complete else f"to depth {self.depth}"
        if not self.wrong:
            return f"{self.states} states, {end}: nothing wrong"
        steps = "\n".join(f"  {n}. {step}" for n, step in enumerate(self.trace, 1))
        return f"{self.wrong} after {len(self.trace)} steps ({self.states} states):\n{steps}"


def explore(model: Model, start: World, *, states: int = 1 << 60, depth: int = 1 << 60) -> Found:
    """Every interleaving from `start`, until the budget in `start.left`, a depth or a number of states is used up."""
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    waiting = deque([(start, 0)])
    settled: set[World] = set()
    reached = 0
    while waiting:
        world, reached = waiting.popleft()
        if len(came_from) > states or reached > depth:
            return Found(len(came_from), reached, False)
        try:
            settle(model, world, settled)
        except Wrong as wrong:
            return Found(len(came_from), reached, False, f"at the quiet end: {wrong}", _trace(came_from, world))
        moves = model.moves(world)
        while True:
            try:
                step, after = next(moves)
            except StopIteration:
                break
            except Wrong as wrong:
                return Found(len(came_from), reached + 1, False, str(wrong), (*_trace(came_from, world), "..."))
            if after not in came_from:
                came_from[after] = world, step
                waiting.append((after, reached + 1))
    return Found(len(came_from), reached, True)


def _trace(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    steps: list[str] = []
    while (link := came_from[world]) is not None:
        world, step = link
        steps.append(step)
    return tuple(reversed(steps))


def settle(model: Model, world: World, settled: set[World]) -> None:
    """Nobody buys or edits any more, all news arrive, old ones again, and whatever is owed is written.

    Unless somebody edited by hand, the hub reads a shop's stock only where its account asks for it: what it expects
    has to be right without.
    """
    world = world._replace(left=Left())
    writes = [0] * len(world.shops)
    passed: list[World] = []
    for turn in range(ROUNDS):
        if world in settled:
            break
        passed.append(world)
        for i in range(len(world.shops)):
            world = _finish_request(model, world, i)
            world = _hear_everything(model, world, i)
        world = world._replace(now=world.now + 1)
        for i in range(len(world.shops)):
            world = _read_and_write(model, world, i, writes)
        if max(writes) > WRITES:
            raise Wrong(f"it writes without end: {_state(world)}")
        if _at_rest(model, world) and (turn > 1 or not _read_anyway(model, world)):
            _check(model, world)
            break
    else:
        raise Wrong(f"it does not come to rest: {_state(world)}")
    settled.update(passed)


def _at_rest(model: Model, world: World) -> bool:
    return all(
        shop.request is None and not listings.owed(shop.account, world.desired) and not _wants_reading(model, world, i)
        for i, shop in enumerate(world.shops)
    )


def _finish_request(model: Model, world: World, i: int) -> World:
    while world.shops[i].given_up:
        world = model.land_late(world, i, 0)
    shop = world.shops[i]
    if shop.request is None:
        return world
    in_doubt = shop.account.write is not None and shop.account.write.in_doubt
    if in_doubt and model.kinds[i].keys:
        return model.resend(world, i)
    if shop.request.taken is None:
        world = model.land(world, i)
    return model.lapse(world, i) if in_doubt else model.answer(world, i)


def _hear_everything(model: Model, world: World, i: int) -> World:
    if world.shops[i].figure_under_way is not None:
        world = model.stock_arrives(world, i)
    if world.shops[i].orders_under_way is not None:
        world = model.orders_arrive(world, i)
    for n, sale in enumerate(world.shops[i].sales):
        world = model.hear_order(world, i, n, sale.version(world.now))
    for event in world.shops[i].events:
        world = model.hear_stock(world, i, event)
    return world


def _read_and_write(model: Model, world: World, i: int, writes: list[int]) -> World:
    if _read_anyway(model, world) or _wants_reading(model, world, i):
        world = model.read(world, i)
        world = world._replace(now=world.now + model.lag)
    after = model.write_in_step(world, i)
    world = model.poll(world, i)
    if isinstance(after, Hold):
        return world
    writes[i] += 1
    return model.answer(model.land(after, i), i)


def _read_anyway(model: Model, world: World) -> bool:
    """Is what the hub expects not bound to come true without a reading now and then?"""
    return world.edited or model.sells_at_zero


def _wants_reading(model: Model, world: World, i: int) -> bool:
    account = world.shops[i].account
    if account.asked:
        return True
    when = Circumstances(kind=model.kinds[i].write, orders_read_in_step=True)
    return listings.next_write(account, world.desired, when) in (Hold.OPEN, Hold.NO_BASE, Hold.REFUSED)


def _check(model: Model, world: World) -> None:
    for i, shop in enumerate(world.shops):
        if shop.shown != shop.account.expected:
            raise Wrong(f"shop {i} shows {shop.shown}, expected {shop.account.expected}")
        if max(0, shop.shown) != max(0, world.truth):
            raise Wrong(f"shop {i} shows {shop.shown}, {max(0, world.truth)} left to sell: {_state(world)}")


def _state(world: World) -> str:
    return "; ".join(_shop_state(shop) for shop in world.shops)


def _shop_state(shop: Shop) -> str:
    return f"{shop.shown} shown, {shop.account}"
