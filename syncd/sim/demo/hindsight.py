"""Looks back at the run from the shops' side: who was sold what was gone, what was written too high, and how soon
the other shop knew.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from syncd.sim.demo.replay import Entered, Key, Step, all_steps, should_show
from syncd.sim.demo.shops import DemoShop, World
from syncd.sim.demo.traffic import Gap
from syncd.sim.demo.watch import Watch
from syncd.sim.remotes.shopify import Item, Location

UNAVOIDABLE_WITHIN: Final = timedelta(seconds=1)
KNOWN_FOR: Final = timedelta(seconds=3)
"""A write may be this old when it arrives: what was known before must be in it."""
SLOWEST: Final = 5
SPOILT_FOR: Final = timedelta(seconds=5)
"""For so long a spoilt call may keep a write waiting: what is retried is retried later each time."""
EDITED_WITHIN: Final = timedelta(seconds=15)


class Shown(NamedTuple):
    """A change of what a shop shows of an item at a location."""

    at: datetime
    units: int
    before: int
    by: str
    cause: str


@dataclass(slots=True)
class Course:
    """A figure over time: `values[i]` holds from `times[i]` on."""

    times: list[datetime] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    def add(self, at: datetime, value: int) -> None:
        self.times.append(at)
        self.values.append(value)

    def at(self, moment: datetime) -> int | None:
        """The figure just before the moment."""
        place = bisect_left(self.times, moment)
        return self.values[place - 1] if place else None

    def highest(self, begin: datetime, end: datetime) -> int | None:
        """The highest figure that held at any time from `begin` to `end`."""
        first, last = max(bisect_right(self.times, begin) - 1, 0), bisect_right(self.times, end)
        return max(self.values[first:last], default=None)

    def below_since(self, limit: int, moment: datetime) -> datetime | None:
        """Since when, without a break until just before the moment, the figure has been below the limit."""
        place, since = bisect_left(self.times, moment) - 1, None
        while place >= 0 and self.values[place] < limit:
            since = self.times[place]
            place -= 1
        return since


@dataclass(slots=True, kw_only=True)
class Hindsight:
    """`oversells` by class to units; `latencies` in seconds, from a sale to the other shop showing no more than there
    is; `late` are writes that put a figure up over a sale that syncd had been told of.
    """

    sales: int = 0
    oversells: Counter[str] = field(default_factory=Counter)
    avoidable: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    writes: int = 0
    rises: int = 0
    late: list[str] = field(default_factory=list)
    never: list[str] = field(default_factory=list)


Listing = tuple[DemoShop, Item, Location]


def look_back(world: World, entered: Entered, watch: Watch, gaps: Sequence[Gap]) -> Hindsight:
    steps = all_steps(world, entered)
    truth, known = _courses(steps, entered, watch)
    listings = {
        (demo.channel, item.inventory_item_id, location.id): ((demo, item, location), shown)
        for demo in world.shops
        for (item, location), shown in _shown(demo).items()
    }
    back = Hindsight()
    by_key: dict[Key, list[tuple[Listing, list[Shown]]]] = {}
    for (demo, item, location), shown in listings.values():
        ours = demo.ours(location)
        if ours is not None and item in demo.sold:
            by_key.setdefault((demo.sold[item].sku, ours), []).append(((demo, item, location), shown))
    sendings = watch.first_sendings()
    troubles = _troubles(world, watch, gaps)
    for key, rows in by_key.items():
        for listing, shown in rows:
            _judge_writes(back, listing, shown, known.get(key, _course((), 0)), sendings)
    for step in steps:
        if step.what == "sold" and step.by == "buyer" and step.at > entered.counted_at and step.demo is not None:
            back.sales += 1
            _judge_sale(back, step, truth[step.key], known[step.key], by_key.get(step.key, ()), troubles)
            for (demo, item, location), shown in by_key.get(step.key, ()):
                if demo is not step.demo:
                    _time_news(back, step, truth[step.key], (demo, item, location), shown, gaps)
    return back


def _courses(steps: Sequence[Step], entered: Entered, watch: Watch) -> tuple[dict[Key, Course], dict[Key, Course]]:
    """Available over time, as it was, and at the highest that syncd could have believed."""
    true_steps: dict[Key, list[tuple[datetime, int]]] = {key: [] for key in entered.counts}
    told_steps: dict[Key, list[tuple[datetime, int]]] = {key: [] for key in entered.counts}
    for step in steps:
        true_steps.setdefault(step.key, []).append((step.at, step.available))
        known_at: datetime | None = step.at
        if step.available < 0 and step.demo is not None and step.at > entered.counted_at:
            known_at = watch.known_at(step.demo.shop, step.order_id, step.at)
        if known_at is not None:
            told_steps.setdefault(step.key, []).append((known_at, step.available))
    return (
        {key: _course(found, entered.counts.get(key, 0)) for key, found in true_steps.items()},
        {key: _course(found, entered.counts.get(key, 0)) for key, found in told_steps.items()},
    )


def _course(steps: Sequence[tuple[datetime, int]], begin: int) -> Course:
    course = Course()
    units = begin
    course.add(datetime.min.replace(tzinfo=UTC), units)
    for at, delta in sorted(steps, key=lambda each: each[0]):
        units += delta
        course.add(at, units)
    return course


def _shown(demo: DemoShop) -> dict[tuple[Item, Location], list[Shown]]:
    found: dict[tuple[Item, Location], list[Shown]] = {}
    for movement in demo.shop.books:
        delta = movement.deltas.get("available")
        if delta is not None:
            of_listing = found.setdefault((movement.item, movement.location), [])
            before = of_listing[-1].units if of_listing else 0
            of_listing.append(Shown(movement.at, before + delta, before, movement.by, movement.cause))
    return found


def _judge_writes(
    back: Hindsight, listing: Listing, shown: Sequence[Shown], known: Course, sendings: Mapping[str, datetime]
) -> None:
    demo, item, location = listing
    for change in shown:
        if change.by != "app":
            continue
        back.writes += 1
        if change.units <= change.before:
            continue
        back.rises += 1
        highest = known.highest(sendings.get(change.cause, change.at) - KNOWN_FOR, change.at)
        if highest is not None and change.units > should_show(demo, demo.sold[item].pack, highest):
            back.late.append(
                f"{demo.channel} {item.sku} at {location.name}: {change.before} -> {change.units} at "
                f"{change.at:%H:%M:%S.%f}, though no more than {highest} were known to be available"
            )


def _troubles(world: World, watch: Watch, gaps: Sequence[Gap]) -> list[Gap]:
    """Every time in which a shop could not be written to, and why."""
    found = list(gaps)
    for demo in world.shops:
        found += [Gap(demo.channel, at, at + SPOILT_FOR, "while the shop failed") for at in watch.spoilt(demo.shop)]
    return found


def _judge_sale(
    back: Hindsight,
    step: Step,
    truth: Course,
    known: Course,
    rows: Sequence[tuple[Listing, list[Shown]]],
    troubles: Sequence[Gap],
) -> None:
    units = -step.available
    before = truth.at(step.at)
    if before is None or before >= units:
        return
    kind = _why_oversold(step, units, known, rows, troubles)
    back.oversells[kind] += min(units, units - before)
    if kind == "avoidable":
        back.avoidable.append(f"{step.key[0]} at {step.key[1]}, {step.at:%H:%M:%S.%f}: {units} sold, {before} there")


def _why_oversold(
    step: Step, units: int, known: Course, rows: Sequence[tuple[Listing, list[Shown]]], troubles: Sequence[Gap]
) -> str:
    demo, item = step.demo, step.item
    if demo is None or item is None:
        return "avoidable"
    before = [change for change in _shown_at(demo, item, step.location, rows) if change.at < step.at]
    if not before or before[-1].units * demo.sold[item].pack < units:
        return "sold on below zero" if item.policy == "CONTINUE" else "another location had it"
    since = known.below_since(units, step.at)
    if since is None or step.at - since <= UNAVOIDABLE_WITHIN:
        return "unavoidable"
    if any(change.by == "staff" and change.units > change.before for change in before if _lately(change, step)):
        return "edited by hand in the shop"
    for trouble in troubles:
        if trouble.channel in (None, demo.channel) and trouble.begin <= step.at and trouble.end >= since:
            return trouble.why
    return "avoidable"


def _shown_at(
    demo: DemoShop, item: Item, location: Location | None, rows: Sequence[tuple[Listing, list[Shown]]]
) -> list[Shown]:
    for (owner, what, where), shown in rows:
        if owner is demo and what is item and where is location:
            return shown
    return []


def _lately(change: Shown, step: Step) -> bool:
    return change.at > step.at - EDITED_WITHIN


def _time_news(
    back: Hindsight, step: Step, truth: Course, listing: Listing, shown: Sequence[Shown], gaps: Sequence[Gap]
) -> None:
    """From the sale until the other shop no longer shows more than there has been since."""
    demo, item, _ = listing
    pack = demo.sold[item].pack
    first = next((place for place in range(len(shown) - 1, -1, -1) if shown[place].at <= step.at), None)
    highest = truth.highest(step.at, step.at)
    if first is None or highest is None or shown[first].units <= should_show(demo, pack, highest):
        return
    end = next(_caught_up(step, truth, demo, pack, shown, first), None)
    if end is None:
        back.never.append(f"{demo.channel} {item.sku}: the sale of {step.at:%H:%M:%S.%f} never reached it")
    elif not any(gap.channel in (None, demo.channel) and gap.begin <= end and gap.end >= step.at for gap in gaps):
        seconds = (end - step.at).total_seconds()
        back.latencies.append(seconds)
        told = f"{step.key[0]} at {step.key[1]}, sold at {step.at:%H:%M:%S.%f}, to {demo.channel}"
        back.slowest = sorted([*back.slowest, (round(seconds, 3), told)], reverse=True)[:SLOWEST]


def _caught_up(
    step: Step, truth: Course, demo: DemoShop, pack: int, shown: Sequence[Shown], first: int
) -> Iterator[datetime]:
    moments = sorted(
        {change.at for change in shown[first + 1 :]} | set(truth.times[bisect_right(truth.times, step.at) :])
    )
    place = first
    for moment in moments:
        while place + 1 < len(shown) and shown[place + 1].at <= moment:
            place += 1
        highest = truth.highest(step.at, moment)
        if highest is not None and shown[place].units <= should_show(demo, pack, highest):
            yield moment
