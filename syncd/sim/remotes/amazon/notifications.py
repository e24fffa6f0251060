"""Notifications as Amazon words them, and a forwarder that posts them, signed, to a listener."""

import base64
import hashlib
import hmac
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio

from syncd.sim.remotes.amazon.call import iso
from syncd.sim.remotes.amazon.faults import Faults
from syncd.sim.remotes.amazon.orders_api import V0
from syncd.sim.remotes.amazon.seller import Seller
from syncd.sim.remotes.amazon.state import FbaStock, Listing, Order

TRIES = 5


def envelope(seller: Seller, kind: str, what: object) -> dict[str, Any]:
    """The vendor's envelope of one notification."""
    at = iso(seller.now())
    return {
        "NotificationVersion": "1.0",
        "NotificationType": kind,
        "PayloadVersion": "1.0",
        "EventTime": at,
        "Payload": _payload(seller, kind, what),
        "NotificationMetadata": {
            "ApplicationId": "amzn1.sellerapps.app.sim",
            "SubscriptionId": f"sub-{kind}",
            "PublishTime": at,
            "NotificationId": f"{seller.number():08d}-0000-4000-8000-{seller.rng.getrandbits(48):012x}",
        },
    }


def signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def _payload(seller: Seller, kind: str, what: object) -> dict[str, Any]:
    if isinstance(what, Order):
        return {"OrderChangeNotification": _order(seller, what)}
    if isinstance(what, FbaStock):
        return _fba(seller, what)
    if isinstance(what, Listing) and kind == "LISTINGS_ITEM_MFN_QUANTITY_CHANGE":
        return {
            "SellerId": seller.seller_id,
            "FulfillmentChannelCode": "DEFAULT",
            "Sku": what.sku,
            "Quantity": what.shows or 0,
        }
    if isinstance(what, Listing):
        return {
            "SellerId": seller.seller_id,
            "MarketplaceId": what.marketplaces[0],
            "Asin": what.asin,
            "Sku": what.sku,
            "CreatedDate": iso(what.created),
            "Status": ["BUYABLE", "DISCOVERABLE"] if what.sku in seller.listings else ["DELETED"],
        }
    return {}


def _order(seller: Seller, order: Order) -> dict[str, Any]:
    items = [
        {
            "OrderItemId": item.item_id,
            "SellerSKU": item.sku,
            "SupplySourceId": "",
            "Quantity": item.ordered,
            "QuantityShipped": item.shipped,
            "IsBuyerRequestedCancel": item.asked_to_cancel,
        }
        for item in order.items
    ]
    return {
        "NotificationLevel": "OrderLevel",
        "SellerId": seller.seller_id,
        "AmazonOrderId": order.order_id,
        "OrderChangeType": "OrderStatusChange",
        "OrderChangeTrigger": {"TimeOfOrderChange": iso(order.updated), "ChangeReason": "Unspecified"},
        "Summary": {
            "MarketplaceId": order.marketplace,
            "OrderStatus": V0[order.status],
            "PurchaseDate": iso(order.created),
            "DestinationPostalCode": "",
            "FulfillmentType": "AFN" if order.by_amazon else "MFN",
            "OrderType": "StandardOrder",
            "NumberOfItemsShipped": sum(item.shipped for item in order.items),
            "NumberOfItemsUnshipped": sum(item.ordered - item.shipped for item in order.items),
            "OrderItems": items,
        },
    }


def _fba(seller: Seller, row: FbaStock) -> dict[str, Any]:
    inventory = {
        "InboundQuantityBreakdown": {"Working": 0, "Shipped": row.inbound, "Receiving": 0},
        "Fulfillable": row.fulfillable,
        "Unfulfillable": row.unfulfillable,
        "Researching": 0,
        "ReservedQuantityBreakdown": {
            "WarehouseProcessing": 0,
            "WarehouseTransfer": 0,
            "PendingCustomerOrder": row.pending,
        },
        "FutureSupplyBuyable": 0,
        "PendingCustomerOrderInTransit": 0,
    }
    return {
        "SellerId": seller.seller_id,
        "FNSKU": row.fnsku,
        "ASIN": row.asin,
        "SKU": row.sku,
        "FulfillmentInventoryByMarketplace": [
            {"MarketplaceId": each, "ItemName": row.title, "FulfillmentInventory": inventory}
            for each in seller.marketplaces
        ],
    }


@dataclass(slots=True)
class Forwarder:
    """Takes notifications from the seller's queue and posts them; tried again until they are taken."""

    seller: Seller
    address: str
    secret: str
    faults: Faults = field(default_factory=Faults)
    kinds: tuple[str, ...] = ("ORDER_CHANGE", "FBA_INVENTORY_AVAILABILITY_CHANGES", "LISTINGS_ITEM_MFN_QUANTITY_CHANGE")
    taken: int = 0
    given_up: int = 0
    _queue: "deque[tuple[float, int, bytes]]" = field(default_factory=deque)
    _rang: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.seller.listeners.append(self.accept)

    def accept(self, kind: str, what: object) -> None:
        if kind not in self.kinds or self.faults.happens("forwarded_never"):
            return
        body = json.dumps(envelope(self.seller, kind, what)).encode()
        late = 2.0 * self.faults.rng.random() if self.faults.happens("forwarded_late") else 0.0
        self._queue.append((late, 0, body))
        if self.faults.happens("forwarded_twice"):
            self._queue.append((late, 0, body))
        self._rang.set()

    async def run(self) -> None:
        limits = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=limits) as session, anyio.create_task_group() as tasks:
            while True:
                while self._queue:
                    tasks.start_soon(self._post, session, *self._queue.popleft())
                self._rang = anyio.Event()
                await self._rang.wait()

    async def _post(self, session: aiohttp.ClientSession, wait: float, tries: int, body: bytes) -> None:
        await anyio.sleep(wait)
        headers = {"X-Syncd-Hmac-Sha256": signature(self.secret, body), "Content-Type": "application/json"}
        try:
            async with session.post(self.address, data=body, headers=headers) as response:
                taken = response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            taken = False
        if taken:
            self.taken += 1
        elif tries + 1 < TRIES:
            self._queue.append((0.5 * 2**tries, tries + 1, body))
            self._rang.set()
        else:
            self.given_up += 1
