"""`syncd check`: the configuration, without a connection to anything."""

import json
import os
import subprocess
import sys
from pathlib import Path

GOOD = """
[daemon]
state_dir = "state"
[locations.warehouse]
[channels.shop]
kind = "shopify"
endpoint = "https://example.myshopify.com"
access_token = { env = "CHECK_TOKEN" }
webhook_secret = { env = "CHECK_SECRET" }
locations = { "gid://shopify/Location/1" = "warehouse" }
"""


def check(path: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "syncd", "check", "--config", str(path), *words]
    around = {**os.environ, "CHECK_TOKEN": "t", "CHECK_SECRET": "s", **environ}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=around)


def test_a_good_file_is_summed_up(tmp_path: Path) -> None:
    path = tmp_path / "syncd.toml"
    path.write_text(GOOD)

    done, as_json = check(path), check(path, "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert "channel shop (shopify) sells from warehouse" in done.stdout
    assert json.loads(as_json.stdout)["channels"] == ["shop"]


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "syncd.toml"
    path.write_text(GOOD.replace("kind =", "knd =") + "poll_seconds = 'often'\n")

    done = check(path, CHECK_SECRET="")

    told = done.stderr.splitlines()
    assert done.returncode == 78
    assert done.stdout == ""
    assert f'{path}:6: channels.shop.knd: unknown key; did you mean "kind"?' in told
    assert any(line.startswith(f"{path}:11: channels.shop.poll_seconds: ") for line in told), told
    assert any("CHECK_SECRET is not set" in line for line in told)


def test_editors_get_the_faults_as_json(tmp_path: Path) -> None:
    path = tmp_path / "syncd.toml"
    path.write_text(GOOD.replace("kind =", "knd ="))

    done = check(path, "--json")

    document = json.loads(done.stdout)
    assert done.returncode == 78
    assert document["ok"] is False
    assert document["faults"][0]["line"] == 6


def test_no_secret_is_ever_printed(tmp_path: Path) -> None:
    path = tmp_path / "syncd.toml"
    path.write_text(GOOD.replace('{ env = "CHECK_TOKEN" }', '"shpat_written_into_the_file"'))

    done = check(path, CHECK_SECRET="hush-hush")

    assert done.returncode == 78
    assert "shpat_written" not in done.stdout + done.stderr
    assert "hush-hush" not in done.stdout + done.stderr
