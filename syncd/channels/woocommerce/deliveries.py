"""Who sent a delivery and which one it is. Pure and on raw bytes; nothing is parsed here.

The header that the vendor calls the delivery's id is made of the webhook's id and the second: several orders of one
second share it (seen with 8.4.0). What is told, and of what, is the body; its hash identifies the delivery.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from syncd.domain.errors import BadSignature, Unverifiable
from syncd.domain.ids import EventId
from syncd.ports import Delivery
from syncd.wire.signatures import signed_by_any

SIGNATURE: Final = "x-wc-webhook-signature"
TOPIC: Final = "x-wc-webhook-topic"
DELIVERY_ID: Final = "x-wc-webhook-delivery-id"
KEPT: Final = ("x-wc-webhook-source", "x-wc-webhook-resource", "x-wc-webhook-event", "x-wc-webhook-id")
_PING: Final = re.compile(rb"webhook_id=[0-9]{1,20}")


def identify(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> Delivery | None:
    """The delivery, its signature checked; None for the ping that comes, unsigned, when a webhook is made."""
    if not headers.get(SIGNATURE) and not headers.get(TOPIC) and _PING.fullmatch(body):
        return None
    if not secrets:
        raise Unverifiable("no webhook secret is configured")
    signature = headers.get(SIGNATURE, "")
    if not signed_by_any(secrets, body, signature):
        raise BadSignature("not signed with this webhook's secret" if signature else "not signed")
    topic = headers.get(TOPIC, "").strip()
    if not topic:
        raise Unverifiable(f"the header {TOPIC} is missing")
    digest = hashlib.sha256(body).hexdigest()[:40]
    event_id = headers.get(DELIVERY_ID, "").strip() or digest
    kept = {name: headers[name] for name in KEPT if name in headers}
    return Delivery(key=f"{topic}:{digest}", event_id=EventId(event_id), topic=topic, headers=kept)
