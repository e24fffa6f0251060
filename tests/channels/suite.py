"""What every kind of channel has to stand, run with the daemon's real parts on a real database against its simulator.

`exercise_channel` runs all of it side by side, each scenario with a shop of its own in one daemon. Between channel and
shop stands a wire that does to calls what networks and hosts do; the shop's webhooks reach a tap, and go on from there
only as a scenario wants it.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import anyio
import pytest

from syncd.domain.errors import Retry
from tests.channels.bench import Bench, Daemon, House, eventually, housed
from tests.channels.wire import LATER_SECONDS, Delivery, Fault, Step

Scenario = Callable[[House], Awaitable[None]]
MakeBench = Callable[[str], Bench]

AUTH_SECONDS: Final = 0.3
"""How soon a channel that was locked out tries again; a minute in earnest."""


async def exercise_channel(make: MakeBench, database: Callable[[], str]) -> None:
    """Run every scenario for one kind; raises all that failed, named. `database` makes a migrated one."""
    failed: list[Exception] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("syncd.actors.writer.AUTH_SECONDS", AUTH_SECONDS)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_side_by_side, make, database(), failed)
            tasks.start_soon(_killed, make, database(), failed)
    if failed:
        raise ExceptionGroup(f"{len(failed)} scenarios failed", failed)


async def _side_by_side(make: MakeBench, dsn: str, failed: list[Exception]) -> None:
    scenarios = {**SCENARIOS, **_races(make("bench"))}
    async with (
        housed(make, list(scenarios)) as houses,
        Daemon(dsn, houses).running(),
        anyio.create_task_group() as tasks,
    ):
        for house in houses:
            tasks.start_soon(_attempt, house.name, scenarios[house.name], house, failed)


async def _attempt(name: str, scenario: Scenario, house: House, failed: list[Exception]) -> None:
    try:
        await scenario(house)
    except Exception as error:  # noqa: BLE001 - the others go on; all are raised together
        error.add_note(f"in the scenario {name}")
        failed.append(error)


# Deliveries


async def _repeated_and_reordered(house: House) -> None:
    await house.opens(A=10, B=10)
    first, second = house.sell(("A", 2)), house.sell(("A", 1), ("B", 3))
    house.bench.cancel(second)
    house.bench.ship(first)
    told = await _about_orders(house)

    statuses = [await house.hand_on(delivery) for delivery in (*reversed(told), *told, told[0])]
    await house.quiet()

    assert set(statuses) == {200}
    assert (await house.level("A"), await house.level("B")) == ((8, 0), (10, 0))
    await house.comes_to("A", 8)
    await house.comes_to("B", 10)
    house.poll()  # the same news again, read by ourselves
    await house.quiet()
    assert (await house.level("A"), await house.level("B")) == ((8, 0), (10, 0))
    assert await house.conflicts("drift", "quarantined", "rejected") == []
    assert await house.letters() == 0
    assert house.wire.count(Step.WRITE) == 0, "the shop's own sales are not written back to it"


async def _badly_signed(house: House) -> None:
    await house.opens(A=10)
    house.sell(("A", 2))
    good = (await _about_orders(house))[0]
    unsigned = {name: value for name, value in good.headers.items() if "signature" not in name and "hmac" not in name}
    stored = await house.stored()

    statuses = [
        await house.hand_on(bad)
        for bad in (
            Delivery(good.headers, good.body.replace(b'"quantity"', b'"quantitY"', 1)),
            Delivery(good.headers, good.body + b" "),
            Delivery(unsigned, good.body),
        )
    ]

    assert set(statuses) == {401}
    assert await house.stored() == stored
    assert await house.level("A") == (10, 0)
    assert await house.hand_on(good) == 200
    await house.comes_to("A", 8)


async def _odd_quantities(house: House) -> None:
    """Fractions, nonsense and absurd sizes are set aside, each naming its order; the rest of the order is booked."""
    await house.opens(A=10, B=10)
    house.sell(("A", 1), ("B", 2))
    good = (await _about_orders(house))[0]

    for odd in (1.5, -2, 10**30, 2_000_000_000, "many", None, True, {"units": 3}):
        assert await house.hand_on(house.bench.altered(good, 0, odd)) == 200
        await house.quiet()
        (conflict,) = await house.conflicts("quarantined")
        assert conflict["order_id"]
        assert conflict["line_id"]
        assert (await house.level("A"), await house.level("B")) == ((10, 0), (10, 2)), odd

    assert await house.hand_on(house.bench.altered(good, 0, 1.0)) == 200
    house.poll()
    await house.comes_to("A", 9)
    await house.comes_to("B", 8)
    assert await house.conflicts("quarantined") == []


async def _unknown_item(house: House) -> None:
    await house.opens(A=10)
    house.bench.list_item(house.sku("STRANGER"), 5)
    order = house.sell(("STRANGER", 1), ("A", 2))
    house.poll()

    await house.comes_to("A", 8)

    conflicts = await house.conflicts("unmapped")
    assert any(conflict.get("order_id") == house.bench.order_id(order) for conflict in conflicts)
    assert house.shows("STRANGER") == 4, "what nobody here knows is left alone"


async def _packs(house: House) -> None:
    """A listing of six units: figures are rounded down to whole packs, sales take six."""
    await house.opens(A=3)
    await house.packed("A", 6)
    await house.counted("A", 23)
    await house.comes_to("A", 3)

    house.sell(("A", 1))
    house.poll()
    await house.comes_to("A", 2)
    assert await house.level("A") == (23, 6)
    await house.adjusted("A", 1)
    await house.comes_to("A", 3)


# Calls that go wrong


def _refused(fault: Fault, *, named: bool) -> Scenario:
    """Nothing happened: written again, after the wait that was asked for."""

    async def run(house: House) -> None:
        await house.opens(A=10)
        house.wire.fail(Step.WRITE, fault)
        await house.adjusted("A", 5)

        await house.comes_to("A", 15)

        first, second = [at for step, at in house.wire.calls if step is Step.WRITE][:2]
        assert second - first >= (LATER_SECONDS if named else 0.0)
        assert await house.conflicts("rejected", "drift") == []

    return run


def _broken(*faults: Fault) -> Scenario:
    """It is not known whether it happened: settled, and right in the end, whatever was sold meanwhile."""

    async def run(house: House) -> None:
        await house.opens(A=10)
        house.wire.fail(Step.WRITE, *faults)
        house.wire.after[Step.WRITE] = lambda: house.sell(("A", 1)) and None
        await house.adjusted("A", 5)
        await eventually(lambda: house.wire.count(Step.WRITE) > 0, lambda: "a write")
        if Step.WRITE in house.wire.after:  # it never came through; the sale is made all the same
            await eventually(lambda: Step.WRITE not in house.wire.after, lambda: "a write that takes effect")
        house.poll()

        await house.comes_to("A", 14)

        assert await house.level("A") == (15, 1)
        assert await house.conflicts("rejected", "drift") == []
        assert await house.letters() == 0

    return run


def _unreadable_orders(fault: Fault) -> Scenario:
    """While orders cannot be read, nothing rises; afterwards the sale that was not heard of is not overwritten."""

    async def run(house: House) -> None:
        await house.opens(A=10)
        house.wire.fail(Step.ORDERS, *[fault] * 3)
        house.sell(("A", 4))
        house.poll()
        await eventually(lambda: not house.desk.orders_readable, lambda: "a failed reading")
        await house.adjusted("A", 5)

        await house.comes_to("A", 11)

        assert await house.level("A") == (15, 4)
        assert await house.conflicts("rejected", "drift") == []

    return run


async def _part_of_a_batch(house: House) -> None:
    """One listing of a batch cannot be written: the others are, and a person hears of the one."""
    names = [f"A{number}" for number in range(6)]
    await house.opens(**dict.fromkeys(names, 10))
    house.bench.remove_item(house.sku("A3"))
    for name in names:
        await house.adjusted(name, 5)

    for name in names:
        if name != "A3":
            await house.comes_to(name, 15)

    await house.quiet()
    (conflict,) = await house.conflicts("unmapped", "rejected")
    assert "A3" in str(conflict)


async def _locked_out(house: House) -> None:
    """The credentials end: a person is called, nothing else is wrong, and all goes on once they are mended."""
    await house.opens(A=10)
    house.bench.lock_out()
    await house.adjusted("A", 5)
    await eventually(lambda: house.desk.last_error is not None, lambda: "an error shown")
    assert house.desk.shown_state == "degraded"
    assert house.shows("A") == 10

    house.bench.let_in()
    house.poll()

    await house.comes_to("A", 15)
    assert await house.conflicts("rejected", "drift") == []


async def _empty_page(house: House) -> None:
    """A catalogue without a single item says nothing of any."""
    await house.opens(A=10, B=7)
    house.wire.rewrite = lambda step, answer: house.bench.emptied(answer) if step is Step.CATALOGUE else answer
    before = house.wire.count(Step.CATALOGUE)
    with suppress(Retry):  # to say that it cannot be is as good
        await house.actor.reconciler.read_catalogue(adopt=False)
    house.wire.rewrite = None
    await house.quiet()

    assert house.wire.count(Step.CATALOGUE) > before
    assert (house.shows("A"), house.shows("B")) == (10, 7)
    await house.adjusted("A", 1)
    await house.comes_to("A", 11)
    assert await house.conflicts("unmapped", "drift") == []


async def _changed_by_hand(house: House) -> None:
    """Somebody edits the stock in the shop: a drift, and overwritten. The sale before it is not undone."""
    await house.opens(A=10)
    house.tap.forward_to = house.hooks
    house.sell(("A", 1))
    await house.comes_to("A", 9)

    house.bench.set_by_hand(house.sku("A"), 4)

    await eventually(lambda: house.wire.count(Step.WRITE) > 0, lambda: "the drift overwritten")
    await house.comes_to("A", 9)
    rows = await house.daemon.rows("SELECT state FROM conflicts WHERE channel = $1 AND kind = 'drift'", house.name)
    assert [row["state"] for row in rows] == ["resolved"]


# A sale at every step of a write


def _races(bench: Bench) -> dict[str, Scenario]:
    """The sale that nobody has told of yet, at each moment of a rise and of a fall."""
    moments = [(when, step) for step in bench.steps for when in ("before", "after")]
    return {
        f"sale-{when}-{step}-{'rise' if by > 0 else 'fall'}": _race(when, step, by)
        for when, step in moments
        for by in (5, -4)
    }


def _race(when: str, step: Step, by: int) -> Scenario:
    async def run(house: House) -> None:
        await house.opens(A=10)
        in_force = house.figures_in_force("A")
        (house.wire.before if when == "before" else house.wire.after)[step] = lambda: house.sell(("A", 1)) and None
        await house.adjusted("A", by)
        await eventually(lambda: bool(in_force), lambda: "a write in force")

        right = 10 + by - (0 if (when, step) == ("after", Step.WRITE) else 1)
        assert (in_force[0] > right) == ((when, step) in house.bench.window), f"{in_force} shown, {right} is right"

        house.poll()
        await house.comes_to("A", 10 + by - 1)
        assert await house.level("A") == (10 + by, 1)
        assert await house.conflicts("drift", "rejected") == []

    return run


# Death


async def _killed(make: MakeBench, dsn: str, failed: list[Exception]) -> None:
    """The daemon dies while a write is out; a unit is sold before the next one starts."""
    async with housed(make, ["killed-before", "killed-after"]) as houses:
        before, after = houses
        async with Daemon(dsn, houses).running() as daemon:
            for house in houses:
                await house.opens(A=10)
            before.wire.fail(Step.WRITE, Fault.LANDS_LATE)
            after.wire.fail(Step.WRITE, Fault.SILENT_AFTER_EFFECT)
            for house in houses:
                await house.adjusted("A", 5)
            await eventually(lambda: after.shows("A") == 15, lambda: "a write in force")
            await eventually(lambda: before.wire.count(Step.WRITE) > 0, lambda: "a write on its way")
            daemon.kill()
        await eventually(lambda: before.shows("A") == 15, lambda: "a write that lands after death")
        for house in houses:
            house.sell(("A", 3))
        async with Daemon(dsn, houses).running() as daemon:
            for house in houses:
                daemon.start(house)
            async with anyio.create_task_group() as tasks:
                for house in houses:
                    tasks.start_soon(_attempt, house.name, _after_death, house, failed)


async def _after_death(house: House) -> None:
    in_force = house.figures_in_force("A")
    house.poll()
    await house.comes_to("A", 12)
    assert await house.level("A") == (15, 3)
    assert in_force == [], "what was in doubt had taken effect, so nothing was left to write"
    assert await house.conflicts("drift", "rejected") == []


async def _about_orders(house: House) -> list[Delivery]:
    await house.bench.all_told()
    return [delivery for delivery in house.tap.heard if house.bench.is_about_orders(delivery)]


SCENARIOS: Final[dict[str, Scenario]] = {
    "repeated-and-reordered": _repeated_and_reordered,
    "badly-signed": _badly_signed,
    "odd-quantities": _odd_quantities,
    "unknown-item": _unknown_item,
    "packs": _packs,
    "too-many": _refused(Fault.TOO_MANY, named=False),
    "too-many-later": _refused(Fault.TOO_MANY_LATER, named=True),
    "unavailable-later": _refused(Fault.UNAVAILABLE_LATER, named=True),
    "unavailable": _broken(Fault.UNAVAILABLE),
    "broken": _broken(Fault.BROKEN, Fault.BROKEN_AFTER_EFFECT),
    "cut": _broken(Fault.CUT),
    "cut-after-effect": _broken(Fault.CUT_AFTER_EFFECT),
    "silent-after-effect": _broken(Fault.SILENT_AFTER_EFFECT),
    "lands-late": _broken(Fault.LANDS_LATE),
    "orders-too-many": _unreadable_orders(Fault.TOO_MANY),
    "orders-broken": _unreadable_orders(Fault.BROKEN),
    "part-of-a-batch": _part_of_a_batch,
    "locked-out": _locked_out,
    "empty-page": _empty_page,
    "changed-by-hand": _changed_by_hand,
}
