"""A warehouse that books late, partly and out of order, under random days: what our stock may and may not be."""

from dataclasses import dataclass, field

from hypothesis import given, note, settings
from hypothesis import strategies as st

from syncd.domain.snapshots import TrustAuthority
from tests.domain.warehouse import DAY, HOUR, LEVEL, House

MUCH = 1_000


@dataclass
class Doing:
    """A shipment (below zero) or a return that physically happened."""

    order: str
    units: int
    told: bool = False
    booked: int = 0
    told_at: int = 0

    @property
    def unbooked(self) -> int:
        return self.units - self.booked


@dataclass
class Warehouse:
    """The truth, the warehouse's own books, and ours."""

    with_documents: bool
    house: House = field(default_factory=House)
    physical: int = MUCH
    lost: int = 0
    found_missing: int = 0
    doings: list[Doing] = field(default_factory=list)
    documents: list[tuple[str, str, int]] = field(default_factory=list)
    sent: int = 0
    numbers: int = 0
    known: set[str] = field(default_factory=set)
    late_counts: list[tuple[int, int, list[tuple[str, str, int]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ships("old", MUCH // 2)
        self.tells(0)
        self.books(0, MUCH)
        self.house.later(3 * DAY)
        self.count()
        self.house.later(3 * DAY)

    @property
    def system_count(self) -> int:
        """What the warehouse's own books say."""
        return self.physical + self.lost - self.found_missing - sum(doing.unbooked for doing in self.doings)

    @property
    def should_be(self) -> int:
        """What is there, and what has left without anybody having told us."""
        return self.physical - sum(doing.units for doing in self.doings if not doing.told and doing.units < 0)

    def orders(self, order: str) -> None:
        if order not in self.known:
            self.known.add(order)
            self.house.ordered(order, MUCH)

    def ships(self, order: str, units: int) -> None:
        self.physical -= units
        self.doings.append(Doing(order, -units))

    def takes_back(self, units: int) -> None:
        """Of an order that was shipped long ago."""
        self.physical += units
        self.doings.append(Doing("old", units))

    def tells(self, which: int) -> None:
        untold = [doing for doing in self.doings if not doing.told]
        if untold:
            self._tell(untold[which % len(untold)])

    def _tell(self, doing: Doing) -> None:
        doing.told, doing.told_at = True, self.house.books.now
        if doing.units < 0:
            self.orders(doing.order)
            self.house.shipped(doing.order, -doing.units)
        else:
            self.house.returned(doing.order, doing.units)

    def books(self, which: int, units: int) -> None:
        """The warehouse enters one of the doings, or a part of it."""
        waiting = [doing for doing in self.doings if doing.unbooked]
        if waiting:
            doing = waiting[which % len(waiting)]
            sign = 1 if doing.unbooked > 0 else -1
            self._book(doing, sign * min(units, abs(doing.unbooked)))

    def _book(self, doing: Doing, units: int) -> None:
        doing.booked += units
        self.numbers += 1
        self.documents.append((f"d{self.numbers}", doing.order, units))

    def books_in_time(self) -> None:
        """It keeps its word: nothing that we know of stays unbooked for as long as it says."""
        for doing in self.doings:
            if doing.unbooked and doing.told and self.house.books.now - doing.told_at >= DAY - 2 * HOUR:
                self._book(doing, doing.unbooked)
            if doing.units > 0 and not doing.told and doing.booked:
                self._tell(doing)

    def count(self) -> None:
        new = self.documents[self.sent :]
        self.sent = len(self.documents)
        self.house.counted(self.system_count, documents=list(new) if self.with_documents else None)

    def counts_for_later(self) -> None:
        """A count that is on its way and will be overtaken; what overtakes it tells its documents too."""
        new = self.documents[self.sent :]
        self.late_counts.append((self.house.books.now, self.system_count, list(new)))

    def late_count_arrives(self) -> None:
        if self.late_counts:
            at, units, documents = self.late_counts.pop(0)
            self.house.counted(units, documents=documents if self.with_documents else None, at=at)


small = st.integers(1, 3)
some = st.integers(0, 20)
orders = st.sampled_from("abcd")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("order"), orders),
        st.tuples(st.just("ship"), orders, small),
        st.tuples(st.just("back"), small),
        st.tuples(st.just("tell"), some),
        st.tuples(st.just("tell"), some),
        st.tuples(st.just("book"), some, small),
        st.tuples(st.just("book"), some, small),
        st.tuples(st.just("receive"), st.integers(1, 5)),
        st.tuples(st.just("lose")),
        st.tuples(st.just("find missing")),
        st.tuples(st.just("wait"), st.integers(1, 60)),
        st.tuples(st.just("count")),
        st.tuples(st.just("count")),
        st.tuples(st.just("count for later")),
        st.tuples(st.just("late count")),
    ),
    max_size=40,
)


def play(warehouse: Warehouse, step: tuple[object, ...], *, losses: bool = True, in_time: bool = True) -> None:
    match step:
        case ("order", str(order)):
            warehouse.orders(order)
        case ("ship", str(order), int(units)):
            if warehouse.with_documents:
                warehouse.orders(order)
            warehouse.ships(order, units)
        case ("back", int(units)):
            warehouse.takes_back(units)
        case ("tell", int(which)):
            warehouse.tells(which)
        case ("book", int(which), int(units)):
            warehouse.books(which, units)
        case ("receive", int(units)):
            warehouse.physical += units
        case ("lose",) if losses:
            warehouse.physical -= 1
            warehouse.lost += 1
        case ("find missing",):
            warehouse.found_missing = warehouse.lost
        case ("wait", int(hours)):
            for _ in range(hours):
                warehouse.house.later(HOUR)
                if in_time:
                    warehouse.books_in_time()
        case ("count",):
            warehouse.count()
        case ("count for later",):
            warehouse.counts_for_later()
        case ("late count",):
            warehouse.late_count_arrives()


def finish(warehouse: Warehouse) -> None:
    """Everything is told, booked, found and old; then one more count."""
    for doing in warehouse.doings:
        if not doing.told and doing.units < 0:
            warehouse._tell(doing)
    for doing in warehouse.doings:
        if not doing.told:
            warehouse._tell(doing)
        if doing.unbooked:
            warehouse._book(doing, doing.unbooked)
    warehouse.found_missing = warehouse.lost
    warehouse.house.later(3 * DAY)
    while warehouse.late_counts:
        warehouse.late_count_arrives()
    warehouse.count()


@settings(max_examples=300, deadline=None)
@given(steps)
def test_without_documents_stock_is_too_high_by_no_more_than_was_really_lost(steps: list[tuple[object, ...]]) -> None:
    warehouse = Warehouse(with_documents=False)
    for step in steps:
        play(warehouse, step)
        note(f"{step}: {warehouse.house.on_hand}, should be {warehouse.should_be}")
        assert warehouse.house.on_hand <= warehouse.should_be + warehouse.lost


@settings(max_examples=300, deadline=None)
@given(steps)
def test_without_documents_and_loss_stock_is_never_too_high(steps: list[tuple[object, ...]]) -> None:
    warehouse = Warehouse(with_documents=False)
    for step in steps:
        play(warehouse, step, losses=False)
        note(f"{step}: {warehouse.house.on_hand}, should be {warehouse.should_be}")
        assert warehouse.house.on_hand <= warehouse.should_be


@settings(max_examples=300, deadline=None)
@given(steps.map(lambda all: [step for step in all if step[0] != "back"]))
def test_a_warehouse_that_books_too_late_makes_stock_never_too_high(
    steps: list[tuple[object, ...]],
) -> None:
    warehouse = Warehouse(with_documents=False)
    for step in steps:
        play(warehouse, step, losses=False, in_time=False)
        note(f"{step}: {warehouse.house.on_hand}, should be {warehouse.should_be}")
        assert warehouse.house.on_hand <= warehouse.should_be


@settings(max_examples=300, deadline=None)
@given(steps)
def test_without_documents_stock_is_too_low_by_no_more_than_what_was_shipped_and_came_in(
    steps: list[tuple[object, ...]],
) -> None:
    warehouse = Warehouse(with_documents=False)
    moved = 0
    for step in steps:
        play(warehouse, step, losses=False)
        moved += int(str(step[-1])) if step[0] in ("ship", "receive", "back") else 0
        assert warehouse.house.on_hand >= warehouse.should_be - moved
    finish(warehouse)
    assert warehouse.house.on_hand + warehouse.house.asked == warehouse.physical
    if warehouse.house.asked:
        TrustAuthority(key=LEVEL, actor="anna").apply(warehouse.house.books)
    assert warehouse.house.on_hand == warehouse.physical


@settings(max_examples=300, deadline=None)
@given(steps)
def test_with_documents_every_count_makes_stock_exact(steps: list[tuple[object, ...]]) -> None:
    warehouse = Warehouse(with_documents=True)
    for step in steps:
        play(warehouse, step)
        unfound = warehouse.lost - warehouse.found_missing
        note(f"{step}: {warehouse.house.on_hand}, should be {warehouse.should_be}")
        assert warehouse.house.on_hand <= warehouse.should_be + warehouse.lost
        if step == ("count",) and not warehouse.late_counts:
            back = [doing for doing in warehouse.doings if doing.units > 0]  # all of one order
            told, booked = sum(doing.units for doing in back if doing.told), sum(doing.booked for doing in back)
            unheard = sum(doing.units for doing in back) - max(told, booked)
            assert warehouse.house.on_hand == warehouse.should_be + unfound - unheard
    finish(warehouse)
    assert (warehouse.house.on_hand, warehouse.house.asked) == (warehouse.physical, 0)
