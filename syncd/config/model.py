"""What may stand in the configuration file."""

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
)

from syncd.config.secrets import plain_or_secret, surroundings
from syncd.domain.ids import ChannelId, LocationId, RemoteLocation
from syncd.domain.listings import WriteKind
from syncd.domain.policy import Mode, Override
from syncd.domain.setup import ChannelSetup, DriftRule, FirstSync, Setup

OURSELVES: Final = "syncd"
ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
MEBIBYTE: Final = 1024 * 1024
BOOKS_WITHIN_SECONDS: Final = 86_400.0


class Table(BaseModel):
    """A table of the file: no unknown key, no conversion between types. Channel kinds derive their settings from it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_default=True,
    )

    @classmethod
    def normal_location(cls, remote: str) -> str:
        """One of the channel's locations, as the file may write it, in the form in which the kind speaks of it.

        Raises ValueError, saying what such a name looks like. A kind with a form of its own overrides this.
        """
        return remote


def _absolute(path: Path, info: ValidationInfo) -> Path:
    """Relative paths start at the configuration file, so that they do not depend on who calls from where."""
    return surroundings(info).folder / path.expanduser()


def _web_address(address: str) -> str:
    """https, or http to this machine; without a closing slash."""
    parts = urlsplit(address)
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("must be a web address such as https://shop.example")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a query or a fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError("must be https; plain http is only for this machine")
    return address.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _database_url(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return url


def lists_of_locations(value: Any) -> Any:
    """`"warehouse"` for a channel without locations, `{ remote = "ours" }`, or `{ remote = ["ours", "ours too"] }`."""
    if isinstance(value, str | list):
        value = {"": value}
    if not isinstance(value, dict):
        return value
    return {remote: [ours] if isinstance(ours, str) else ours for remote, ours in value.items()}


FilePath = Annotated[Path, AfterValidator(_absolute)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
"""For every `endpoint` of a channel kind, and for our own public address."""
DatabaseUrl = Annotated[SecretStr, BeforeValidator(plain_or_secret), AfterValidator(_database_url)]
Share = Annotated[float, Field(ge=0, le=1)]
Port = Annotated[int, Field(ge=0, le=65535)]
Name = Annotated[str, Field(min_length=1)]
LocationMap = Annotated[dict[str, Annotated[list[Name], Field(min_length=1)]], BeforeValidator(lists_of_locations)]


class DaemonTable(Table):
    state_dir: FilePath


class DatabaseTable(Table):
    url: DatabaseUrl | None = None


class ListenerTable(Table):
    host: Name = "127.0.0.1"
    port: Port = 8080
    socket: FilePath | None = None
    public_url: WebAddress | None = None
    max_body: PositiveInt = 4 * MEBIBYTE


class ControlTable(Table):
    socket: FilePath | None = None


class PolicyTable(Table):
    safety_stock: NonNegativeInt | None = None
    buffer: NonNegativeInt | None = None
    share: Share | None = None
    cap: NonNegativeInt | None = None
    mode: Mode | None = None
    strict_below: NonNegativeInt | None = None

    def override(self) -> Override:
        """The same as the rules see it: a share of 0.1 is one tenth and not the binary number next to it."""
        return Override(
            safety_stock=self.safety_stock,
            buffer=self.buffer,
            share=None if self.share is None else Fraction(str(self.share)),
            cap=self.cap,
            mode=self.mode,
            strict_below=self.strict_below,
        )


class LocationTable(Table):
    authority: Name = OURSELVES
    books_within: PositiveFloat | None = None
    """Seconds in which the authority enters into its own books what it ships."""


class MassChange(Table):
    """Which share of a channel's listings a file or snapshot may alter, or set to zero, without a person's word."""

    alter: Share = 0.2
    zero: Share = 0.1


class ChannelTable(Table):
    """The keys that every channel has; the others are its kind's."""

    kind: Name
    locations: LocationMap = Field(default_factory=dict)
    first_sync: FirstSync = FirstSync.ASK
    drift: DriftRule = DriftRule.ENFORCE
    poll_seconds: PositiveFloat = 300.0
    policy: PolicyTable = PolicyTable()
    mass_change: MassChange = MassChange()


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One configured channel; `settings` is an instance of the model that its kind handed in."""

    id: ChannelId
    kind: str
    locations: Mapping[RemoteLocation, tuple[LocationId, ...]]
    first_sync: FirstSync
    drift: DriftRule
    poll_seconds: float
    policy: Override
    mass_change: MassChange
    settings: BaseModel

    def setup(self, write: WriteKind) -> ChannelSetup:
        """As the rules see it; how a kind writes is its file's to say."""
        return ChannelSetup(
            channel=self.id,
            kind=self.kind,
            write=write,
            locations=self.locations,
            policy=self.policy,
            first_sync=self.first_sync,
            drift=self.drift,
            mass_alter=self.mass_change.alter,
            mass_zero=self.mass_change.zero,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    id: LocationId
    authority: ChannelId | None
    """The channel whose count is believed here; None where it is our own."""
    books_within_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration, checked."""

    path: Path
    state_dir: Path
    database_url: SecretStr | None
    listener: ListenerTable
    control_socket: Path
    policy: Override
    locations: Mapping[LocationId, Location]
    channels: Mapping[ChannelId, Channel]

    def setup(self, writes: Mapping[ChannelId, WriteKind], counting: Collection[ChannelId] = ()) -> Setup:
        """As the rules see it; `counting` are the channels whose kinds tell stock snapshots."""
        return Setup(
            channels={id: channel.setup(writes[id]) for id, channel in self.channels.items()},
            locations=tuple(self.locations),
            authority={
                id: location.authority for id, location in self.locations.items() if location.authority is not None
            },
            policy=self.policy,
            books_within={
                id: round((location.books_within_seconds or BOOKS_WITHIN_SECONDS) * 1000)
                for id, location in self.locations.items()
                if location.authority in counting
            },
        )
