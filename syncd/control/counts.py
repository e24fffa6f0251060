"""Counts that come by the hundred, from a file: what they would change, whether that is believable, and booking them.

What the channels' listings would then show is asked of the same functions that the books use.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from syncd.control.context import ControlContext
from syncd.domain import mass_change
from syncd.domain.books import Books, Need
from syncd.domain.commands import TakeCounts
from syncd.domain.ids import ChannelId, Instant, LevelKey, LocationId, Sku
from syncd.domain.ledger import Cause
from syncd.domain.mass_change import Reach as Reach
from syncd.domain.mass_change import beyond
from syncd.domain.setup import ChannelSetup
from syncd.storage.books import BookStore
from syncd.storage.decisions import Counts
from syncd.storage.pool import Connection
from syncd.storage.queries import load

READS = load("reads")
CHUNK: Final = 1000

Progress = Callable[[str, int, int], Awaitable[None]]
"""What is being done, how much of it is done, of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A count against what the books had at its as-of."""

    key: LevelKey
    counted: int
    had: int
    known: bool
    """There is such a level already."""


@dataclass(slots=True, kw_only=True)
class Plan:
    """What the counts come to."""

    as_of: Instant
    changes: list[Change]
    reach: dict[ChannelId, Reach]

    def counts(self) -> Counter[str]:
        return Counter(kind_of(change) for change in self.changes)

    def beyond(self, channels: Mapping[ChannelId, ChannelSetup]) -> dict[ChannelId, Reach]:
        """The channels for which this is too large a change to be believed."""
        return beyond(self.reach, channels)


def kind_of(change: Change) -> str:
    if not change.known:
        return "new"
    return "unchanged" if change.counted == change.had else "changed"


async def plan(context: ControlContext, counts: Counts, as_of: Instant, progress: Progress) -> Plan:
    """Compare the counts with the books as of then, and see what the channels would show; changes nothing."""
    changes: list[Change] = []
    confirmed = frozenset(channel for channel, desk in context.desks.items() if desk.record.first_synced_at is not None)
    async with context.database.reading() as connection:
        totals = {row["channel"]: row["listings"] for row in await connection.fetch(READS.synchronised)}
    reach = {channel: Reach(synchronised=totals.get(channel, 0)) for channel in confirmed}
    for chunk in by_sku(counts):
        async with context.database.reading() as connection:
            some = await changes_in(connection, chunk, as_of)
            if reach:
                books = await _books(context, connection, {change.key.sku for change in some})
                measure(books, some, reach)
        changes += some
        await progress("comparing", len(changes), len(counts))
    return Plan(as_of=as_of, changes=changes, reach=reach)


async def changes_in(connection: Connection, counts: Counts, as_of: Instant) -> list[Change]:
    keys = [key for key, _ in counts]
    rows = await connection.fetch(
        READS.counts_as_of,
        [key.sku for key in keys],
        [key.location for key in keys],
        datetime.fromtimestamp(as_of / 1000, UTC),
    )
    had = {LevelKey(Sku(row["sku"]), LocationId(row["location"])): row for row in rows}
    return [Change(key=key, counted=counted, had=had[key]["had"], known=had[key]["known"]) for key, counted in counts]


async def _books(context: ControlContext, connection: Connection, skus: set[Sku]) -> Books:
    store = BookStore(connection)
    await store.start()
    blocked = frozenset(channel for channel, desk in context.desks.items() if desk.record.blocked)
    return await store.load(Need(skus=skus), context.stock.setup, 0, blocked)


def measure(books: Books, changes: Sequence[Change], reach: Mapping[ChannelId, Reach]) -> None:
    """Add to `reach` how the synchronised listings of these SKUs would change; the books are spent afterwards."""
    mass_change.measure(books, partial(_enter, books, changes), reach)


def _enter(books: Books, changes: Sequence[Change]) -> None:
    for change in changes:
        on_hand = books.level(change.key).on_hand + change.counted - change.had
        books.set_count(change.key, on_hand, books.now, "count", Cause(actor="syncd"))


async def book(context: ControlContext, plan: Plan, reason: str, actor: str, progress: Progress) -> None:
    """Book the counts and link what can be linked now; said again, it changes nothing more."""
    done = 0
    for start in range(0, len(plan.changes), CHUNK):
        some = plan.changes[start : start + CHUNK]
        counts = [(change.key, change.counted, change.had) for change in some]
        await context.stock.ask(TakeCounts(counts=counts, as_of=plan.as_of, reason=reason, actor=actor))
        done += len(some)
        await progress("booking", done, len(plan.changes))
    for channel, crew in context.crew.items():
        await progress(f"linking {channel}", done, done)
        await crew.reconciler.link()


def by_sku(counts: Counts, size: int = CHUNK) -> Iterator[Counts]:
    """Chunks of about `size` rows in which all rows of a SKU stand together, in the order of each SKU's first row."""
    grouped: dict[Sku, list[tuple[LevelKey, int]]] = {}
    for key, on_hand in counts:
        grouped.setdefault(key.sku, []).append((key, on_hand))
    chunk: list[tuple[LevelKey, int]] = []
    for rows in grouped.values():
        chunk += rows
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
