"""One line of arithmetic that says where a SKU's units went. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from syncd.domain.quantities import Quantity

SHIPPED: Final = "shipped"
_WORDS: Final = {
    "ordered": "sold",
    "cancelled": "cancelled",
    "returned": "returned",
    "moved": "moved between orders' places",
    "reinstated": "reinstated",
    "fulfilled": SHIPPED,
    "fulfilment_cancelled": "shipments undone",
    "written_off": "written off",
    "write_off_corrected": "written off no more",
    "return_corrected": "returns corrected",
    "adopted": "taken over from the channel",
    "drift_adopted": "drift taken over",
    "authority_movement": "moved by the authority",
}
MOST_TERMS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    on_hand: int = 0
    committed: int = 0
    unavailable: int = 0
    incoming: int = 0

    @classmethod
    def of(cls, row: Any) -> "Figures":
        return cls(**{quantity.value: row[quantity.value] for quantity in Quantity})

    @property
    def available(self) -> int:
        return self.on_hand - self.committed - self.unavailable

    def document(self) -> dict[str, int]:
        return {**{quantity.value: getattr(self, quantity.value) for quantity in Quantity}, "available": self.available}


def figures_of(entries: Sequence[Mapping[str, Any]]) -> dict[str, Figures]:
    """The levels as the last entry of each left them."""
    found: dict[str, Figures] = {}
    for entry in entries:
        before = found.get(entry["location"], Figures())
        found[entry["location"]] = replace(before, **{entry["quantity"]: entry["balance"]})
    return found


def unexplained(entries: Sequence[Mapping[str, Any]], levels: Mapping[str, Figures]) -> int:
    """Units by which the entries do not add up to the levels, over every location and quantity."""
    sums: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        sums[entry["location"], entry["quantity"]] += entry["delta"]
    there = {
        (location, quantity.value): getattr(figures, quantity.value)
        for location, figures in levels.items()
        for quantity in Quantity
    }
    return sum(abs(there.get(key, 0) - sums[key]) for key in there.keys() | sums.keys())


def equation(entries: Sequence[Mapping[str, Any]], levels: Mapping[str, Figures]) -> str:
    """`available 3 = 12 counted - 8 sold - 1 adjusted`: each reason with what it did to what is available."""
    total = sum(figures.available for figures in levels.values())
    terms = _terms(entries)
    rest = total - sum(units for _, units in terms)
    if rest:
        terms.append(("unexplained", rest))
    if not terms:
        return f"available {total} = nothing has happened yet" if not entries else f"available {total}"
    first_word, first = terms[0]
    text = f"available {total} = {first} {first_word}"
    for word, units in terms[1:]:
        text += f" {'-' if units < 0 else '+'} {abs(units)} {word}"
    return text


def _terms(entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """In order of first appearance, people's entries first; without those that came to nothing."""
    by_people: Counter[str] = Counter()
    by_orders: Counter[str] = Counter()
    for entry in entries:
        step = _step(entry)
        if entry["order_id"] is not None:
            by_orders[_WORDS.get(entry["reason"], entry["reason"])] += step
        else:
            by_people[_word(entry)] += step
    people = [(word, units) for word, units in by_people.items() if units]
    if len(people) > MOST_TERMS:
        people = [("counted and adjusted", sum(units for _, units in people))]
    return people + [(_in_full(word, units), units) for word, units in by_orders.items() if units]


def _in_full(word: str, units: int) -> str:
    """A shipment by itself leaves `available` alone: what is left over was in the count, or a sale told with it."""
    if word != SHIPPED:
        return word
    return "shipped before the count" if units > 0 else "sold, first heard of when shipped"


def _word(entry: Mapping[str, Any]) -> str:
    reason = str(entry["reason"])
    if reason.startswith("imported from "):
        return "imported"
    return _WORDS.get(reason) or f"({reason})"


def _step(entry: Mapping[str, Any]) -> int:
    """What the entry did to what is available."""
    match entry["quantity"]:
        case Quantity.ON_HAND.value:
            return int(entry["delta"])
        case Quantity.COMMITTED.value | Quantity.UNAVAILABLE.value:
            return -int(entry["delta"])
        case _:
            return 0
