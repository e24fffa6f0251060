"""The shops of the demo and what lies on our shelves: made from a seed, the same every time."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from syncd.sim.demo.options import Options
from syncd.sim.remotes.shopify import Item, Location, Shop

WAREHOUSE: Final = "warehouse"
STORE: Final = "store"
PACK: Final = 1
SCARCE_SHARE: Final = 0.08


class Clock:
    """Wall time, behind by `behind` while the shops' past is written."""

    def __init__(self) -> None:
        self.behind = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.behind


@dataclass(frozen=True, slots=True)
class Sold:
    """What one of a shop's items is to us: a SKU of ours, by the pack."""

    sku: str
    pack: int = 1


@dataclass(slots=True, kw_only=True)
class DemoShop:
    """One shop with how it is configured; `places` maps its locations to ours, None where it is not mapped."""

    channel: str
    shop: Shop
    places: Mapping[Location, str | None]
    first_sync: str
    buffer: int = 0
    sold: dict[Item, Sold] = field(default_factory=dict)
    strangers: list[Item] = field(default_factory=list)
    """Items that carry stock in the shop and that we know nothing of."""
    weightless: list[Item] = field(default_factory=list)
    """Items without stock: not tracked."""
    by_sku: dict[str, Item] = field(default_factory=dict)

    def ours(self, location: Location) -> str | None:
        return self.places[location]

    @property
    def till(self) -> Location | None:
        """Where people buy over the counter."""
        return next((each for each, ours in self.places.items() if ours == STORE), None)


@dataclass(slots=True, kw_only=True)
class World:
    """The shops, and the counts that will be imported: (SKU, location of ours) to units."""

    shops: list[DemoShop]
    counts: dict[tuple[str, str], int]
    scarce: list[str]
    clock: Clock

    def shop(self, channel: str) -> DemoShop:
        return next(each for each in self.shops if each.channel == channel)


def build_world(options: Options) -> World:
    """Two shops that share most SKUs: one with a warehouse and a counter, one that sells from the warehouse alone."""
    rng = random.Random(f"{options.seed}:world")  # noqa: S311 - repeatable on purpose
    clock = Clock()
    clock.behind = timedelta(hours=1)
    uk, de = _shop_uk(options, clock), _shop_de(options, clock)
    world = World(shops=[uk, de], counts={}, scarce=[], clock=clock)
    for number in range(options.skus):
        _stock_sku(world, f"SKU-{number:04d}", number, options.skus, rng)
    _oddities(uk, de, rng)
    _past_orders(world, rng)
    clock.behind = timedelta(0)
    _finish_counts(world)
    return world


def _shop_uk(options: Options, clock: Clock) -> DemoShop:
    shop = Shop(domain="syncd-demo-uk.myshopify.com", now=clock, rng=_rng(options, "uk"), name="Demo UK")
    places = {shop.add_location("London warehouse"): WAREHOUSE, shop.add_location("Camden store"): STORE}
    return DemoShop(channel="shop-uk", shop=shop, places=places, first_sync="ask")


def _shop_de(options: Options, clock: Clock) -> DemoShop:
    """Its second location is nobody's business of ours: what happens there must stay there."""
    shop = Shop(domain="syncd-demo-de.myshopify.com", now=clock, rng=_rng(options, "de"), name="Demo DE")
    fair = "Messestand"
    places: dict[Location, str | None] = {
        shop.add_location("Versandlager"): WAREHOUSE,
        shop.add_location(fair, fulfills_online_orders=False): None,
    }
    return DemoShop(channel="shop-de", shop=shop, places=places, first_sync="push", buffer=1)


def _rng(options: Options, what: str) -> random.Random:
    return random.Random(f"{options.seed}:{what}")  # noqa: S311 - repeatable on purpose


def _stock_sku(world: World, sku: str, number: int, skus: int, rng: random.Random) -> None:
    """The first numbers are the popular ones; a few SKUs are scarce, and both shops want those."""
    uk, de = world.shops
    is_scarce = rng.random() < SCARCE_SHARE or number == 3
    draw = rng.random()
    in_uk, in_de = is_scarce or draw < 0.8, is_scarce or draw > 0.2
    plenty = rng.randint(20, 60) + 200 * skus // (skus + 40 * number)
    world.counts[sku, WAREHOUSE] = rng.randint(1, 4) if is_scarce else plenty
    at_store = in_uk and rng.random() < 0.5
    if at_store:
        world.counts[sku, STORE] = rng.randint(0, 2) if is_scarce else rng.randint(3, 25)
    if is_scarce:
        world.scarce.append(sku)
    policy = rng.choice(("DENY",) * 9 + ("CONTINUE",))
    if in_uk:
        shelves = [location for location, ours in uk.places.items() if at_store or ours == WAREHOUSE]
        _list(uk, sku, Sold(sku), shelves, world, rng, policy)
    if in_de:
        by_the_case = not is_scarce and not in_uk and rng.random() < 0.3
        shelves = [location for location, ours in de.places.items() if ours or rng.random() < 0.05]
        name = f"CASE-{number:04d}" if by_the_case else sku
        _list(de, name, Sold(sku, PACK if by_the_case else 1), shelves, world, rng, policy)


def _list(
    demo: DemoShop, text: str, sold: Sold, shelves: list[Location], world: World, rng: random.Random, policy: str
) -> None:
    """Put it on sale with the figures that the shop believes, a fifth of them wrong."""
    figures = {}
    for location in shelves:
        ours = demo.ours(location)
        true = world.counts.get((sold.sku, ours), 0) // sold.pack if ours else 10
        figures[location] = max(0, true + (rng.randint(-3, 3) if rng.random() < 0.2 else 0))
    item = demo.shop.add_item(text, available=figures, policy="CONTINUE" if policy == "CONTINUE" else "DENY")
    demo.sold[item] = sold
    demo.by_sku[sold.sku] = item


def _oddities(uk: DemoShop, de: DemoShop, rng: random.Random) -> None:
    """What every real catalogue has too: something we do not know, and things without stock."""
    for demo in (uk, de):
        first = next(iter(demo.places))
        demo.strangers.append(demo.shop.add_item(f"ONLY-{demo.channel.upper()}", available={first: 40}))
        demo.weightless.append(demo.shop.add_item(f"DOWNLOAD-{rng.randint(1, 9)}", tracked=False))


def _past_orders(world: World, rng: random.Random) -> None:
    """Orders from before syncd came: some open, some partly shipped, some done."""
    for demo in world.shops:
        common = [item for item in demo.sold if item.policy == "DENY" and demo.shop.sellable(item) > 8]
        for _ in range(min(8, len(common))):
            order = demo.shop.place_order([(rng.choice(common), rng.randint(1, 3))])
            draw = rng.random()
            if draw < 0.3:
                demo.shop.fulfil_all(order)
            elif draw < 0.6:
                demo.shop.fulfil(order, [(order.lines[0], 1)])


def _finish_counts(world: World) -> None:
    """The stock take is as good as the shelves: it finds no fewer units than old orders still wait for."""
    for demo in world.shops:
        for order in demo.shop.orders.values():
            for home in order.fulfilment_orders:
                for units in home.lines:
                    ours = demo.ours(home.location)
                    if units.line.item in demo.sold and ours:
                        sold = demo.sold[units.line.item]
                        world.counts[sold.sku, ours] = world.counts.get((sold.sku, ours), 0) + (
                            units.remaining * sold.pack
                        )


def shown(demo: DemoShop, item: Item, location: Location) -> int | None:
    """What the shop itself shows of the item there; None where it is not stocked."""
    level = demo.shop.level(item, location)
    return level.quantities["available"] if level is not None and level.active else None
