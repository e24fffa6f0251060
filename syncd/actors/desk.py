"""A channel's desk: what its actor has to do next, kept in memory and rebuilt from the database at any start.

The stock actor lays work on it after each commit; the channel's actor takes it from there. Memory grows with the
listings that have something open, never with events.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import anyio

from syncd.actors.doorbell import Doorbell
from syncd.domain.books import ChannelRecord
from syncd.domain.breaker import Breaker, Circuit
from syncd.domain.ids import ChannelId, Instant, ListingKey, OrderId
from syncd.domain.listings import Account
from syncd.domain.showing import RISE, SETTLE, Owed
from syncd.domain.writes import SentWrite

PATIENCE_SECONDS = 1.2
"""How long a question waits for the order that may explain it, before the channel is asked."""


class OwedQueue:
    """Listings that owe a write, the riskiest first, each once with its newest risk."""

    def __init__(self) -> None:
        self._risks: dict[ListingKey, tuple[int, int]] = {}
        self._heap: list[tuple[int, int, ListingKey]] = []
        self._since: dict[ListingKey, float] = {}
        self._age = 0

    def __len__(self) -> int:
        return len(self._risks)

    def __contains__(self, key: ListingKey) -> bool:
        return key in self._risks

    def put(self, owed: Owed) -> None:
        """A listing keeps its age while it stays in the queue."""
        known = self._risks.get(owed.key)
        if known is not None and known[0] == owed.risk:
            return
        self._age += 1
        self._since.setdefault(owed.key, anyio.current_time())
        place = (owed.risk, known[1] if known is not None else self._age)
        self._risks[owed.key] = place
        heapq.heappush(self._heap, (*place, owed.key))

    def drop(self, key: ListingKey) -> None:
        self._risks.pop(key, None)
        self._since.pop(key, None)

    @property
    def oldest_since(self) -> float | None:
        """Loop time since when the listing that waits longest has been in the queue."""
        return min(self._since.values(), default=None)

    def take(self, most: int) -> list[ListingKey]:
        """The riskiest, taken out; whoever does not write them lays them back."""
        taken: list[ListingKey] = []
        while self._heap and len(taken) < most:
            risk, age, key = heapq.heappop(self._heap)
            if self._risks.get(key) == (risk, age):
                del self._risks[key]
                self._since.pop(key, None)
                taken.append(key)
        return taken


@dataclass(slots=True)
class Asked:
    """A listing that has to be read again from `due` (loop time) on, or whose reading waits for its cover."""

    due: float
    read_to: Instant | None = None
    """As-of of the reading that waits, if one does."""


@dataclass(slots=True)
class Desk:
    record: ChannelRecord
    owed: OwedQueue = field(default_factory=OwedQueue)
    frozen: set[ListingKey] = field(default_factory=set)
    """Rises that wait until the channel's orders can be read again."""
    asked: dict[ListingKey, Asked] = field(default_factory=dict)
    wanted: set[OrderId] = field(default_factory=set)
    open_writes: dict[int, SentWrite] = field(default_factory=dict)
    """Calls of an earlier run, or without an answer, that have to be settled first."""
    landing: dict[int, float] = field(default_factory=dict)
    """Those of the open calls that are only awaited, with the loop time since when."""
    in_flight: SentWrite | None = None
    sending: anyio.Lock = field(default_factory=anyio.Lock)
    """Held from choosing a call's rows until its outcome is entered."""
    breaker: Breaker = field(default_factory=Breaker)
    state: str = "starting"
    trouble: str = ""
    failed: bool = False
    """The actor keeps crashing."""
    locked_out: bool = False
    """The channel answers, and does not accept who we are: a person has to act."""
    draining: bool = False
    """The daemon is stopping: begin nothing any more."""
    orders_readable: bool = False
    """The last attempt to read the channel's orders succeeded; rises wait while it did not."""
    orders_known: Instant | None = None
    """The channel's orders are known, and applied, up to here by its own clock."""
    cursor: Mapping[str, str] | None = None
    catalogue_wanted: bool = False
    skus_created: int = 0
    """Counts the groups that brought new SKUs, which items of the channel may go by."""
    skus_linked: int = 0
    """Up to which of these the channel's items have been looked through."""
    last_success_at: datetime | None = None
    last_error: str | None = None
    dead_letters: int = 0
    grew_at: float = 0.0
    """Loop time at which a listing was last laid into the queue."""
    writes: Doorbell = field(default_factory=Doorbell)
    landings: Doorbell = field(default_factory=Doorbell)
    questions: Doorbell = field(default_factory=Doorbell)
    polls: Doorbell = field(default_factory=Doorbell)
    fetches: Doorbell = field(default_factory=Doorbell)

    @property
    def channel(self) -> ChannelId:
        return self.record.channel

    @property
    def link_wanted(self) -> bool:
        return self.skus_linked < self.skus_created

    @property
    def circuit(self) -> Circuit:
        return self.breaker.circuit(anyio.current_time())

    @property
    def shown_state(self) -> str:
        """The channel's state in one word, for scripts and screens."""
        if self.failed:
            return "failed"
        if self.last_error is not None and self.state != "starting":
            return "degraded"
        return "paused" if self.record.paused else self.state

    @property
    def may_write(self) -> bool:
        """Writes may go out at all: a person has confirmed the first synchronisation and nobody paused the channel."""
        return self.record.first_synced_at is not None and not self.record.paused and not self.draining

    def ask(self, key: ListingKey, account: Account, now: Instant) -> None:
        """Keep the question about a listing as its account has it now (wall time)."""
        if not account.asked and account.reading is None:
            self.asked.pop(key, None)
            return
        read_to = account.reading.at.latest if account.reading is not None else None
        known = self.asked.get(key)
        if known is None or (known.read_to is not None and read_to is None):
            wait = PATIENCE_SECONDS
            if account.differs_since is not None:
                # Never longer than that: the difference is dated by the channel's clock, which may be ahead of ours.
                wait = max(wait, min(SETTLE, SETTLE - (now - account.differs_since)) / 1000)
            known = self.asked[key] = Asked(due=anyio.current_time() + wait)
        known.read_to = read_to
        self.questions.ring()

    def thaw(self) -> None:
        """The channel's orders have been read again."""
        self.orders_readable = True
        if not self.record.frozen:
            for key in self.frozen:
                self.owed.put(Owed(key, RISE))
            if self.frozen:
                self.writes.ring()
            self.frozen.clear()

    def lay(self, owed: Owed | None, key: ListingKey) -> None:
        if owed is None:
            self.owed.drop(key)
            return
        self.owed.put(owed)
        self.grew_at = anyio.current_time()
        self.writes.ring()
