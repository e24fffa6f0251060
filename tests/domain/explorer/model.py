"""What can happen. The shop, its network and the clock act here; whatever the hub decides, the product decides.

Every function of `listings` is called through its module, so that a variant of a rule can be put in its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from syncd.domain import listings
from syncd.domain.listings import Circumstances, Hold, Reading, Seen, Span, Verdict, Write, WriteKind
from tests.domain.explorer.world import Kind, OrderList, Request, Sale, Shop, World


class Wrong(Exception):
    """The hub did harm; the message says which."""


Move = tuple[str, World]


@dataclass(frozen=True)
class Model:
    """Shops of these kinds, whose order lists show what is at least `lag` ticks old."""

    kinds: tuple[Kind, ...]
    lag: int = 0
    grain: int = 1
    """Ticks to which order times are rounded down; a reading or write may lie that much before its own time."""
    settle: int = 0
    """Ticks for which a covered difference must stand before it is drift."""
    sells_at_zero: bool = False
    """The shop takes orders for what it does not show; its figure stays at zero, and so tells less than its orders."""
    margin: int = 1
    """Ticks by which a list that is answered late is taken to reach less far than when it was made."""
    gives_up_early: bool = False
    """The hub does not wait until a request in doubt can no longer land."""
    slow: bool = False
    """Readings of stock and of orders may be answered late, and so overlap with each other and with writes."""
    folds: bool = False
    """Every order read also folds the account, up to where it reached."""

    verdicts: list[Verdict] | None = field(default=None, compare=False)
    """Where to note what the hub concluded from the figures it was told."""

    # The shop and its customers.

    def sell(self, world: World, i: int) -> World:
        shop = world.shops[i]
        shown = shop.shown - 1 if shop.shown > 0 else shop.shown
        sold = shop._replace(shown=shown, sales=(*shop.sales, Sale(world.now)), told=(*shop.told, 0))
        return world.put(i, self._published(shop, sold, world.now)).less("sales")

    def cancel(self, world: World, i: int, order: int) -> World:
        shop = world.shops[i]
        sales = list(shop.sales)
        sales[order] = Sale(sales[order].at, world.now)
        back = shop._replace(shown=shop.shown + 1, sales=tuple(sales))
        return world.put(i, self._published(shop, back, world.now)).less("cancels")

    def edit(self, world: World, i: int, by: int) -> World:
        shop = world.shops[i]
        changed = self._published(shop, shop._replace(shown=shop.shown + by), world.now)
        return world.put(i, changed).less("edits")._replace(edited=True)

    # The network.

    def land(self, world: World, i: int) -> World:
        """The request takes force; its answer is on the way."""
        shop = world.shops[i]
        request = _required(shop.request)
        shown, taken = self._force(i, request.write, shop.shown)
        self._judge(world, i, request, shown, late=False)
        after = shop._replace(shown=shown, request=request._replace(taken=taken))
        return world.put(i, self._published(shop, after, world.now))

    def land_late(self, world: World, i: int, n: int) -> World:
        """A request that the hub had given up takes force after all."""
        shop = world.shops[i]
        request = shop.given_up[n]
        shown, _ = self._force(i, request.write, shop.shown)
        self._judge(world, i, request, shown, late=True)
        after = shop._replace(shown=shown, given_up=shop.given_up[:n] + shop.given_up[n + 1 :])
        return world.put(i, self._published(shop, after, world.now))

    def _force(self, i: int, write: Write, shown: int) -> tuple[int, bool]:
        match self.kinds[i].write:
            case WriteKind.COMPARE_AND_SET:
                return (write.target, True) if shown == write.was else (shown, False)
            case WriteKind.RELATIVE:
                return shown + write.step, True
            case WriteKind.ABSOLUTE:
                return write.target, True

    def _judge(self, world: World, i: int, request: Request, shown: int, *, late: bool) -> None:
        """No write may lift a shop's figure over a sale that the hub did not know of.

        Left open: on an absolute channel the sales after the order read of the write's own step; and, while orders
        cannot be read, a fall over more unseen sales than it takes away.
        """
        shop = world.shops[i]
        if world.edited or self.sells_at_zero or shown <= shop.shown:
            return
        unseen = shop.unseen(request.told)
        if late:
            room = world.available - shop.unseen(shop.told)
        elif request.orders_read or (request.blind and not 0 <= unseen <= -request.write.step):
            return
        else:
            room = request.room - unseen
        if shown > room:
            raise Wrong(f"sold stock restored: {shown} shown, {room} left")

    def _published(self, before: Shop, after: Shop, now: int) -> Shop:
        """A change of the figure is told by a stock event."""
        event = self._seen(after.shown, now)
        if before.shown == after.shown or event in after.events:
            return after
        return after._replace(events=tuple(sorted((*after.events, event))))

    # What the hub hears.

    def _told(self, shop: Shop, told: tuple[int, ...]) -> Shop:
        """The hub enters the dated steps of what it did not know yet."""
        steps = []
        for sale, before, after in zip(shop.sales, shop.told, told, strict=True):
            if before < 1 <= after:
                steps.append((self._dated(sale.at), -1))
            if before < 2 <= after and sale.cancelled_at is not None:
                steps.append((self._dated(sale.cancelled_at), 1))
        if not steps:
            return shop
        return shop._replace(told=told, account=listings.own_effects(shop.account, steps))

    def _dated(self, at: int) -> int:
        return at - at % self.grain

    def hear_order(self, world: World, i: int, order: int, version: int) -> World:
        shop = world.shops[i]
        told = list(shop.told)
        told[order] = max(told[order], version)
        return world.put(i, self._told(shop, tuple(told)))

    def hear_stock(self, world: World, i: int, event: Reading) -> World:
        shop = world.shops[i]
        return self._verdict(world, i, listings.hear(shop.account, event))

    def read(self, world: World, i: int) -> World:
        shop = world.shops[i]
        world = world.put(i, shop._replace(refused=None))
        return self._verdict(world, i, listings.observe(shop.account, self._seen(shop.shown, world.now)))

    def ask_stock(self, world: World, i: int) -> World:
        shop = world.shops[i]
        return world.put(i, shop._replace(figure_under_way=self._seen(shop.shown, world.now)))

    def stock_arrives(self, world: World, i: int) -> World:
        shop = world.shops[i]
        reading = shop.figure_under_way
        assert reading is not None
        world = world.put(i, shop._replace(refused=None, figure_under_way=None))
        return self._verdict(world, i, listings.observe(shop.account, reading))

    def ask_orders(self, world: World, i: int) -> World:
        orders = self._orders(world, i, world.now - self.lag)._replace(reached=world.now - self.lag - self.margin)
        return world.put(i, world.shops[i]._replace(orders_under_way=orders))

    def orders_arrive(self, world: World, i: int) -> World:
        shop = world.shops[i]
        orders = shop.orders_under_way
        assert orders is not None
        return self._polled(world.put(i, shop._replace(orders_under_way=None)), i, orders)

    def _seen(self, units: int, now: int) -> Reading:
        return Reading(units, self._since(now, now))

    def _since(self, began: int, now: int) -> Span:
        return Span(began - self.grain + 1, now)

    def poll(self, world: World, i: int) -> World:
        """The hub reads the shop's orders and applies them; whatever it had read before is covered by this."""
        return self._polled(world, i, self._orders(world, i, world.now - self.lag))

    def _orders(self, world: World, i: int, reached: int) -> OrderList:
        return OrderList(tuple(sale.version(reached) for sale in world.shops[i].sales), reached)

    def _polled(self, world: World, i: int, orders: OrderList) -> World:
        shop, reached = world.shops[i], orders.reached
        listed = dict(enumerate(orders.versions))
        shop = self._told(shop, tuple(max(heard, listed.get(n, 0)) for n, heard in enumerate(shop.told)))
        verdict = listings.cover(shop.account, reached, settle=self.settle)
        world = self._verdict(world.put(i, shop), i, verdict)
        if not self.folds:
            return world
        shop = world.shops[i]
        account = listings.fold(shop.account, reached)
        if account.expected != shop.account.expected:
            raise Wrong(f"folding changed what is expected from {shop.account.expected} to {account.expected}")
        return world.put(i, shop._replace(account=account))

    def _verdict(self, world: World, i: int, verdict: Verdict) -> World:
        if self.verdicts is not None:
            self.verdicts.append(verdict)
        if verdict.seen is Seen.DRIFT and not (world.edited or self.sells_at_zero):
            raise Wrong(f"false drift: {verdict.observed} seen, {verdict.expected} expected")
        return world.put(i, world.shops[i]._replace(account=verdict.account))

    # What the hub does.

    def write(self, world: World, i: int, *, orders_read: bool = False, blind: bool = False) -> World | Hold:
        """A write goes out, if one is owed and allowed."""
        shop = world.shops[i]
        when = Circumstances(
            kind=self.kinds[i].write, orders_readable=not blind, orders_read_in_step=orders_read and not blind
        )
        write = listings.next_write(shop.account, world.desired, when)
        if isinstance(write, Hold):
            return write
        if write.was == shop.refused:
            raise Wrong(f"a refused compare with {write.was} is sent again, though nothing new was read")
        request = Request(write, world.now, world.available, shop.told, orders_read, blind)
        return world.put(i, shop._replace(account=listings.begin(shop.account, write), request=request))

    def write_in_step(self, world: World, i: int) -> World | Hold:
        """What an absolute channel asks for: its orders are read right before the write."""
        return self.write(self.poll(world, i), i, orders_read=True)

    def answer(self, world: World, i: int) -> World:
        shop = world.shops[i]
        request = _required(shop.request)
        if request.taken:
            account = listings.confirm(shop.account, self.kinds[i].write, self._since(request.sent, world.now))
        else:
            account = listings.refuse(shop.account)
            shop = shop._replace(refused=request.write.was)
        return world.put(i, shop._replace(account=account, request=None))

    def turn_away(self, world: World, i: int) -> World:
        """Throttled: nothing was done, and the hub is told so."""
        shop = world.shops[i]
        after = shop._replace(account=listings.abandon(shop.account), request=None)
        return world.put(i, after).less("turned_away")

    def lose_answer(self, world: World, i: int) -> World:
        shop = world.shops[i]
        return world.put(i, shop._replace(account=listings.doubt(shop.account))).less("answers_lost")

    def resend(self, world: World, i: int) -> World:
        """The same key again: it takes force once, and the answer is the first one's."""
        if _required(world.shops[i].request).taken is None:
            world = self.land(world, i)
        return self.answer(world, i)

    def lapse(self, world: World, i: int) -> World:
        """Without keys, the hub waits until the request can no longer land."""
        shop = world.shops[i]
        request = _required(shop.request)
        account = listings.lapse(shop.account, self.kinds[i].write, self._since(request.sent, world.now))
        given_up = shop.given_up if request.taken is not None else (*shop.given_up, request)
        return world.put(i, shop._replace(account=account, request=None, given_up=given_up))

    # Everything that can happen next.

    def moves(self, world: World) -> Iterator[Move]:
        left = world.left
        for i, shop in enumerate(world.shops):
            yield from self._trade(world, i, shop)
            yield from self._news(world, i, shop)
            yield from self._writing(world, i, shop)
        if left.received:
            yield "one unit received elsewhere", world.less("received")._replace(counted=world.counted + 1)
        if left.lost:
            yield "one unit lost elsewhere", world.less("lost")._replace(counted=world.counted - 1)
        if left.ticks:
            yield "the clock ticks", world.less("ticks")._replace(now=world.now + 1)

    def _trade(self, world: World, i: int, shop: Shop) -> Iterator[Move]:
        left, at = world.left, f"shop {i}"
        if left.sales and (shop.shown > 0 or self.sells_at_zero):
            yield f"{at} sells one", self.sell(world, i)
        if left.cancels:
            for n, sale in enumerate(shop.sales):
                if sale.cancelled_at is None:
                    yield f"{at} cancels order {n}, restocked", self.cancel(world, i, n)
        if left.edits:
            yield f"{at}: one more by hand", self.edit(world, i, 1)
            if shop.shown > 0:
                yield f"{at}: one less by hand", self.edit(world, i, -1)

    def _news(self, world: World, i: int, shop: Shop) -> Iterator[Move]:
        for n, sale in enumerate(shop.sales):
            for version in range(shop.told[n] + 1, sale.version(world.now) + 1):
                news = "the sale" if version == 1 else "the cancellation"
                yield f"hub hears {news} of order {n} at shop {i}", self.hear_order(world, i, n, version)
        for event in shop.events:
            yield (
                f"hub hears stock {event.units} of tick {event.at.latest} at shop {i}",
                self.hear_stock(world, i, event),
            )
        yield f"hub reads the stock of shop {i}", self.read(world, i)
        yield f"hub reads the orders of shop {i}", self.poll(world, i)
        if self.slow:
            yield from self._slow_news(world, i, shop)

    def _slow_news(self, world: World, i: int, shop: Shop) -> Iterator[Move]:
        if shop.figure_under_way is None:
            yield f"hub asks for the stock of shop {i}", self.ask_stock(world, i)
        else:
            figure = shop.figure_under_way
            yield f"shop {i} answers {figure.units} as of tick {figure.at.latest}", self.stock_arrives(world, i)
        if shop.orders_under_way is None:
            yield f"hub asks for the orders of shop {i}", self.ask_orders(world, i)
        else:
            orders = shop.orders_under_way
            yield f"the orders of shop {i} arrive, read up to tick {orders.reached}", self.orders_arrive(world, i)

    def _writing(self, world: World, i: int, shop: Shop) -> Iterator[Move]:
        at = f"to shop {i}"
        for n in range(len(shop.given_up)):
            yield f"a request {at} lands that was given up", self.land_late(world, i, n)
        request = shop.request
        if request is None:
            yield from self._sending(world, i)
            return
        in_doubt = shop.account.write is not None and shop.account.write.in_doubt
        if request.taken is None:
            yield f"the request {at} lands", self.land(world, i)
            if not in_doubt and world.left.turned_away:
                yield f"shop {i} turns the request away", self.turn_away(world, i)
        if not in_doubt:
            if request.taken is not None:
                yield f"its answer from shop {i} arrives", self.answer(world, i)
            if world.left.answers_lost:
                yield f"the answer from shop {i} is lost", self.lose_answer(world, i)
        elif self.kinds[i].keys:
            yield f"the request {at} is sent again with its key", self.resend(world, i)
        else:
            if request.taken is None:
                yield f"the request {at} is lost", world.put(i, shop._replace(request=request._replace(taken=False)))
            if request.taken is not None or self.gives_up_early:
                yield f"the request {at} can no longer land", self.lapse(world, i)

    def _sending(self, world: World, i: int) -> Iterator[Move]:
        absolute = self.kinds[i].write is WriteKind.ABSOLUTE
        ways = {"hub writes": self.write(world, i)}
        if absolute:
            ways["hub reads the orders and writes"] = self.write_in_step(world, i)
            ways["hub cannot read the orders and writes"] = self.write(world, i, blind=True)
        for way, after in ways.items():
            if isinstance(after, World):
                write = _required(after.shops[i].request).write
                yield f"{way} {write.target} to shop {i} (expected {write.was})", after


def _required(request: Request | None) -> Request:
    assert request is not None
    return request
