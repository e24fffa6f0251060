"""Seeing to it that the shop sends its webhooks here."""

from collections.abc import Sequence
from typing import Any, Final

import structlog

from syncd.channels.shopify.api import Api, Denied
from syncd.channels.shopify.documents import LARGEST_PAGE, MUTATION_COST, SUBSCRIBE, SUBSCRIPTIONS, connection_cost
from syncd.channels.shopify.webhooks import NEEDED, WELCOME
from syncd.domain.errors import Rejected

log = structlog.get_logger(__name__)

_TAKEN: Final = "already been taken"


class Subscriber:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._refused: dict[str, str] = {}

    async def subscribe(self, address: str) -> Sequence[str]:
        """Create what is missing and say which topics that were; the vendor drops one after four hours of failures.

        A topic that the shop refuses (for its scope, or for the address) is warned of once and left out: without it
        the order polls find the same, later.
        """
        there = await self._subscribed(address)
        created: list[str] = []
        for topic in (*NEEDED, *WELCOME):
            if _enum(topic) in there:
                continue
            try:
                if await self._create(topic, address):
                    created.append(topic)
                self._refused.pop(topic, None)
            except (Denied, Rejected) as refusal:
                if self._refused.get(topic) != str(refusal):
                    log.warning("subscription.refused", topic=topic, needed=topic in NEEDED, error=str(refusal))
                self._refused[topic] = str(refusal)
        return created

    async def _subscribed(self, address: str) -> set[str]:
        """Our own subscriptions to this address; those made in the shop's admin are not shown to apps."""
        found: set[str] = set()
        after: str | None = None
        while True:
            reply = await self._api.call(SUBSCRIPTIONS, {"after": after}, cost=connection_cost(LARGEST_PAGE, 1))
            connection = (reply.data or {}).get("webhookSubscriptions") or {}
            found |= {str(each["topic"]) for each in connection.get("nodes") or () if each.get("uri") == address}
            info = connection.get("pageInfo") or {}
            after = info.get("endCursor")
            if not info.get("hasNextPage") or not after:
                return found

    async def _create(self, topic: str, address: str) -> bool:
        """True when it was made now; one that was there all the same (a race, another listing) is as good."""
        wanted = {"uri": address, "format": "JSON"}
        variables = {"topic": _enum(topic), "webhookSubscription": wanted}
        reply = await self._api.call(SUBSCRIBE, variables, cost=MUTATION_COST)
        payload: dict[str, Any] = (reply.data or {}).get("webhookSubscriptionCreate") or {}
        messages = [str(error.get("message")) for error in payload.get("userErrors") or ()]
        if not messages:
            return True
        if all(_TAKEN in message for message in messages):
            return False
        raise Rejected(f"webhook {topic} to {address}: {'; '.join(messages)}")


def _enum(topic: str) -> str:
    return topic.replace("/", "_").upper()
