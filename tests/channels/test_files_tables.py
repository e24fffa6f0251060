"""What stands in files: encodings, delimiters, headers, quantities, workbooks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.channels.files.amounts import Amounts, Fraction, Negative
from syncd.channels.files.columns import sku_of
from syncd.channels.files.decoding import Unreadable
from syncd.channels.files.order_files import from_row, read_orders, to_rows
from syncd.channels.files.settings import OrderFeed, StockFeed
from syncd.channels.files.stock_files import read_booked, read_counts
from syncd.domain.ids import LineId
from syncd.domain.orders import effect, merge
from syncd.domain.quantities import BadQuantity
from tests.channels.files_world import ORDERS, STOCK, settings_for, workbook


def stock(**keys: Any) -> StockFeed:
    feed = settings_for(Path("/tmp"), stock={**STOCK, **keys}).stock
    assert feed is not None
    return feed


def units(data: bytes | str, name: str = "stock.csv", **keys: Any) -> dict[str, int | None]:
    raw = data if isinstance(data, bytes) else data.encode()
    return {sku: figure for (sku, _), figure in read_counts(name, raw, stock(**keys), "MAIN").units.items()}


def refused(data: str, **keys: Any) -> list[tuple[int, str]]:
    table = read_counts("stock.csv", data.encode(), stock(most_refused=1.0, **keys), "MAIN").table
    assert table is not None
    return [(one.row.number, one.reason) for one in table.refused]


@pytest.mark.parametrize(
    "data",
    [
        b"sku,qty\nTEE,5\nCAP,7\n",
        "sku;qty\r\nTEE;5\r\nCAP;7\r\n".encode("utf-8-sig"),
        "sku\tqty\nTEE\t5\nCAP\t7\n".encode("utf-16"),
        "sku|qty\nTEE|5\nCAP|7".encode("utf-16-be"),
        b"sep=;\r\nsku;qty\r\nTEE;5\r\nCAP;7\r\n\x1a",
        b"sku,qty\rTEE,5\rCAP,7\r",
        b'"sku","qty"\n"TEE","5"\n"CAP","7"\n',
        "Stock of the day;;\n;;\nArtikel-Nr.;Bezeichnung;Bestand\nTEE;Überzug;5\nCAP;Mütze;7\nTotal;;12\n".encode(
            "cp1252"
        ),
        b"Stock Code ,ON-HAND ,,\nTEE,5,,\nCAP,7,,\n\n,,\n",
        b'sku,title,qty\nTEE,"a tee,\nof two lines",5\nCAP,"5"" pipe",7\n',
    ],
)
def test_however_the_same_counts_are_written_they_are_read(data: bytes) -> None:
    assert units(data) == {"TEE": 5, "CAP": 7}


def test_windows_text_with_a_pound_and_a_dash_is_read_by_the_feeds_fallback() -> None:
    assert units("sku,qty\nMUG\u2013£5,3\n".encode("cp1252")) == {"MUG\u2013£5": 3}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"sku,qty\nTEE\x81,5\n", "line 2 is not cp1252"),
        (b"", "empty"),
        (b"sku,price\nTEE,5\n", "no header with `sku` and `quantity`"),
        (b"sku,qty,stock\nTEE,5,6\n", "several columns may be `quantity`"),
        (b"sku,qty\nTEE,5\n" + b"\x00" * 4096, "utf-16|NUL|header"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_as_a_whole(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        units(data)


def test_columns_can_be_named_in_the_configuration_or_numbered() -> None:
    assert units("code,frei,stock\nTEE,4,9\n", columns={"quantity": "Frei", "sku": "code"}) == {"TEE": 4}
    assert units("TEE;x;4\n", header=False, columns={"sku": 1, "quantity": 3}) == {"TEE": 4}


def test_a_row_that_is_cut_off_or_too_wide_is_refused_and_is_not_absent() -> None:
    assert refused("sku,location,qty\nTEE,MAIN,5\nCAP,MAIN,7,9\nMU") == [
        (3, "4 columns instead of 3"),
        (4, "1 columns instead of 3"),
    ]


def test_a_trailer_says_whether_the_file_is_whole() -> None:
    trailer = r"END,(?P<rows>\d+)"
    assert units("sku,qty\nTEE,5\nEND,1\n", trailer=trailer) == {"TEE": 5}
    with pytest.raises(Unreadable, match="cut off"):
        units("sku,qty\nTEE,5\n", trailer=trailer)
    with pytest.raises(Unreadable, match="counts 2 rows and there are 1"):
        units("sku,qty\nTEE,5\nEND,2\n", trailer=trailer)


def test_a_sku_twice_is_refused_or_summed_or_the_last_one_counts() -> None:
    twice = "sku,qty\nTEE,5\nTEE,7\nCAP,1\n"
    assert units(twice, most_refused=1.0) == {"TEE": None, "CAP": 1}
    assert refused(twice) == [
        (3, "TEE stands in the file twice, first in line 2"),
        (2, "TEE stands in the file twice, again in line 3"),
    ]
    assert units(twice, duplicates="sum") == {"TEE": 12, "CAP": 1}
    assert units(twice, duplicates="last") == {"TEE": 7, "CAP": 1}


def test_a_row_whose_quantity_cannot_be_used_names_its_sku_and_the_reason() -> None:
    data = "sku,qty\nTEE,5\nCAP,\nMUG,lots\nPEN,9999999\n"
    assert units(data, most_refused=1.0) == {"TEE": 5, "CAP": None, "MUG": None, "PEN": None}
    assert [number for number, _ in refused(data)] == [3, 4, 5]


def test_too_many_unusable_rows_make_the_file_unusable() -> None:
    with pytest.raises(Unreadable, match="3 of 5 rows cannot be used, the first in line 2"):
        units("sku,qty\nA,\nB,\nC,\nD,1\nE,2\n")


def test_what_has_ended_is_at_zero_whatever_its_quantity_says() -> None:
    assert units("sku,qty,status\nTEE,5,Discontinued\nCAP,5,active\n") == {"TEE": 0, "CAP": 5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 12), ("+12", 12), (" 12 ", 12), ("12.0", 12), ("12.000", 12), ("1,234", 1234), ("1,234,567.0", None),
        ("1 234", 1234), ("1\u00a0234", 1234), ("1'234", 1234), ("1\u2019234", 1234), ("-3", -3), ("3-", -3),
        ("(3)", -3), ("0", 0), ("12.5", None), ("1,23", None), ("12,3456", None), ("1.234,50", None), ("", None),
        ("   ", None), ("-", None), ("n/a", None), ("#REF!", None), ("1E3", None), ("5.01235E+12", None),
        ("1e400", None), ("NaN", None), ("Infinity", None), ("lots", None), ("2 CS", None), ("1000001", None),
        ("99999999999999999999999999", None), ("--3", None), ("-3-", None), ("1..2", None), ("٣", 3), (",5", None),
    ],
)  # fmt: skip
def test_a_quantity_cell_where_the_point_is_the_decimal_sign(text: str, expected: int | None) -> None:
    if expected is not None:
        assert Amounts().units(text) == expected
    else:
        with pytest.raises(BadQuantity):
            Amounts().units(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("1.234", 1234), ("1.234,0", 1234), ("12,0", 12), ("12,5", None), ("1,234", None)]
)
def test_a_quantity_cell_where_the_comma_is_the_decimal_sign(text: str, expected: int | None) -> None:
    if expected is not None:
        assert Amounts(decimal=",").units(text) == expected
    else:
        with pytest.raises(BadQuantity):
            Amounts(decimal=",").units(text)


def test_words_stand_for_what_the_feed_says() -> None:
    feed = stock(words={"In Stock": 5, "10+": 10, ">10": 10, "Out": 0})
    assert [feed.amounts.units(word) for word in ("in stock", "IN STOCK", "10+", ">10", "out")] == [5, 5, 10, 10, 0]
    with pytest.raises(BadQuantity, match="is not a number"):
        feed.amounts.units("20+")


def test_packs_become_units() -> None:
    amounts = Amounts(packs={"cs": 12, "ea": 1, "case": 0})
    assert amounts.units("2 CS") == 24
    assert amounts.units("2cs") == 24
    assert amounts.units("2", unit="EA") == 2
    assert amounts.units("2", unit="case", pack="6") == 12
    assert amounts.units("0.5 cs") == 6
    assert amounts.units("3", pack="4") == 12
    for cell, unit, pack in (
        ("2 PAL", "", ""),
        ("2", "PAL", ""),
        ("2", "case", ""),
        ("2 cs", "ea", ""),
        ("2", "", "0"),
    ):
        with pytest.raises(BadQuantity):
            amounts.units(cell, unit, pack)


def test_fractions_and_negatives_follow_the_feed() -> None:
    assert Amounts(fraction=Fraction.FLOOR).units("12.9") == 12
    assert Amounts(negative=Negative.ZERO).units("-4") == 0
    with pytest.raises(BadQuantity, match="below zero"):
        Amounts(negative=Negative.REFUSE).units("-4")


@given(st.text(max_size=12))
def test_whatever_stands_in_a_quantity_cell_it_is_whole_units_or_refused(text: str) -> None:
    try:
        found = Amounts().units(text)
    except BadQuantity:
        return
    assert isinstance(found, int)
    assert abs(found) <= 1_000_000


@pytest.mark.parametrize(
    ("cell", "sku"),
    [
        ("TEE", "TEE"), (" TEE\u00a0", "TEE"), ('="00123"', "00123"), ("\ufeffTEE\u200b", "TEE"), ("00123", "00123"),
        ("a b", "a b"), ("Cafe\u0301", "Café"), ("1E5", "1E5"), ("5.01235E+12", None), ("", None), ("A\u0000B", None),
        ("X" * 256, None),
    ],
)  # fmt: skip
def test_a_sku_is_cleaned_of_what_spreadsheets_leave_in_it(cell: str, sku: str | None) -> None:
    if sku is not None:
        assert sku_of(cell, upper=False) == sku
    else:
        with pytest.raises(ValueError, match=r".+"):
            sku_of(cell, upper=False)


def test_a_workbook_is_read_as_a_person_sees_it() -> None:
    rows: list[list[object]] = [
        ["Our stock", None],
        ["SKU", "Quantity"],
        ["TEE", 12],
        ["CAP", 7.0],
        [123, 4],
        ["MUG", 2.5],
        ["", None],
    ]
    data = workbook({"Stock": rows, "Notes": [["nothing here"]]})
    assert units(data, "stock.xlsx", most_refused=0.5) == {"TEE": 12, "CAP": 7, "123": 4, "MUG": None}
    assert units(workbook({"Notes": [["no"]], "Stock": rows[1:4]}), "stock.xlsx", sheet="Stock") == {
        "TEE": 12,
        "CAP": 7,
    }
    for name, bad in (("stock.xlsx", b"PK\x03\x04 no zip"), ("stock.xlsx", b"sku,qty\nTEE,5\n")):
        with pytest.raises(Unreadable, match="no workbook"):
            units(bad, name)
    with pytest.raises(Unreadable, match="there is no sheet Other"):
        units(data, "stock.xlsx", sheet="Other")


def order_feed(**keys: Any) -> OrderFeed:
    feed = settings_for(Path("/tmp"), orders={**ORDERS, **keys}).orders
    assert feed is not None
    return feed


def moved(data: str, **keys: Any) -> Mapping[str, tuple[int, int]]:
    told, _ = read_orders("orders.csv", data.encode(), order_feed(**keys), "MAIN", 1_800_000_000_000)
    found: dict[str, tuple[int, int]] = {}
    for row in to_rows(list(told.orders.values())):
        order = from_row(row)
        for (line, _), parts in effect(order).items():
            found[f"{order.order_id}/{line}"] = (parts.stock.on_hand, parts.stock.committed)
    return found


HEADER = "order,line,sku,qty,order date,cancelled,shipped,returned\n"


def test_every_stage_of_an_order_line_moves_stock_as_the_table_of_effects_says() -> None:
    rows = {
        "ordered": ("4,2026-11-23,0,0,0", (0, 4)),
        "partly cancelled": ("4,2026-11-23,1,0,0", (0, 3)),
        "cancelled": ("4,2026-11-23,4,0,0", (0, 0)),
        "partly shipped": ("4,2026-11-23,0,3,0", (-3, 1)),
        "shipped": ("4,2026-11-23,0,4,0", (-4, 0)),
        "shipped, the rest cancelled": ("4,2026-11-23,1,3,0", (-3, 0)),
        "returned": ("4,2026-11-23,0,4,1", (-3, 0)),
    }
    data = HEADER + "".join(f"{n},1,TEE,{row}\n" for n, (row, _) in enumerate(rows.values()))
    assert moved(data) == {f"{n}/1": after for n, (_, after) in enumerate(rows.values())}


def test_a_status_says_the_same_in_a_word() -> None:
    rows = ("1;TEE;2;23.11.2026;Geliefert", "2;TEE;2;23.11.2026;storniert", "3;TEE;2;23.11.2026;neu")
    data = "\n".join(("order no;sku;qty;order date;status", *rows))
    assert moved(data, dates="%d.%m.%Y", timezone="Europe/Berlin") == {
        "1/TEE": (-2, 0),
        "2/TEE": (0, 0),
        "3/TEE": (0, 2),
    }


def test_one_bad_row_of_an_order_does_not_take_the_others_with_it() -> None:
    data = (
        HEADER + "1,1,TEE,2,2026-11-23,,,\n1,2,CAP,1.5,2026-11-23,,,\n1,3,MUG,2,yesterday,,,\n,4,PEN,2,2026-11-23,,,\n"
    )
    told, table = read_orders("orders.csv", data.encode(), order_feed(most_refused=1.0), "MAIN", 0)
    assert list(told.orders["1"].lines) == ["1"]
    assert [(fault.order_id, fault.line_id) for fault in told.faults] == [("1", "2"), ("1", "3")]
    assert len(table.refused) == 3


def test_an_order_line_is_the_newest_telling_of_it_whatever_came_first() -> None:
    first = from_row(to_rows(list(_told("4,2026-11-23,0,0,0").values()))[0])
    then = from_row(to_rows(list(_told("4,2026-11-23,0,4,1", 60_000).values()))[0])
    for order in (merge(first, then).order, merge(then, first).order):
        assert [parts.stock for parts in effect(order).values()] == [(-3, 0)]
        assert order.lines[LineId("1")].ordered == 4


def _told(row: str, later: int = 0) -> Any:
    told, _ = read_orders("o.csv", f"{HEADER}1,1,TEE,{row}\n".encode(), order_feed(), "MAIN", 1_800_000_000_000 + later)
    return told.orders


def test_what_the_sender_has_entered_names_its_number_and_our_order() -> None:
    settings = settings_for(Path("/tmp"), stock=STOCK, booked={"pattern": "booked*", "most_refused": 0.5})
    assert settings.booked is not None
    data = (
        "document,order,sku,qty,type\nD1,#1001,TEE,2,issue\nD2,#1001,TEE,1,Return\nD3,,TEE,1,issue\nD1,#1002,TEE,2,\n"
    )
    entries, table = read_booked("booked.csv", data.encode(), settings.booked, "MAIN")
    assert [(one.number, one.order, one.units) for one in entries] == [("D1", "#1001", -2), ("D2", "#1001", 1)]
    assert len(table.refused) == 2
