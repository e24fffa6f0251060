"""A shop's records, its books, and the one way anything moves in them."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import anyio

from syncd.sim.remotes.shopify.ids import Numbers, to_second
from syncd.sim.remotes.shopify.records import (
    QUANTITY_NAMES,
    UNAVAILABLE_NAMES,
    BooksBroken,
    Fulfilment,
    FulfilmentOrder,
    Item,
    Level,
    Location,
    Movement,
    Order,
    Product,
    Refund,
    Return,
)

_S = TypeVar("_S", bound="ShopState")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopEvent:
    """Something a webhook may tell; `event_id` is shared by all that one act of one person brought about."""

    topic: str
    subject: object
    event_id: str
    at: datetime
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Act:
    """What one person (buyer, staff, app) is doing: gathered, then told in one go."""

    event_id: str
    by: str
    told: list[tuple[str, object, Mapping[str, object]]] = field(default_factory=list)
    before: dict[Level, int] = field(default_factory=dict)

    def tell(self, topic: str, subject: object, **extra: object) -> None:
        self.told.append((topic, subject, extra))


class ShopState:
    """The shop's truth without any HTTP; single-threaded, every method done when it returns.

    `announce_every_change` sends inventory_levels/update for changes that leave `available` as it was, too; whether
    the vendor does is not documented, so both can be tried.
    """

    def __init__(self, *, now: Callable[[], datetime], rng: random.Random, announce_every_change: bool = False) -> None:
        self.now = now
        self.rng = rng
        self.numbers = Numbers(rng)
        self.wire_numbers = Numbers(random.Random(rng.random()))  # noqa: S311 - apart, so that calls do not shift the shop's ids
        self.announce_every_change = announce_every_change
        self.locations: dict[int, Location] = {}
        self.items: dict[int, Item] = {}
        self.variants: dict[int, Item] = {}
        self.products: dict[int, Product] = {}
        self.levels: dict[tuple[int, int], Level] = {}
        self.levels_by_id: dict[int, Level] = {}
        self.orders: dict[int, Order] = {}
        self.fulfilments: dict[int, Fulfilment] = {}
        self.fulfilment_orders: dict[int, FulfilmentOrder] = {}
        self.refunds: dict[int, Refund] = {}
        self.returns: dict[int, Return] = {}
        self.books: list[Movement] = []
        self.listeners: list[Callable[[ShopEvent], None]] = []
        self._act: Act | None = None
        self._changed: anyio.Event | None = None

    @property
    def second(self) -> datetime:
        return to_second(self.now())

    @contextmanager
    def acting(self, by: str) -> Iterator[Act]:
        """Gather what happens inside and tell it at the end; acts inside an act belong to the outer one."""
        if self._act is not None:
            yield self._act
            return
        act = self._act = Act(event_id=self.numbers.uuid(), by=by)
        try:
            yield act
        finally:
            self._act = None
        self._tell(act)
        self.notify()

    def move(self, level: Level, what: str, cause: str, **deltas: int) -> None:
        """Enter one movement into the books; refuses one that breaks the sum that on_hand is."""
        moved = {name: delta for name, delta in deltas.items() if delta}
        if not moved:
            return
        act = self._act
        if act is None:
            raise BooksBroken("a movement outside of any act")
        held, at = level.quantities, self.now()
        second = to_second(at)
        act.before.setdefault(level, held["available"])
        for name, delta in moved.items():
            held[name] += delta
            level.changed_at[name] = second
        level.updated_at = second
        self.books.append(
            Movement(at=at, what=what, by=act.by, item=level.item, location=level.location, deltas=moved, cause=cause)
        )
        self.check(level)

    def check(self, level: Level) -> None:
        held = level.quantities
        parts = held["available"] + held["committed"] + sum(held[name] for name in UNAVAILABLE_NAMES)
        if parts != held["on_hand"]:
            raise BooksBroken(f"{level.gid}: on_hand {held['on_hand']}, but its parts make {parts}")

    def touch(self, order: Order) -> None:
        order.updated_at = self.second
        order.seen_by_search.append((self.now(), order.updated_at))

    def level(self, item: Item, location: Location) -> Level | None:
        return self.levels.get((item.inventory_item_id, location.id))

    def quantities(self, item: Item, location: Location) -> dict[str, int]:
        """The eight named quantities; all zero where the item was never stocked."""
        level = self.level(item, location)
        return dict(level.quantities) if level else dict.fromkeys(QUANTITY_NAMES, 0)

    def quantities_at(self, level: Level, moment: datetime) -> dict[str, int]:
        """The quantities as they were, found by taking later movements back."""
        held = dict(level.quantities)
        for movement in reversed(self.books):
            if movement.at <= moment:
                break
            if movement.item is level.item and movement.location is level.location:
                for name, delta in movement.deltas.items():
                    held[name] -= delta
        return held

    def levels_of(self, item: Item, *, inactive: bool = False) -> list[Level]:
        return [
            level
            for location in self.locations.values()
            if (level := self.levels.get((item.inventory_item_id, location.id))) is not None
            and (inactive or (level.active and location.active))
        ]

    def sellable(self, item: Item) -> int:
        return sum(level.quantities["available"] for level in self.levels_of(item))

    def notify(self) -> None:
        """Wake whoever waits for a state of the shop."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def wait_until(self: _S, predicate: Callable[[_S], bool], *, timeout_seconds: float = 10.0) -> None:
        """Return once `predicate(shop)` holds, looked at after every act; TimeoutError when it never does."""
        with anyio.fail_after(timeout_seconds):
            while not predicate(self):
                if self._changed is None:
                    self._changed = anyio.Event()
                await self._changed.wait()

    def _tell(self, act: Act) -> None:
        at = self.second
        for level, available in act.before.items():
            if self.announce_every_change or level.quantities["available"] != available:
                act.tell("inventory_levels/update", level)
        for product in {level.item.product.id: level.item.product for level in act.before}.values():
            act.tell("products/update", product)
        for topic, subject, extra in act.told:
            event = ShopEvent(topic=topic, subject=subject, event_id=act.event_id, at=at, extra=extra)
            for listener in self.listeners:
                listener(event)
