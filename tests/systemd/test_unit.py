"""The unit is one that systemd understands, and it gives little away."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "systemd"
UNIT = FOLDER / "syncd.service"
HIGHEST_EXPOSURE = 20
"""Tenths of systemd's score of 0 to 10; a unit without any hardening has 92."""


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed"
        if os.environ.get("SYNCD_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environ)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it is once the program is where it says."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/syncd/bin/syncd", sys.executable))
    return copy


def test_systemd_understands_every_line(installed: Path) -> None:
    done = run(tool("systemd-analyze"), "verify", "--man=no", str(installed))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_slip_in_the_unit_would_be_noticed(installed: Path) -> None:
    installed.write_text(installed.read_text().replace("KillMode=mixed", "KillMood=mixed"))

    done = run(tool("systemd-analyze"), "verify", "--man=no", str(installed))

    assert "KillMood" in done.stderr


def test_the_service_is_little_exposed(installed: Path) -> None:
    done = run(
        tool("systemd-analyze"),
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={HIGHEST_EXPOSURE}",
        str(installed),
    )

    assert done.returncode == 0, done.stdout


def test_the_user_and_the_groups_that_the_unit_names_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = run(tool("systemd-sysusers"), f"--root={tmp_path}", str(FOLDER / "syncd.sysusers"))

    assert done.returncode == 0, done.stderr
    users = [line.split(":")[0] for line in (tmp_path / "etc" / "passwd").read_text().splitlines()]
    groups = {line.split(":")[0]: line.split(":")[3] for line in (tmp_path / "etc" / "group").read_text().splitlines()}
    service = configparser.RawConfigParser(strict=False, allow_no_value=True)
    service.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep upper case
    service.read(UNIT)
    assert service["Service"]["User"] in users
    assert groups[service["Service"]["SupplementaryGroups"]] == "syncd"
