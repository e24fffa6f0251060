"""Setting quantities: absolute, without any precondition at the vendor's end, in force only minutes later.

So every batch first reads what the listings show: a sale that Amazon took lowers that figure at once, long before the
order can be read. A listing that shows something else than expected is not written, unless the write lowers it still.
A SKU that Amazon ships is never written: a quantity would turn its offer into a merchant's and strand the stock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from syncd.channels.amazon.api import PATCH_LISTING, Api, Refusal, Reply
from syncd.channels.amazon.feeds import Feed, Feeds, Progress
from syncd.channels.amazon.listings import MERCHANT, PATH, ListingReader, Shown
from syncd.channels.amazon.sales import RecentSales
from syncd.channels.amazon.settings import Settings
from syncd.channels.amazon.values import FBA, MFN, objects, text
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Retry, SyncdError
from syncd.domain.ids import ListingKey
from syncd.domain.listings import Reading, Span
from syncd.domain.quantities import LARGEST
from syncd.ports import Outcome, RowOutcome, WriteBatch, WriteRow

PRODUCT: Final = "PRODUCT"
AT_ONCE: Final = 4
SENDING_SECONDS: Final = 9.0
"""No further patch is begun after this, so that the call ends in its time."""
MOST_SENT: Final = 2000
MOST_READINGS: Final = 20
NO_FBA: Final = "Amazon ships this SKU (FBA): its quantity is Amazon's, and a write would make the offer a merchant's"


@dataclass(slots=True)
class Sent:
    """A batch under way: when each row was sent, and the feed that carries it, if one does."""

    sent_at: dict[ListingKey, Span] = field(default_factory=dict)
    before: dict[ListingKey, Reading] = field(default_factory=dict)
    """What the listings showed right before."""
    since: dict[ListingKey, list[Reading]] = field(default_factory=dict)
    """What they showed since, where it was not what was written; the latest few."""
    feed: Feed | None = None
    feed_unknown: bool = False


class StockWriter:
    def __init__(self, api: Api, settings: Settings, listings: ListingReader, sales: RecentSales) -> None:
        self._api = api
        self._sales = sales
        self._listings = listings
        self._feeds = Feeds(api, settings)
        self._seller = settings.seller_id
        self._feed_above = settings.feed_above
        self._lands_within = int(settings.lands_within_seconds * 1000)
        self._sent: dict[str, Sent] = {}

    async def write(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        """Send what may be sent. Rows that were taken are ACCEPTED, and settled by `landed`."""
        outcomes = {row.key: refused for row in batch.rows if (refused := _never(row)) is not None}
        rows = [row for row in batch.rows if row.key not in outcomes]
        shown = await self._listings.read(row.key.remote_id for row in rows) if rows else {}
        due: list[tuple[WriteRow, Shown]] = []
        for row in rows:
            now = shown.get(row.key.remote_id)
            held = _held(row, now)
            if held is not None or now is None:
                outcomes[row.key] = held or RowOutcome(row.key, Outcome.GONE, reason="no such listing")
            else:
                due.append((row, now))
        if due:
            sent = self._sent[batch.idempotency_key] = Sent()
            sent.before = {row.key: Reading(now.units, now.at) for row, now in due if now.units is not None}
            while len(self._sent) > MOST_SENT:
                del self._sent[next(iter(self._sent))]
            if len(due) > self._feed_above and self._feeds.has_token:
                outcomes.update(await self._feed(due, sent))
            else:
                outcomes.update(await self._patches(due, sent))
        return [outcomes[row.key] for row in batch.rows]

    async def landed(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        """What became of accepted rows: seen in force, refused by the feed's report, or still under way."""
        sent = self._sent.get(batch.idempotency_key)
        outcomes: dict[ListingKey, RowOutcome] = {}
        if sent is not None and sent.feed is not None:
            outcomes = await self._told_by_feed(sent.feed, batch.rows)
        rows = [row for row in batch.rows if row.key not in outcomes]
        outcomes.update(await self._seen(rows, sent))
        left = [row for row in rows if row.key not in outcomes]
        if sent is not None and sent.feed is not None and sent.feed.ended is not None:
            if anyio.current_time() - sent.feed.ended < self._lands_within / 1000:
                outcomes.update(_all(left, Outcome.ACCEPTED, "the feed is done; not in force yet"))
        elif left and (sent is None or sent.feed_unknown) and await self._feeds.under_way_elsewhere():
            why = "a feed from before is still under way"
            outcomes.update((row.key, RowOutcome(row.key, Outcome.ACCEPTED, reason=why)) for row in left)
        return list(outcomes.values())

    async def _told_by_feed(self, feed: Feed, rows: Sequence[WriteRow]) -> dict[ListingKey, RowOutcome]:
        await self._feeds.look(feed)
        match feed.progress:
            case Progress.UNDER_WAY:
                return _all(rows, Outcome.ACCEPTED, f"feed {feed.feed_id} is under way")
            case Progress.CANCELLED:
                return _all(rows, Outcome.UNTOUCHED, f"feed {feed.feed_id} was cancelled")
            case Progress.UNCLEAR | Progress.DONE:
                return {
                    row.key: RowOutcome(row.key, Outcome.REJECTED, reason=feed.refused[row.key.remote_id])
                    for row in rows
                    if row.key.remote_id in feed.refused
                }

    async def _seen(self, rows: Sequence[WriteRow], sent: Sent | None) -> dict[ListingKey, RowOutcome]:
        """Rows that show what was written; since when is not known better than from its sending on."""
        shown = await self._listings.read(row.key.remote_id for row in rows) if rows else {}
        found: dict[ListingKey, RowOutcome] = {}
        for row in rows:
            now = shown.get(row.key.remote_id)
            if now is None:
                found[row.key] = RowOutcome(row.key, Outcome.GONE, reason="Amazon no longer knows the listing")
                continue
            landed = now.at if now.units == row.target else self._sold_since(row, now, sent)
            if landed is not None:
                at = sent.sent_at.get(row.key) if sent is not None else None
                since = at.earliest if at is not None else landed.earliest - self._lands_within
                found[row.key] = RowOutcome(row.key, Outcome.CONFIRMED, at=Span(since, landed.latest))
        return found

    def _sold_since(self, row: WriteRow, now: Shown, sent: Sent | None) -> Span | None:
        """When the listing was seen with the write in force, though it sold some of it since; by all that is known.

        A rise shows at once, as sales only lower; a fall by a figure that sales alone do not lead to.
        """
        before = sent.before.get(row.key) if sent is not None else None
        if sent is None or before is None or now.units is None:
            return None
        reading = Reading(now.units, now.at)
        if before.units < now.units < row.target:
            return now.at
        readings = sent.since.setdefault(row.key, [])
        readings.append(reading)
        del readings[:-MOST_READINGS]
        return next(
            (each.at for each in readings if self._sales.explains(row.key.remote_id, before, each) is False), None
        )

    async def _feed(self, due: Sequence[tuple[WriteRow, Shown]], sent: Sent) -> dict[ListingKey, RowOutcome]:
        """All in one feed. What goes wrong before the feed is made leaves everything as it was."""
        for row, shown in due:
            sent.sent_at[row.key] = shown.at
        try:
            sent.feed = await self._feeds.send([(row.key.remote_id, _patch(row.target)) for row, _ in due])
        except OutcomeUnknown as unknown:
            sent.feed_unknown = True
            return _all([row for row, _ in due], Outcome.ACCEPTED, str(unknown))
        return _all([row for row, _ in due], Outcome.ACCEPTED, f"feed {sent.feed.feed_id}")

    async def _patches(self, due: Sequence[tuple[WriteRow, Shown]], sent: Sent) -> dict[ListingKey, RowOutcome]:
        """One call a listing, the riskiest first; once one is refused for the rate, the rest waits for another time."""
        outcomes: dict[ListingKey, RowOutcome] = {}
        refusals: list[SyncdError] = []
        waiting = iter(due)
        ends = anyio.current_time() + SENDING_SECONDS

        async def work() -> None:
            for row, shown in waiting:
                if refusals or anyio.current_time() > ends:
                    return
                try:
                    outcomes[row.key] = await self._send(row, shown, sent)
                except (Retry, AuthFailed) as refusal:
                    refusals.append(refusal)

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(work)
        if refusals and not outcomes:
            raise refusals[0]
        rest = [row for row, _ in due if row.key not in outcomes]
        return outcomes | _all(rest, Outcome.UNTOUCHED, str(refusals[0]) if refusals else "out of time")

    async def _send(self, row: WriteRow, shown: Shown, sent: Sent) -> RowOutcome:
        """A patch without an answer is in doubt like one that was accepted."""
        sent.sent_at[row.key] = shown.at
        path, query = (*PATH, self._seller, row.key.remote_id), {"marketplaceIds": shown.marketplace}
        try:
            reply = await self._api.call(PATCH_LISTING, "PATCH", path, query, _patch(row.target), changes=True)
        except OutcomeUnknown as unknown:
            return RowOutcome(row.key, Outcome.ACCEPTED, reason=str(unknown))
        except Refusal as refusal:
            return RowOutcome(row.key, Outcome.REJECTED, reason=str(refusal))
        sent.sent_at[row.key] = Span(max(shown.at.earliest, reply.at.earliest), reply.at.latest)
        return _judged(row, reply)


def _patch(target: int) -> dict[str, Any]:
    """`merge` keeps the handling time and whatever else the entry holds; `replace` would drop it."""
    value = [{"fulfillment_channel_code": MERCHANT, "quantity": max(0, min(target, LARGEST))}]
    return {
        "productType": PRODUCT,
        "patches": [{"op": "merge", "path": "/attributes/fulfillment_availability", "value": value}],
    }


def _judged(row: WriteRow, reply: Reply) -> RowOutcome:
    """INVALID comes with HTTP 200; ACCEPTED means submitted."""
    status = text(reply.body.get("status"))
    if status == "ACCEPTED":
        return RowOutcome(row.key, Outcome.ACCEPTED, reason=f"submission {text(reply.body.get('submissionId'))}")
    told = [
        f"{text(issue.get('code'))}: {text(issue.get('message'))}"
        for issue in objects(reply.body.get("issues"))
        if issue.get("severity") == "ERROR"
    ]
    if status == "INVALID":
        return RowOutcome(
            row.key, Outcome.REJECTED, reason=f"INVALID: {'; '.join(told) or 'no reason was given'}"[:500]
        )
    return RowOutcome(row.key, Outcome.ACCEPTED, reason=f"an answer without a known status ({status[:40]!r})")


def _never(row: WriteRow) -> RowOutcome | None:
    """What is refused before anything is called."""
    if row.key.remote_location == FBA:
        return RowOutcome(row.key, Outcome.REJECTED, reason=f"{row.key.remote_id}: {NO_FBA}")
    if row.key.remote_location != MFN:
        why = f"Amazon has no location {row.key.remote_location!r}"
        return RowOutcome(row.key, Outcome.REJECTED, reason=why)
    return None


def _held(row: WriteRow, shown: Shown | None) -> RowOutcome | None:
    """Why the row is not written, by what its listing shows now."""
    if shown is None:
        return RowOutcome(row.key, Outcome.GONE, reason="Amazon no longer knows the listing")
    if shown.by_amazon:
        also = "; it shows a merchant's quantity as well: remove that offer" if shown.by_merchant else ""
        return RowOutcome(row.key, Outcome.REJECTED, reason=f"{row.key.remote_id}: {NO_FBA}{also}")
    if shown.units is None or shown.units == max(0, row.was) or row.target < shown.units:
        return None
    why = f"it shows {shown.units}, not {row.was}: orders that cannot be read yet, or a change by hand"
    return RowOutcome(row.key, Outcome.STALE, reason=why, reading=Reading(shown.units, shown.at))


def _all(rows: Iterable[WriteRow], outcome: Outcome, reason: str) -> dict[ListingKey, RowOutcome]:
    return {row.key: RowOutcome(row.key, outcome, reason=reason) for row in rows}
