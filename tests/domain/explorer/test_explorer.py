"""Every interleaving of a small shop's life, to stated bounds.

The short form explores each case below completely: every order in which its happenings can come, about 75,000 states
in all. With SYNCD_LONG set the cases of `DEEP` follow, each up to 100,000 states; breadth first, so that one which is
cut off is complete to the depth that its log line names (`--log-cli-level INFO` shows them).
"""

import logging
import os
from dataclasses import dataclass, replace

import pytest

from tests.domain.explorer.explore import Found, explore
from tests.domain.explorer.model import Model
from tests.domain.explorer.rules import RULES, without
from tests.domain.explorer.world import (
    ABSOLUTE,
    COMPARE,
    COMPARE_WITH_KEY,
    KINDS,
    RELATIVE,
    Kind,
    Left,
    opening,
)

LOG = logging.getLogger(__name__)
MOST_STATES = 100_000
ONE_CLOCK = Model(())


@dataclass(frozen=True)
class Case:
    name: str
    units: int
    left: Left
    model: Model = ONE_CLOCK
    whole: bool = True
    """Every state is to be reached; else as many as `MOST_STATES`."""

    def run(self, kinds: tuple[Kind, ...], states: int) -> Found:
        model = replace(self.model, kinds=kinds)
        found = explore(model, opening(kinds, self.units, self.left), states=states)
        LOG.info("%s, %s: %s", self.name, " and ".join(map(str, kinds)), found)
        return found


SHORT = (
    Case("a cancelled sale, goods in, a lost answer", 2, Left(sales=1, cancels=1, received=1, ticks=1, answers_lost=1)),
    Case("two sales, a unit missing", 2, Left(sales=2, lost=1, ticks=1)),
    Case("a write turned away", 2, Left(sales=1, lost=1, ticks=1, turned_away=1)),
    Case("an edit by hand", 2, Left(sales=1, edits=1, ticks=1)),
    Case("an order list that lags", 2, Left(sales=1, received=1, ticks=2), Model((), lag=1)),
    Case("clocks coarser than the events", 2, Left(sales=1, received=1, ticks=2), Model((), grain=2)),
    Case("slow answers to readings", 1, Left(sales=1, lost=1), Model((), slow=True)),
    Case("folding at every order read", 2, Left(sales=1, received=1, ticks=1), Model((), folds=True)),
    Case("a difference has to stand", 2, Left(sales=1, edits=1, ticks=1), Model((), settle=1)),
    Case("orders taken at zero", 1, Left(sales=2, received=1), Model((), sells_at_zero=True)),
)
PAIR = Case("two shops, the last unit", 1, Left(sales=2))
PAIRS = tuple((a, b) for n, a in enumerate(KINDS) for b in KINDS[n:])

DEEP = (
    *(
        Case(f"everything, {units} units", units, Left(2, 1, received=1, ticks=2, answers_lost=1, turned_away=1))
        for units in (1, 2, 3)
    ),
    *(Case(f"losses, {units} units", units, Left(2, 1, lost=2, ticks=2, answers_lost=1)) for units in (2, 3)),
    Case("three sales, two cancelled", 2, Left(3, 2, received=1, ticks=2)),
    Case("two answers lost", 2, Left(2, 1, received=1, ticks=2, answers_lost=2)),
    Case("edits by hand", 2, Left(2, 1, received=1, edits=2, ticks=2, answers_lost=1)),
    Case("an order list that lags by one", 2, Left(2, 1, received=1, ticks=3, answers_lost=1), Model((), lag=1)),
    Case("an order list that lags by two", 2, Left(2, 1, lost=1, ticks=4), Model((), lag=2)),
    Case("clocks coarser than the events", 2, Left(2, 1, received=1, ticks=3, answers_lost=1), Model((), grain=2)),
    Case("slow answers to readings", 2, Left(2, 1, received=1, ticks=2, answers_lost=1), Model((), slow=True)),
    Case("folding", 2, Left(2, 1, received=1, ticks=3, answers_lost=1), Model((), lag=1, folds=True)),
    Case("a difference has to stand", 2, Left(2, 1, edits=1, ticks=2), Model((), settle=1)),
    Case("orders taken at zero", 1, Left(3, 1, received=2, ticks=2), Model((), sells_at_zero=True)),
)


@dataclass(frozen=True)
class Harm:
    """Where a hub without the rule does harm, within so many states."""

    rule: str
    kind: Kind
    units: int
    left: Left
    states: int
    slow: bool = False


ONE_MISSING = Left(sales=2, lost=1, ticks=1)
ONE_IN = Left(sales=1, received=1, ticks=1, answers_lost=1)
HARMS = (
    *(Harm("R1", kind, 1, ONE_IN, 100) for kind in KINDS),
    *(Harm("R1b", kind, 1, Left(sales=1, ticks=1), 1000, slow=True) for kind in KINDS),
    Harm("R2", COMPARE, 1, Left(sales=2, cancels=1, received=1, ticks=1), 7000),
    Harm("R3", COMPARE, 1, ONE_IN, 1000),
    Harm("R4", COMPARE, 1, ONE_IN, 1000),
    Harm("R4", ABSOLUTE, 1, ONE_IN, 1000),
    Harm("R5", ABSOLUTE, 2, ONE_MISSING, 1000),
    Harm("A7", ABSOLUTE, 1, ONE_IN, 1000),
    Harm("R6", RELATIVE, 1, ONE_MISSING, 1000),
    *(Harm("R7", kind, 2, ONE_MISSING, 2000) for kind in KINDS),
    *(Harm("R8", kind, 1, ONE_MISSING, 1000) for kind in (COMPARE_WITH_KEY, COMPARE)),
    *(Harm("R9", kind, 1, ONE_MISSING, 1000) for kind in KINDS),
    *(Harm("R10", kind, 1, ONE_IN, 100) for kind in KINDS),
)

DEEP_PAIR = Case("two shops", 2, Left(2, 1, received=1, ticks=1, answers_lost=1))


def named(value: object) -> str:
    if isinstance(value, Case):
        return value.name
    if isinstance(value, Harm):
        return f"{value.rule} {value.kind}"
    return " and ".join(map(str, value)) if isinstance(value, tuple) and not isinstance(value, Kind) else str(value)


def in_turn(short: tuple[Case, ...], deep: tuple[Case, ...]) -> list[object]:
    more = [pytest.param(replace(case, whole=False), marks=pytest.mark.slow) for case in deep]
    return [*short, *(more if os.environ.get("SYNCD_LONG") else ())]


@pytest.mark.parametrize("kind", KINDS, ids=named)
@pytest.mark.parametrize("case", in_turn(SHORT, DEEP), ids=named)
def test_whatever_happens_no_sold_unit_is_shown_and_the_shop_comes_to_rest_right(case: Case, kind: Kind) -> None:
    found = case.run((kind,), MOST_STATES)

    assert not found.wrong, str(found)
    assert found.complete or not case.whole


@pytest.mark.parametrize("kinds", PAIRS, ids=named)
@pytest.mark.parametrize("case", in_turn((PAIR,), (DEEP_PAIR,)), ids=named)
def test_two_shops_that_share_the_last_units_come_to_rest_right(case: Case, kinds: tuple[Kind, ...]) -> None:
    found = case.run(kinds, MOST_STATES)

    assert not found.wrong, str(found)
    assert found.complete or not case.whole


@pytest.mark.parametrize("harm", HARMS, ids=named)
def test_a_hub_that_drops_one_rule_is_caught(harm: Harm) -> None:
    rule = next(rule for rule in RULES if rule.name == harm.rule)
    model = Model((harm.kind,), slow=harm.slow)
    start = opening(model.kinds, harm.units, harm.left)

    with without(rule):
        caught = explore(replace(model, **rule.habits), start, states=harm.states)
    kept = explore(model, start, states=harm.states)

    LOG.info("without %s (%s), %s: %s", rule.name, rule.says, harm.kind, caught)
    assert caught.wrong, f"without it ({rule.says}) nothing went wrong in {caught.states} states"
    assert not kept.wrong, str(kept)


def test_every_rule_is_dropped_once() -> None:
    assert {harm.rule for harm in HARMS} == {rule.name for rule in RULES}
