"""Looking back at a run: what was sold twice and whether it had to be, what was written too high, how late news was."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from syncd.sim.demo import Options
from syncd.sim.demo.hindsight import Hindsight, look_back
from syncd.sim.demo.replay import Entered
from syncd.sim.demo.shops import WAREHOUSE, DemoShop, World, build_world
from syncd.sim.demo.traffic import Gap
from syncd.sim.demo.watch import Watch
from syncd.sim.remotes.shopify import Item, Location, ShopifyServer

OPTIONS = Options(duration_seconds=10, skus=12, seed=5)
BEGIN = datetime(2126, 11, 23, 12, 0, tzinfo=UTC)
"""Later than anything in the shops' past."""


class Story:
    """Two shops that share one scarce SKU with two units, told second by second."""

    def __init__(self) -> None:
        self.world: World = build_world(OPTIONS)
        self.sku = next(sku for sku in self.world.scarce if all(sku in demo.by_sku for demo in self.world.shops))
        self.now = BEGIN
        self.server = ShopifyServer(shops=[demo.shop for demo in self.world.shops])
        self.watch = Watch(self.server, now=lambda: self.now)
        for demo in self.world.shops:
            demo.shop.now = lambda: self.now
        self.watch.attach(self.world)
        key = (self.sku, WAREHOUSE)
        self.entered = Entered(counted_at=BEGIN, counts={key: 2}, adjustments=[])
        self.gaps: list[Gap] = []
        self.known = True
        for demo in self.world.shops:
            item, at = self.listing(demo)
            with self.later(1):
                demo.shop.set_available(item, at, 2, by="app", cause="gid://syncd/Write/first")

    def listing(self, demo: DemoShop) -> tuple[Item, Location]:
        return demo.by_sku[self.sku], next(at for at, ours in demo.places.items() if ours == WAREHOUSE)

    @contextmanager
    def later(self, seconds: float) -> Iterator[None]:
        self.now += timedelta(seconds=seconds)
        yield

    def sells(self, shop: int, units: int, *, after: float, heard: bool = True) -> None:
        demo = self.world.shops[shop]
        item, at = self.listing(demo)
        with self.later(after):
            order = demo.shop.place_order([(item, units)], location=at, may_oversell=True)
        if heard:
            self.watch.heard(demo.shop, order)

    def is_written(self, shop: int, units: int, *, after: float) -> None:
        demo = self.world.shops[shop]
        item, at = self.listing(demo)
        with self.later(after):
            demo.shop.set_available(item, at, units, by="app", cause=f"gid://syncd/Write/{self.now}")

    def told(self) -> Hindsight:
        return look_back(self.world, self.entered, self.watch, self.gaps)


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_unit_sold_twice_within_a_second_is_unavoidable(story: Story) -> None:
    story.sells(0, 2, after=1)
    story.sells(1, 1, after=0.5)

    assert story.told().oversells == {"unavoidable": 1}
    assert story.told().avoidable == []


def test_a_unit_sold_again_two_seconds_later_could_have_been_avoided(story: Story) -> None:
    story.sells(0, 2, after=1)
    story.sells(1, 1, after=2)

    assert story.told().oversells == {"avoidable": 1}
    assert len(story.told().avoidable) == 1


def test_nobody_could_have_helped_while_syncd_was_down(story: Story) -> None:
    story.sells(0, 2, after=1)
    story.gaps.append(Gap(None, story.now, story.now + timedelta(seconds=5), "daemon was down"))
    story.sells(1, 1, after=2)

    assert story.told().oversells == {"daemon was down": 1}


def test_what_is_sold_and_there_is_no_oversell(story: Story) -> None:
    story.sells(0, 1, after=1)
    story.sells(1, 1, after=2)

    assert not story.told().oversells


def test_the_time_until_the_other_shop_shows_it_is_measured(story: Story) -> None:
    story.sells(0, 1, after=1)
    story.is_written(1, 0, after=0.25)

    assert story.told().latencies == [0.25]
    assert story.told().never == []


def test_a_sale_that_the_other_shop_never_hears_of_is_told(story: Story) -> None:
    story.sells(0, 2, after=1)

    assert len(story.told().never) == 1


def test_a_rise_over_a_sale_that_was_known_is_told(story: Story) -> None:
    story.sells(0, 2, after=1)
    story.is_written(1, 0, after=0.1)
    story.is_written(1, 1, after=10)

    assert len(story.told().late) == 1


def test_a_rise_over_a_sale_that_nobody_had_told_of_is_not_held_against_syncd(story: Story) -> None:
    story.is_written(1, 0, after=0.1)
    story.sells(0, 2, after=1, heard=False)
    story.is_written(1, 1, after=10)

    assert story.told().late == []
