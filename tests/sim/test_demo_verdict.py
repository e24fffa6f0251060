"""The verdict can say no: each thing it looks at, put wrong on purpose, is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from syncd.sim.demo import Options
from syncd.sim.demo.evidence import Evidence
from syncd.sim.demo.hindsight import Hindsight
from syncd.sim.demo.replay import Entered, Stock, expected_levels, wanted
from syncd.sim.demo.shops import WAREHOUSE, World, build_world, shown
from syncd.sim.demo.verdict import judge

OPTIONS = Options(duration_seconds=10, skus=12, seed=5)
SKU = "SKU-0000"


@pytest.fixture
def world() -> World:
    """Shops in which every figure is what the policy wants."""
    made = build_world(OPTIONS)
    levels = expected_levels(made, entered_now(made))
    for demo in made.shops:
        for item in demo.sold:
            for location, ours in demo.places.items():
                if ours is not None and shown(demo, item, location) is not None:
                    demo.shop.set_available(item, location, wanted(demo, item, location, levels))
    return made


def entered_now(world: World) -> Entered:
    return Entered(counted_at=datetime.now(UTC), counts=dict(world.counts), adjustments=[])


def sworn(world: World, entered: Entered) -> Evidence:
    """What a daemon says that has done everything right."""
    levels = expected_levels(world, entered)
    stock, ledger = [], []
    for (sku, location), level in sorted(levels.items()):
        figures = {"on_hand": level.on_hand, "committed": level.committed, "unavailable": 0, "incoming": 0}
        stock.append({"sku": sku, "location": location, **figures})
        for quantity, units in figures.items():
            if units:
                ledger.append(entry(len(ledger) + 1, sku, location, quantity, units))
    return Evidence(
        status={},
        stock=stock,
        ledger=ledger,
        listings=[
            {
                "channel": demo.channel,
                "remote_id": item.gid,
                "remote_location": at.gid,
                "state": "synced",
                "desired": wanted(demo, item, at, levels),
                "expected": wanted(demo, item, at, levels),
            }
            for demo in world.shops
            for item in demo.sold
            for at, ours in demo.places.items()
            if ours is not None
        ],
        orders=[
            {
                "channel": demo.channel,
                "order_id": str(order.id),
                "lines": [
                    {
                        "line_id": str(line.id),
                        "ordered": line.quantity,
                        "cancelled": line.removed,
                        "fulfilled": line.shipped,
                    }
                    for line in order.lines
                ],
            }
            for demo in world.shops
            for order in demo.shop.orders.values()
        ],
        conflicts=[],
        dead_letters=[],
        channels=[
            {"channel": demo.channel, "state": "live", "circuit": "closed", "paused": False, "last_error": None}
            for demo in world.shops
        ],
        why={SKU: {"unexplained": 0}},
    )


def entry(seq: int, sku: str, location: str, quantity: str, delta: int) -> dict[str, Any]:
    return {
        "seq": seq,
        "partition": 0,
        "sku": sku,
        "location": location,
        "quantity": quantity,
        "delta": delta,
        "balance": delta,
        "reason": "imported",
        "channel": None,
        "event_id": None,
        "order_id": None,
        "line_id": None,
        "actor": "uid:0",
    }


def noes(world: World, entered: Entered, evidence: Evidence, back: Hindsight | None = None) -> list[str]:
    return [check.name for check in judge(world, entered, evidence, back or Hindsight()) if not check.ok]


def test_all_checks_hold_when_everything_is_right(world: World) -> None:
    entered = entered_now(world)

    assert noes(world, entered, sworn(world, entered)) == []


def test_one_unit_too_many_in_a_shop_is_found(world: World) -> None:
    entered = entered_now(world)
    evidence = sworn(world, entered)
    demo = world.shops[0]
    at = next(location for location, ours in demo.places.items() if ours == WAREHOUSE)

    demo.shop.adjust(demo.by_sku[SKU], at, 1)

    assert noes(world, entered, evidence) == [
        "every shop shows what the policy wants",
        "desired and expected of every listing are what the shop shows",
    ]


def test_a_sale_that_was_not_booked_is_found_and_put_down_to_its_order(world: World) -> None:
    entered = entered_now(world)
    evidence = sworn(world, entered)
    demo = world.shops[0]
    order = demo.shop.place_order([(demo.by_sku[SKU], 1)])

    checks = {check.name: check for check in judge(world, entered, evidence, Hindsight())}

    assert str(order.id) in checks["levels equal the imported counts plus what the order books make"].wrong[0]
    assert not checks["every order is known, line by line"].ok


def test_a_write_to_what_is_not_ours_is_found(world: World) -> None:
    entered = entered_now(world)
    evidence = sworn(world, entered)
    demo = world.shops[0]

    demo.shop.set_available(demo.strangers[0], next(iter(demo.places)), 3, by="app")

    assert noes(world, entered, evidence) == ["nothing was written where nothing is ours"]


Change = Callable[[Evidence], Evidence]


def without_an_entry(evidence: Evidence) -> Evidence:
    return replace(evidence, ledger=[*evidence.ledger[:2], *evidence.ledger[3:]])


def with_a_wrong_balance(evidence: Evidence) -> Evidence:
    return replace(evidence, ledger=[{**evidence.ledger[0], "balance": 99_999}, *evidence.ledger[1:]])


def without_a_reason(evidence: Evidence) -> Evidence:
    return replace(evidence, ledger=[{**evidence.ledger[0], "reason": ""}, *evidence.ledger[1:]])


def with_an_order_without_its_line(evidence: Evidence) -> Evidence:
    half = {**evidence.ledger[0], "channel": "shop-uk", "event_id": "e", "order_id": "1"}
    return replace(evidence, ledger=[half, *evidence.ledger[1:]])


def with_units_unexplained(evidence: Evidence) -> Evidence:
    return replace(evidence, why={SKU: {"unexplained": 1}})


def with_a_dead_letter(evidence: Evidence) -> Evidence:
    return replace(evidence, dead_letters=[{"id": 1, "channel": "shop-uk", "reason": "not JSON"}])


def with_an_open_drift(evidence: Evidence) -> Evidence:
    return replace(evidence, conflicts=[{"kind": "drift", "sku": SKU, "channel": "shop-uk", "facts": {}}])


def with_an_oversell_of_what_is_there(evidence: Evidence) -> Evidence:
    return replace(evidence, conflicts=[{"kind": "oversell", "sku": SKU, "channel": None, "facts": {}}])


def with_a_paused_channel(evidence: Evidence) -> Evidence:
    return replace(evidence, channels=[{**evidence.channels[0], "state": "paused", "paused": True}])


CONFLICTS = "no conflict is open that the books do not explain"
LEDGER = "the ledger adds up to the levels, without a gap"
CAUSES = "every entry has a reason and names its cause"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (without_an_entry, LEDGER),
        (with_a_wrong_balance, LEDGER),
        (without_a_reason, CAUSES),
        (with_an_order_without_its_line, CAUSES),
        (with_units_unexplained, "nothing is unexplained"),
        (with_a_dead_letter, "no dead letters"),
        (with_an_open_drift, CONFLICTS),
        (with_an_oversell_of_what_is_there, CONFLICTS),
        (with_a_paused_channel, "every channel is live"),
    ],
)
def test_what_syncd_says_wrong_is_found(world: World, change: Change, name: str) -> None:
    entered = entered_now(world)

    assert noes(world, entered, change(sworn(world, entered))) == [name]


def test_a_sku_that_is_short_wants_its_conflict(world: World) -> None:
    demo = world.shops[0]
    scarce = world.scarce[0]
    item = demo.by_sku[scarce]
    demo.shop.place_order([(item, 9)], may_oversell=True)
    entered = entered_now(world)
    evidence = sworn(world, entered)

    told = [{"kind": "oversell", "sku": scarce, "channel": None, "facts": {}}]

    assert CONFLICTS in noes(world, entered, evidence)
    assert CONFLICTS not in noes(world, entered, replace(evidence, conflicts=told))


def test_what_hindsight_found_is_part_of_the_verdict(world: World) -> None:
    entered = entered_now(world)
    back = Hindsight(avoidable=["SKU-0000"], late=["shop-uk"], never=["shop-de"])

    assert len(noes(world, entered, sworn(world, entered), back)) == 3


def test_effects_of_orders_since_the_count_are_replayed(world: World) -> None:
    demo = world.shops[0]
    entered = entered_now(world)
    before = expected_levels(world, entered)[SKU, WAREHOUSE]
    shop, item = demo.shop, demo.by_sku[SKU]
    at = next(location for location, ours in demo.places.items() if ours == WAREHOUSE)

    order = shop.place_order([(item, 9)], location=at)
    shop.fulfil(order, [(order.lines[0], 4)])
    shop.refund(order, [(order.lines[0], 1, "return", at), (order.lines[0], 2, "cancel", None)])
    shop.refund(order, [(order.lines[0], 1, "no_restock", None)])

    after = expected_levels(world, entered)[SKU, WAREHOUSE]
    assert Stock(after.on_hand - before.on_hand, after.committed - before.committed) == Stock(-4 + 1 - 1, 2)
