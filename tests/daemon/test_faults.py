"""Crashes, restarts and second daemons: nothing that was acknowledged is lost, nothing is applied twice."""

import os
import signal

import anyio
import pytest

from tests.daemon.conftest import Building, Site, until

pytestmark = [pytest.mark.anyio, pytest.mark.daemon]


def postmaster(site: Site) -> int:
    found = list((site.daemon.folder / "state").rglob("postmaster.pid"))
    return int(found[0].read_text().splitlines()[0])


async def test_kill_9_in_mid_traffic_loses_and_doubles_nothing(building: Building) -> None:
    async with building(counts={"TEE": 500, "MUG": 500, "CAP": 500}) as site:
        await site.until_shown("TEE", 500)
        sold = 0
        for round_ in range(4):
            for _ in range(10):
                store = (site.one, site.two)[sold % 2]
                store.shop.place_order([(store.items["TEE"], 1)])
                sold += 1
                await anyio.sleep(0.01)  # the pace of the buyers
            if round_ < 3:
                await site.daemon.kill()
                await site.daemon.start()

        await site.until_shown("TEE", 500 - sold)
        await site.daemon.until_idle()

        assert await site.daemon.level("TEE") == (500, sold)
        entries = await site.daemon.lines("ledger", "export")
        assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
        by_line = [(e["channel"], e["order_id"], e["line_id"]) for e in entries if e["order_id"]]
        assert len(by_line) == len(set(by_line)) == sold
        conflicts = await site.daemon.lines("conflicts", "list", "--all")
        assert [c for c in conflicts if c["kind"] == "drift"] == []


async def test_a_write_that_was_cut_off_is_settled_by_its_own_key(building: Building) -> None:
    async with building() as site:
        await site.until_shown("TEE", 10)
        site.server.site(site.two.shop).faults.script("cut_after_effect", on="inventorySetQuantities")

        site.one.shop.place_order([(site.one.items["TEE"], 2)])
        await site.until_shown("TEE", 8)
        await site.daemon.until_idle()

        writes = [call for call in site.server.calls if call.is_write and "idempot" not in call.roots]
        keys = [call.variables["key"] for call in writes if call.fault] + [writes[-1].variables["key"]]
        assert keys[0] == keys[-1], "the same key again"
        assert site.two.shop.quantities(site.two.items["TEE"], site.two.main)["available"] == 8


async def test_sigterm_ends_well_with_somebody_attached_to_the_event_stream(building: Building) -> None:
    async with building() as site:
        socket = site.daemon.folder / "state" / "control.sock"
        watcher = await anyio.open_process(
            ["curl", "-sN", "--unix-socket", str(socket), "http://syncd/v1/events"], start_new_session=True
        )
        assert watcher.stdout is not None
        await watcher.stdout.receive(1)

        status = await site.daemon.stop(signal.SIGTERM)
        said = b"".join([piece async for piece in watcher.stdout])
        await watcher.wait()

        assert status == 0
        assert b'"bye"' in said
        assert not any(path.exists() for path in (site.daemon.folder / "state").rglob("postmaster.pid"))


async def test_a_second_daemon_is_refused_and_the_first_goes_on(building: Building) -> None:
    async with building() as site:
        await site.until_shown("TEE", 10)

        second = site.daemon.spawn()
        status = await anyio.to_thread.run_sync(lambda: second.wait(30))

        assert status == 75
        site.one.shop.place_order([(site.one.items["TEE"], 1)])
        await site.until_shown("TEE", 9)


async def test_without_its_database_it_refuses_deliveries_and_heals_by_itself(building: Building) -> None:
    async with building() as site:
        await site.until_shown("TEE", 10)
        server = postmaster(site)
        os.kill(server, signal.SIGSTOP)
        refused: list[int] = []

        async def post() -> None:
            answer = await site.daemon.hook({"id": 1}, topic="orders/create")
            refused.append(answer.status)

        os.kill(server, signal.SIGCONT)
        os.kill(server, signal.SIGKILL)
        await post()

        async def heals() -> bool:
            answer = await site.daemon.hook({"id": 2, "available": 1}, topic="nothing/known")
            return answer.status == 200

        await until(heals)
        site.one.shop.place_order([(site.one.items["TEE"], 1)])
        await site.until_shown("TEE", 9)
        assert set(refused) <= {200, 503}


async def test_a_postgres_killed_again_and_again_costs_no_sale(building: Building) -> None:
    async with building(counts={"TEE": 100}) as site:
        await site.until_shown("TEE", 100)
        killed: set[int] = set()
        for _ in range(3):

            async def alive() -> bool:
                return postmaster(site) not in killed

            await until(alive)
            killed.add(postmaster(site))
            os.kill(postmaster(site), signal.SIGKILL)
            for store in (site.one, site.two):
                store.shop.place_order([(store.items["TEE"], 1)])

            async def back() -> bool:
                return bool((await site.daemon.run("status", "--json")).returncode == 0)

            await until(back)

        await site.until_shown("TEE", 94)
        await site.daemon.until_idle()
        assert await site.daemon.level("TEE") == (100, 6)


async def test_a_bad_configuration_is_told_whole_and_exits_78(building: Building) -> None:
    async with building(start=False) as site:
        text = site.daemon.config.read_text()
        site.daemon.config.write_text(
            text.replace('kind = "shopify"', 'knd = "shopify"', 1) + "\n[listner]\nport = 1\n"
        )

        checked = await site.daemon.run("check")
        ran = await site.daemon.run("run")

        for done in (checked, ran):
            assert done.returncode == 78
            assert 'channels.one.knd: unknown key; did you mean "kind"?' in done.stdout + done.stderr
            assert 'listner: unknown key; did you mean "listener"?' in done.stdout + done.stderr
