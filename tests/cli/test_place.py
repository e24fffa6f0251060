"""Clients find the socket without the weight of the full loader, and at the same place."""

from pathlib import Path

import pytest

from syncd.cli.exits import CONFIGURATION, Stop
from syncd.cli.place import SOCKET, control_socket, find
from syncd.config.explain import ConfigError
from syncd.config.load import find_config, load

LONG = "a" * 120


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("", {}),
        ("", {"STATE_DIRECTORY": "/srv/state:/srv/other"}),
        ('[daemon]\nstate_dir = "/var/lib/syncd"\n', {}),
        ('[daemon]\nstate_dir = "/srv/syncd"\n', {}),
        ('[daemon]\nstate_dir = "state"\n', {}),
        ('[daemon]\nstate_dir = "~/state"\n', {}),
        (f'[daemon]\nstate_dir = "/srv/{LONG}"\n', {}),
        ('[daemon]\nstate_dir = "/srv/syncd"\n[control]\nsocket = "run/control.sock"\n', {}),
        ('[control]\nsocket = "/run/other.sock"\n', {}),
    ],
)
def test_the_client_looks_where_the_daemon_listens(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    path = tmp_path / "syncd.toml"
    path.write_text(text)

    assert control_socket(path, None, environ) == load(path, kinds={}, environ=environ).control_socket


def test_a_secret_that_the_client_lacks_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "syncd.toml"
    path.write_text('[database]\nurl = { env = "NOT_SET" }\n[control]\nsocket = "/run/x.sock"\n')

    assert control_socket(path, None, {}) == Path("/run/x.sock")


def test_what_is_nearest_at_hand_wins(tmp_path: Path) -> None:
    path = tmp_path / "syncd.toml"
    path.write_text('[control]\nsocket = "/run/of-the-file.sock"\n')
    environ = {"SYNCD_SOCKET": "/run/of-the-environment.sock", "SYNCD_CONFIG": str(path)}

    assert control_socket(path, Path("/run/given.sock"), environ) == Path("/run/given.sock")
    assert control_socket(path, None, environ) == Path("/run/of-the-file.sock")
    assert control_socket(None, None, environ) == Path("/run/of-the-environment.sock")
    assert control_socket(None, None, {"SYNCD_CONFIG": str(path)}) == Path("/run/of-the-file.sock")


def test_the_usual_places_are_those_of_the_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    (home / "syncd").mkdir(parents=True)
    (home / "syncd" / "syncd.toml").write_text("")
    environ = {"XDG_CONFIG_HOME": str(home)}

    assert find(environ) == find_config(None, environ)
    (tmp_path / "syncd.toml").write_text("")
    assert find(environ) == find_config(None, environ)


def test_without_any_configuration_it_is_the_system_services_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if Path("/etc/syncd/syncd.toml").is_file():
        pytest.skip("this machine has a configuration of its own")

    assert control_socket(None, None, {}) == SOCKET
    with pytest.raises(ConfigError):
        find_config(None, {})


@pytest.mark.parametrize("text", ["[control\n", "control = 1\nx", "[control]\nsocket = 5\n"])
def test_a_file_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "syncd.toml"
    path.write_text(text)

    with pytest.raises(Stop) as stopped:
        control_socket(path, None, {})

    assert stopped.value.status == CONFIGURATION
    assert str(path) in stopped.value.lines[0]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="No such file"):
        control_socket(tmp_path / "none.toml", None, {})
