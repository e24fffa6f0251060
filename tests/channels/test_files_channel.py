"""A folder as a channel: files change hands by renaming, are taken once, and what cannot be used is put aside."""

import hashlib
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from syncd.channels import kinds
from syncd.channels.files import FilesChannel
from syncd.domain.errors import BadSignature, Refused, Rejected, Retry
from syncd.domain.ids import ChannelId, ListingKey, RemoteId
from syncd.ports import Outcome, WriteBatch, WriteRow
from tests.channels.files_world import FULL, MAIN, NOON, ORDERS, STOCK, counts, desk_at, orders, reasons, settings_for

pytestmark = pytest.mark.anyio

HEADER = "order,line,sku,qty,order date,updated at,shipped\n"
EXPORT = {"location": "MAIN"}


def test_the_kind_is_found_by_its_name() -> None:
    assert "files" in kinds()


async def test_a_file_that_was_dropped_is_taken_in_and_put_away(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK)
    desk.drop("stock.csv", "sku,qty\nTEE,5\n", at=NOON)
    told = await desk.poll()

    assert counts(told) == {"TEE": 5}
    (snapshot,) = [facts.snapshot for facts in told if facts.snapshot is not None]
    assert snapshot.at.latest == int(NOON.timestamp() * 1000)
    assert (snapshot.complete, snapshot.documents) == (False, None)
    assert desk.names("done") == ["2026/11/23/stock.csv"]
    assert desk.names("in") == desk.names("processing") == []


async def test_only_a_full_file_says_that_it_holds_everything(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=FULL)
    desk.drop("stock.csv", "sku,qty\n" + "".join(f"SKU-{n},1\n" for n in range(4_500)))
    told = await desk.poll()

    snapshots = [facts.snapshot for facts in told if facts.snapshot is not None]
    assert [(one.part, one.last, one.complete) for one in snapshots] == [
        (1, False, False),
        (2, False, False),
        (3, True, True),
    ]
    assert len({one.name for one in snapshots}) == 1
    assert len(counts(told)) == 4_500


@pytest.mark.parametrize("data", ["", "sku,qty\n"])
async def test_an_empty_file_where_there_should_be_thousands_is_refused(tmp_path: Path, data: str) -> None:
    desk = await desk_at(tmp_path, stock=FULL)
    desk.drop("stock.csv", data)
    told = await desk.poll()

    assert counts(told) == {}
    assert len(reasons(told)) == 1
    assert desk.names("error") == ["stock.csv", "stock.csv.report.json"]


async def test_half_written_files_are_left_alone(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK)
    names = [".stock.csv", "stock.csv.part", "stock.csv.tmp", "stock.csv.filepart", "~$stock.xlsx", "other.csv"]
    for name in names:
        desk.drop(name, "sku,qty\nTEE,5\n")

    assert counts(await desk.poll()) == {}
    assert desk.names("in") == sorted(names)


async def test_a_file_is_taken_when_it_has_stopped_growing(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK, stable_seconds=0.05)
    path = desk.drop("stock.csv", "sku,qty\nTEE,5\n")
    assert counts(await desk.poll()) == {}
    await anyio.sleep(0.06)  # the time for which it has to stand still
    with path.open("a") as file:
        file.write("CAP,7\n")
    assert counts(await desk.poll()) == {}, "it has changed since"
    await anyio.sleep(0.06)

    assert counts(await desk.poll()) == {"TEE": 5, "CAP": 7}


async def test_with_a_trigger_a_file_waits_for_it(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK, trigger=".ok")
    desk.drop("stock.csv", "sku,qty\nTEE,5\n")
    assert counts(await desk.poll()) == {}

    desk.drop("stock.csv.ok", "")

    assert counts(await desk.poll()) == {"TEE": 5}
    assert desk.names("done") == ["2026/11/23/stock.csv", "2026/11/23/stock.csv.ok"]


async def test_with_checksums_a_file_must_be_what_its_sender_sent(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock={**STOCK, "pattern": "stock*.csv"}, checksum=True)
    data = "sku,qty\nTEE,5\n"
    desk.drop("stock-1.csv", data)
    desk.drop("stock-1.csv.sha256", f"{hashlib.sha256(data.encode()).hexdigest()}  stock-1.csv\n")
    desk.drop("stock-2.csv", data + "CAP,")
    desk.drop("stock-2.csv.sha256", f"{hashlib.sha256(data.encode()).hexdigest()}  stock-2.csv\n")
    told = await desk.poll()

    assert counts(told) == {"TEE": 5}
    assert "checksum" in reasons(told)[0]
    assert "stock-2.csv" in desk.names("error")


async def test_the_same_file_twice_is_taken_once(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK)
    for name in ("stock.csv", "stock-again.csv"):
        desk.drop(name, "sku,qty\nTEE,5\n")
        told = await desk.poll()

    assert (counts(told), reasons(told)) == ({}, [])
    assert desk.names("done") == ["2026/11/23/stock-again.csv", "2026/11/23/stock.csv"]


async def test_the_same_name_with_other_bytes_is_another_file(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK)
    desk.drop("stock.csv", "sku,qty\nTEE,5\n")
    await desk.poll()
    desk.drop("stock.csv", "sku,qty\nTEE,4\n")

    assert counts(await desk.poll()) == {"TEE": 4}
    assert desk.names("done") == ["2026/11/23/stock.2.csv", "2026/11/23/stock.csv"]


async def test_an_old_file_sent_again_is_not_believed(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK)
    for units in (5, 4, 5):
        desk.drop("stock.csv", f"sku,qty\nTEE,{units}\n")
        told = await desk.poll()

    assert counts(told) == {}
    assert "an old file sent again would bring back what was sold since" in reasons(told)[0]


async def test_files_dated_by_their_names_may_say_the_same_on_another_day(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock={**STOCK, "as_of": "stock_%Y%m%d.csv"})
    for day, units in (("20261120", 5), ("20261121", 4), ("20261122", 5)):
        desk.drop(f"stock_{day}.csv", f"sku,qty\nTEE,{units}\n")
        told = await desk.poll()
        assert counts(told) == {"TEE": units}


async def test_files_are_taken_in_the_order_of_their_dates(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock={**STOCK, "as_of": "stock_%d%m%Y.csv"})
    for day, units in (("01122026", 3), ("23112026", 1), ("30112026", 2)):
        desk.drop(f"stock_{day}.csv", f"sku,qty\nTEE,{units}\n")
    told = await desk.poll()

    assert [facts.snapshot.lines[0].units for facts in told if facts.snapshot is not None] == [1, 2, 3]


async def test_a_full_file_older_than_the_last_one_is_refused(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock={**FULL, "as_of": "stock_%Y%m%d.csv"})
    desk.drop("stock_20261122.csv", "sku,qty\nTEE,5\n")
    await desk.poll()
    desk.drop("stock_20261121.csv", "sku,qty\nTEE,9\n")
    told = await desk.poll()

    assert counts(told) == {}
    assert "older than stock_20261122.csv" in reasons(told)[0]


async def test_a_name_without_its_date_is_refused(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock={**STOCK, "as_of": "stock_%Y%m%d.csv"})
    desk.drop("stock_today.csv", "sku,qty\nTEE,5\n")

    assert "no date like stock_%Y%m%d.csv" in reasons(await desk.poll())[0]


async def test_rows_that_cannot_be_used_are_written_to_a_file_with_their_reasons(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock={**FULL, "most_refused": 0.7})
    desk.drop("stock.csv", "sku,qty,title\nTEE,5,a tee\nCAP,lots,a cap\nMUG,2.5,a mug\n")
    told = await desk.poll()

    assert counts(told) == {"TEE": 5, "CAP": None, "MUG": None}
    assert "2 of 3 rows of stock.csv were refused, the first in line 3: CAP: lots is not a number" in reasons(told)[0]
    refused = (tmp_path / "error" / "stock.csv.refused.csv").read_text().splitlines()
    assert refused == [
        "sku,qty,title,line,reason",
        "CAP,lots,a cap,3,CAP: lots is not a number",
        "MUG,2.5,a mug,4,MUG: 2.5 is a fraction of a unit",
    ]
    assert desk.names("done") == ["2026/11/23/stock.csv"]


async def test_a_run_that_dies_half_way_is_finished_by_the_next_one(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=FULL)
    data = "sku,qty\n" + "".join(f"SKU-{n},1\n" for n in range(90_000))
    desk.drop("stock.csv", data)
    first = await desk.poll(stop_after=1)
    assert 0 < len(counts(first)) < 90_000
    assert desk.names("processing") == ["stock.csv"]

    again = await desk_at(tmp_path, stock=FULL)
    again.stored, again.cursor = desk.stored, desk.cursor
    rest = await again.poll()

    assert len(counts(first)) + len(counts(rest)) == 90_000
    assert desk.names("processing") == []
    assert len(desk.names("done")) == 1


async def test_a_run_that_dies_after_the_last_page_puts_the_file_away_and_says_nothing_twice(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=FULL)
    desk.drop("stock.csv", "sku,qty\nTEE,5\n")
    await desk.poll(stop_after=1)
    assert desk.names("processing") == ["stock.csv"]

    again = await desk_at(tmp_path, stock=FULL)
    again.stored, again.cursor = desk.stored, desk.cursor

    assert await again.poll() == []
    assert desk.names("done") == ["2026/11/23/stock.csv"]


async def test_orders_are_read_and_told_again_with_what_became_of_them(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, orders=ORDERS)
    desk.drop("orders-1.csv", HEADER + "1,1,TEE,2,2026-11-23T10:00:00+00:00,2026-11-23T10:00:00+00:00,0\n")
    told = await desk.poll()
    line = orders(told)["1"].lines
    assert [(one.ordered, one.item, one.location) for one in line.values()] == [(2, "TEE", MAIN)]
    assert all(facts.by_sku for facts in told if facts.orders)

    desk.drop("orders-2.csv", HEADER + "1,1,TEE,2,2026-11-23T10:00:00+00:00,2026-11-23T11:00:00+00:00,2\n")

    assert len(orders(await desk.poll())["1"].fulfilments) == 1


async def test_a_bad_order_row_is_a_question_about_its_order(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, orders={**ORDERS, "most_refused": 0.9})
    desk.drop("orders-1.csv", HEADER + "1,1,TEE,2,2026-11-23,2026-11-23,\n1,2,CAP,0.5,2026-11-23,2026-11-23,\n")
    told = await desk.poll()

    faults = [(fault.order_id, fault.line_id) for facts in told for fault in facts.faults if fault.order_id]
    assert faults == [("1", "2")]
    assert list(orders(told)["1"].lines) == ["1"]


async def test_what_the_sender_has_entered_comes_with_counts_that_show_documents(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK, booked={"pattern": "booked*"})
    desk.drop("stock.csv", "sku,qty\nTEE,5\n", at=NOON)
    desk.drop("booked.csv", "document,order,sku,qty\nD1,#1001,TEE,2\n", at=NOON)
    snapshots = [facts.snapshot for facts in await desk.poll() if facts.snapshot is not None]

    assert [(one.lines != (), one.documents) for one in snapshots][1] == (True, ())
    (document,) = snapshots[0].documents or ()
    assert (document.number, document.reference, document.units, document.sku_text) == ("D1", "#1001", -2, "TEE")


async def test_a_folder_that_is_not_there_is_waited_for_and_not_made(tmp_path: Path) -> None:
    channel = FilesChannel(settings_for(tmp_path / "share", stock=STOCK), [MAIN], lambda: NOON)

    with pytest.raises(Retry, match="make it, or mount it"):
        await channel.connect()
    assert not (tmp_path / "share").exists()
    with pytest.raises(Retry):
        async for _ in channel.poll_orders(None):
            pass


async def test_a_folder_that_cannot_be_written_is_waited_for(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK)
    desk.drop("stock.csv", "sku,qty\nTEE,5\n")
    (tmp_path / "processing").rmdir()

    with pytest.raises(Retry):
        await desk.poll()
    (tmp_path / "processing").mkdir()

    assert counts(await desk.poll()) == {"TEE": 5}


def test_nothing_is_posted_to_a_folder(tmp_path: Path) -> None:
    channel = FilesChannel(settings_for(tmp_path, stock=STOCK), [MAIN], lambda: NOON)
    with pytest.raises(BadSignature):
        channel.verify({}, b"")
    for topic, body in (
        ("counts", b"{}"),
        ("counts", b"no json"),
        ("orders", b'{"orders":[1],"faults":[]}'),
        ("?", b"{}"),
    ):
        with pytest.raises(Refused):
            channel.parse(topic, {}, body)


# -- exports


def key(sku: str) -> ListingKey:
    return ListingKey(ChannelId("legacy"), RemoteId(sku), MAIN)


def batch(idempotency_key: str, **units: int) -> WriteBatch:
    rows = tuple(WriteRow(key=key(sku), target=target, was=0) for sku, target in units.items())
    return WriteBatch(idempotency_key=idempotency_key, rows=rows)


def written(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted((folder / "out").iterdir())]


async def shown(channel: FilesChannel) -> dict[str, int | None]:
    return {str(row.remote_id): row.units async for rows in channel.read_catalogue() for row in rows}


async def test_what_should_be_shown_is_written_to_a_file_that_appears_whole(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, export={**EXPORT, "checksum": True})
    (tmp_path / "items.csv").write_text("sku,title\nTEE,a tee\nCAP,\n=X,\n")
    assert await shown(desk.channel) == {"TEE": 0, "CAP": 0, "=X": 0}

    outcomes = await desk.channel.write(batch("k1", TEE=5, **{"=X": 1}))

    assert [one.outcome for one in outcomes] == [Outcome.CONFIRMED, Outcome.CONFIRMED]
    data, checksum = (path for path in sorted((tmp_path / "out").iterdir()))
    assert data.name == "levels_20261123T120000000Z.csv"
    assert data.read_bytes() == b"sku,quantity\r\n'=X,1\r\nTEE,5\r\n"
    assert checksum.read_text().split()[0] == hashlib.sha256(data.read_bytes()).hexdigest()
    assert await shown(desk.channel) == {"TEE": 5, "CAP": 0, "=X": 1}
    levels = await desk.channel.read_levels([key("TEE"), key("NONE")])
    assert [(row.remote_id, row.units) for row in levels] == [("TEE", 5)]


async def test_a_write_said_again_makes_no_second_file_also_in_another_run(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, export=EXPORT)
    first = await desk.channel.write(batch("k1", TEE=5))
    again = await desk_at(tmp_path, export=EXPORT)

    assert await again.channel.write(batch("k1", TEE=5)) == first
    assert len(written(tmp_path)) == 1


@pytest.mark.parametrize("dies_before", ["the journal", "the file's name"])
async def test_a_run_that_dies_in_a_write_leaves_one_file_or_none(
    tmp_path: Path, dies_before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await desk_at(tmp_path, export=EXPORT)
    (tmp_path / "items.csv").write_text("sku\nTEE\n")
    rename = Path.rename
    replace = Path.replace

    def dying_rename(path: Path, target: Path) -> Path:
        if dies_before == "the file's name" and path.name.startswith("levels_"):
            raise KeyboardInterrupt
        return rename(path, target)

    def dying_replace(path: Path, target: Path) -> Path:
        if dies_before == "the journal" and target.name == "export.json":
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "rename", dying_rename)
    monkeypatch.setattr(Path, "replace", dying_replace)
    with pytest.raises(KeyboardInterrupt):
        await desk.channel.write(batch("k1", TEE=5))
    monkeypatch.undo()
    assert written(tmp_path) == []

    again = await desk_at(tmp_path, export=EXPORT)
    await again.channel.write(batch("k1", TEE=5))

    assert len(written(tmp_path)) == 1
    assert await shown(again.channel) == {"TEE": 5}


async def test_what_the_other_side_sells_is_shown_no_more_until_it_is_told_anew(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, orders=ORDERS, export=EXPORT)
    (tmp_path / "items.csv").write_text("sku\nTEE\n")
    await desk.channel.write(batch("k1", TEE=5))
    after = (NOON + timedelta(minutes=5)).isoformat()
    desk.drop("orders-1.csv", HEADER + f"1,1,TEE,2,{after},{after},0\n")
    await desk.poll()
    assert await shown(desk.channel) == {"TEE": 3}
    desk.drop("orders-2.csv", HEADER + f"1,1,TEE,2,{after},{after},2\n")
    await desk.poll()
    assert await shown(desk.channel) == {"TEE": 3}, "it has only been shipped"

    desk.clock[0] = NOON + timedelta(minutes=10)
    await desk.channel.write(batch("k2", TEE=3))

    assert await shown(desk.channel) == {"TEE": 3}


async def test_a_whole_export_holds_every_item_that_was_ever_told(tmp_path: Path) -> None:
    desk = await desk_at(
        tmp_path, export={**EXPORT, "whole": True, "columns": {"sku": "Artikel", "quantity": "Menge"}, "delimiter": ";"}
    )
    await desk.channel.write(batch("k1", TEE=5, CAP=2))
    desk.clock[0] += timedelta(seconds=1)
    await desk.channel.write(batch("k2", TEE=4))

    assert written(tmp_path)[-1].splitlines() == ["Artikel;Menge", "CAP;2", "TEE;4"]


async def test_a_sku_that_the_encoding_lacks_is_rejected_and_the_others_are_written(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, export={**EXPORT, "encoding": "ascii"})
    outcomes = await desk.channel.write(batch("k1", **{"TEE": 5, "MÜTZE": 1}))

    assert [one.outcome for one in outcomes] == [Outcome.CONFIRMED, Outcome.REJECTED]
    assert written(tmp_path)[0].splitlines() == ["sku,quantity", "TEE,5"]


async def test_without_an_export_nothing_is_written(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, stock=STOCK)
    with pytest.raises(Rejected):
        await desk.channel.write(batch("k1", TEE=5))
    assert await shown(desk.channel) == {}


async def test_a_list_of_items_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    desk = await desk_at(tmp_path, export=EXPORT)
    with pytest.raises(Retry, match=r"items\.csv"):
        await shown(desk.channel)
    (tmp_path / "items.csv").write_text("no header\n")
    with pytest.raises(Retry, match="list of items"):
        await shown(desk.channel)


def test_settings_say_what_is_missing(tmp_path: Path) -> None:
    for keys, why in (
        ({}, "at least one of"),
        ({"orders": ORDERS, "booked": {"pattern": "b*"}}, "belongs to"),
        ({"stock": {**STOCK, "encoding": "latin-99"}}, "no encoding"),
        ({"stock": {**STOCK, "timezone": "Mars/Base"}}, "no time zone"),
        ({"stock": {**STOCK, "trailer": "("}}, "regular expression"),
        ({"stock": {"pattern": "stock*"}}, "mode"),
    ):
        with pytest.raises(ValueError, match=why):
            settings_for(tmp_path, **keys)


def test_the_extras_are_imported_only_when_they_are_used() -> None:
    code = "import sys, syncd.channels.files; print({'asyncssh', 'python_calamine'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "set()"
