"""Seeing to it that the shop sends its webhooks here.

A webhook is switched off after five failed deliveries in a row, and nothing that failed is sent again: it is switched
on again here, and the order poll finds what was missed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from syncd.channels.woocommerce.api import Api
from syncd.channels.woocommerce.values import number, text
from syncd.channels.woocommerce.webhooks import NEEDED

log = structlog.get_logger(__name__)

ACTIVE: Final = "active"


async def subscribe(api: Api, address: str, secret: str | None) -> Sequence[str]:
    """Make what is missing, switch on what was switched off, and say which topics that were.

    One that a person has paused stays as it is.
    """
    if secret is None:
        log.warning(
            "webhooks.unsigned", why="without webhook_secret no delivery can be checked; orders are only polled"
        )
        return ()
    there = await _ours(api, address)
    mended: list[str] = []
    for topic in NEEDED:
        known = there.get(topic)
        if known is None:
            made = {"name": f"syncd {topic}", "topic": topic, "delivery_url": address, "secret": secret}
            await api.post("webhooks", body={**made, "status": ACTIVE})
        elif known.get("status") == "disabled":
            await api.put("webhooks", number(known.get("id"), "webhook id"), body={"status": ACTIVE, "secret": secret})
        else:
            continue
        mended.append(topic)
    return mended


async def _ours(api: Api, address: str) -> Mapping[str, Mapping[str, Any]]:
    """The webhooks to this address by topic, the working one where there are several."""
    found: dict[str, Mapping[str, Any]] = {}
    page = 1
    while True:
        listed, reply = await api.page("webhooks", number=page)
        for each in listed:
            if type(each) is dict and text(each.get("delivery_url")) == address:
                topic = text(each.get("topic"))
                if topic not in found or each.get("status") == ACTIVE:
                    found[topic] = each
        if api.is_last(listed, reply, page):
            return found
        page += 1
