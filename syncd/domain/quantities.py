"""Whole units, and the level of one SKU at one location."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

LARGEST: Final = 1_000_000_000
"""Beyond this a quantity is taken for an error of the source (Shopify's own bound)."""


class Quantity(StrEnum):
    ON_HAND = "on_hand"
    COMMITTED = "committed"
    UNAVAILABLE = "unavailable"
    INCOMING = "incoming"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Units of one SKU at one location; `available` below zero means oversold."""

    on_hand: int = 0
    committed: int = 0
    unavailable: int = 0
    incoming: int = 0

    @property
    def available(self) -> int:
        return self.on_hand - self.committed - self.unavailable

    def of(self, quantity: Quantity) -> int:
        return int(getattr(self, quantity.value))

    def moved(self, quantity: Quantity, delta: int) -> "Level":
        return Level(
            on_hand=self.on_hand + (delta if quantity is Quantity.ON_HAND else 0),
            committed=self.committed + (delta if quantity is Quantity.COMMITTED else 0),
            unavailable=self.unavailable + (delta if quantity is Quantity.UNAVAILABLE else 0),
            incoming=self.incoming + (delta if quantity is Quantity.INCOMING else 0),
        )


class BadQuantity(ValueError):
    """Not a number of whole units that can be booked; the message says why."""


def whole(value: object, *, least: int = 0) -> int:
    """The value as whole units, refusing fractions, text, booleans and absurd sizes."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BadQuantity(f"{_shown(value)} is not a number")
    if isinstance(value, float | Decimal):
        number, shown = Decimal(value), str(value)[:60]
        if not number.is_finite():
            raise BadQuantity(f"{shown} is not a number of units")
        # Compared before it is turned into an integer: 1e999999 has a million digits.
        if abs(number) > LARGEST:
            raise BadQuantity(f"{shown} is beyond {LARGEST}")
        if number != number.to_integral_value():
            raise BadQuantity(f"{shown} is a fraction of a unit")
        value = int(number)
    if value < least:
        raise BadQuantity(f"{_shown(value)} is below {least}")
    if value > LARGEST:
        raise BadQuantity(f"{_shown(value)} is beyond {LARGEST}")
    return value


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "an integer of over 40 digits"
    return text if len(text) <= 60 else text[:57] + "..."
