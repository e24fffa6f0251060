"""A shop that tells its orders in the plainest JSON, for tests of the actors alone."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from syncd.domain.errors import Refused
from syncd.domain.ids import Alias, EventId, LineId, ListingKey, OrderId, RemoteId, RemoteLocation
from syncd.domain.listings import Span, WriteKind
from syncd.domain.orders import Line, Order
from syncd.ports import (
    Capabilities,
    CatalogueRow,
    Cursor,
    Delivery,
    Facts,
    OrdersPage,
    Outcome,
    Record,
    RowOutcome,
    ShopFacts,
    Tokens,
    WriteBatch,
)

HERE = RemoteLocation("here")


CAPABILITIES = Capabilities(
    write=WriteKind.COMPARE_AND_SET, keeps_keys=True, batch=50, has_locations=True, has_webhooks=True
)


@dataclass
class PlainShop:
    """Its figures, its clock in milliseconds, and what was written to it."""

    capabilities: Capabilities = CAPABILITIES
    clock: int = 2_000_000_000_000
    shows: dict[str, int] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    batches: list[WriteBatch] = field(default_factory=list)
    answers: list[Exception | None] = field(default_factory=list)
    """What the next writes raise after they took effect; None answers well."""

    def learn(self, facts: ShopFacts) -> None: ...

    def verify(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        return Delivery(key=headers["id"], event_id=EventId(headers["id"]), topic="order")

    def parse(self, topic: str, headers: Mapping[str, str], body: bytes) -> Facts:
        told = orjson.loads(body)
        if "refuse" in told:
            raise Refused(told["refuse"])
        if "crash" in told:
            raise ZeroDivisionError(told["crash"])
        at = told.get("at", self.clock)
        line = Line(
            line_id=LineId("1"),
            item=Alias(told["item"]),
            ordered=told["units"],
            version=at,
            at=at,
            sku_text=told.get("sku_text", told["item"]),
            location=HERE,
        )
        order = Order(
            order_id=OrderId(told["order"]),
            name=f"#{told['order']}",
            placed_at=at,
            updated_at=at,
            cancelled_at=told.get("cancelled_at"),
            lines={line.line_id: line},
        )
        return Facts(orders=(order,))

    def tokens(self) -> Tokens:
        return Tokens(1, 1, 1)

    async def connect(self) -> ShopFacts:
        return ShopFacts(identity="plain")

    async def subscribe(self, address: str) -> Sequence[str]:
        return []

    async def poll_orders(self, cursor: Cursor | None) -> AsyncIterator[OrdersPage]:
        records = tuple(
            Record(key=f"{told['order']}:{told['units']}", topic="order", body=orjson.dumps(told))
            for told in self.orders
        )
        yield OrdersPage(records=records, cursor={"n": str(len(records))}, reached=self.clock)

    async def fetch_orders(self, order_ids: Sequence[OrderId]) -> Sequence[Record]:
        return []

    async def read_catalogue(self) -> AsyncIterator[Sequence[CatalogueRow]]:
        yield [self.row(item) for item in self.shows]

    async def read_levels(self, keys: Sequence[ListingKey]) -> Sequence[CatalogueRow]:
        return [self.row(key.remote_id) for key in keys if key.remote_id in self.shows]

    def row(self, item: str) -> CatalogueRow:
        return CatalogueRow(
            remote_id=RemoteId(item),
            remote_location=HERE,
            alias=Alias(item),
            sku_text=item,
            title=item,
            units=self.shows[item],
            committed=0,
            at=Span(self.clock, self.clock),
        )

    async def write(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        repeated = any(known.idempotency_key == batch.idempotency_key for known in self.batches)
        self.batches.append(batch)
        outcomes = []
        for row in batch.rows:
            if not repeated and self.shows[row.key.remote_id] != row.was:
                outcomes.append(RowOutcome(row.key, Outcome.STALE))
                continue
            if not repeated:
                self.shows[row.key.remote_id] = row.target
            outcomes.append(RowOutcome(row.key, Outcome.CONFIRMED, Span(self.clock, self.clock)))
        self.clock += 1
        error = self.answers.pop(0) if self.answers else None
        if error is not None:
            raise error
        return outcomes

    async def close(self) -> None: ...
