"""Who sent a delivery and which one it is (fact sheet 6.3). Pure and on raw bytes; nothing is parsed here.

The signature covers the body alone: topic, shop and ids in the headers are not signed. So the shop is held against the
one that answers at the endpoint, and each channel has its own address.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from syncd.domain.errors import BadSignature, Unverifiable
from syncd.domain.ids import EventId
from syncd.ports import Delivery
from syncd.wire.signatures import signed_by_any

SIGNATURE: Final = "x-shopify-hmac-sha256"
TOPIC: Final = "x-shopify-topic"
SHOP: Final = "x-shopify-shop-domain"
WEBHOOK_ID: Final = "x-shopify-webhook-id"
KEPT: Final = (
    SHOP,
    "x-shopify-api-version",
    "x-shopify-event-id",
    "x-shopify-triggered-at",
    "x-shopify-name",
    "x-shopify-test",
)


def identify(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes], shop: str | None) -> Delivery:
    """The delivery, its signature and sender checked. `shop` is its myshopifyDomain; None while that is not known.

    The webhook id is one per delivery and stable over its retries; the event id is shared by several deliveries of one
    event and identifies none of them.
    """
    if not secrets:
        raise Unverifiable("no webhook secret is configured")
    if not signed_by_any(secrets, body, headers.get(SIGNATURE, "")):
        raise BadSignature("not signed with this shop's secret" if headers.get(SIGNATURE) else "not signed")
    topic, sender, webhook_id = (_header(headers, name) for name in (TOPIC, SHOP, WEBHOOK_ID))
    if shop is not None and sender.lower() != shop:
        raise BadSignature(f"signed with our secret, but for the shop {sender[:100]}, not {shop}")
    kept = {name: headers[name] for name in KEPT if name in headers}
    return Delivery(key=f"{topic}:{webhook_id}", event_id=EventId(webhook_id), topic=topic, headers=kept)


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value:
        raise Unverifiable(f"the header {name} is missing")
    return value
