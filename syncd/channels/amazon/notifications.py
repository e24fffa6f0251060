"""Notifications, posted by a forwarder: hints to read an order or a listing now, never figures to book.

The forwarder sends the vendor's envelope as it came (from SQS the message's body, from EventBridge the event or its
`detail`) and signs the raw bytes: `X-Syncd-Hmac-Sha256: base64(HMAC-SHA256(secret, body))`. The vendor repeats and
reorders; a delivery is known by its NotificationId. Whether ORDER_CHANGE is sent for new orders is disputed, so polling
stays.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json

from syncd.channels.amazon.values import FBA, MFN, Unusable, decode, get, ident, inside, instant, objects, text, units
from syncd.domain.errors import BadSignature, Refused, Unverifiable
from syncd.domain.ids import EventId, OrderId, RemoteId, RemoteLocation
from syncd.domain.listings import Span
from syncd.ports import Delivery, Facts, ItemChange, Observation
from syncd.wire.signatures import signed_by_any

SIGNATURE: Final = "x-syncd-hmac-sha256"
UNKNOWN: Final = "notification"
MINUTE: Final = 60_000


def identify(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> Delivery:
    """The delivery, its signature checked. A body that cannot be read is known by its hash, and refused later."""
    if not secrets:
        raise Unverifiable("no webhook_secret is configured")
    signature = headers.get(SIGNATURE, "")
    if not signed_by_any(secrets, body, signature):
        raise BadSignature("not signed with this channel's secret" if signature else "not signed")
    digest = hashlib.sha256(body).hexdigest()[:32]
    try:
        envelope = _envelope(inside(from_json(body)))
    except ValueError:
        envelope = {}
    known = text(get(inside(get(envelope, "NotificationMetadata")), "NotificationId")) or digest
    topic = text(get(envelope, "NotificationType"))[:80] or UNKNOWN
    return Delivery(key=f"{topic}:{known}", event_id=EventId(known), topic=topic)


def parse_notification(topic: str, body: bytes, seller: str) -> Facts:
    """What the notification asks to be looked at. Raises Refused and nothing else."""
    envelope = _envelope(decode(body, topic))
    kind = text(get(envelope, "NotificationType")) or topic
    payload = inside(get(envelope, "Payload"))
    read = _READERS.get(kind)
    if read is None:
        return Facts(note=f"{kind}: nothing to do")
    try:
        return read(payload, envelope, seller)
    except Unusable as error:
        raise Refused(f"{kind}: {error}") from error


def _envelope(held: Mapping[str, Any]) -> Mapping[str, Any]:
    """The notification itself, also out of an EventBridge event or of an SNS message that was passed on."""
    detail = get(held, "detail")
    if type(detail) is dict and get(held, "NotificationType") is None:
        return detail
    message = get(held, "Message")
    if type(message) is str and get(held, "NotificationType") is None:
        try:
            return inside(from_json(message))
        except ValueError:
            return held
    return held


def _order_changed(payload: Mapping[str, Any], envelope: Mapping[str, Any], seller: str) -> Facts:
    told = inside(get(payload, "OrderChangeNotification"))
    _ours(told, seller)
    order_id = OrderId(ident(get(told, "AmazonOrderId"), "AmazonOrderId"))
    if text(get(inside(get(told, "Summary")), "FulfillmentType")) == "AFN":
        return Facts(note=f"order {order_id} is shipped by Amazon")
    return Facts(fetch=(order_id,))


def _merchant_quantity(payload: Mapping[str, Any], envelope: Mapping[str, Any], seller: str) -> Facts:
    """The available quantity after any change, ours or an order's."""
    _ours(payload, seller)
    if text(get(payload, "FulfillmentChannelCode")) not in ("DEFAULT", ""):
        return Facts(note="not the merchant's quantity")
    sku = ident(get(payload, "Sku"), "Sku")
    return Facts(observations=(_seen(sku, MFN, get(payload, "Quantity"), envelope),))


def _amazon_quantity(payload: Mapping[str, Any], envelope: Mapping[str, Any], seller: str) -> Facts:
    """Several marketplaces may draw on one pool: the largest figure is taken, and read anew where it differs."""
    _ours(payload, seller)
    sku = ident(get(payload, "SKU"), "SKU")
    told = [
        get(inside(get(each, "FulfillmentInventory")), "Fulfillable")
        for each in objects(get(payload, "FulfillmentInventoryByMarketplace"))
    ]
    figures = [units(figure, "Fulfillable") for figure in told if figure is not None]
    if not figures:
        return Facts(note=f"{sku}: no figure")
    return Facts(observations=(_seen(sku, FBA, max(figures), envelope),))


def _listing_changed(payload: Mapping[str, Any], envelope: Mapping[str, Any], seller: str) -> Facts:
    """A listing that is not known yet has the catalogue read; one that was deleted shows when it is read or written."""
    _ours(payload, seller)
    sku = ident(get(payload, "Sku"), "Sku")
    status = get(payload, "Status")
    if type(status) is list and "DELETED" in status:
        return Facts(note=f"{sku}: deleted in {text(get(payload, 'MarketplaceId'))}")
    return Facts(items=(ItemChange(remote_id=RemoteId(sku)),))


def _feed_finished(payload: Mapping[str, Any], envelope: Mapping[str, Any], seller: str) -> Facts:
    told = inside(get(payload, "feedProcessingFinishedNotification"))
    return Facts(note=f"feed {text(get(told, 'feedId'))}: {text(get(told, 'processingStatus'))}; feeds are polled")


def _ours(holder: Mapping[str, Any], seller: str) -> None:
    told = get(holder, "SellerId")
    if told is not None and told != seller:
        raise Unusable(f"for the seller {text(told)[:40]}, not {seller}; check where the forwarder sends to")


def _seen(sku: str, place: RemoteLocation, figure: object, envelope: Mapping[str, Any]) -> Observation:
    """Events are dated when they are sent out: the figure may be up to a minute older."""
    at = instant(get(envelope, "EventTime"), "EventTime")
    return Observation(RemoteId(sku), place, units(figure, "Quantity"), Span(at - MINUTE, at))


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any], str], Facts]]] = {
    "ORDER_CHANGE": _order_changed,
    "LISTINGS_ITEM_MFN_QUANTITY_CHANGE": _merchant_quantity,
    "FBA_INVENTORY_AVAILABILITY_CHANGES": _amazon_quantity,
    "LISTINGS_ITEM_STATUS_CHANGE": _listing_changed,
    "LISTINGS_ITEM_STATUS_CHANGED": _listing_changed,
    "LISTINGS_ITEM_ISSUES_CHANGE": _listing_changed,
    "FEED_PROCESSING_FINISHED": _feed_finished,
}
