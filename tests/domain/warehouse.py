"""A shop and a warehouse system around one set of books, for tests: orders are told, counts are taken."""

from dataclasses import dataclass, field, replace

from syncd.domain.authority import Document, Snapshot
from syncd.domain.booking import book_order
from syncd.domain.books import Books, Listing
from syncd.domain.conflicts import Conflict, ConflictKind, Resolution
from syncd.domain.ids import (
    Alias,
    ChannelId,
    EventId,
    LevelKey,
    LineId,
    ListingKey,
    LocationId,
    OrderId,
    PartId,
    RemoteId,
    RemoteLocation,
    Sku,
)
from syncd.domain.listings import Span, WriteKind
from syncd.domain.orders import Fulfilment, Line, Order, RefundLine, Restock
from syncd.domain.setup import ChannelSetup, Setup
from syncd.domain.snapshots import TakeSnapshot

SHOP, ERP = ChannelId("shop"), ChannelId("erp")
MAIN = RemoteLocation("main")
HOUSE = LocationId("house")
TEE = Sku("TEE")
LEVEL = LevelKey(TEE, HOUSE)
HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_000 * DAY


def setup() -> Setup:
    shop = ChannelSetup(channel=SHOP, kind="shop", write=WriteKind.COMPARE_AND_SET, locations={MAIN: (HOUSE,)})
    erp = ChannelSetup(channel=ERP, kind="erp", write=WriteKind.ABSOLUTE, locations={MAIN: (HOUSE,)})
    return Setup({SHOP: shop, ERP: erp}, (HOUSE,), authority={HOUSE: ERP}, books_within={HOUSE: DAY})


@dataclass
class House:
    """Our side of it."""

    books: Books = field(default_factory=lambda: Books(setup(), now=START))
    orders: dict[str, Order] = field(default_factory=dict)
    asked: int = 0
    parts: int = 0

    def __post_init__(self) -> None:
        key = ListingKey(SHOP, RemoteId("item"), MAIN)
        self.books.add_listing(Listing(key=key, alias=Alias("variant"), sku_text="TEE", sku=TEE))

    @property
    def on_hand(self) -> int:
        return self.books.level(LEVEL).on_hand

    @property
    def available(self) -> int:
        return self.books.level(LEVEL).available

    def later(self, milliseconds: int) -> None:
        self.books.now += milliseconds

    def counted(
        self, units: int, *, documents: list[tuple[str, str, int]] | None = None, at: int | None = None
    ) -> bool:
        """The warehouse tells its count, a moment later; True when it was older than what is known."""
        if at is None:
            self.later(1)
            at = self.books.now
        told = None if documents is None else [(LEVEL, Document(*one)) for one in documents]
        snapshot = Snapshot(channel=ERP, at=Span(at, at), counts=[(LEVEL, units)], documents=told)
        ignored = TakeSnapshot(snapshot=snapshot).apply(self.books)
        self._hear_questions()
        return bool(ignored)

    def ordered(self, order_id: str, units: int) -> None:
        now = self.books.now
        line = Line(line_id=LineId("1"), item=Alias("variant"), ordered=units, version=now, at=now, location=MAIN)
        order = Order(order_id=OrderId(order_id), name=f"#{order_id}", placed_at=now, lines={line.line_id: line})
        self._tell(replace(order, updated_at=now))

    def shipped(self, order_id: str, units: int) -> None:
        """The shop tells of a shipment; of the order too, where it had not."""
        if order_id not in self.orders:
            self.ordered(order_id, units)
        known, now = self.orders[order_id], self.books.now
        self.parts += 1
        part = PartId(f"shipment-{self.parts}")
        shipment = Fulfilment(part_id=part, at=now, version=now, lines=((LineId("1"), units),), location=MAIN)
        self._tell(replace(known, fulfilments={**known.fulfilments, part: shipment}))

    def returned(self, order_id: str, units: int) -> None:
        known, now = self.orders[order_id], self.books.now
        self.parts += 1
        part = PartId(f"return-{self.parts}")
        back = RefundLine(
            part_id=part, at=now, line_id=LineId("1"), units=units, restock=Restock.RETURNED, location=MAIN
        )
        self._tell(replace(known, refunds={**known.refunds, part: back}))

    def cancelled(self, order_id: str) -> None:
        """Before shipping; all of it is put back."""
        known = self.orders[order_id]
        line = replace(
            known.lines[LineId("1")],
            removed=known.lines[LineId("1")].ordered,
            removed_at=self.books.now,
            version=self.books.now + 1,
        )
        self._tell(replace(known, lines={line.line_id: line}))

    def _tell(self, order: Order) -> None:
        self.orders[str(order.order_id)] = order
        book_order(self.books, SHOP, order, EventId("event"))

    def _hear_questions(self) -> None:
        for conflict in self.books.conflicts:
            if conflict.kind is ConflictKind.UNBOOKED:
                if isinstance(conflict, Conflict):
                    self.asked = int(str(conflict.facts["units"]))
                if isinstance(conflict, Resolution):
                    self.asked = 0
        self.books.conflicts.clear()
