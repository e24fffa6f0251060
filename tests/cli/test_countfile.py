"""CSV files of counts, as spreadsheets and people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.cli.countfile import Count, Fault, read_counts


def counts(content: bytes | str) -> list[tuple[int, str, str, int]]:
    rows = list(read_counts(content.encode() if isinstance(content, str) else content))
    assert all(isinstance(row, Count) for row in rows), rows
    return [(row.line, row.sku, row.location, row.on_hand) for row in rows if isinstance(row, Count)]


def faults(content: bytes | str) -> list[tuple[int, str]]:
    rows = read_counts(content.encode() if isinstance(content, str) else content)
    return [(row.line, row.reason) for row in rows if isinstance(row, Fault)]


def test_columns_come_in_any_order_with_others_between_them() -> None:
    assert counts("note,on_hand,SKU,Location\nx,3,TEE,warehouse\n") == [(2, "TEE", "warehouse", 3)]


def test_what_spreadsheets_add_is_taken_off() -> None:
    content = b'\xef\xbb\xbfsku,location,on_hand\r\n\r\n TEE ,warehouse,3\r\n,,\r\n"A, B",warehouse,4.0\r\n'

    assert counts(content) == [(3, "TEE", "warehouse", 3), (5, "A, B", "warehouse", 4)]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_separators_of_spreadsheets_are_understood(mark: str) -> None:
    assert counts(f"sku{mark}location{mark}on_hand\nTEE{mark}w{mark}3\n") == [(2, "TEE", "w", 3)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("TEE,w,1.5", "on_hand 1.5 is not a whole number of units"),
        ("TEE,w,1e3", "on_hand 1e3 is not a whole number of units"),
        ("TEE,w,-1", "on_hand is below 0"),
        ("TEE,w,ten", "on_hand ten is not a number"),
        ("TEE,w,", "on_hand is empty"),
        ("TEE,,1", "location is empty"),
        (",w,1", "sku is empty"),
        ("TEE,w", "2 columns, and the header has 3"),
        ("TEE,w,1,000", "4 columns, and the header has 3"),
        ('TEE,w,"1,000"', "on_hand 1,000 is not a whole number of units"),
        ("TEE,w," + "9" * 5000, "on_hand " + "9" * 37 + "... is not a whole number of units"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_its_line(row: str, reason: str) -> None:
    content = f"sku,location,on_hand\nMUG,w,1\n{row}\nCAP,w,2\n"

    assert faults(content) == [(3, reason)]
    assert sum(isinstance(found, Count) for found in read_counts(content.encode())) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no header; the first line has to be sku,location,on_hand"),
        ("TEE,w,3\n", "the header has no column sku, location, on_hand; it has to name sku,location,on_hand"),
        ("sku,on_hand\nTEE,3\n", "the header has no column location; it has to name sku,location,on_hand"),
        ("sku,sku,location,on_hand\n", "the header names sku twice"),
        (b"\xff\xfes\x00k\x00u\x00", "the file is UTF-16; save it as CSV UTF-8"),
    ],
)
def test_a_file_that_is_no_file_of_counts_is_told_as_a_whole(content: bytes | str, reason: str) -> None:
    assert faults(content) == [(1, reason)]


def test_a_file_in_another_encoding_is_told_where() -> None:
    assert faults("sku,location,on_hand\nMÜTZE,w,1\n".encode("latin-1")) == [
        (2, "not UTF-8 text; save the file as CSV UTF-8")
    ]


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(content: bytes) -> None:
    list(read_counts(content))
    list(read_counts(b"sku,location,on_hand\n" + content))
