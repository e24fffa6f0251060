"""Makes a checked `Config` of a file."""

import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from syncd.config.explain import ConfigError, Fault, Faults, closest, suggestion
from syncd.config.lines import key_lines
from syncd.config.model import (
    ID,
    OURSELVES,
    Channel,
    ChannelTable,
    Config,
    ControlTable,
    DaemonTable,
    DatabaseTable,
    ListenerTable,
    Location,
    LocationTable,
    PolicyTable,
    Table,
    WebAddress,
    lists_of_locations,
)
from syncd.config.secrets import Surroundings
from syncd.domain.ids import ChannelId, LocationId, RemoteLocation
from syncd.domain.setup import FirstSync

Kinds = Mapping[str, type[BaseModel]]
"""The settings model of each channel kind, by its name."""

DEFAULT_STATE_DIR: Final = "/var/lib/syncd"
DEFAULT_CONTROL_SOCKET: Final = Path("/run/syncd/control.sock")
LONGEST_SOCKET_PATH: Final = 107
SECTIONS: Final = ("daemon", "database", "listener", "control", "policy", "locations", "channels")
_ALL_KEYS: Final = tuple(ChannelTable.model_fields)
_WHERE: Final = re.compile(r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")

_T = TypeVar("_T", bound=BaseModel)


def find_config(given: Path | None, environ: Mapping[str, str]) -> Path:
    """The file to read: as given, then `SYNCD_CONFIG`, then the first that exists of the usual places.

    Raises ConfigError naming the places when there is none.
    """
    if given is not None:
        return given
    if environ.get("SYNCD_CONFIG"):
        return Path(environ["SYNCD_CONFIG"])
    places = list(_usual_places(environ))
    for place in places:
        if place.is_file():
            return place
    looked_at = ", ".join(str(place) for place in places)
    way_out = "give --config FILE, or begin with a copy of config.example.toml"
    message = f"no configuration found (looked at {looked_at}); {way_out}"
    raise ConfigError([Fault(file="syncd", line=0, path="", message=message)])


def _usual_places(environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path("syncd.toml")
    home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
    if home:
        yield Path(home) / "syncd" / "syncd.toml"
    yield Path("/etc/syncd/syncd.toml")


def load(path: Path, *, kinds: Kinds, environ: Mapping[str, str]) -> Config:
    """Read and check the file; the same file and environment always give an equal result.

    Raises ConfigError with every fault that can be told apart, by line.
    """
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_fault(path, text, error)]) from None
    faults = Faults(str(path), key_lines(text))
    around = Surroundings(environ=environ, folder=Path(os.path.abspath(path)).parent)
    config = _Reading(document, faults, around, kinds).config(path)
    if config is None or faults.found:
        raise ConfigError(faults.found)
    return config


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([Fault(file=str(path), line=0, path="", message=error.strerror or str(error))]) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(file=str(path), line=line, path="", message="not UTF-8 text")]) from None


def _syntax_fault(path: Path, text: str, error: tomllib.TOMLDecodeError) -> Fault:
    where = _WHERE.match(str(error))
    if where is None:
        return Fault(file=str(path), line=1, path="", message=f"not TOML: {error}")
    line = int(where["line"]) if where["line"] else text.rstrip("\n").count("\n") + 1
    column = f" (column {where['column']})" if where["column"] else ""
    return Fault(file=str(path), line=line, path="", message=f"not TOML: {where['what']}{column}")


class _Reading:
    """One pass over a parsed file; what is wrong goes into `faults`, and only whole things are put together."""

    def __init__(self, document: Mapping[str, Any], faults: Faults, around: Surroundings, kinds: Kinds) -> None:
        self.document = document
        self.faults = faults
        self.around = around
        self.kinds = kinds

    def config(self, path: Path) -> Config | None:
        for key in self.document:
            if key not in SECTIONS:
                self.faults.add_unknown_key((key,), SECTIONS)
        default_state_dir = self.around.environ.get("STATE_DIRECTORY", "").partition(":")[0] or DEFAULT_STATE_DIR
        daemon = self._table(("daemon",), {"state_dir": default_state_dir, **self._section("daemon")}, DaemonTable)
        database = self._table(("database",), self._section("database"), DatabaseTable)
        listener = self._table(("listener",), self._section("listener"), ListenerTable)
        control = self._table(("control",), self._section("control"), ControlTable)
        policy = self._table(("policy",), self._section("policy"), PolicyTable)
        locations = dict(self._locations())
        channels = dict(self._channels())
        self._check_names(locations, channels)
        self._check_adoption(channels)
        if daemon is None or database is None or listener is None or control is None or policy is None:
            return None
        control_socket = control.socket or default_control_socket(daemon.state_dir)
        self._check_socket(("control", "socket"), control_socket)
        self._check_socket(("listener", "socket"), listener.socket)
        return Config(
            path=path,
            state_dir=daemon.state_dir,
            database_url=database.url,
            listener=listener,
            control_socket=control_socket,
            policy=policy.override(),
            locations=locations,
            channels=channels,
        )

    # -- tables

    def _section(self, name: str) -> dict[str, Any]:
        section = self.document.get(name, {})
        if isinstance(section, dict):
            return section
        self.faults.add((name,), "must be a table")
        return {}

    def _table(self, path: tuple[str, ...], table: Any, model: type[_T]) -> _T | None:
        """Validate as JSON: there, pydantic's strict mode knows enumerations and paths as text, and still no "8080"."""
        try:
            return model.model_validate_json(json.dumps(table, default=str), strict=True, context=self.around)
        except ValidationError as error:
            self.faults.add_validation(path, error, model)
            return None

    def _locations(self) -> Iterator[tuple[LocationId, Location]]:
        for name, raw in self._section("locations").items():
            table = self._table(("locations", name), raw, LocationTable)
            if not name or not name.isprintable() or name != name.strip():
                self.faults.add(("locations", name), "must have a plain name")
            elif table is not None:
                authority = None if table.authority == OURSELVES else ChannelId(table.authority)
                yield (
                    LocationId(name),
                    Location(id=LocationId(name), authority=authority, books_within_seconds=table.books_within),
                )

    def _channels(self) -> Iterator[tuple[ChannelId, Channel]]:
        for name, raw in self._section("channels").items():
            path = ("channels", name)
            if not ID.fullmatch(name) or name == OURSELVES:
                self.faults.add(path, "a channel's name is made of a-z, 0-9, _ and -, and is not syncd")
            if not isinstance(raw, dict):
                self.faults.add(path, "must be a table")
                continue
            channel = self._channel(path, raw)
            if channel is not None:
                yield channel.id, channel

    def _channel(self, path: tuple[str, str], raw: Mapping[str, Any]) -> Channel | None:
        common = {key: value for key, value in raw.items() if key in ChannelTable.model_fields}
        own = {key: value for key, value in raw.items() if key not in ChannelTable.model_fields}
        model = self._kind(path, raw)
        meant = {key: self._unknown(path, key, model) for key in own if not self._is_known(key, model)}
        if "kind" not in raw and "kind" in meant.values():
            common["kind"] = "misspelt"  # said already, by the key that was found in its place
        table = self._table(path, common, ChannelTable)
        self._check_endpoint(path, own)
        if model is None:
            return None
        replaced = {key for key in meant.values() if key is not None}
        settings = self._settings(path, {key: own[key] for key in own if key not in meant}, model, replaced)
        if table is None or settings is None:
            return None
        return Channel(
            id=ChannelId(path[1]),
            kind=table.kind,
            locations=self._mapped(path, table.locations, model),
            first_sync=table.first_sync,
            drift=table.drift,
            poll_seconds=table.poll_seconds,
            policy=table.policy.override(),
            mass_change=table.mass_change,
            settings=settings,
        )

    def _mapped(
        self, path: tuple[str, str], locations: Mapping[str, list[str]], model: type[BaseModel]
    ) -> dict[RemoteLocation, tuple[LocationId, ...]]:
        mapped: dict[RemoteLocation, tuple[LocationId, ...]] = {}
        for written, ours in locations.items():
            place = (*path, "locations", written)
            try:
                remote = RemoteLocation(model.normal_location(written) if issubclass(model, Table) else written)
            except ValueError as error:
                self.faults.add(place, str(error))
                continue
            if remote in mapped:
                self.faults.add(place, "the same location is mapped twice")
            mapped[remote] = tuple(map(LocationId, ours))
        return mapped

    def _kind(self, path: tuple[str, str], raw: Mapping[str, Any]) -> type[BaseModel] | None:
        """The model of the kind; for a misspelt one, or key, that of the one meant, so that all else is checked too."""
        kind = raw.get("kind")
        if kind is None:
            stands_for_it = [value for key, value in raw.items() if closest(key, _ALL_KEYS) == "kind"]
            kind = next((value for value in stands_for_it if isinstance(value, str) and value in self.kinds), None)
        if not isinstance(kind, str) or kind in self.kinds:
            return self.kinds.get(kind) if isinstance(kind, str) else None
        meant = closest(kind, self.kinds)
        choice = suggestion(meant) or f"; there are: {', '.join(sorted(self.kinds))}"
        self.faults.add((*path, "kind"), f'"{kind}" is not a channel kind{choice}')
        return self.kinds[meant] if meant else None

    def _is_known(self, key: str, model: type[BaseModel] | None) -> bool:
        models = self.kinds.values() if model is None else (model,)
        return any(key in known.model_fields for known in models)

    def _unknown(self, path: tuple[str, str], key: str, model: type[BaseModel] | None) -> str | None:
        models = self.kinds.values() if model is None else (model,)
        known = {*ChannelTable.model_fields, *(name for each in models for name in each.model_fields)}
        return self.faults.add_unknown_key((*path, key), sorted(known))

    def _settings(
        self, path: tuple[str, str], own: dict[str, Any], model: type[BaseModel], replaced: set[str]
    ) -> BaseModel | None:
        """The kind's own keys; one that stands there misspelt is not also reported as missing."""
        try:
            return model.model_validate_json(json.dumps(own, default=str), strict=True, context=self.around)
        except ValidationError as error:
            missing = {(*path, key) for key in replaced}
            told = len(self.faults.found)
            self.faults.add_validation(path, error, model)
            names = {".".join(key) for key in missing}
            self.faults.found[told:] = [
                fault for fault in self.faults.found[told:] if not (fault.message == "missing" and fault.path in names)
            ]
            return None

    # -- what only shows when tables are seen together

    def _check_endpoint(self, path: tuple[str, str], own: Mapping[str, Any]) -> None:
        """Every kind's endpoint, whether or not its model thought of it."""
        if isinstance(own.get("endpoint"), str):
            self._table(path, {"endpoint": own["endpoint"]}, _Endpoint)

    def _check_names(self, locations: Mapping[LocationId, Location], channels: Mapping[ChannelId, Channel]) -> None:
        written_channels = [*self._section("channels"), OURSELVES]
        written_locations = list(self._section("locations"))
        for location in locations.values():
            place = ("locations", location.id, "authority")
            if location.authority is None:
                continue
            if location.authority not in written_channels:
                meant = closest(location.authority, written_channels)
                self.faults.add(place, f'"{location.authority}" is no channel{suggestion(meant)}')
            elif location.authority in channels and not _maps(channels[location.authority], location.id):
                self.faults.add(
                    place, f"channel {location.authority} does not map this location, so it cannot count it"
                )
        for name, raw in self._section("channels").items():
            for remote, ours in _written_locations(raw):
                if ours not in written_locations:
                    meant = closest(ours, written_locations)
                    path = ("channels", name, "locations", remote)
                    self.faults.add(path, f'"{ours}" is not in [locations]{suggestion(meant)}')

    def _check_adoption(self, channels: Mapping[ChannelId, Channel]) -> None:
        """A count that is adopted has one source: one channel, and of it one location for one of ours."""
        source: dict[LocationId, tuple[ChannelId, RemoteLocation]] = {}
        for channel in channels.values():
            if channel.first_sync is not FirstSync.ADOPT:
                continue
            for remote, ours in channel.locations.items():
                path = ("channels", channel.id, "locations", remote)
                if len(ours) > 1:
                    self.faults.add(path, 'with first_sync = "adopt" one location stands for one of ours')
                for location in ours:
                    other = source.setdefault(location, (channel.id, remote))
                    if other != (channel.id, remote):
                        self.faults.add(path, f"the counts of {location} are already adopted from channel {other[0]}")

    def _check_socket(self, path: tuple[str, str], socket: Path | None) -> None:
        if socket is not None and len(os.fsencode(socket)) > LONGEST_SOCKET_PATH:
            self.faults.add(path, f"a socket's path has at most {LONGEST_SOCKET_PATH} bytes")


class _Endpoint(Table):
    endpoint: WebAddress


def _written_locations(channel: object) -> Iterator[tuple[str, str]]:
    """What a channel maps as far as it can be read, even where the channel is otherwise faulty."""
    mapped = lists_of_locations(channel.get("locations")) if isinstance(channel, dict) else None
    if isinstance(mapped, dict):
        for remote, ours in mapped.items():
            for location in ours if isinstance(ours, list) else ():
                if isinstance(location, str):
                    yield remote, location


def _maps(channel: Channel, location: LocationId) -> bool:
    return any(location in ours for ours in channel.locations.values())


def default_control_socket(state_dir: Path) -> Path:
    """A function of the state directory alone, so that the daemon and every client find the same place.

    The system service has `/run/syncd`, which its operators may enter; any other daemon keeps the socket with its
    state, or where a state directory's path is too long for a socket, under the directory for temporary files.
    """
    if state_dir == Path(DEFAULT_STATE_DIR):
        return DEFAULT_CONTROL_SOCKET
    here = state_dir / DEFAULT_CONTROL_SOCKET.name
    if len(os.fsencode(here)) <= LONGEST_SOCKET_PATH:
        return here
    name = "syncd-control-" + hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / name / DEFAULT_CONTROL_SOCKET.name
