"""The demo's world and its traffic plan: made from the seed alone, with everything in them that shops know."""

import pytest

from syncd.sim.demo import Options
from syncd.sim.demo.plan import AFTER_SALES, OURS, make_plan
from syncd.sim.demo.shops import WAREHOUSE, World, build_world

OPTIONS = Options(duration_seconds=120, skus=80, seed=3)


def catalogue(world: World) -> list[tuple[str, str | None, str, int, tuple[int, ...]]]:
    return [
        (demo.channel, item.sku, sold.sku, item.inventory_item_id, tuple(demo.shop.quantities(item, at).values()))
        for demo in world.shops
        for item, sold in demo.sold.items()
        for at in demo.places
    ]


def test_the_same_seed_makes_the_same_shops_and_the_same_plan() -> None:
    one, other = build_world(OPTIONS), build_world(OPTIONS)

    assert one.counts == other.counts
    assert catalogue(one) == catalogue(other)
    assert make_plan(OPTIONS, one) == make_plan(OPTIONS, other)


def test_another_seed_makes_another_plan() -> None:
    other = Options(duration_seconds=120, skus=80, seed=4)

    assert make_plan(OPTIONS, build_world(OPTIONS)) != make_plan(other, build_world(other))


def test_faults_change_nothing_about_the_plan() -> None:
    storm = Options(duration_seconds=120, skus=80, seed=3, faults="storm")

    assert make_plan(OPTIONS, build_world(OPTIONS)) == make_plan(storm, build_world(storm))


def test_everything_that_shops_know_is_planned_and_within_the_time() -> None:
    plan = make_plan(OPTIONS, build_world(OPTIONS))

    assert {deed.what for deed in plan} >= {
        *AFTER_SALES,
        *OURS,
        "sale",
        "counter_sale",
        "last_units",
        "pause",
        "resume",
    }
    assert [deed.at for deed in plan] == sorted(deed.at for deed in plan)
    assert plan[-1].at <= OPTIONS.duration_seconds


def test_buyers_want_only_what_their_shop_sells() -> None:
    world = build_world(OPTIONS)

    wanted = [(deed.shop, sku) for deed in make_plan(OPTIONS, world) for sku, _ in deed.wants]

    assert wanted
    assert all(sku in world.shops[shop].by_sku for shop, sku in wanted)


def test_the_world_has_what_real_catalogues_have() -> None:
    world = build_world(OPTIONS)
    uk, de = world.shops

    assert uk.by_sku.keys() & de.by_sku.keys()
    assert uk.by_sku.keys() - de.by_sku.keys()
    assert de.by_sku.keys() - uk.by_sku.keys()
    assert all(sku in uk.by_sku and sku in de.by_sku for sku in world.scarce)
    assert uk.strangers
    assert de.weightless
    assert any(ours is None for ours in de.places.values())
    assert any(item.sku != sold.sku for item, sold in de.sold.items())


def test_some_of_what_the_shops_show_at_first_is_wrong() -> None:
    world = build_world(OPTIONS)
    uk = world.shops[0]
    at = next(location for location, ours in uk.places.items() if ours == WAREHOUSE)

    shown = {sku: uk.shop.quantities(item, at)["available"] for sku, item in uk.by_sku.items()}

    assert any(shown[sku] != world.counts[sku, WAREHOUSE] for sku in shown)


@pytest.mark.parametrize("skus", [1, 2, 5])
def test_a_handful_of_skus_is_enough(skus: int) -> None:
    options = Options(duration_seconds=10, skus=skus, seed=1)

    assert make_plan(options, build_world(options))
