"""What there is: a shop with its true stock, the network, and what the hub has heard. One SKU, one listing a shop."""

from typing import NamedTuple

from syncd.domain.listings import Account, Reading, Span, Write, WriteKind


class Kind(NamedTuple):
    """How a shop is written to, and whether it keeps idempotency keys."""

    write: WriteKind
    keys: bool

    def __str__(self) -> str:
        return self.write.value + (" with key" if self.keys else "")


COMPARE_WITH_KEY = Kind(WriteKind.COMPARE_AND_SET, True)
COMPARE = Kind(WriteKind.COMPARE_AND_SET, False)
RELATIVE = Kind(WriteKind.RELATIVE, True)
ABSOLUTE = Kind(WriteKind.ABSOLUTE, False)
KINDS = (COMPARE_WITH_KEY, COMPARE, RELATIVE, ABSOLUTE)


class Sale(NamedTuple):
    """An order for one unit; cancelled, its unit goes back to the shelf."""

    at: int
    cancelled_at: int | None = None

    def version(self, until: int) -> int:
        """1 once sold, 2 once cancelled too."""
        return (self.at <= until) + (self.cancelled_at is not None and self.cancelled_at <= until)


class Request(NamedTuple):
    """A write on its way, with what the hub knew when it decided on it."""

    write: Write
    sent: int
    room: int
    """Units available by what was known."""
    told: tuple[int, ...]
    orders_read: bool
    blind: bool = False
    """Sent while the orders could not be read."""
    taken: bool | None = None
    """The shop's answer; None while it has not landed."""


class OrderList(NamedTuple):
    """A shop's order list, and up to when it is sure to be whole."""

    versions: tuple[int, ...]
    reached: int


class Shop(NamedTuple):
    shown: int
    account: Account
    sales: tuple[Sale, ...] = ()
    told: tuple[int, ...] = ()
    """How much of each order the hub has heard: 0 nothing, 1 the sale, 2 its cancellation."""
    events: tuple[Reading, ...] = ()
    """Every stock event ever sent: each may arrive now, again, or never."""
    request: Request | None = None
    figure_under_way: Reading | None = None
    orders_under_way: OrderList | None = None
    refused: int | None = None
    """With what the last compare was refused, until the stock is read again."""
    given_up: tuple[Request, ...] = ()
    """Requests that the hub no longer waits for and that may land all the same."""

    @property
    def sold(self) -> int:
        return sum(sale.cancelled_at is None for sale in self.sales)

    def unseen(self, told: tuple[int, ...]) -> int:
        """Net units sold here that somebody who was told so much does not know of."""
        return self.sold - net(told)


class Left(NamedTuple):
    """What may still happen."""

    sales: int = 0
    cancels: int = 0
    received: int = 0
    lost: int = 0
    edits: int = 0
    ticks: int = 0
    answers_lost: int = 0
    turned_away: int = 0


class World(NamedTuple):
    now: int
    counted: int
    """Units that the hub counts before any sale."""
    shops: tuple[Shop, ...]
    left: Left = Left()
    edited: bool = False

    @property
    def available(self) -> int:
        return self.counted - sum(net(shop.told) for shop in self.shops)

    @property
    def desired(self) -> int:
        return max(0, self.available)

    @property
    def truth(self) -> int:
        return self.counted - sum(shop.sold for shop in self.shops)

    def put(self, i: int, shop: Shop) -> "World":
        return World(self.now, self.counted, (*self.shops[:i], shop, *self.shops[i + 1 :]), self.left, self.edited)

    def less(self, what: str) -> "World":
        return self._replace(left=self.left._replace(**{what: getattr(self.left, what) - 1}))


def net(told: tuple[int, ...]) -> int:
    return sum(version == 1 for version in told)


def opening(kinds: tuple[Kind, ...], units: int, left: Left) -> World:
    """Every shop shows all there is, and the hub has a covered base from before."""
    base = Reading(units, Span(-9, -9))
    return World(0, units, tuple(Shop(units, Account(base=base)) for _ in kinds), left)
