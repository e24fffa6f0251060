"""What stands in a quantity cell, as whole units: locales, words, packs. Decimal throughout, never a float."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from syncd.domain.quantities import BadQuantity

GROUPS: Final = " \u00a0\u2009\u202f'\u2019"
"""Spaces and apostrophes that separate thousands in one country or another."""
_PLAIN: Final = re.compile(r"[+-]?\d{1,18}")
_NUMBER: Final = re.compile(r"(?P<sign>[+-]?)(?P<digits>[\d.,]*\d[\d.,]*)(?P<after>-?)")
_AND_UNIT: Final = re.compile(
    r"(?P<number>[-+(]?[\d.,' \u00a0\u2009\u202f\u2019]*\d[\d.,]*-?\)?)\s*(?P<unit>[^\W\d]\w*\.?)"
)
_SCIENTIFIC: Final = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+")
_ERRORS: Final = frozenset(
    {"-", "--", "n/a", "na", "nan", "null", "none", "#n/a", "#ref!", "#value!", "#div/0!", "#name?", "?"}
)


class Fraction(StrEnum):
    REFUSE = "refuse"
    FLOOR = "floor"


class Negative(StrEnum):
    KEEP = "keep"
    """The figure is booked as it is: what is below zero was sent before it was counted."""
    ZERO = "zero"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How a feed writes its quantities."""

    decimal: str = "."
    words: Mapping[str, int] = field(default_factory=dict)
    """What words such as `in stock` stand for; in lower case."""
    packs: Mapping[str, int] = field(default_factory=dict)
    """Units in each unit of measure, by its name in lower case."""
    fraction: Fraction = Fraction.REFUSE
    negative: Negative = Negative.KEEP
    most: int = 1_000_000

    def units(self, text: str, unit: str = "", pack: str = "") -> int:
        """Raises BadQuantity, saying what is wrong with the cell."""
        if text.isascii() and text.isdigit() and not unit and not pack and len(text) < 10:
            return self._within(int(text), text)
        cell = text.strip()
        word = cell.lower()
        if word in self.words:
            return self.words[word]
        if not cell:
            raise BadQuantity("the quantity is empty, which is not zero")
        if word in _ERRORS:
            raise BadQuantity(f"{cell} is not a quantity")
        if _SCIENTIFIC.fullmatch(cell):
            raise BadQuantity(f"{cell} is in scientific notation; have the column written as plain numbers")
        number, named = self._split(cell)
        if unit.strip() and named and unit.strip().lower() != named:
            raise BadQuantity(f"{cell} names another unit than {unit.strip()}")
        amount = self.number(number) * self._pack(unit.strip().lower() or named, pack)
        return self._whole(amount, cell)

    def number(self, text: str) -> Decimal:
        """A plain number, by the feed's decimal sign."""
        cell = text.strip()
        if _PLAIN.fullmatch(cell):
            return Decimal(cell)
        bracketed = cell.startswith("(") and cell.endswith(")")
        if bracketed:
            cell = cell[1:-1].strip()
        for space in GROUPS:
            if space in cell:
                cell = _ungrouped(cell, space)
        found = _NUMBER.fullmatch(cell)
        if found is None or (found["after"] and found["sign"]):
            raise BadQuantity(f"{text.strip()} is not a number")
        minus = bracketed or found["after"] == "-" or found["sign"] == "-"
        group = "," if self.decimal == "." else "."
        whole, mark, rest = found["digits"].partition(self.decimal)
        if group in rest or self.decimal in rest:
            raise BadQuantity(f"{text.strip()} is not a number where {self.decimal} is the decimal sign")
        if group in whole:
            whole = _ungrouped(whole, group)
        try:
            amount = Decimal(f"{whole or '0'}.{rest or '0'}" if mark else whole)
        except InvalidOperation:
            raise BadQuantity(f"{text.strip()} is not a number") from None
        return -amount if minus else amount

    def _split(self, cell: str) -> tuple[str, str]:
        """`2 CS` is a number and a unit of measure."""
        found = _AND_UNIT.fullmatch(cell)
        if found is None:
            return cell, ""
        unit = found["unit"].lower()
        if unit not in self.packs:
            raise BadQuantity(f"{cell}: how many units a {found['unit']} holds is not set (`packs`)")
        return found["number"], unit

    def _pack(self, unit: str, pack: str) -> Decimal:
        """A pack size in a column of its own counts where the unit of measure is not set, or is that of a pack."""
        size = self.number(pack) if pack.strip() else None
        if size is not None and (size <= 0 or size != size.to_integral_value()):
            raise BadQuantity(f"a pack of {pack.strip()} is not possible")
        if not unit:
            return size if size is not None else Decimal(1)
        set_size = self.packs.get(unit)
        if set_size == 0:  # what the row's own pack size says
            if size is None:
                raise BadQuantity(f"a {unit} without a pack size")
            return size
        if set_size is None:
            raise BadQuantity(f"how many units a {unit} holds is not set (`packs`)")
        return Decimal(set_size)

    def _whole(self, amount: Decimal, cell: str) -> int:
        if amount != amount.to_integral_value():
            if self.fraction is Fraction.REFUSE:
                raise BadQuantity(f"{cell} is a fraction of a unit")
            amount = amount.to_integral_value(rounding=ROUND_FLOOR)
        return self._within(int(amount), cell)

    def _within(self, units: int, cell: str) -> int:
        if units > self.most:
            raise BadQuantity(f"{cell} is beyond {self.most}; is it the quantity column?")
        if units < 0:
            if self.negative is Negative.REFUSE:
                raise BadQuantity(f"{cell} is below zero")
            if self.negative is Negative.ZERO:
                return 0
            if units < -self.most:
                raise BadQuantity(f"{cell} is beyond {self.most}")
        return units


def _ungrouped(text: str, sign: str) -> str:
    """Without the signs between thousands; refused where they do not stand between groups of three."""
    first, *others = text.split(sign)
    last = others[-1] if others else ""
    if first.strip("+-") == "" or any(len(group) != 3 for group in others[:-1]):
        raise BadQuantity(f"{text} is not a number")
    digits = re.match(r"\d*", last)
    if digits is None or len(digits[0]) != 3:
        raise BadQuantity(f"{text} is not a number: {sign!r} does not stand between thousands")
    return first + "".join(others)
