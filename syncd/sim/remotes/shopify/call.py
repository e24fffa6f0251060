"""One GraphQL call on its way through the simulator: what resolvers may know and what they leave behind."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncd.sim.remotes.shopify.idempotency import Attempt
    from syncd.sim.remotes.shopify.shop import Shop


class ServerBroke(Exception):
    """The vendor's own failure inside a call: the whole answer becomes INTERNAL_SERVER_ERROR."""


@dataclass(slots=True, kw_only=True)
class Call:
    """`as_of` makes stock readings that old; `search_lag_seconds` hides younger changes from searches of orders.

    `fail_before_effect` and `service_unavailable` are faults drawn for this call; `attempts` are the idempotency keys
    it began, held as running until the answer is out.
    """

    shop: "Shop"
    version: str
    as_of: datetime | None = None
    search_lag_seconds: float = 0.0
    fail_before_effect: bool = False
    service_unavailable: bool = False
    whole_connections: bool = False
    attempts: list["Attempt"] = field(default_factory=list)
    search_notes: list[dict[str, Any]] = field(default_factory=list)

    def settle(self) -> None:
        for attempt in self.attempts:
            if attempt.state == "running":
                attempt.state = "done"
        self.attempts.clear()
