"""Reads a CSV file of counts: `sku,location,on_hand`. Every row that cannot be used is told with its line. Pure."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

NEEDED: Final = ("sku", "location", "on_hand")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}(?:\.0*)?")
_NUMBER: Final = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+(?:[eE][+-]?[0-9]+)?")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    line: int
    sku: str
    location: str
    on_hand: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    line: int
    reason: str


def read_counts(content: bytes) -> Iterator[Count | Fault]:
    """The rows in their order; a fault of the file as a whole comes alone."""
    if content.startswith(_UTF16):
        yield Fault(line=1, reason="the file is UTF-16; save it as CSV UTF-8")
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        yield Fault(line=line, reason="not UTF-8 text; save the file as CSV UTF-8")
        return
    yield from _rows(text)


def _rows(text: str) -> Iterator[Count | Fault]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    columns: dict[str, int] | None = None
    cells_expected = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Fault(line=reader.line_num, reason=f"not CSV: {error}")
            return
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if columns is None:
            found = _header(cells)
            if isinstance(found, str):
                yield Fault(line=reader.line_num, reason=found)
                return
            columns, cells_expected = found, len(cells)
            continue
        yield _row(reader.line_num, cells, columns, cells_expected)
    if columns is None:
        yield Fault(line=1, reason=f"no header; the first line has to be {','.join(NEEDED)}")


def _delimiter(text: str) -> str:
    """Spreadsheets of some countries write semicolons."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    if "," in header:
        return ","
    return next((mark for mark in (";", "\t") if mark in header), ",")


def _header(cells: list[str]) -> dict[str, int] | str:
    names = [cell.lower() for cell in cells]
    missing = [name for name in NEEDED if name not in names]
    if missing:
        return f"the header has no column {', '.join(missing)}; it has to name {','.join(NEEDED)}"
    twice = [name for name in NEEDED if names.count(name) > 1]
    if twice:
        return f"the header names {', '.join(twice)} twice"
    return {name: names.index(name) for name in NEEDED}


def _row(line: int, cells: list[str], columns: dict[str, int], expected: int) -> Count | Fault:
    if len(cells) != expected:
        return Fault(line=line, reason=f"{len(cells)} columns, and the header has {expected}")
    sku, location, figure = (cells[columns[name]] for name in NEEDED)
    if not sku:
        return Fault(line=line, reason="sku is empty")
    if not location:
        return Fault(line=line, reason="location is empty")
    fault = _figure_fault(figure)
    if fault:
        return Fault(line=line, reason=fault)
    return Count(line=line, sku=sku, location=location, on_hand=int(figure.partition(".")[0]))


def _figure_fault(figure: str) -> str:
    if not figure:
        return "on_hand is empty"
    if _WHOLE.fullmatch(figure):
        return "on_hand is below 0" if figure.startswith("-") and figure.strip("-0.") else ""
    shown = figure if len(figure) <= 40 else figure[:37] + "..."
    if _NUMBER.fullmatch(figure):
        return f"on_hand {shown} is not a whole number of units"
    return f"on_hand {shown} is not a number"
