"""The listing account: what a channel is believed to show, and when a write is owed and allowed.

One value per listing. `expected` is a base figure with its as-of, plus the channel's own effects dated after it, plus
our confirmed writes, each as its difference. A new base comes only from a covered reading or a confirmed absolute
write. Readings are judged only when the channel's orders were read after them; nothing is judged while a write is in
flight or in doubt. Every function here is pure; times are milliseconds of the channel's own clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, assert_never

from syncd.domain.ids import Instant


class Span(NamedTuple):
    """An as-of that is not exact: the moment lies somewhere in [earliest, latest]."""

    earliest: Instant
    latest: Instant


class WriteKind(StrEnum):
    COMPARE_AND_SET = "compare_and_set"
    RELATIVE = "relative"
    ABSOLUTE = "absolute"


class Reading(NamedTuple):
    """What the channel said it shows, and as of when."""

    units: int
    at: Span


class Write(NamedTuple):
    """A write in flight: `target` is what the channel shall show, `was` what was expected when it was made."""

    target: int
    was: int
    in_doubt: bool = False

    @property
    def step(self) -> int:
        return self.target - self.was


Effect = tuple[Instant, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    base: Reading | None = None
    effects: tuple[Effect, ...] = ()
    """The channel's own effects dated inside or after the base's as-of, oldest first: for an instant at most one fall
    and one rise, never their sum, since a reading of that instant may lie between them."""
    written: int = 0
    """Our confirmed relative writes and compare-and-sets since the base, as differences, and folded effects."""
    write: Write | None = None
    written_at: Span | None = None
    """When `written` last grew or a write was last confirmed: no reading older than this can be judged."""
    reading: Reading | None = None
    """The newest reading that waits for its cover."""
    asked: bool = False
    """Something was seen that `expected` does not explain: read the listing again."""
    differs_since: Instant | None = None
    refused: int | None = None
    """The `expected` with which the channel refused a compare; not tried again until it changes or a reading agrees.
    An absolute write compares by reading first, and may still go below what was read."""

    @property
    def expected(self) -> int | None:
        """What the channel should be showing now; None before the first covered reading."""
        if self.base is None:
            return None
        known = self.base.at.latest
        return self.base.units + sum([delta for at, delta in self.effects if at > known]) + self.written

    @property
    def open(self) -> bool:
        """Nobody knows what is shown: an effect lies inside the base's as-of and may or may not be in it, or the
        effects lead below zero, where some channels go on counting and some stop."""
        base, expected = self.base, self.expected
        if base is None or expected is None:
            return False
        return expected < 0 <= base.units or (bool(self.effects) and _within(self.effects[0][0], base.at))


class Seen(StrEnum):
    """What a reading comes to."""

    VOID = "void"
    UNDECIDED = "undecided"
    AGREES = "agrees"
    DIFFERS = "differs"
    SETTLING = "settling"
    DRIFT = "drift"


class Verdict(NamedTuple):
    account: Account
    seen: Seen
    observed: int | None = None
    expected: int | None = None


def own_effects(account: Account, steps: list[Effect]) -> Account:
    """Enter the channel's own effects (an order's dated steps, corrections included).

    A step of zero says that something went and came back at that instant.
    """
    account = Account(
        base=account.base,
        effects=_entered(account, steps),
        written=account.written,
        write=account.write,
        written_at=account.written_at,
        reading=account.reading,
        asked=account.asked,
        differs_since=account.differs_since,
        refused=account.refused,
    )
    return replace(account, asked=True) if account.open else _answered(account)


def _entered(account: Account, steps: list[Effect]) -> tuple[Effect, ...]:
    since = account.base.at.earliest if account.base is not None else None
    new = sorted([step for step in steps if since is None or step[0] >= since])
    known = account.effects
    if not new:
        return known
    if len(new) == 1:
        at, delta = new[0]
        last, latest = known[-1] if known else (at - 1, 0)
        if at > last:
            return (*known, new[0])
        if at == last and (delta > 0) == (latest > 0):
            return (*known[:-1], (at, latest + delta))
    return _merged(known, new)


def _merged(known: tuple[Effect, ...], new: list[Effect]) -> tuple[Effect, ...]:
    merged = {(at, delta > 0): delta for at, delta in known}
    for at, delta in new:
        merged[at, delta > 0] = merged.get((at, delta > 0), 0) + delta
    return tuple(sorted((at, delta) for (at, _), delta in merged.items()))


def hear(account: Account, event: Reading) -> Verdict:
    """Hear a stock event that the channel sent by itself: evidence, mostly of what is known already.

    It raises a question only when no order of the effects within its tick explains it; an echo of our own write or of
    a sale makes nothing happen.
    """
    if account.write is not None:
        return Verdict(replace(account, asked=True), Seen.UNDECIDED)
    if _stale(account, event) or account.base is None:
        return Verdict(account, Seen.VOID)
    if _agrees(account, event):
        return Verdict(account, Seen.AGREES, event.units, account.expected)
    if account.reading is None or account.reading.at.latest <= event.at.latest:
        account = replace(account, reading=event)
    return Verdict(replace(account, asked=True), Seen.DIFFERS, event.units, account.expected)


def observe(account: Account, reading: Reading) -> Verdict:
    """Hear what the channel shows, before anything covers it: it may raise a question, never an answer."""
    if account.write is not None:
        return Verdict(replace(account, asked=True), Seen.UNDECIDED)
    if _stale(account, reading):
        return Verdict(account, Seen.VOID)
    if account.reading is not None and reading.at.latest < account.reading.at.latest:
        return Verdict(account, Seen.VOID)
    account = replace(account, reading=reading)
    if _tied(account, reading):
        return Verdict(replace(account, asked=True), Seen.UNDECIDED)
    now = _brought_to_now(account, reading)
    if _agrees(account, reading):
        return Verdict(replace(account, refused=None), Seen.AGREES, now, account.expected)
    return Verdict(replace(account, asked=True), Seen.DIFFERS, now, account.expected)


def cover(account: Account, reached: Instant, *, settle: Instant = 0) -> Verdict:
    """Judge the waiting reading, the channel's orders having been read up to `reached`.

    A difference counts as drift once it has been covered twice, `settle` apart; until then the base stays. Where
    there is no base, any reading is better than none, even one that effects leave open.
    """
    reading = account.reading
    if reading is None or account.write is not None or reading.at.latest > reached:
        return Verdict(account, Seen.UNDECIDED)
    account = replace(account, reading=None)
    if _stale(account, reading):
        return Verdict(account, Seen.VOID)
    if _overlaps(account, reading) or (account.base is not None and _tied(account, reading)):
        return Verdict(replace(account, asked=True), Seen.UNDECIDED)
    now = _brought_to_now(account, reading)
    expected = account.expected
    if expected is None or _agrees(account, reading):
        return Verdict(_rebased(account, reading), Seen.AGREES, now, expected)
    since = account.differs_since if account.differs_since is not None else reading.at.earliest
    if reading.at.earliest - since < settle:
        return Verdict(replace(account, asked=True, differs_since=since), Seen.SETTLING, now, expected)
    return Verdict(_rebased(account, reading), Seen.DRIFT, now, expected)


class Hold(StrEnum):
    """Why no write goes out."""

    NOTHING_OWED = "nothing_owed"
    IN_FLIGHT = "in_flight"
    NO_BASE = "no_base"
    OPEN = "open"
    """Effects inside an as-of, or a question that is not answered yet: read again, later."""
    REFUSED = "refused"
    FROZEN = "frozen"
    """A rise while the channel's orders cannot be read."""
    ORDERS_UNREAD = "orders_unread"
    """An absolute write whose order read in the same step is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the moment of writing allows."""

    kind: WriteKind
    orders_readable: bool = True
    orders_read_in_step: bool = False
    """For absolute writes: the channel's orders were read, and applied, in this very step."""


def owed(account: Account, desired: int) -> bool:
    """Does the channel show something else than it should? Below zero counts as zero."""
    expected = account.expected
    return expected is not None and desired != expected and not (desired <= 0 and expected <= 0)


def next_write(account: Account, desired: int, when: Circumstances) -> Write | Hold:
    """The write to send now, or why none goes out.

    An open figure stops every write but one: an absolute fall right after its orders were read. That is safe whatever
    is shown, and on a channel that sells every second each figure is open and a fall would never go out.
    """
    expected = account.expected
    if account.write is not None:
        return Hold.IN_FLIGHT
    if expected is None:
        return Hold.NO_BASE
    if not owed(account, desired):
        return Hold.NOTHING_OWED
    rise = desired > expected
    if account.open and (rise or not (when.kind is WriteKind.ABSOLUTE and when.orders_read_in_step)):
        return Hold.OPEN
    if rise and not when.orders_readable:
        return Hold.FROZEN
    if rise and (account.asked or account.differs_since is not None):
        return Hold.OPEN
    match when.kind:
        case WriteKind.COMPARE_AND_SET:
            if account.refused == expected:
                return Hold.REFUSED
        case WriteKind.RELATIVE:
            pass
        case WriteKind.ABSOLUTE:
            if account.refused == expected and (account.reading is None or desired >= account.reading.units):
                return Hold.REFUSED
            if not when.orders_read_in_step and (rise or when.orders_readable):
                return Hold.ORDERS_UNREAD
        case _ as never:
            assert_never(never)
    return Write(desired, expected)


def begin(account: Account, write: Write) -> Account:
    """The write goes out; what was read before it can no longer be judged."""
    return replace(account, write=write, reading=None)


def confirm(account: Account, kind: WriteKind, at: Span) -> Account:
    """The channel took the write at `at`. Only an absolute one sets a base; a question from before it is dropped."""
    write = account.write
    if write is None:
        return account
    account = replace(account, write=None, written_at=at, differs_since=None, refused=None)
    if kind is WriteKind.ABSOLUTE:
        return _rebased(account, Reading(write.target, at))
    account = replace(account, written=account.written + write.step)
    return replace(account, asked=account.open)


def refuse(account: Account) -> Account:
    """A compare failed: the channel shows something else than expected. Read, cover, recompute."""
    if account.write is None:
        return account
    return replace(account, write=None, refused=account.write.was, asked=True)


def abandon(account: Account) -> Account:
    """The write had no effect and may be made again."""
    return replace(account, write=None)


def doubt(account: Account) -> Account:
    """No answer came: the write may or may not be in force."""
    return account if account.write is None else replace(account, write=account.write._replace(in_doubt=True))


def lapse(account: Account, kind: WriteKind, at: Span) -> Account:
    """A write in doubt that can no longer land, on a channel without keys: `at` spans from sending it until then.

    Nobody knows whether it took effect, so nothing is believed any more until a reading after that span is covered.
    """
    if account.write is None:
        return account
    return replace(account, write=None, written_at=at, base=None, written=0, reading=None, asked=True, refused=None)


def fold(account: Account, before: Instant) -> Account:
    """Forget the dates of effects long past, so that the account does not grow with the channel's sales.

    They join our confirmed writes: counted, but no longer dated, so a reading older than `before` is void. The
    channel's orders must have been read up to `before`. Nothing is folded while a write is on its way, since its
    as-of may begin earlier.
    """
    if account.write is not None or account.open or not account.effects or account.effects[0][0] >= before:
        return account
    past = sum(delta for at, delta in account.effects if at < before)
    at = Span(before - 1, before - 1)
    if account.written_at is not None:
        at = Span(max(at.earliest, account.written_at.earliest), max(at.latest, account.written_at.latest))
    kept = tuple(effect for effect in account.effects if effect[0] >= before)
    return replace(account, effects=kept, written=account.written + past, written_at=at)


def _stale(account: Account, reading: Reading) -> bool:
    """Older than the base or than our last confirmed write: a late echo."""
    return any(reading.at.latest < at.earliest for at in _known_since(account))


def _overlaps(account: Account, reading: Reading) -> bool:
    """The reading may be from before the base or before our last write, or from after."""
    return any(reading.at.earliest <= at.latest for at in _known_since(account))


def _tied(account: Account, reading: Reading) -> bool:
    """The reading decides nothing: it overlaps what is known, or an effect lies inside its as-of."""
    return _overlaps(account, reading) or any(_within(at, reading.at) for at, _ in account.effects)


def _known_since(account: Account) -> Iterator[Span]:
    """What is forgotten before: effects older than the base, and the figure before our last write."""
    if account.base is not None:
        yield account.base.at
    if account.written_at is not None:
        yield account.written_at


def _agrees(account: Account, reading: Reading) -> bool:
    """Is there an order of the effects inside either as-of that leads from the reading's figure to `expected`?

    Below zero counts as zero: a channel may stop at zero while its orders go on.
    """
    expected = account.expected
    if account.base is None or expected is None:
        return False
    lowest, highest = _range(expected, account, account.base.at)
    seen_lowest, seen_highest = _range(_brought_to_now(account, reading), account, reading.at)
    return max(lowest, 0) <= max(seen_highest, 0) and max(seen_lowest, 0) <= max(highest, 0)


def _range(units: int, account: Account, at: Span) -> tuple[int, int]:
    """What a figure may come to, with some, none or all of the effects inside its as-of."""
    inside = [delta for instant, delta in account.effects if _within(instant, at)]
    return units + sum(d for d in inside if d < 0), units + sum(d for d in inside if d > 0)


def _within(at: Instant, span: Span) -> bool:
    return span.earliest <= at <= span.latest


def _answered(account: Account) -> Account:
    """Drop a question that came from a stock event, once the orders that came after it explain it."""
    if not account.asked or account.reading is None or account.refused is not None or account.differs_since is not None:
        return account
    if account.write is not None or not _agrees(account, account.reading):
        return account
    return replace(account, asked=False, reading=None if _tied(account, account.reading) else account.reading)


def _brought_to_now(account: Account, reading: Reading) -> int:
    return reading.units + sum(delta for at, delta in account.effects if at > reading.at.latest)


def _rebased(account: Account, reading: Reading) -> Account:
    account = replace(
        account,
        base=reading,
        effects=tuple(effect for effect in account.effects if effect[0] >= reading.at.earliest),
        written=0,
        reading=None,
        differs_since=None,
        refused=None,
    )
    return replace(account, asked=account.open)
