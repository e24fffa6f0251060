"""The rules of the listing account, each with what a hub without it would do.

`without` puts that hub's function in the product's place; nothing in the product knows of it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from syncd.domain import listings
from syncd.domain.listings import Account, Circumstances, Hold, Reading, Span, Verdict, Write, WriteKind

FOR_EVER = 1 << 40


@dataclass(frozen=True)
class Rule:
    name: str
    says: str
    instead: dict[str, Callable[..., Any]] = field(default_factory=dict)
    """Functions of `listings` as a hub without the rule has them."""
    habits: dict[str, Any] = field(default_factory=dict)
    """What the hub around them does otherwise: fields of the model."""


@contextmanager
def without(rule: Rule) -> Iterator[None]:
    with ExitStack() as stack:
        for name, function in rule.instead.items():
            stack.enter_context(patch.object(listings, name, function))
        yield


_hear, _observe, _cover, _confirm = listings.hear, listings.observe, listings.cover, listings.confirm
_next_write, _refuse = listings.next_write, listings.refuse


def _judged_uncovered(heard: Verdict) -> Verdict:
    judged = _cover(heard.account, FOR_EVER)
    return judged if heard.account.reading is not None else heard


def _hear_judges(account: Account, event: Reading) -> Verdict:
    return _judged_uncovered(_hear(account, event))


def _observe_judges(account: Account, reading: Reading) -> Verdict:
    return _judged_uncovered(_observe(account, reading))


def _read_back_judges(account: Account, reading: Reading) -> Verdict:
    heard = _observe(account, reading)
    return _judged_uncovered(heard) if account.base is None else heard


def _confirm_sets_base(account: Account, kind: WriteKind, at: Span) -> Account:
    return _confirm(account, WriteKind.ABSOLUTE, at)


def _falls_without_orders(account: Account, desired: int, when: Circumstances) -> Write | Hold:
    expected = account.expected
    fall = expected is not None and desired < expected
    return _next_write(account, desired, replace(when, orders_read_in_step=when.orders_read_in_step or fall))


def _rises_on_an_earlier_read(account: Account, desired: int, when: Circumstances) -> Write | Hold:
    expected = account.expected
    rise = expected is not None and desired > expected
    return _next_write(account, desired, replace(when, orders_read_in_step=when.orders_read_in_step or rise))


def _owed_below_zero(account: Account, desired: int) -> bool:
    return account.expected is not None and desired != account.expected


def _nothing_known(account: Account) -> Iterator[Span]:
    return iter(())


def _refuse_forgets(account: Account) -> Account:
    return replace(_refuse(account), refused=None, asked=False)


def _while_in_flight(judge: Callable[..., Verdict]) -> Callable[..., Verdict]:
    def judged(account: Account, *told: Any, **how: Any) -> Verdict:
        verdict = judge(replace(account, write=None), *told, **how)
        return verdict._replace(account=replace(verdict.account, write=account.write))

    return judged


def _nothing_is_within(at: int, span: Span) -> bool:
    return False


RULES = (
    Rule(
        "R1",
        "only a covered reading sets the base or is drift",
        {"hear": _hear_judges, "observe": _observe_judges},
    ),
    Rule("R1b", "an order list covers what was read before the tick it was made in", habits={"margin": 0}),
    Rule("R2", "a confirmed compare-and-set counts as its difference", {"confirm": _confirm_sets_base}),
    Rule("R3", "a read-back after a lost answer needs cover", {"observe": _read_back_judges}),
    Rule("R4", "no new write while the earlier request can still land", habits={"gives_up_early": True}),
    Rule("R5", "absolute falls read the orders in the same step", {"next_write": _falls_without_orders}),
    Rule("A7", "absolute rises read the orders in the same step", {"next_write": _rises_on_an_earlier_read}),
    Rule("R6", "below zero counts as zero", {"owed": _owed_below_zero}),
    Rule("R7", "a reading older than the base or than our last write is void", {"_known_since": _nothing_known}),
    Rule("R8", "a refused compare is not repeated until something changed", {"refuse": _refuse_forgets}),
    Rule(
        "R9",
        "nothing is judged while a write is in flight",
        {"hear": _while_in_flight(_hear), "observe": _while_in_flight(_observe), "cover": _while_in_flight(_cover)},
    ),
    Rule("R10", "an effect inside an as-of leaves the figure open", {"_within": _nothing_is_within}),
)
