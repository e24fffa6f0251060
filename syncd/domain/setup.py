"""The configuration as the rules see it: which location is whose, and what each channel stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from syncd.domain.ids import ChannelId, Instant, LocationId, RemoteLocation
from syncd.domain.listings import WriteKind
from syncd.domain.policy import Override


class FirstSync(StrEnum):
    ASK = "ask"
    PUSH = "push"
    ADOPT = "adopt"


class DriftRule(StrEnum):
    ENFORCE = "enforce"
    ADOPT = "adopt"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSetup:
    channel: ChannelId
    kind: str
    write: WriteKind
    locations: Mapping[RemoteLocation, tuple[LocationId, ...]]
    """In the order in which a sale without a location is placed."""
    policy: Override = field(default_factory=Override)
    first_sync: FirstSync = FirstSync.ASK
    drift: DriftRule = DriftRule.ENFORCE
    mass_alter: float = 0.2
    mass_zero: float = 0.1


@dataclass(frozen=True)
class Setup:
    """`authority` names the channel whose count is believed at a location; locations without one are syncd's own."""

    channels: Mapping[ChannelId, ChannelSetup]
    locations: tuple[LocationId, ...]
    authority: Mapping[LocationId, ChannelId] = field(default_factory=dict)
    policy: Override = field(default_factory=Override)
    books_within: Mapping[LocationId, Instant] = field(default_factory=dict)
    """Locations whose authority tells its counts by snapshots, and the time (ms) in which it enters what leaves."""

    @cached_property
    def mapped(self) -> frozenset[tuple[ChannelId, RemoteLocation]]:
        return frozenset((c.channel, remote) for c in self.channels.values() for remote in c.locations)

    def ours(self, channel: ChannelId, remote: RemoteLocation) -> tuple[LocationId, ...]:
        setup = self.channels.get(channel)
        return setup.locations.get(remote, ()) if setup else ()

    def is_authority(self, channel: ChannelId, remote: RemoteLocation) -> bool:
        ours = self.ours(channel, remote)
        return bool(ours) and all(self.authority.get(location) == channel for location in ours)
