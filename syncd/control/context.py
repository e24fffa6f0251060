"""What the control server is given: the parts of the running daemon that it shows and steers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from syncd.actors.desk import Desk
from syncd.actors.raw import RawWriter
from syncd.actors.stock import StockActor
from syncd.config.model import Config
from syncd.domain.ids import ChannelId
from syncd.ports import Now
from syncd.storage.pool import Database


class Poller(Protocol):
    async def poll(self) -> None:
        """Read the orders changed since the last time."""


class Reconciler(Protocol):
    catalogue_at: float | None
    """When the whole catalogue was read last since the daemon started; None before that."""

    async def reconcile(self, *, apply: bool, actor: str) -> None:
        """Read the channel anew; with `apply`, a person says that what is owed may be written."""

    async def read_catalogue(self, *, adopt: bool) -> None:
        """Read every item at every mapped location."""

    async def link(self) -> None:
        """Link items by SKU text where that is unambiguous."""


class Crew(Protocol):
    """A channel's actor, as far as people steer it."""

    @property
    def poller(self) -> Poller: ...

    @property
    def reconciler(self) -> Reconciler: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlContext:
    """`started_at` is loop time."""

    database: Database
    stock: StockActor
    raw: RawWriter
    desks: Mapping[ChannelId, Desk]
    crew: Mapping[ChannelId, Crew]
    config: Config
    now: Now
    started_at: float
    version: str
    is_ready: Callable[[], bool]
    remembered: dict[str, int] = field(default_factory=dict)
    """Open conflicts by kind as last counted, for while the database is away."""
