"""The verdict: what syncd says, and what the shops show, held against what the shops' own books make of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncd.sim.demo.evidence import Evidence
from syncd.sim.demo.hindsight import Hindsight
from syncd.sim.demo.replay import (
    NOTHING,
    Entered,
    Key,
    OrderKey,
    Stock,
    available_of,
    booked_by_order,
    crooked_lines,
    expected_levels,
    wanted,
)
from syncd.sim.demo.shops import DemoShop, World, shown
from syncd.sim.remotes.shopify import Line, Order

EXAMPLES: Final = 5
_BY_ORDER: Final = ("channel", "event_id", "order_id", "line_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the verdict: how many things were looked at, and which of them were wrong."""

    name: str
    checked: int
    wrong: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.wrong

    def document(self) -> dict[str, object]:
        return {
            "name": self.name,
            "ok": self.ok,
            "checked": self.checked,
            "wrong": len(self.wrong),
            "examples": list(self.wrong[:EXAMPLES]),
        }


def judge(world: World, entered: Entered, evidence: Evidence, back: Hindsight) -> list[Check]:
    levels = expected_levels(world, entered)
    by_order = booked_by_order(world, entered)
    return [
        _check("the shops' order books agree with their stock books", _lines_of(world), crooked_lines(world)),
        _levels(levels, by_order, evidence),
        _shops(world, levels),
        _untouched(world),
        _listings(world, levels, evidence),
        _orders(world, evidence),
        _ledger(evidence),
        _causes(evidence),
        _explained(evidence),
        _conflicts(world, levels, evidence),
        _check("no dead letters", len(evidence.dead_letters), (str(row) for row in evidence.dead_letters)),
        _check("every channel is live", len(world.shops), _not_live(evidence)),
        _check("every sale reached the other shop", back.sales, back.never),
        _check("no write put a figure up over a sale that was known", back.rises, back.late),
        _check("no oversell that could have been avoided", back.sales, back.avoidable),
    ]


def _check(name: str, checked: int, wrong: Iterable[str]) -> Check:
    return Check(name=name, checked=checked, wrong=tuple(wrong))


def _lines_of(world: World) -> int:
    return sum(len(order.lines) for demo in world.shops for order in demo.shop.orders.values())


def _levels(levels: Mapping[Key, Stock], by_order: Mapping[OrderKey, Stock], evidence: Evidence) -> Check:
    """On hand and committed of every SKU at every location; what is wrong is put down to its orders."""
    said = {(row["sku"], row["location"]): Stock(row["on_hand"], row["committed"]) for row in evidence.stock}
    off = [key for key in levels.keys() | said.keys() if said.get(key, NOTHING) != levels.get(key, NOTHING)]
    blamed = _blamed(by_order, evidence) if off else {}
    wrong = [
        f"{key[0]} at {key[1]}: on_hand, committed {tuple(said.get(key, NOTHING))}, "
        f"the books make {tuple(levels.get(key, NOTHING))}: {'; '.join(blamed.get(key, ())) or 'not by an order'}"
        for key in sorted(off)
    ]
    return _check("levels equal the imported counts plus what the order books make", len(levels), wrong)


def _blamed(by_order: Mapping[OrderKey, Stock], evidence: Evidence) -> dict[Key, list[str]]:
    """The orders for which the ledger booked something else than the shop's books, by SKU and location."""
    booked: dict[OrderKey, Stock] = {}
    for entry in evidence.ledger:
        if entry["order_id"] is not None:
            key = (entry["channel"], entry["order_id"], entry["sku"], entry["location"])
            on_hand, committed = booked.get(key, NOTHING)
            if entry["quantity"] == "on_hand":
                on_hand += entry["delta"]
            else:
                committed += entry["delta"]
            booked[key] = Stock(on_hand, committed)
    found: dict[Key, list[str]] = {}
    for key in sorted(booked.keys() | by_order.keys()):
        mine, true = booked.get(key, NOTHING), by_order.get(key, NOTHING)
        if mine != true:
            told = f"{key[0]} order {key[1]} booked {tuple(mine)}, the shop has {tuple(true)}"
            found.setdefault((key[2], key[3]), []).append(told)
    return found


def _shops(world: World, levels: Mapping[Key, Stock]) -> Check:
    checked, wrong = 0, []
    for demo in world.shops:
        for item in demo.sold:
            for location, ours in demo.places.items():
                units = shown(demo, item, location)
                if ours is None or units is None:
                    continue
                checked += 1
                want = wanted(demo, item, location, levels)
                if max(units, 0) != want:
                    wrong.append(f"{demo.channel} {item.sku} at {location.name} shows {units}, should show {want}")
    return _check("every shop shows what the policy wants", checked, wrong)


def _untouched(world: World) -> Check:
    """Locations that are not mapped, and items that we do not know, are nobody's business of ours."""
    checked, wrong = 0, []
    for demo in world.shops:
        for movement in demo.shop.books:
            checked += 1
            if movement.by == "app" and (demo.places[movement.location] is None or movement.item not in demo.sold):
                wrong.append(f"{demo.channel} {movement.item.sku} at {movement.location.name}: {dict(movement.deltas)}")
    return _check("nothing was written where nothing is ours", checked, wrong)


def _listings(world: World, levels: Mapping[Key, Stock], evidence: Evidence) -> Check:
    """What syncd believes that the shops show is what they show."""
    rows = {(row["channel"], row["remote_id"], row["remote_location"]): row for row in evidence.listings}
    checked, wrong = 0, []
    for demo in world.shops:
        for item in demo.sold:
            for location, ours in demo.places.items():
                units = shown(demo, item, location)
                if ours is None or units is None:
                    continue
                checked += 1
                row = rows.get((demo.channel, item.gid, location.gid))
                if row is None:
                    wrong.append(f"{demo.channel} {item.sku} at {location.name} is not listed")
                elif _differs(row, units, wanted(demo, item, location, levels)):
                    wrong.append(f"{demo.channel} {item.sku} at {location.name} shows {units}: {dict(row)}")
    return _check("desired and expected of every listing are what the shop shows", checked, wrong)


def _differs(row: Mapping[str, Any], units: int, want: int) -> bool:
    if row["state"] != "synced" or row["desired"] != want or row["expected"] is None:
        return True
    return bool(row["expected"] != units and not (row["expected"] <= 0 and units <= 0))


def _orders(world: World, evidence: Evidence) -> Check:
    rows = {(row["channel"], row["order_id"]): row for row in evidence.orders}
    wrong: list[str] = []
    checked = 0
    for demo in world.shops:
        for order in demo.shop.orders.values():
            checked += 1
            row = rows.get((demo.channel, str(order.id)))
            if row is None:
                if any(line.unfulfilled for line in order.lines):
                    wrong.append(f"{demo.channel} {order.name} is not known")
                continue
            wrong += _crooked(demo, order, row)
    return _check("every order is known, line by line", checked, wrong)


def _crooked(demo: DemoShop, order: Order, row: Mapping[str, Any]) -> list[str]:
    said = {line["line_id"]: line for line in row["lines"]}
    found = []
    for line in order.lines:
        there = said.get(str(line.id))
        told = None if there is None else (there["ordered"], there["cancelled"], there["fulfilled"])
        if told != _became(line):
            found.append(f"{demo.channel} {order.name} line {line.id}: {told}, the shop has {_became(line)}")
    return found


def _became(line: Line) -> tuple[int, int, int]:
    return line.quantity, line.removed, line.shipped


def _ledger(evidence: Evidence) -> Check:
    """Numbered without a gap, each balance the sum so far, and the last one the level."""
    wrong: list[str] = []
    sums: Counter[tuple[str, str, str]] = Counter()
    last: dict[int, int] = {}
    for entry in evidence.ledger:
        key = (entry["sku"], entry["location"], entry["quantity"])
        sums[key] += entry["delta"]
        if entry["seq"] != last.get(entry["partition"], 0) + 1:
            wrong.append(f"entry {entry['seq']} follows {last.get(entry['partition'], 0)}")
        last[entry["partition"]] = entry["seq"]
        if entry["balance"] != sums[key]:
            wrong.append(f"entry {entry['seq']}: balance {entry['balance']}, the sum is {sums[key]}")
    for row in evidence.stock:
        for quantity in ("on_hand", "committed", "unavailable", "incoming"):
            if row[quantity] != sums[row["sku"], row["location"], quantity]:
                wrong.append(f"{row['sku']} at {row['location']}: {quantity} {row[quantity]} is not its entries' sum")
    return _check("the ledger adds up to the levels, without a gap", len(evidence.ledger), wrong)


def _causes(evidence: Evidence) -> Check:
    wrong = []
    for entry in evidence.ledger:
        by_order = [entry[name] for name in _BY_ORDER]
        if not entry["reason"]:
            wrong.append(f"entry {entry['seq']} has no reason")
        elif entry["order_id"] is not None and not all(by_order):
            wrong.append(f"entry {entry['seq']} by an order does not name all of {', '.join(_BY_ORDER)}")
        elif entry["order_id"] is None and not entry["actor"]:
            wrong.append(f"entry {entry['seq']} names nobody")
    return _check("every entry has a reason and names its cause", len(evidence.ledger), wrong)


def _explained(evidence: Evidence) -> Check:
    wrong = [f"{sku}: {told['unexplained']} unexplained" for sku, told in evidence.why.items() if told["unexplained"]]
    return _check("nothing is unexplained", len(evidence.why), wrong)


def _conflicts(world: World, levels: Mapping[Key, Stock], evidence: Evidence) -> Check:
    """Oversell where the books say that a SKU is short, unmapped for what is meant to be, and nothing else."""
    short = {sku for sku, location in levels if available_of(levels, (sku, location)) < 0}
    strange = {item.gid for demo in world.shops for item in demo.strangers}
    strange |= {str(item.variant_id) for demo in world.shops for item in demo.strangers}
    oversold = Counter(row["sku"] for row in evidence.conflicts if row["kind"] == "oversell")
    wrong = [f"{sku} is short, and no conflict says so" for sku in sorted(short - oversold.keys())]
    wrong += [f"{sku} is not short, and a conflict says so" for sku in sorted(oversold.keys() - short)]
    wrong += [f"{sku} has {count} oversell conflicts" for sku, count in oversold.items() if count > 1]
    wrong += [_told(row) for row in evidence.conflicts if not _is_meant(row, strange)]
    return _check("no conflict is open that the books do not explain", len(evidence.conflicts), wrong)


def _is_meant(row: Mapping[str, Any], strange: set[str]) -> bool:
    if row["kind"] == "oversell":
        return True
    facts = row["facts"]
    about = (facts.get("remote_id"), str(facts.get("item") or "").rpartition("/")[2])
    return row["kind"] == "unmapped" and any(each in strange for each in about)


def _told(row: Mapping[str, Any]) -> str:
    return f"{row['kind']} {row['sku'] or ''} {row['channel'] or ''}: {dict(row['facts'])}"


def _not_live(evidence: Evidence) -> Iterable[str]:
    return [f"{row['channel']} is {row['state']}: {row['last_error']}" for row in evidence.channels if _is_off(row)]


def _is_off(row: Mapping[str, Any]) -> bool:
    return row["state"] != "live" or row["circuit"] != "closed" or bool(row["paused"])


def all_hold(checks: Sequence[Check]) -> bool:
    return all(check.ok for check in checks)
