"""Rows of a workbook, as text. The library is the extra `excel` and is imported when the first workbook comes."""

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from syncd.channels.files.decoding import Row, Unreadable

LARGEST_BYTES: Final = 50 << 20
LARGEST_UNPACKED: Final = 1 << 30
MOST_DIGITS: Final = 15
"""More digits than this do not survive in a number cell."""
SUFFIXES: Final = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")


def is_workbook(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def rows(data: bytes, sheet: str | None) -> Iterator[Row]:
    """The rows of the named sheet, or of the first that is visible.

    Raises Unreadable.
    """
    try:
        import python_calamine as calamine
    except ImportError:
        raise Unreadable("a workbook needs the extra: pip install 'syncd[excel]'") from None
    _check_size(data)
    try:
        with calamine.load_workbook(io.BytesIO(data)) as workbook:
            name = sheet or _first_visible(calamine, workbook)
            if name not in workbook.sheet_names:
                raise Unreadable(f"there is no sheet {name}; the workbook has: {', '.join(workbook.sheet_names)}")
            for number, cells in enumerate(workbook.get_sheet_by_name(name).to_python(skip_empty_area=False), 1):
                texts = [_text(cell) for cell in cells]
                if any(texts):
                    yield Row(number, texts)
    except (calamine.CalamineError, OSError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"this is no workbook that can be read: {error}") from None


def _first_visible(calamine: object, workbook: object) -> str:
    for sheet in workbook.sheets_metadata:  # type: ignore[attr-defined]  # the extra may be absent
        if str(sheet.visible).endswith("Visible"):
            return str(sheet.name)
    raise Unreadable("the workbook has no visible sheet")


def _check_size(data: bytes) -> None:
    if len(data) > LARGEST_BYTES:
        raise Unreadable(f"a workbook of {len(data) >> 20} MiB is too large; have it sent as CSV")
    if not data.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise Unreadable(f"this is no workbook that can be read: {error}") from None
    if unpacked > LARGEST_UNPACKED:
        raise Unreadable("the workbook unpacks to more than 1 GiB; have it sent as CSV")


def _text(cell: object) -> str:
    """Numbers as they would be typed; a float that Excel shows as 12 is 12."""
    match cell:
        case None:
            return ""
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() | int():
            number = Decimal(repr(cell))
            text = format(number.to_integral_value() if number == number.to_integral_value() else number, "f")
            return text if len(text.strip("-").replace(".", "")) <= MOST_DIGITS else repr(cell)
        case datetime():
            return cell.isoformat(sep=" ")
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return str(cell)
        case _:
            return str(cell)
