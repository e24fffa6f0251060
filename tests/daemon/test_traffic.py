"""Sales, edits and mistakes, as shops and staff make them, on the real program."""

import pytest

from tests.daemon.conftest import Building, until

pytestmark = [pytest.mark.anyio, pytest.mark.daemon]


async def test_a_sale_in_one_shop_lowers_the_other_and_is_explained(building: Building) -> None:
    async with building() as site:
        await site.until_shown("TEE", 10)

        order = site.one.shop.place_order([(site.one.items["TEE"], 2)])
        await site.until_shown("TEE", 8)
        await site.daemon.until_idle()

        why = await site.daemon.json("why", "TEE")
        assert why["unexplained"] == 0
        sold = [entry for entry in why["entries"] if entry["channel"] == "one"]
        assert [(entry["quantity"], entry["delta"]) for entry in sold] == [("committed", 2)]
        assert sold[0]["order_id"] == str(order.id)
        assert sold[0]["event_id"]
        orders = await site.daemon.lines("orders", "list")
        assert [(row["order_id"], row["lines"][0]["ordered"]) for row in orders] == [(str(order.id), 2)]


async def test_a_whole_life_of_an_order_ends_in_the_right_stock(building: Building) -> None:
    async with building() as site:
        await site.until_shown("MUG", 10)
        shop, item = site.one.shop, site.one.items["MUG"]

        order = shop.place_order([(item, 4)])
        line = order.lines[0]
        shop.refund(order, [(line, 1, "cancel", None)])
        shop.fulfil(order, [(line, 2)])
        shop.refund(order, [(line, 1, "return", site.one.main)])
        shop.cancel(order, restock=True)
        await site.until_shown("MUG", 9)
        await site.daemon.until_idle()

        assert await site.daemon.level("MUG") == (9, 0)
        row = (await site.daemon.lines("orders", "list"))[0]["lines"][0]
        assert (row["ordered"], row["cancelled"], row["fulfilled"], row["restocked"]) == (4, 2, 2, 1)


async def test_nothing_is_written_before_a_person_has_seen_the_difference(building: Building) -> None:
    async with building(first_sync="ask", counts={"TEE": 7}) as site:
        await site.daemon.until_idle()
        shown = await site.daemon.run("reconcile", "one", "--json")
        before = [call for call in site.server.calls if call.is_write]

        applied = await site.daemon.run("reconcile", "one", "--apply")
        await until_one_shows(site, "TEE", 7)

        assert shown.returncode == 1
        assert "TEE" in shown.stdout
        assert before == []
        assert applied.returncode == 0
        assert site.two.available("TEE") == 10, "the other shop has not been confirmed"


async def until_one_shows(site, sku: str, units: int) -> None:  # type: ignore[no-untyped-def]  # a Site
    async def shown() -> bool:
        return bool(site.one.available(sku) == units)

    await until(shown)


async def test_what_staff_set_by_hand_is_a_drift_and_is_overwritten(building: Building) -> None:
    async with building() as site:
        await site.until_shown("CAP", 10)
        await site.daemon.until_idle()

        site.two.shop.set_available(site.two.items["CAP"], site.two.main, 3)

        async def seen() -> bool:
            found = await site.daemon.lines("conflicts", "list", "--all")
            return any(conflict["kind"] == "drift" and conflict["sku"] == "CAP" for conflict in found)

        await until(seen)
        await site.until_shown("CAP", 10)
        await site.daemon.until_idle()
        assert await site.daemon.lines("conflicts", "list") == []


async def test_a_figure_set_by_hand_is_found_though_no_webhook_ever_comes(building: Building) -> None:
    async with building(hooks=False, channel="poll_seconds = 1") as site:
        await site.until_shown("CAP", 10)
        await site.daemon.until_idle()

        site.two.shop.set_available(site.two.items["CAP"], site.two.main, 17)
        site.one.shop.place_order([(site.one.items["CAP"], 1)])

        await site.until_shown("CAP", 9)
        await site.daemon.until_idle()
        drifts = [each for each in await site.daemon.lines("conflicts", "list", "--all") if each["kind"] == "drift"]
        assert [(each["sku"], each["state"]) for each in drifts] == [("CAP", "resolved")]


async def test_the_last_unit_sold_twice_is_one_oversell_that_names_both_orders(building: Building) -> None:
    async with building(counts={"TEE": 1, "MUG": 10, "CAP": 10}) as site:
        await site.until_shown("TEE", 1)

        first = site.one.shop.place_order([(site.one.items["TEE"], 1)])
        second = site.two.shop.place_order([(site.two.items["TEE"], 1)], may_oversell=True)

        async def seen() -> bool:
            return bool(await site.daemon.lines("conflicts", "list"))

        await until(seen)
        await site.daemon.until_idle()
        conflicts = await site.daemon.lines("conflicts", "list")
        assert [(conflict["kind"], conflict["sku"]) for conflict in conflicts] == [("oversell", "TEE")]
        named = {row["order_id"] for row in conflicts[0]["facts"]["competing"]}
        assert named == {str(first.id), str(second.id)}

        await site.daemon.json("stock", "adjust", "TEE", "warehouse", "--by", "1", "--reason", "found one")
        assert await site.daemon.lines("conflicts", "list") == []


async def test_an_unknown_item_is_kept_and_applied_once_it_is_linked(building: Building) -> None:
    async with building() as site:
        await site.until_shown("TEE", 10)
        stranger = site.one.shop.add_item("TEE-OLD-NAME", available={site.one.main: 10})

        site.one.shop.place_order([(stranger, 3)])

        async def asked() -> bool:
            found = await site.daemon.lines("conflicts", "list")
            return any(conflict["kind"] == "unmapped" for conflict in found)

        await until(asked)
        linked = await site.daemon.run("listings", "link", "one", stranger.gid, "TEE")
        assert linked.returncode == 0, linked.stderr

        async def booked() -> bool:
            return await site.daemon.level("TEE") == (10, 3)

        await until(booked)
        assert (await site.daemon.json("why", "TEE"))["unexplained"] == 0


async def test_a_file_that_would_empty_the_shops_is_held_until_a_person_decides(building: Building) -> None:
    counts = {f"SKU-{n}": 10 for n in range(30)}
    async with building(counts={"TEE": 10, **counts}) as site:
        for store in (site.one, site.two):
            for sku in counts:
                store.items[sku] = store.shop.add_item(sku, available={store.main: 10})
        await site.daemon.run("reconcile", "one", "--apply")
        await site.daemon.until_idle()
        file = site.daemon.folder / "zero.csv"
        file.write_text("sku,location,on_hand\n" + "".join(f"{sku},warehouse,0\n" for sku in counts))

        held = await site.daemon.run("stock", "import", str(file), "--apply")
        order = site.one.shop.place_order([(site.one.items["SKU-1"], 1)])
        await site.until_shown("SKU-1", 9)

        assert held.returncode == 1
        conflicts = await site.daemon.lines("conflicts", "list")
        conflict = next(one for one in conflicts if one["kind"] == "mass_change")
        assert await site.daemon.level("SKU-0") == (10, 0)
        taken = await site.daemon.run("conflicts", "resolve", str(conflict["id"]), "--take", "apply")
        assert taken.returncode == 0, taken.stderr
        assert await site.daemon.level("SKU-0") == (0, 0)
        assert str(order.id)


async def test_a_dry_run_shows_what_was_edited_by_hand_though_its_event_was_lost(building: Building) -> None:
    async with building(hooks=False) as site:
        await site.until_shown("CAP", 10)
        await site.daemon.until_idle()
        site.two.shop.set_available(site.two.items["CAP"], site.two.main, 3)

        shown = await site.daemon.run("reconcile", "two", "--json")

        assert shown.returncode == 1
        assert "CAP" in shown.stdout
