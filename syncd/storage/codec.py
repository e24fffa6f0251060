"""Domain values as they lie in the database: order records, listing accounts, policy overrides.

Compact arrays, since one of each is written per sale. A change of shape needs a migration.
"""

from fractions import Fraction
from typing import Any

import orjson

from syncd.domain.ids import Alias, LineId, LocationId, OrderId, PartId, RemoteLocation, Sku
from syncd.domain.listings import Account, Reading, Span, Write
from syncd.domain.orders import Binding, Fulfilment, Line, Order, RefundLine, Restock
from syncd.domain.policy import Mode, Override


def order_to_text(order: Order) -> str:
    record: dict[str, Any] = {
        "l": [
            [
                line.line_id,
                line.item,
                line.ordered,
                line.version,
                line.at,
                line.removed,
                line.removed_at,
                line.sku_text,
                line.no_stock,
                line.location,
                line.location_version,
            ]
            for line in order.lines.values()
        ],
        "b": [[line_id, b.sku, b.pack, b.home, b.places] for line_id, b in order.bindings.items()],
    }
    if order.cancelled_at is not None:
        record["c"] = order.cancelled_at
    if order.fulfilments:
        record["f"] = [
            [f.part_id, f.at, f.version, f.lines, f.location, f.cancelled_at] for f in order.fulfilments.values()
        ]
    if order.refunds:
        record["r"] = [
            [r.part_id, r.at, r.line_id, r.units, r.restock.value, r.location] for r in order.refunds.values()
        ]
    if order.in_count:
        record["i"] = sorted(order.in_count)
    if order.complete_at:
        record["k"] = order.complete_at
    return orjson.dumps(record).decode()


def order_from_text(order_id: OrderId, name: str, placed_at: int | None, updated_at: int, text: str) -> Order:
    record = orjson.loads(text)
    return Order(
        order_id=order_id,
        name=name,
        placed_at=placed_at,
        updated_at=updated_at,
        cancelled_at=record.get("c"),
        lines={row[0]: _line(row) for row in record["l"]},
        fulfilments={row[0]: _fulfilment(row) for row in record.get("f", ())},
        refunds={row[0]: _refund(row) for row in record.get("r", ())},
        bindings={LineId(row[0]): _binding(row) for row in record["b"]},
        in_count=frozenset(record.get("i", ())),
        complete_at=record.get("k", 0),
    )


def _line(row: list[Any]) -> Line:
    return Line(
        line_id=LineId(row[0]),
        item=Alias(row[1]) if row[1] is not None else None,
        ordered=row[2],
        version=row[3],
        at=row[4],
        removed=row[5],
        removed_at=row[6],
        sku_text=row[7],
        no_stock=row[8],
        location=RemoteLocation(row[9]) if row[9] is not None else None,
        location_version=row[10],
    )


def _fulfilment(row: list[Any]) -> Fulfilment:
    return Fulfilment(
        part_id=PartId(row[0]),
        at=row[1],
        version=row[2],
        lines=tuple((LineId(line_id), units) for line_id, units in row[3]),
        location=RemoteLocation(row[4]) if row[4] is not None else None,
        cancelled_at=row[5],
    )


def _refund(row: list[Any]) -> RefundLine:
    return RefundLine(
        part_id=PartId(row[0]),
        at=row[1],
        line_id=LineId(row[2]),
        units=row[3],
        restock=Restock(row[4]),
        location=RemoteLocation(row[5]) if row[5] is not None else None,
    )


def _binding(row: list[Any]) -> Binding:
    return Binding(
        sku=Sku(row[1]),
        pack=row[2],
        home=RemoteLocation(row[3]) if row[3] is not None else None,
        places=tuple((RemoteLocation(remote), LocationId(ours)) for remote, ours in row[4]),
    )


def account_to_text(account: Account) -> str:
    return orjson.dumps(
        [
            _from_reading(account.base),
            account.effects,
            account.written,
            None if account.write is None else tuple(account.write),
            None if account.written_at is None else tuple(account.written_at),
            _from_reading(account.reading),
            account.asked,
            account.differs_since,
            account.refused,
        ]
    ).decode()


def account_from_text(text: str) -> Account:
    row = orjson.loads(text)
    return Account(
        base=_to_reading(row[0]),
        effects=tuple((at, delta) for at, delta in row[1]),
        written=row[2],
        write=Write(*row[3]) if row[3] is not None else None,
        written_at=Span(*row[4]) if row[4] is not None else None,
        reading=_to_reading(row[5]),
        asked=row[6],
        differs_since=row[7],
        refused=row[8],
    )


def _from_reading(reading: Reading | None) -> list[int] | None:
    return None if reading is None else [reading.units, reading.at.earliest, reading.at.latest]


def _to_reading(row: list[int] | None) -> Reading | None:
    return None if row is None else Reading(row[0], Span(row[1], row[2]))


def override_to_text(override: Override) -> str:
    said = {
        "safety_stock": override.safety_stock,
        "buffer": override.buffer,
        "share": str(override.share) if override.share is not None else None,
        "cap": override.cap,
        "pack": override.pack,
        "mode": override.mode.value if override.mode is not None else None,
        "strict_below": override.strict_below,
        "blocked": override.blocked,
        "discontinued": override.discontinued,
    }
    return orjson.dumps({name: value for name, value in said.items() if value is not None}).decode()


def override_from_json(said: dict[str, Any]) -> Override:
    share, mode = said.get("share"), said.get("mode")
    return Override(
        **{
            **said,
            "share": Fraction(share) if share is not None else None,
            "mode": Mode(mode) if mode is not None else None,
        }
    )
