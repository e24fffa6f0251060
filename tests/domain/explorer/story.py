"""One shop's life told step by step, over the same world and moves as the explorer's."""

from typing import Any

from syncd.domain import listings
from syncd.domain.listings import Account, Hold, Reading, Seen, Span, Write
from tests.domain.explorer.explore import settle
from tests.domain.explorer.model import Model
from tests.domain.explorer.world import Kind, Left, Shop, opening


class Story:
    """What changes from step to step is asked for by a call."""

    def __init__(self, kind: Kind, units: int, **habits: Any) -> None:
        self.model = Model((kind,), verdicts=[], **habits)
        self.world = opening((kind,), units, Left())

    @property
    def shop(self) -> Shop:
        return self.world.shops[0]

    @property
    def account(self) -> Account:
        return self.shop.account

    @property
    def shown(self) -> int:
        return self.shop.shown

    def expected(self) -> int | None:
        return self.account.expected

    @property
    def desired(self) -> int:
        return self.world.desired

    def seen(self) -> Seen:
        """The hub's last verdict on a figure that it was told."""
        assert self.model.verdicts
        return self.model.verdicts[-1].seen

    def tick(self) -> None:
        self.world = self.world._replace(now=self.world.now + 1)

    def receives(self, units: int = 1) -> None:
        self.world = self.world._replace(counted=self.world.counted + units)

    def loses(self, units: int = 1) -> None:
        self.receives(-units)

    def sells(self, orders: int = 1) -> None:
        for _ in range(orders):
            self.world = self.model.sell(self.world, 0)

    def cancels(self, order: int) -> None:
        self.world = self.model.cancel(self.world, 0, order)

    def edits(self, by: int) -> None:
        self.world = self.model.edit(self.world, 0, by)

    def hears_sale(self, order: int) -> None:
        self.world = self.model.hear_order(self.world, 0, order, 1)

    def hears_cancellation(self, order: int) -> None:
        self.world = self.model.hear_order(self.world, 0, order, 2)

    def hears_stock(self, units: int, at: int | None = None) -> None:
        at = self.world.now if at is None else at
        self.world = self.model.hear_stock(self.world, 0, Reading(units, Span(at, at)))

    def reads(self) -> None:
        self.world = self.model.read(self.world, 0)

    def reads_orders(self) -> None:
        self.world = self.model.poll(self.world, 0)

    def writes(self, **how: bool) -> Write | Hold:
        after = self.model.write(self.world, 0, **how)
        if isinstance(after, Hold):
            return after
        self.world = after
        assert self.shop.request is not None
        return self.shop.request.write

    def reads_orders_and_writes(self) -> Write | Hold:
        self.reads_orders()
        return self.writes(orders_read=True)

    def lands(self) -> None:
        self.world = self.model.land(self.world, 0)

    def answers(self) -> None:
        self.world = self.model.answer(self.world, 0)

    def lands_and_answers(self) -> None:
        self.lands()
        self.answers()

    def loses_answer(self) -> None:
        self.world = self.model.lose_answer(self.world, 0)

    def resends(self) -> None:
        self.world = self.model.resend(self.world, 0)

    def can_no_longer_land(self) -> None:
        self.world = self.model.lapse(self.world, 0)

    def folds(self) -> None:
        account = listings.fold(self.account, self.world.now)
        self.world = self.world.put(0, self.shop._replace(account=account))

    def comes_to_rest(self) -> None:
        """Everything is told and written; the shop then shows what is left, and that is expected."""
        settle(self.model, self.world, set())
