"""What buyers and staff do in a shop, one function for each deed; each says whether there was anything to do it to.

The shop may refuse (sold out, nothing left to ship): that is life and counted, not an error.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from syncd.sim.demo.plan import Deed
from syncd.sim.demo.shops import DemoShop
from syncd.sim.remotes.shopify import Item, Line, Order, SoldOut, Wish, custom_line, gift_card, service

Act = Callable[[DemoShop, Deed, random.Random], bool]
A_SECOND: Final = timedelta(seconds=1)
RECENT: Final = 80
"""Staff works on the newest orders."""


def sale(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """A buyer takes what there is of what they want; some orders carry things without stock, too."""
    wishes = [Wish(item=demo.by_sku[sku], quantity=quantity) for sku, quantity in deed.wants]
    wishes = _whole(wishes)
    draw = rng.random()
    if draw < 0.04:
        wishes.append(gift_card())
    elif draw < 0.07:
        wishes.append(rng.choice((service(), custom_line(title="Engraving", sku="ENGRAVE"))))
    elif draw < 0.09:
        wishes.append(Wish(item=demo.weightless[0]))
    elif draw < 0.11:
        wishes.append(Wish(item=demo.strangers[0]))
    return _order(demo, wishes, paid=rng.random() < 0.95)


def counter_sale(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """Over the counter: taken from the store's shelf and out of the door at once, most of the time."""
    till = demo.till
    wishes = _whole([Wish(item=demo.by_sku[sku], quantity=1) for sku, _ in deed.wants])
    there = [wish for wish in wishes if wish.item and till and demo.shop.quantities(wish.item, till)["on_hand"] > 0]
    if till is None or not there:
        return False
    try:
        order = demo.shop.place_order(there, location=till, source="pos")
    except SoldOut:
        return False
    if rng.random() < 0.9:
        demo.shop.fulfil_all(order)
    return True


def last_units(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """Somebody takes all that the shop shows of it, at the location that shows most."""
    item = demo.by_sku[deed.wants[0][0]]
    there = max((level.quantities["available"] for level in demo.shop.levels_of(item)), default=0)
    return there > 0 and _order(demo, [Wish(item=item, quantity=min(there, 4))], paid=True)


def fulfil(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    order = _pick(demo, rng, lambda each: bool(_to_ship(each)))
    if order is None:
        return False
    if rng.random() < 0.7:
        demo.shop.fulfil_all(order)
    else:
        demo.shop.fulfil(order)
    return True


def fulfil_part(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    order = _pick(demo, rng, lambda each: bool(_to_ship(each)))
    if order is None:
        return False
    line = rng.choice(_to_ship(order))
    home = next(home.location for home, _ in order.open_units(line))
    there = sum(units.remaining for at, units in order.open_units(line) if at.location is home)
    demo.shop.fulfil(order, [(line, rng.randint(1, there))], location=home)
    return True


def cancel_fulfilment(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    order = _pick(demo, rng, lambda each: any(one.status == "success" for one in each.fulfilments))
    if order is None:
        return False
    demo.shop.cancel_fulfilment(rng.choice([each for each in order.fulfilments if each.status == "success"]))
    return True


def refund_unshipped(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    order = _pick(demo, rng, lambda each: bool(_to_ship(each)))
    if order is None:
        return False
    line = rng.choice(_to_ship(order))
    demo.shop.refund(order, [(line, rng.randint(1, line.unfulfilled), "cancel", None)])
    return True


def refund_shipped(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """Back on a shelf: where it came from, or at the counter."""
    order = _pick(demo, rng, lambda each: bool(_shipped(each)))
    if order is None:
        return False
    line = rng.choice(_shipped(order))
    where = demo.till if demo.till and rng.random() < 0.4 else line.default_location
    demo.shop.refund(order, [(line, rng.randint(1, line.shipped - line.returned), "return", where)])
    return True


def refund_keep(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """Money back and nothing on a shelf: lost before shipping, or the buyer keeps it."""
    order = _pick(demo, rng, lambda each: bool(_shipped(each) or _to_ship(each)))
    if order is None:
        return False
    line = rng.choice([*_shipped(order), *_to_ship(order)])
    most = line.unfulfilled + line.shipped - line.returned
    demo.shop.refund(order, [(line, rng.randint(1, most), "no_restock", None)])
    return True


def refund_legacy(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """The restock type of old refunds, which does not say whether the units had been shipped; here they had not."""
    order = _pick(demo, rng, lambda each: bool(_to_ship(each)))
    if order is None:
        return False
    demo.shop.refund(order, [(rng.choice(_to_ship(order)), 1, "legacy_restock", None)])
    return True


def refund_money(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    order = _pick(demo, rng, lambda each: True)
    if order is None:
        return False
    demo.shop.refund(order, [], note="a scratch")
    return True


def goods_back(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """A return is processed, restocked or not; most are refunded afterwards, without restocking twice."""
    order = _pick(demo, rng, lambda each: bool(_shipped(each)))
    if order is None:
        return False
    line = rng.choice(_shipped(order))
    units = rng.randint(1, line.shipped - line.returned)
    where = line.default_location if rng.random() < 0.8 else None
    back = demo.shop.process_return(order, [(line, units)], restock_location=where)
    if rng.random() < 0.7:
        demo.shop.refund(order, [(line, units, "no_restock", None)], return_=back)
        demo.shop.close_return(back)
    return True


def cancel_restock(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    return _cancel(demo, rng, restock=True)


def cancel_written_off(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    return _cancel(demo, rng, restock=False)


def edit(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """The buyer thinks again: something more, something less, or both.

    What is taken off goes back on the shelf: the API does not tell of an edit that writes units off.
    """
    order = _pick(demo, rng, lambda each: bool(_to_ship(each)))
    if order is None:
        return False
    line = rng.choice(_to_ship(order))
    remove = [(line, rng.randint(1, line.unfulfilled), True)] if rng.random() < 0.6 else []
    more = rng.choice(list(demo.sold))
    add = [(more, 1)] if demo.shop.sellable(more) > 1 and (not remove or rng.random() < 0.5) else []
    if not add and not remove:
        return False
    demo.shop.edit(order, add=add, remove=remove)
    return True


def move(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """All that is not shipped goes from the shop's other location instead."""
    mapped = [location for location, ours in demo.places.items() if ours is not None]
    order = _pick(demo, rng, lambda each: bool(_to_ship(each)))
    if order is None or len(mapped) < 2:
        return False
    demo.shop.move_order(order, rng.choice(mapped))
    return True


def drift(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """Somebody edits the figure in the shop's admin, where it is not theirs to edit."""
    item = rng.choice(list(demo.sold))
    level = rng.choice([each for each in demo.shop.levels_of(item) if demo.ours(each.location)])
    if rng.random() < 0.5:
        demo.shop.adjust(item, level.location, rng.choice((-2, -1, 1, 2, 5)))
    else:
        demo.shop.set_available(item, level.location, rng.randint(0, 20))
    return True


def hold_back(demo: DemoShop, deed: Deed, rng: random.Random) -> bool:
    """Units are put aside in the shop's admin as damaged."""
    item = rng.choice(list(demo.sold))
    level = rng.choice([each for each in demo.shop.levels_of(item) if demo.ours(each.location)])
    if level.quantities["available"] < 2:
        return False
    demo.shop.hold_back(item, level.location, 1)
    return True


ACTS: Final[Mapping[str, Act]] = {
    "sale": sale,
    "counter_sale": counter_sale,
    "last_units": last_units,
    "fulfil": fulfil,
    "fulfil_part": fulfil_part,
    "cancel_fulfilment": cancel_fulfilment,
    "refund_unshipped": refund_unshipped,
    "refund_shipped": refund_shipped,
    "refund_keep": refund_keep,
    "refund_legacy": refund_legacy,
    "refund_money": refund_money,
    "goods_back": goods_back,
    "cancel_restock": cancel_restock,
    "cancel_written_off": cancel_written_off,
    "edit": edit,
    "move": move,
    "drift": drift,
    "hold_back": hold_back,
}


def _cancel(demo: DemoShop, rng: random.Random, *, restock: bool) -> bool:
    """Not within a second of a refund: which of the two put the units back is then for nobody to tell from outside."""
    now = demo.shop.second
    order = _pick(demo, rng, lambda each: bool(_to_ship(each)) and now - each.updated_at > A_SECOND)
    if order is None:
        return False
    demo.shop.cancel(order, restock=restock)
    return True


def _order(demo: DemoShop, wishes: Sequence[Wish], *, paid: bool) -> bool:
    """Place the order; when something is sold out, for the rest of it."""
    try:
        demo.shop.place_order(wishes, paid=paid)
        return True
    except SoldOut:
        left = [wish for wish in wishes if wish.item is None or _can_sell(demo, wish)]
    if not any(wish.item in demo.sold for wish in left):
        return False
    demo.shop.place_order(left, paid=paid)
    return True


def _can_sell(demo: DemoShop, wish: Wish) -> bool:
    item = wish.item
    return item is not None and (item.policy == "CONTINUE" or demo.shop.sellable(item) >= wish.quantity)


def _whole(wishes: Sequence[Wish]) -> list[Wish]:
    """One line an item."""
    units: dict[Item, int] = {}
    for wish in wishes:
        if wish.item is not None:
            units[wish.item] = units.get(wish.item, 0) + wish.quantity
    return [Wish(item=item, quantity=quantity) for item, quantity in units.items()]


def _pick(demo: DemoShop, rng: random.Random, suits: Callable[[Order], bool]) -> Order | None:
    newest = list(demo.shop.orders.values())[-RECENT:]
    found = [order for order in newest if order.cancelled_at is None and suits(order)]
    return rng.choice(found) if found else None


def _to_ship(order: Order) -> list[Line]:
    return [line for line in order.lines if line.unfulfilled > 0]


def _shipped(order: Order) -> list[Line]:
    return [line for line in order.lines if line.shipped > line.returned]
