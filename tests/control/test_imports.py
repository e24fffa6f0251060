"""Which rows of counts may be booked."""

import pytest

from syncd.control.imports import row_fault
from syncd.domain.ids import ChannelId, LevelKey, LocationId, Sku
from syncd.domain.setup import Setup

WAREHOUSE, FBA = LocationId("warehouse"), LocationId("fba")
SETUP = Setup(channels={}, locations=(WAREHOUSE, FBA), authority={FBA: ChannelId("amazon-de")})


def test_a_row_for_our_own_location_is_taken() -> None:
    assert row_fault([2, "TEE", "warehouse", 0], SETUP, set()) == ""


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([2, "TEE", "fba", 1], "the stock at fba is amazon-de's to say; change it there"),
        ([2, "TEE", "attic", 1], "there is no location attic; the configuration has: warehouse, fba"),
        ([2, "TEE", "warehouse", 1.5], "on_hand: 1.5 is a fraction of a unit"),
        ([2, "TEE", "warehouse", -1], "on_hand: -1 is below 0"),
        ([2, "TEE", "warehouse", 10**10], "on_hand: 10000000000 is beyond 1000000000"),
        ([2, "TEE", "warehouse", True], "on_hand: True is not a number"),
        ([2, "TEE", "warehouse", "1"], "on_hand: '1' is not a number"),
        ([2, "", "warehouse", 1], "the SKU is empty"),
        ([2, " TEE", "warehouse", 1], "a SKU holds no control characters and no space at its ends"),
        ([2, "T\x00E", "warehouse", 1], "a SKU holds no control characters and no space at its ends"),
        ([2, "T" * 256, "warehouse", 1], "a SKU has at most 255 characters"),
        ([2, 5, "warehouse", 1], "SKU and location have to be text"),
    ],
)
def test_any_other_row_is_refused_with_its_reason(row: list[object], reason: str) -> None:
    assert row_fault(row, SETUP, set()) == reason


def test_the_same_level_twice_is_refused() -> None:
    seen = {LevelKey(Sku("TEE"), WAREHOUSE)}

    assert row_fault([3, "TEE", "warehouse", 1], SETUP, seen) == "TEE at warehouse stands in the file twice"
