"""Where the daemon's control socket is, read without resolving a secret and without the weight of the full loader.

The same answers as `syncd.config.load` gives: a test holds the two together.
"""

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from syncd.cli.exits import CONFIGURATION, Stop

STATE_DIR: Final = Path("/var/lib/syncd")
SOCKET: Final = Path("/run/syncd/control.sock")
LONGEST_SOCKET_PATH: Final = 107


def control_socket(config: Path | None, socket: Path | None, environ: Mapping[str, str]) -> Path:
    """As given, then SYNCD_SOCKET, then what the configuration says; without one the system service's place."""
    if socket is not None:
        return socket
    if config is None and environ.get("SYNCD_SOCKET"):
        return Path(environ["SYNCD_SOCKET"])
    path = config or find(environ)
    return SOCKET if path is None else socket_of(path, environ)


def find(environ: Mapping[str, str]) -> Path | None:
    """The configuration in use: SYNCD_CONFIG, then the first that exists of the usual places."""
    if environ.get("SYNCD_CONFIG"):
        return Path(environ["SYNCD_CONFIG"])
    home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
    places = [
        Path("syncd.toml"),
        *([Path(home) / "syncd" / "syncd.toml"] if home else []),
        Path("/etc/syncd/syncd.toml"),
    ]
    return next((place for place in places if place.is_file()), None)


def socket_of(config: Path, environ: Mapping[str, str]) -> Path:
    """Where the daemon that runs on this file listens."""
    document = _read(config)
    folder = Path(os.path.abspath(config)).parent
    given = _text(config, document, "control", "socket")
    if given is not None:
        return folder / Path(given).expanduser()
    default = environ.get("STATE_DIRECTORY", "").partition(":")[0] or str(STATE_DIR)
    state_dir = folder / Path(_text(config, document, "daemon", "state_dir") or default).expanduser()
    return default_socket(state_dir)


def default_socket(state_dir: Path) -> Path:
    if state_dir == STATE_DIR:
        return SOCKET
    here = state_dir / SOCKET.name
    if len(os.fsencode(here)) <= LONGEST_SOCKET_PATH:
        return here
    name = "syncd-control-" + hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / name / SOCKET.name


def _read(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise Stop(CONFIGURATION, f"{config}: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise Stop(CONFIGURATION, *_faults(config)) from None


def _faults(config: Path) -> list[str]:
    from syncd.config.explain import ConfigError
    from syncd.config.load import load

    try:
        load(config, kinds={}, environ={})
    except ConfigError as error:
        return [str(fault) for fault in error.faults]
    return [f"{config}: cannot be read"]


def _text(config: Path, document: Mapping[str, Any], section: str, key: str) -> str | None:
    table = document.get(section, {})
    value = table.get(key) if isinstance(table, dict) else None
    if value is None:
        return None
    if not isinstance(value, str):
        raise Stop(CONFIGURATION, f"{config}: {section}.{key}: must be text; `syncd check` tells more")
    return value
