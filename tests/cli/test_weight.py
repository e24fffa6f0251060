"""Short commands stay light, and say what they can do without a daemon."""

import subprocess
import sys

import pytest

HEAVY = (
    "textual",
    "aiohttp",
    "asyncpg",
    "structlog",
    "prometheus_client",
    "graphql",
    "rich.console",
    "syncd.config.model",
    "syncd.storage.pool",
    "syncd.actors.stock",
)


def run(*words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "syncd", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "words", [["--help"], ["stock", "import", "--help"], ["--version"], ["status", "--socket", "/none"]]
)
def test_a_client_verb_imports_nothing_heavy(words: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["syncd", *{words!r}]
from syncd.cli.main import main
try:
    main()
except SystemExit:
    pass
print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = run(code=code)

    assert done.stdout.splitlines()[-1] == "HEAVY []", done.stdout + done.stderr


def test_the_version_is_told() -> None:
    done = run("--version")

    assert done.returncode == 0
    assert done.stdout.startswith("syncd ")


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["stock", "nonsense"],
        ["stock", "set", "TEE"],
        ["stock", "set", "TEE", "warehouse", "1.5", "--reason", "x"],
        ["stock", "set", "TEE", "warehouse", "5"],
        ["stock", "adjust", "TEE", "warehouse", "--reason", "x"],
        ["stock", "import", "/no/such/file.csv"],
        ["channel", "pause"],
        ["channel", "pause", "shop", "--all"],
        ["dead-letters", "retry"],
        ["conflicts", "resolve", "1"],
        ["demo", "--faults", "many"],
    ],
)
def test_what_was_mistyped_is_a_usage_error(words: list[str]) -> None:
    done = run(*words)

    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr


def test_without_a_daemon_every_client_says_what_to_do() -> None:
    for words in (["status"], ["stock", "list"], ["why", "TEE"], ["ledger", "export"], ["channel", "pause", "x"]):
        done = run(*words, "--socket", "/nowhere/control.sock", "--json")

        assert done.returncode == 69, (words, done.stderr)
        assert done.stdout == ""
        assert "/nowhere/control.sock" in done.stderr
        assert "syncd run" in done.stderr
