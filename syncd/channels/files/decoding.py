"""From the bytes of a text file to its rows: encoding, byte order marks, delimiter, where the table begins and ends."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_ROWS: Final = 50
LARGEST_FIELD: Final = 131_072
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEPARATOR_LINE: Final = re.compile(r'\A"?sep=(.)"?\r?\n?', re.IGNORECASE)


class Unreadable(ValueError):
    """The file as a whole cannot be used; the message says why, and what to do."""


class Row(NamedTuple):
    """`number` counts the lines of the file as an editor shows them: where the row begins."""

    number: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a text file is written, where that is not to be found out."""

    fallback: str = "cp1252"
    delimiter: str | None = None


def decode(data: bytes, fallback: str) -> str:
    """By its byte order mark, else UTF-8, else the fallback; never with a character replaced.

    Raises Unreadable.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strict(data[len(mark) :], encoding)
    if b"\x00" in data[:4096]:
        return _strict(data, "utf-16-le" if data[1:2] == b"\x00" else "utf-16-be")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _strict(data, fallback)


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        where = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"line {where} is not {encoding} text; set `encoding` to what the sender writes") from None


def rows(data: bytes, shape: Shape) -> Iterator[Row]:
    """Every row that is not blank.

    Raises Unreadable where the text is not what it should be, also in the middle.
    """
    text = decode(data, shape.fallback).removesuffix("\x1a")
    said = _SEPARATOR_LINE.match(text)
    skipped = 0
    if said is not None:
        text, skipped = text[said.end() :], 1
    if "\x00" in text:
        raise Unreadable("there are NUL characters in the text: half of the file may be missing; have it sent again")
    delimiter = shape.delimiter or (said.group(1) if said is not None else detect_delimiter(text))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    before = 0
    try:
        for cells in reader:
            number, before = before + 1 + skipped, reader.line_num
            if any(cells) and any(cell.strip() for cell in cells):
                yield Row(number, cells)
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num + skipped}: {error}") from None


def detect_delimiter(text: str) -> str:
    """The one that splits the rows most evenly; a comma where none does (a file of one column)."""
    sample = text[:65536]
    if len(text) > len(sample):
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, found = (0.0, 0), ","
    for delimiter in DELIMITERS:
        widths = [len(cells) for cells in _sampled(sample, delimiter) if cells]
        if not widths or max(widths) == 1:
            continue
        commonest = max(set(widths) - {1}, key=lambda width: (widths.count(width), width))
        evenness = (widths.count(commonest) / len(widths), commonest)
        if evenness > best:
            best, found = evenness, delimiter
    return found


def _sampled(sample: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        return [cells for _, cells in zip(range(SAMPLE_ROWS), reader, strict=False)]
    except csv.Error:
        return []
