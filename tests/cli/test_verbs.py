"""Each verb against the running program: what it prints, what it changes, and how it ends."""

import csv
import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from tests.daemon.conftest import Building, Daemon, Site, until

pytestmark = [pytest.mark.anyio, pytest.mark.daemon]

LEVEL = ["sku", "location", "on_hand", "committed", "unavailable", "incoming", "available"]
LISTING = [
    "channel",
    "sku",
    "remote_id",
    "remote_location",
    "desired",
    "expected",
    "observed",
    "observed_at",
    "state",
    "paused",
]
ENTRY = [
    "seq",
    "partition",
    "sku",
    "location",
    "quantity",
    "delta",
    "balance",
    "reason",
    "channel",
    "event_id",
    "order_id",
    "line_id",
    "actor",
    "recorded_at",
]
CONFLICT = ["id", "kind", "state", "sku", "location", "channel", "opened_at", "resolved_at", "facts"]
CHANNEL = [
    "channel",
    "kind",
    "state",
    "circuit",
    "paused",
    "queue",
    "oldest_seconds",
    "last_success_at",
    "last_error",
]
STATUS = [
    "ready",
    "idle",
    "inbox_pending",
    "writes_owed",
    "writes_in_flight",
    "dead_letters",
    "conflicts_open",
    "uptime_seconds",
    "version",
]


async def me(daemon: Daemon) -> str:
    """Whom the daemon takes us for."""
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(["id", "-un"], capture_output=True, text=True, check=True)
    )
    return done.stdout.strip()


async def settled(site: Site) -> None:
    for sku in ("TEE", "MUG", "CAP"):
        await site.until_shown(sku, 10)
    await site.daemon.until_idle()


async def test_what_scripts_rely_on_has_the_promised_shape(running: Building) -> None:
    async with running() as site:
        await settled(site)
        order = site.one.shop.place_order([(site.one.items["TEE"], 2)])
        await site.until_shown("TEE", 8)
        await site.daemon.until_idle()

        status = await site.daemon.json("status")
        channels = await site.daemon.lines("channel", "list")
        levels = await site.daemon.lines("stock", "list")
        listings = await site.daemon.lines("listings", "list")
        entries = await site.daemon.lines("ledger", "export")
        orders = await site.daemon.lines("orders", "list")
        events = await site.daemon.lines("events", "list")

        assert list(status)[: len(STATUS)] == STATUS
        assert (status["ready"], status["idle"], status["writes_owed"]) == (True, True, 0)
        assert all(list(row)[: len(CHANNEL)] == CHANNEL for row in channels)
        assert [(row["channel"], row["state"], row["circuit"]) for row in channels] == [
            ("one", "live", "closed"),
            ("two", "live", "closed"),
        ]
        assert [list(row) for row in levels] == [LEVEL] * 3
        assert {"sku": "TEE", "committed": 2, "available": 8}.items() <= levels[-1].items()
        assert all(list(row) == LISTING for row in listings)
        assert len(listings) == 6
        assert all(row["desired"] == row["expected"] == row["observed"] for row in listings)
        assert all(row["state"] == "synced" and row["observed_at"].endswith("Z") for row in listings)
        assert [list(row) for row in entries] == [ENTRY] * len(entries)
        assert [row["seq"] for row in entries] == list(range(1, len(entries) + 1))
        assert entries[-1]["order_id"] == str(order.id)
        assert entries[-1]["event_id"] in {event["event_id"] for event in events}
        assert entries[0]["actor"] == await me(site.daemon)
        assert orders[0]["order_id"] == str(order.id)
        line = orders[0]["lines"][0]
        assert (line["sku"], line["ordered"], line["location"]) == ("TEE", 2, "warehouse")


async def test_why_explains_every_unit_now_and_then(running: Building) -> None:
    async with running() as site:
        await settled(site)
        before = datetime.now(UTC).isoformat()
        site.one.shop.place_order([(site.one.items["TEE"], 3)])
        await site.until_shown("TEE", 7)
        await site.daemon.json("stock", "adjust", "TEE", "warehouse", "--by", "-1", "--reason", "torn")
        await site.daemon.until_idle()

        now = await site.daemon.json("why", "TEE")
        then = await site.daemon.json("why", "TEE", "--at", before)
        told = await site.daemon.run("why", "TEE")

        assert (now["sku"], now["unexplained"], now["available"]) == ("TEE", 0, 6)
        assert now["equation"] == "available 6 = 10 imported - 1 (torn) - 3 sold"
        assert [entry["reason"] for entry in now["entries"]] == ["imported from counts.csv", "ordered", "torn"]
        assert {channel["channel"]: channel["desired"] for channel in now["channels"]} == {"one": 6, "two": 6}
        assert all(channel["expected"] == 6 and channel["because"] for channel in now["channels"])
        assert (then["available"], then["unexplained"], len(then["entries"])) == (10, 0, 1)
        assert told.stdout.splitlines()[0] == now["equation"]


async def test_what_does_not_exist_is_not_found_with_a_suggestion(running: Building) -> None:
    async with running() as site:
        for words, said in (
            (["why", "TEEE"], "did you mean TEE?"),
            (["stock", "show", "tee"], "did you mean TEE?"),
            (["stock", "adjust", "MUGG", "warehouse", "--by", "1", "--reason", "x"], "did you mean MUG?"),
            (["stock", "set", "TEE", "warehuose", "1", "--reason", "x"], "did you mean warehouse?"),
            (["channel", "pause", "onee"], "did you mean one?"),
            (["reconcile", "tow"], "did you mean two?"),
            (["listings", "link", "one", "999", "TEE"], "listings list"),
            (["orders", "show", "999"], "orders list"),
            (["events", "replay", "999"], "events list"),
            (["conflicts", "resolve", "999", "--take", "ignore"], "conflicts list"),
            (["dead-letters", "retry", "999"], "dead-letters list"),
        ):
            done = await site.daemon.run(*words)

            assert done.returncode == 1, (words, done.stderr)
            assert said in done.stderr, (words, done.stderr)
            assert done.stdout == ""


async def test_counts_and_adjustments_name_who_made_them(running: Building) -> None:
    async with running() as site:
        level = await site.daemon.json("stock", "set", "NEW", "warehouse", "4", "--reason", "found in the attic")
        await site.daemon.json("stock", "adjust", "NEW", "warehouse", "--by", "-3", "--reason", "moths")

        entries = [row for row in await site.daemon.lines("ledger", "export") if row["sku"] == "NEW"]

        assert list(level) == LEVEL
        assert level["on_hand"] == 4
        actor = await me(site.daemon)
        assert [(row["delta"], row["reason"], row["actor"]) for row in entries] == [
            (4, "found in the attic", actor),
            (-3, "moths", actor),
        ]


async def test_an_import_is_shown_first_and_booked_as_a_whole(running: Building) -> None:
    async with running() as site:
        await settled(site)
        file = site.daemon.folder / "new.csv"
        file.write_text("\ufefflocation,on_hand,sku\r\nwarehouse,12,TEE\r\n\r\nwarehouse,10,MUG\r\nwarehouse,3,HAT\r\n")

        shown = await site.daemon.json("stock", "import", str(file))
        unchanged = await site.daemon.level("TEE")
        booked = await site.daemon.json("stock", "import", str(file), "--apply")

        assert unchanged == (10, 0)
        for result, applied in ((shown, False), (booked, True)):
            assert (result["new"], result["changed"], result["unchanged"]) == (1, 1, 1)
            assert result["applied"] is applied
            assert result["changes"] == [
                {"what": "changed", "sku": "TEE", "location": "warehouse", "from": 10, "to": 12},
                {"what": "new", "sku": "HAT", "location": "warehouse", "from": 0, "to": 3},
            ]
        assert await site.daemon.level("TEE") == (12, 0)
        assert await site.daemon.level("CAP") == (10, 0)
        assert await site.daemon.level("HAT") == (3, 0)


async def test_one_bad_row_keeps_the_whole_file_out(running: Building) -> None:
    async with running() as site:
        file = site.daemon.folder / "bad.csv"
        file.write_text("sku,location,on_hand\nTEE,warehouse,12\nMUG,warehouse,1.5\nCAP,atic,3\nTEE,warehouse,1\n")

        done = await site.daemon.run("stock", "import", str(file), "--apply")

        assert done.returncode == 1
        told = done.stderr.splitlines()
        assert told[0] == f"{file}:3: on_hand 1.5 is not a whole number of units"
        assert told[1].startswith(f"{file}:4: there is no location atic")
        assert told[2] == f"{file}:5: TEE at warehouse stands in the file twice"
        assert await site.daemon.level("TEE") == (10, 0)


async def test_an_export_can_be_imported_again(running: Building) -> None:
    async with running() as site:
        exported = await site.daemon.run("stock", "export")
        file = site.daemon.folder / "export.csv"
        file.write_text(exported.stdout)

        again = await site.daemon.json("stock", "import", str(file), "--apply")

        assert next(csv.reader(exported.stdout.splitlines())) == LEVEL
        assert (again["rows"], again["unchanged"]) == (3, 3)


async def test_a_held_file_books_nothing_and_can_be_discarded(running: Building) -> None:
    counts = {f"SKU-{n:02}": 10 for n in range(20)}
    async with running(start=False) as site:
        for store in (site.one, site.two):
            for sku in counts:
                store.items[sku] = store.shop.add_item(sku, available={store.main: 10})
        await site.daemon.start()
        await site.daemon.import_counts(counts)
        await site.daemon.until_idle()
        file = site.daemon.folder / "truncated.csv"
        file.write_text("sku,location,on_hand\n" + "".join(f"{sku},warehouse,0\n" for sku in list(counts)[:5]))

        dry = await site.daemon.json("stock", "import", str(file))
        held = await site.daemon.json("stock", "import", str(file), "--apply", status=1)
        again = await site.daemon.json("stock", "import", str(file), "--apply", status=1)
        open_ones = await site.daemon.lines("conflicts", "list")
        shown = await site.daemon.json("conflicts", "show", str(held["conflict"]))
        wrong = await site.daemon.run("conflicts", "resolve", str(held["conflict"]), "--take", "aply")
        done = await site.daemon.json("conflicts", "resolve", str(held["conflict"]), "--take", "discard")
        twice = await site.daemon.run("conflicts", "resolve", str(held["conflict"]), "--take", "apply")

        assert set(dry["held_by"]) == {"one", "two"}
        assert dry["held_by"]["one"]["zeroed"] == 5
        assert (held["applied"], again["conflict"]) == (False, held["conflict"])
        assert [row["kind"] for row in open_ones if row["kind"] == "mass_change"] == ["mass_change"]
        assert shown["facts"]["source"] == "truncated.csv"
        assert {way["take"] for way in shown["ways_out"]} == {"apply", "discard"}
        assert (wrong.returncode, "did you mean apply?" in wrong.stderr) == (2, True)
        assert done["state"] == "resolved"
        assert (twice.returncode, "resolved already" in twice.stderr) == (1, True)
        assert await site.daemon.level("SKU-00") == (10, 0)


async def test_what_is_held_is_booked_as_of_when_it_was_counted(running: Building) -> None:
    counts = {f"SKU-{n:02}": 10 for n in range(20)}
    async with running(start=False) as site:
        for store in (site.one, site.two):
            for sku in counts:
                store.items[sku] = store.shop.add_item(sku, available={store.main: 10})
        await site.daemon.start()
        await site.daemon.import_counts(counts)
        await site.daemon.until_idle()
        file = site.daemon.folder / "stocktake.csv"
        file.write_text("sku,location,on_hand\n" + "".join(f"{sku},warehouse,4\n" for sku in counts))
        held = await site.daemon.json("stock", "import", str(file), "--apply", status=1)

        await site.daemon.json("stock", "adjust", "SKU-00", "warehouse", "--by", "-3", "--reason", "sold at the door")
        await site.daemon.json("stock", "set", "SKU-01", "warehouse", "9", "--reason", "counted again")
        await site.daemon.json("conflicts", "resolve", str(held["conflict"]), "--take", "apply")

        assert await site.daemon.level("SKU-00") == (1, 0)
        assert await site.daemon.level("SKU-01") == (9, 0)
        assert await site.daemon.level("SKU-02") == (4, 0)


async def test_a_paused_channel_is_left_alone_and_catches_up(running: Building) -> None:
    async with running() as site:
        await settled(site)

        paused = await site.daemon.json("channel", "pause", "two", "--reason", "sale starts")
        await site.daemon.json("stock", "set", "TEE", "warehouse", "4", "--reason", "count")
        await until_shows(site, "one", "TEE", 4)
        await site.daemon.until_idle()
        status = await site.daemon.json("status")
        kept = site.two.available("TEE")
        listings = await site.daemon.lines("listings", "list", "--channel", "two", "--sku", "TEE")
        await site.daemon.json("channel", "resume", "two")
        await site.until_shown("TEE", 4)

        assert (paused["state"], paused["paused"]) == ("paused", True)
        assert kept == 10
        assert status["writes_owed"] == 1
        assert status["channels"]["two"]["paused"] is True
        assert [(row["paused"], row["state"]) for row in listings] == [(True, "owed")]


async def test_a_blocked_channel_shows_nothing_until_it_is_unblocked(running: Building) -> None:
    async with running() as site:
        await settled(site)

        await site.daemon.json("channel", "block", "two")
        await until_shows(site, "two", "TEE", 0)
        await site.daemon.until_idle()
        blocked = await site.daemon.lines("listings", "list", "--channel", "two")
        others = site.one.available("TEE")
        await site.daemon.json("channel", "unblock", "two")
        await settled(site)

        assert {(row["desired"], row["state"]) for row in blocked} == {(0, "blocked")}
        assert others == 10


async def test_all_channels_are_told_at_once(running: Building) -> None:
    async with running() as site:
        await site.daemon.lines("channel", "freeze", "--all")
        frozen = await site.daemon.json("status")
        await site.daemon.lines("channel", "unfreeze", "--all")

        polled = await site.daemon.run("channel", "poll", "--all")

        assert all(channel["frozen"] for channel in frozen["channels"].values())
        assert polled.returncode == 0, polled.stderr


async def test_a_frozen_channel_falls_and_does_not_rise(running: Building) -> None:
    async with running() as site:
        await settled(site)
        await site.daemon.json("channel", "freeze", "two")

        await site.daemon.json("stock", "set", "TEE", "warehouse", "12", "--reason", "count")
        await site.daemon.json("stock", "set", "MUG", "warehouse", "3", "--reason", "count")
        await until_shows(site, "one", "TEE", 12)
        await until_shows(site, "two", "MUG", 3)
        await site.daemon.until_idle()
        kept = site.two.available("TEE")
        await site.daemon.json("channel", "unfreeze", "two")
        await until_shows(site, "two", "TEE", 12)

        assert kept == 10


async def test_reconcile_shows_what_differs_and_writes_on_a_word(running: Building) -> None:
    async with running(first_sync="ask", counts={"TEE": 7, "MUG": 10, "CAP": 10}) as site:
        await site.daemon.until_idle()
        status = await site.daemon.json("status")
        needed = await site.daemon.run("status", "--check")

        shown = await site.daemon.run("reconcile", "one", "--json")
        untouched = site.one.available("TEE")
        applied = await site.daemon.run("reconcile", "one", "--apply", "--json")
        await until_shows(site, "one", "TEE", 7)
        await site.daemon.until_idle()
        again = await site.daemon.run("reconcile", "one", "--json")

        assert {channel["state"] for channel in status["channels"].values()} == {"awaiting_first_sync"}
        assert needed.returncode == 1
        assert shown.returncode == 1
        assert [(row["sku"], row["observed"], row["desired"]) for row in _rows(shown)] == [("TEE", 10, 7)]
        assert "reconcile one --apply" in shown.stderr
        assert untouched == 10
        assert applied.returncode == 0, applied.stderr
        assert (again.returncode, _rows(again)) == (0, [])


async def test_listings_are_linked_by_their_number_and_unlinked_again(running: Building) -> None:
    async with running() as site:
        item = site.one.shop.add_item("ODD-NAME", available={site.one.main: 2})
        await site.daemon.run("reconcile", "one", "--apply")
        await site.daemon.json("stock", "set", "HAT", "warehouse", "6", "--reason", "count")

        linked = await site.daemon.json("listings", "link", "one", item.gid.rpartition("/")[2], "HAT")
        await until_available(site, item, 6)
        unlinked = await site.daemon.json("listings", "unlink", "one", item.gid)
        listing = await site.daemon.lines("listings", "list", "--state", "unmapped")

        assert (linked["remote_id"], linked["sku"]) == (item.gid, "HAT")
        assert unlinked["sku"] is None
        assert [(row["remote_id"], row["sku"]) for row in listing] == [(item.gid, None)]


async def test_a_dead_letter_is_shown_tried_again_and_given_up(running: Building) -> None:
    async with running() as site:
        answer = await site.daemon.hook({"id": 5, "line_items": "nonsense"}, webhook_id="broken-1")

        async def buried() -> bool:
            return bool(await site.daemon.lines("dead-letters", "list"))

        await until(buried)
        letter = (await site.daemon.lines("dead-letters", "list"))[0]
        event = (await site.daemon.lines("events", "show", "broken-1"))[0]
        retried = await site.daemon.run("dead-letters", "retry", str(letter["id"]))
        tried = (await site.daemon.lines("dead-letters", "list"))[0]
        counted = await site.daemon.json("status")
        await site.daemon.json("dead-letters", "discard", "--all")

        assert answer.status == 200
        assert list(letter)[:7] == ["id", "channel", "what", "reason", "attempts", "first_at", "last_at"]
        assert (event["state"], json.loads(event["body"])["id"]) == ("dead", 5)
        assert "hmac" not in json.dumps(event["headers"]).lower() or "[hidden]" in json.dumps(event["headers"])
        assert retried.returncode == 1
        assert tried["attempts"] == 2
        assert counted["dead_letters"] == 1
        assert await site.daemon.lines("dead-letters", "list") == []
        assert (await site.daemon.json("status"))["dead_letters"] == 0


async def test_a_replayed_delivery_changes_nothing(running: Building) -> None:
    async with running() as site:
        await settled(site)
        site.one.shop.place_order([(site.one.items["TEE"], 2)])
        await site.until_shown("TEE", 8)
        await site.daemon.until_idle()
        before = await site.daemon.lines("ledger", "export")

        replayed = await site.daemon.run("events", "replay", before[-1]["event_id"])

        assert replayed.returncode == 0, replayed.stderr
        assert await site.daemon.lines("ledger", "export") == before


async def test_an_order_is_shown_by_its_name_with_what_it_did(running: Building) -> None:
    async with running() as site:
        await settled(site)
        order = site.one.shop.place_order([(site.one.items["TEE"], 2)])
        site.one.shop.fulfil_all(order)
        await site.until_shown("TEE", 8)
        await site.daemon.until_idle()

        found = await site.daemon.json("orders", "show", order.name.lstrip("#"))

        assert found["order_id"] == str(order.id)
        assert found["lines"][0]["fulfilled"] == 2
        assert [(entry["reason"], entry["quantity"], entry["delta"]) for entry in found["entries"]] == [
            ("ordered", "committed", 2),
            ("fulfilled", "committed", -2),
            ("fulfilled", "on_hand", -2),
        ]


async def test_a_drift_left_to_a_person_is_taken_over_or_overwritten(running: Building) -> None:
    async with running(channel='drift = "ask"') as site:
        await settled(site)
        for sku, units in (("TEE", 7), ("MUG", 12)):
            site.two.shop.set_available(site.two.items[sku], site.two.main, units)

        async def both_asked() -> bool:
            found = await site.daemon.lines("conflicts", "list")
            return {row["sku"] for row in found if row["kind"] == "drift"} == {"TEE", "MUG"}

        await until(both_asked)
        ids = {row["sku"]: str(row["id"]) for row in await site.daemon.lines("conflicts", "list")}
        ways = await site.daemon.json("conflicts", "show", ids["TEE"])
        await site.daemon.json("conflicts", "resolve", ids["TEE"], "--take", "adopt")
        await site.daemon.json("conflicts", "resolve", ids["MUG"], "--take", "enforce")
        await site.until_shown("TEE", 7)
        await site.until_shown("MUG", 10)

        assert {"enforce", "adopt", "ignore", "done"} == {way["take"] for way in ways["ways_out"]}
        assert await site.daemon.level("TEE") == (7, 0)
        assert await site.daemon.level("MUG") == (10, 0)
        assert await site.daemon.lines("conflicts", "list") == []


async def test_a_file_of_many_rows_goes_through_in_pieces_and_comes_back_whole(running: Building) -> None:
    async with running(counts={"TEE": 10}) as site:
        file = site.daemon.folder / "many.csv"
        rows = "".join(f"SKU-{n:05},warehouse,{n % 7}\n" for n in range(6000))
        file.write_text("sku,location,on_hand\n" + rows)

        booked = await site.daemon.json("stock", "import", str(file), "--apply")
        levels = await site.daemon.lines("stock", "list")

        assert (booked["new"], booked["applied"]) == (6000, True)
        assert len(levels) == 6001
        assert len({(row["sku"], row["location"]) for row in levels}) == 6001


def _rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


async def until_shows(site: Site, store: str, sku: str, units: int) -> None:
    shop = {"one": site.one, "two": site.two}[store]

    async def shown() -> bool:
        return shop.available(sku) == units

    await until(shown)


async def until_available(site: Site, item: Any, units: int) -> None:
    async def shown() -> bool:
        return bool(site.one.shop.quantities(item, site.one.main)["available"] == units)

    await until(shown)
