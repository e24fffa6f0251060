"""The one line that says where a SKU's units went."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syncd.control.explaining import Figures, equation, figures_of, unexplained
from syncd.domain.quantities import Quantity

ORDER = {"channel": "shop", "event_id": "e", "order_id": "1", "line_id": "1", "actor": "syncd"}
PERSON = {"channel": None, "event_id": None, "order_id": None, "line_id": None, "actor": "alice"}


def entry(reason: str, quantity: str, delta: int, balance: int, cause: dict[str, Any] = ORDER) -> dict[str, Any]:
    return {"location": "w", "reason": reason, "quantity": quantity, "delta": delta, "balance": balance, **cause}


SALE = [
    entry("imported from counts.csv", "on_hand", 12, 12, PERSON),
    entry("ordered", "committed", 8, 8),
    entry("fulfilled", "committed", -5, 3),
    entry("fulfilled", "on_hand", -5, 7),
    entry("cancelled", "committed", -1, 2),
    entry("returned", "on_hand", 2, 9),
]


def test_the_equation_names_each_reason_with_what_it_did_to_available() -> None:
    assert equation(SALE, figures_of(SALE)) == "available 7 = 12 imported - 8 sold + 1 cancelled + 2 returned"


def test_shipping_moves_units_and_is_no_term() -> None:
    assert "shipped" not in equation(SALE, figures_of(SALE))


def test_a_count_entered_by_a_person_goes_by_the_reason_given() -> None:
    entries = [entry("stock take in May", "on_hand", 3, 3, PERSON)]

    assert equation(entries, figures_of(entries)) == "available 3 = 3 (stock take in May)"


def test_many_different_reasons_of_people_become_one_term() -> None:
    entries = [entry(f"reason {n}", "on_hand", 1, n + 1, PERSON) for n in range(9)]

    assert equation(entries, figures_of(entries)) == "available 9 = 9 counted and adjusted"


def test_what_the_entries_do_not_explain_is_said() -> None:
    levels = {"w": Figures(on_hand=10, committed=2)}

    assert unexplained(SALE, levels) == 1
    assert equation(SALE, levels).endswith("+ 1 unexplained")


def test_a_sku_without_entries_is_explained() -> None:
    assert equation([], {}) == "available 0 = nothing has happened yet"
    assert unexplained([], {}) == 0


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(list(Quantity)), st.integers(-50, 50)), max_size=30)
)
def test_entries_that_add_up_leave_nothing_unexplained(steps: list[tuple[str, Quantity, int]]) -> None:
    balances: dict[tuple[str, str], int] = {}
    entries = []
    for location, quantity, delta in steps:
        balances[location, quantity.value] = balances.get((location, quantity.value), 0) + delta
        entries.append({**entry("x", quantity.value, delta, balances[location, quantity.value]), "location": location})

    levels = figures_of(entries)

    assert unexplained(entries, levels) == 0
    assert equation(entries, levels).startswith(f"available {sum(level.available for level in levels.values())}")
    assert "unexplained" not in equation(entries, levels)
