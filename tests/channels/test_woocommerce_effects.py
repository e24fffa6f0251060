"""What orders do to stock: the table row by row, then histories by chance, always against the shop's own books."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from syncd.channels.woocommerce import orders as orders_module
from syncd.domain.orders import effect, merge, own_steps
from syncd.sim.remotes.woocommerce import Order, ShopRefused
from tests.channels.woocommerce_world import World, figures_of, open_world, stock_of

pytestmark = pytest.mark.anyio

Deed = Callable[[World, Order], None]


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop's clock stands still in these tests: waiting for its next second would be in vain."""
    monkeypatch.setattr(orders_module, "SETTLE_SECONDS", 0.0)


def status(*names: str) -> Deed:
    def do(w: World, order: Order) -> None:
        for name in names:
            w.clock.advance(seconds=10)
            w.shop.set_status(order, name)

    return do


def refund(units: int, *, restock: bool) -> Deed:
    def do(w: World, order: Order) -> None:
        w.clock.advance(seconds=10)
        w.shop.refund(order, [(order.lines[0], units)], restock=restock)

    return do


def quantity(units: int) -> Deed:
    def do(w: World, order: Order) -> None:
        w.clock.advance(seconds=10)
        w.shop.edit(order, quantities=[(order.lines[0], units)])

    return do


def without_line(w: World, order: Order) -> None:
    w.clock.advance(seconds=10)
    w.shop.edit(order, remove=[order.lines[0]])


def trash(w: World, order: Order) -> None:
    w.clock.advance(seconds=10)
    w.shop.trash_order(order)


ROWS: list[tuple[str, list[Deed], tuple[int, int]]] = [
    ("pending", [], (0, 0)),
    ("checkout-draft", [], (0, 0)),
    ("failed", [], (0, 0)),
    ("on-hold", [], (0, 5)),
    ("processing", [], (0, 5)),
    ("completed", [], (-5, 0)),
    ("pending", [status("processing")], (0, 5)),
    ("pending", [status("on-hold", "processing", "completed")], (-5, 0)),
    ("pending", [status("cancelled")], (0, 0)),
    ("pending", [status("failed", "processing")], (0, 5)),
    ("pending", [status("cancelled", "processing")], (0, 5)),
    ("on-hold", [status("pending")], (0, 0)),
    ("on-hold", [status("pending", "processing")], (0, 5)),
    ("on-hold", [status("cancelled")], (0, 0)),
    ("processing", [status("cancelled")], (0, 0)),
    ("processing", [status("cancelled", "processing")], (0, 5)),
    ("processing", [status("cancelled", "completed")], (-5, 0)),
    ("processing", [status("failed")], (0, 5)),
    ("processing", [status("completed")], (-5, 0)),
    ("processing", [status("completed", "processing")], (0, 5)),
    ("processing", [status("completed", "processing", "completed")], (-5, 0)),
    ("processing", [status("completed", "cancelled")], (0, 0)),
    ("processing", [refund(2, restock=True)], (0, 3)),
    ("processing", [refund(2, restock=False)], (-2, 3)),
    ("processing", [refund(5, restock=True)], (0, 0)),
    ("processing", [refund(5, restock=False)], (-5, 0)),
    ("processing", [status("refunded")], (-5, 0)),
    ("processing", [refund(2, restock=True), refund(1, restock=False)], (-1, 2)),
    ("processing", [refund(2, restock=True), status("completed")], (-3, 0)),
    ("processing", [refund(2, restock=False), status("completed")], (-5, 0)),
    ("processing", [refund(2, restock=False), status("cancelled")], (0, 0)),
    ("processing", [status("completed"), refund(2, restock=True)], (-3, 0)),
    ("processing", [status("completed"), refund(2, restock=False)], (-5, 0)),
    ("processing", [status("completed"), refund(5, restock=True)], (0, 0)),
    ("processing", [refund(1, restock=True), status("completed"), refund(2, restock=True)], (-2, 0)),
    ("processing", [refund(1, restock=False), status("completed"), refund(2, restock=True)], (-3, 0)),
    ("processing", [quantity(3)], (0, 3)),
    ("processing", [quantity(7)], (0, 7)),
    ("on-hold", [quantity(7), status("processing", "completed")], (-7, 0)),
    ("pending", [quantity(3), status("processing")], (0, 3)),
    ("processing", [without_line], (0, 0)),
    ("processing", [trash], (0, 5)),
]


def named(row: tuple[str, list[Deed], tuple[int, int]]) -> str:
    return f"{row[0]}-{len(row[1])}-{row[2]}"


async def do(w: World, first: str, deeds: list[Deed]) -> Order:
    tee = w.shop.add_product("TEE", 20)
    order = w.shop.place_order([(tee, 5), (w.shop.add_product("OTHER", 20), 1)], status=first)
    for deed in deeds:
        deed(w, order)
    return order


@pytest.mark.parametrize("row", ROWS, ids=named)
async def test_an_order_moves_what_the_table_says_and_the_shop_s_own_figure_as_the_shop_does(row: Any) -> None:
    first, deeds, expected = row
    async with open_world() as w:
        order = await do(w, first, deeds)
        w.clock.advance(seconds=10)

        orders = await w.told(w.hooks)
        if order.status != "trash":  # what is in the bin is in no list
            await w.polled(orders)

        tee = next(each for each in w.shop.products.values() if each.sku == "TEE").remote_id
        assert stock_of(orders).get(tee, (0, 0)) == expected
        assert figures_of(orders) == w.own_figures()


@pytest.mark.parametrize("row", ROWS, ids=named)
async def test_every_telling_on_the_way_dates_its_step_after_the_telling_before(row: Any) -> None:
    """A step that is dated before news already heard would be taken for part of a figure that was read since."""
    first, deeds, _ = row
    async with open_world() as w:
        tee = w.shop.add_product("TEE", 20)
        order = w.shop.place_order([(tee, 5)], status=first)
        known = None
        heard_until = 0
        for deed in (None, *deeds):
            if deed is not None:
                deed(w, order)
            if order.status == "trash":
                continue
            w.clock.advance(seconds=5)
            for told in (await w.polled()).values():
                after = merge(known, told).order if known is not None else told
                for (_, at), step in own_steps(known, after).items():
                    assert step == 0 or at > heard_until
                known = after
            heard_until = int(w.clock.at.timestamp() * 1000)


class Staff:
    """A shop's people and buyers, whose doings the seed decides."""

    def __init__(self, w: World, seed: int, *, same_second: bool) -> None:
        self.w, self.rng, self.same_second = w, random.Random(seed), same_second
        shop = w.shop
        hat = shop.add_product("HAT", 40)
        bag = shop.add_product("BAG", 60)
        own, shared = shop.add_variation(bag, "BAG-S", 50), shop.add_variation(bag, "BAG-L", manage_stock=False)
        self.items = [hat, own, shared]
        self.orders: list[Order] = []

    def act(self) -> None:
        self.w.clock.advance(seconds=0 if self.same_second and self.rng.random() < 0.6 else self.rng.randint(1, 40))
        if not self.orders or self.rng.random() < 0.3:
            wishes = [(item, self.rng.randint(1, 4)) for item in self.rng.sample(self.items, self.rng.randint(1, 2))]
            first = self.rng.choice(["pending", "on-hold", "processing", "completed"])
            self.orders.append(self.w.shop.make_order(wishes, status=first))
            return
        order = self.rng.choice(self.orders)
        deed = self.rng.choice([self._move_on, self._move_on, self._refund, self._edit, self._note])
        deed(order)

    def _move_on(self, order: Order) -> None:
        names = ["pending", "on-hold", "processing", "completed", "cancelled", "failed"]
        if order.status != "refunded":
            self.w.shop.set_status(order, self.rng.choice(names))

    def _refund(self, order: Order) -> None:
        if order.status in ("pending", "cancelled", "failed") or not order.lines:
            return
        line = self.rng.choice(order.lines)
        left = line.quantity - self.w.shop.refunded(order, line)
        if left:
            self.w.shop.refund(order, [(line, self.rng.randint(1, left))], restock=self.rng.random() < 0.5)

    def _edit(self, order: Order) -> None:
        if order.status not in ("pending", "on-hold") or order.refunds:
            return
        line = self.rng.choice(order.lines)
        if len(order.lines) > 1 and self.rng.random() < 0.3:
            self.w.shop.edit(order, remove=[line])
        elif self.rng.random() < 0.5:
            self.w.shop.edit(order, add=[(self.rng.choice(self.items), 1)])
        else:
            self.w.shop.edit(order, quantities=[(line, self.rng.randint(1, 6))])

    def _note(self, order: Order) -> None:
        self.w.shop.touch(order)


@pytest.mark.parametrize("same_second", [False, True], ids=["apart", "within a second"])
@pytest.mark.parametrize("seed", range(12))
async def test_any_history_told_in_any_order_ends_with_the_shop_s_own_figures(seed: int, same_second: bool) -> None:
    async with open_world() as w:
        staff = Staff(w, seed, same_second=same_second)
        await w.catalogue()
        polled: dict[Any, Any] = {}
        for _ in range(40):
            try:
                staff.act()
            except ShopRefused:
                continue
            if staff.rng.random() < 0.2:
                await w.polled(polled)
        told = [hook for hook in w.hooks if hook.topic.startswith("order.")]
        told += staff.rng.sample(told, len(told) // 3)
        staff.rng.shuffle(told)
        w.clock.advance(seconds=5)

        orders = await w.told(told)
        await w.polled(orders)
        await w.polled(polled)

        assert figures_of(orders) == w.own_figures()
        assert figures_of(polled) == w.own_figures()
        shipped = {order.id for order in staff.orders if order.status in ("completed", "refunded")}
        for order in orders.values():
            promised = sum(parts.stock.committed for parts in effect(order).values())
            assert promised == 0 or int(order.order_id) not in shipped
