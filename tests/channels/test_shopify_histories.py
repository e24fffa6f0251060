"""Orders that go through all sorts of things, by chance: what is told of them always comes to what the shop did."""

import random
from contextlib import suppress
from typing import Any

import pytest

from syncd.sim.remotes.shopify import ShopRefused

pytestmark = pytest.mark.anyio


class Staff:
    """A shop's people, whose doings the seed decides."""

    def __init__(self, w: Any, seed: int) -> None:
        self.w = w
        self.rng = random.Random(seed)
        self.items = [w.item(f"SKU-{number}", available={place: 100 for place in w.locations}) for number in range(3)]
        self.edited: set[int] = set()
        self.moved: set[int] = set()
        """Units that come back to where the rest of their line was would split it, and we say one place for a line."""
        self.written_off: set[int] = set()
        """Units that left the books did so where the line was then; ours are where it is now, so these stay there."""
        self.done: list[str] = []

    def act(self) -> None:
        orders = list(self.w.shop.orders.values())
        deeds = [self.place] if len(orders) < 2 else [self.place, *[self.deed] * 8]
        self.w.clock.advance(seconds=self.rng.choice((1, 2, 30)))
        with suppress(ShopRefused):
            self.rng.choice(deeds)()

    def stays(self, order: Any) -> bool:
        return order.id in self.written_off or any(each.status == "cancelled" for each in order.fulfilments)

    def place(self) -> None:
        lines = [(item, self.rng.randint(1, 5)) for item in self.rng.sample(self.items, self.rng.randint(1, 3))]
        self.w.shop.place_order(lines)
        self.done.append("place")

    def deed(self) -> None:
        order = self.rng.choice(list(self.w.shop.orders.values()))
        line = self.rng.choice(order.lines)
        units = self.rng.randint(1, 3)
        place = self.rng.choice(self.w.locations)
        shop, rng = self.w.shop, self.rng
        what = rng.choice(
            ["ship", "ship", "ship", "unship", "refund", "refund", "return", "refund return", "edit", "cancel", "move"]
        )
        match what:
            case "ship":
                shop.fulfil(order, [(line, units)])
            case "unship" if order.fulfilments and order.id not in self.moved:
                shop.cancel_fulfilment(rng.choice(order.fulfilments))
            case "refund":
                kind = rng.choice(["cancel", "return", "no_restock", "legacy_restock"])
                if kind == "no_restock":
                    self.written_off.add(order.id)
                shop.refund(order, [(line, units, kind, place if kind == "return" else None)])
            case "return":
                shop.process_return(order, [(line, units)], restock_location=rng.choice([place, None]))
            case "refund return" if order.returns:
                shop.refund(order, [(line, units, "no_restock", None)], return_=rng.choice(order.returns))
            case "edit":
                if rng.random() < 0.5:
                    shop.edit(order, add=[(rng.choice(self.items), units)])
                else:
                    shop.edit(order, remove=[(line, units, True)])
                    self.edited.add(order.id)
            case "cancel":
                # What an edit removed before a cancellation without restock is known to who heard of it before only.
                if order.id in self.edited and not any(each.unfulfilled for each in order.lines):
                    return  # nothing to restock leaves no refund behind, so it looks like one without restock
                self.written_off.add(order.id)
                shop.cancel(order, restock=order.id in self.edited or rng.random() < 0.7)
            case "move" if len(self.w.locations) > 1 and not self.stays(order):
                self.moved.add(order.id)
                shop.move_order(order, place)
        self.done.append(f"{what} {order.name} line {order.lines.index(line)} x{units}")


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("places", [("Warehouse",), ("Warehouse", "High Street")], ids=["one place", "two places"])
async def test_any_history_is_told_as_it_was(world: Any, stock: Any, seed: int, places: tuple[str, ...]) -> None:
    async with world(places=places) as w:
        staff = Staff(w, seed)
        for _ in range(40):
            staff.act()

        assert stock(await w.told_by_polling()) == w.own_stock(), staff.done
        assert stock(await w.told_by_webhooks()) == w.own_stock(), staff.done
        late = [*w.hooks, *staff.rng.choices(w.hooks, k=len(w.hooks) // 4)]
        staff.rng.shuffle(late)
        assert stock(await w.told_by_webhooks(late)) == w.own_stock(), staff.done
