"""The demo against the real program: a short run holds, and one that is tampered with does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.sim.demo import Options
from syncd.sim.demo.run import Demo
from syncd.sim.demo.shops import WAREHOUSE, World

pytestmark = [pytest.mark.daemon, pytest.mark.timeout(300)]

SHOPS = "every shop shows what the policy wants"
LISTINGS = "desired and expected of every listing are what the shop shows"


def test_a_short_run_ends_with_a_verdict_that_holds(tmp_path: Path) -> None:
    command = ["demo", "--headless", "--duration", "6", "--skus", "25", "--seed", "11", "--faults", "some", "--json"]

    ended = subprocess.run(
        [sys.executable, "-m", "syncd", *command],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    told = json.loads(ended.stdout)
    assert told["ok"], (told, ended.stderr[-3000:])
    assert ended.returncode == 0
    assert all(check["ok"] and check["wrong"] == 0 for check in told["checks"])
    looked_at = {check["name"]: check["checked"] for check in told["checks"]}
    assert looked_at[SHOPS] > 25
    assert looked_at["every order is known, line by line"] > 20
    assert all(shop["orders"] and shop["API calls"] and shop["webhooks sent"] for shop in told["shops"].values())
    assert "Everything adds up." in ended.stderr
    assert not list(tmp_path.glob("syncd-demo-*"))


@pytest.mark.anyio
async def test_one_unit_slipped_into_a_shop_behind_syncds_back_makes_the_verdict_no(tmp_path: Path) -> None:
    def slip(world: World) -> None:
        demo = world.shops[1]
        at = next(location for location, ours in demo.places.items() if ours == WAREHOUSE)
        demo.shop.level(next(iter(demo.sold)), at).quantities["available"] += 1

    options = Options(duration_seconds=3, skus=8, seed=2, faults="none")
    lines: list[str] = []

    report = await Demo(options=options, folder=tmp_path, tell=lines.append, meddle=slip).run()

    assert not report.ok
    assert [check.name for check in report.checks if not check.ok] == [SHOPS, LISTINGS]
    assert report.document(kept=tmp_path)["ok"] is False
