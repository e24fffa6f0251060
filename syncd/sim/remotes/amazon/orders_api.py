"""The Orders API, 2026-01-01 and v0, over the seller's orders."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from syncd.sim.remotes.amazon.call import Call, Refused, Told, iso, marketplaces_of, page_token, start_of
from syncd.sim.remotes.amazon.seller import Seller
from syncd.sim.remotes.amazon.state import Item, Order, later

V0 = {
    "PENDING_AVAILABILITY": "PendingAvailability",
    "PENDING": "Pending",
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "PartiallyShipped",
    "SHIPPED": "Shipped",
    "CANCELLED": "Canceled",
    "UNFULFILLABLE": "Unfulfillable",
}


def search_orders(seller: Seller, call: Call) -> Told:
    if call.fault == "included_data_refused" and "FULFILLMENT" in call.many("includeddata"):
        raise Refused(400, "InvalidInput", "Invalid value for includedData")
    created, updated = call.moment("createdafter"), call.moment("lastupdatedafter")
    if (created is None) == (updated is None):
        raise Refused(400, "InvalidInput", "Exactly one of createdAfter and lastUpdatedAfter is needed")
    until = _until(seller, call.moment("createdbefore") or call.moment("lastupdatedbefore"))
    found = _matching(
        seller, marketplaces_of(call, seller.marketplaces), created, updated, until, call.many("fulfillmentstatuses")
    )
    size = _size(call.one("maxresultsperpage"))
    parameters = {name: call.one(name) for name in ("createdafter", "lastupdatedafter", "fulfillmentstatuses")}
    token = call.one("paginationtoken")
    start = start_of(token, parameters, seller.now(), seller.plan.orders_token) if token else 0
    page = [] if call.fault == "empty_page" else found[start : start + size]
    included = set(call.many("includeddata"))
    body: dict[str, Any] = {"orders": [order_view(seller, order, included) for order in page]}
    body["createdBefore" if created is not None else "lastUpdatedBefore"] = iso(until)
    if start + size < len(found):
        body["pagination"] = {"nextToken": page_token(parameters, start + size, seller.now())}
    return Told(body=body)


def get_order(seller: Seller, call: Call) -> Told:
    order = _known(seller, call.match["order_id"])
    return Told(body={"order": order_view(seller, order, set(call.many("includeddata")))})


def get_orders_v0(seller: Seller, call: Call) -> Told:
    if not call.many("marketplaceids"):
        raise Refused(400, "InvalidInput", "MarketplaceIds is required")
    created, updated = call.moment("createdafter"), call.moment("lastupdatedafter")
    if created is None and updated is None and not call.many("amazonorderids"):
        raise Refused(400, "InvalidInput", "Invalid Date-Time field(s) [createdAfter]")
    until = _until(seller, call.moment("createdbefore") or call.moment("lastupdatedbefore"))
    statuses = [new for new, old in V0.items() if old in call.many("orderstatuses")]
    found = _matching(seller, marketplaces_of(call, seller.marketplaces), created, updated, until, statuses)
    named = call.many("amazonorderids")
    if named:
        found = [order for order in found if order.order_id in named]
    size = _size(call.one("maxresultsperpage"))
    parameters = {name: call.one(name) for name in ("createdafter", "lastupdatedafter", "orderstatuses")}
    token = call.one("nexttoken")
    start = start_of(token, parameters, seller.now(), seller.plan.orders_token) if token else 0
    page = [] if call.fault == "empty_page" else found[start : start + size]
    payload: dict[str, Any] = {"Orders": [order_view_v0(order) for order in page]}
    payload["CreatedBefore" if created is not None else "LastUpdatedBefore"] = iso(until)
    if start + size < len(found):
        payload["NextToken"] = page_token(parameters, start + size, seller.now())
    return Told(body={"payload": payload})


def get_order_v0(seller: Seller, call: Call) -> Told:
    return Told(body={"payload": order_view_v0(_known(seller, call.match["order_id"]))})


def get_order_items_v0(seller: Seller, call: Call) -> Told:
    order = _known(seller, call.match["order_id"])
    items = [
        {
            "ASIN": item.asin,
            "SellerSKU": item.sku,
            "OrderItemId": item.item_id,
            "QuantityOrdered": 0 if order.zero_quantities else item.ordered,
            "QuantityShipped": item.shipped,
            "BuyerRequestedCancel": {"IsBuyerRequestedCancel": "true" if item.asked_to_cancel else "false"},
        }
        for item in order.items
    ]
    return Told(body={"payload": {"AmazonOrderId": order.order_id, "OrderItems": items}})


def order_view(seller: Seller, order: Order, included: set[str]) -> dict[str, Any]:
    channel: dict[str, Any] = {"channelName": "AMAZON" if order.on_amazon else "NON_AMAZON"}
    if order.on_amazon:
        channel |= {"marketplaceId": order.marketplace, "marketplaceName": "Amazon.co.uk"}
    view: dict[str, Any] = {
        "orderId": order.order_id,
        "createdTime": iso(order.created),
        "lastUpdatedTime": iso(order.updated),
        "salesChannel": channel,
        "orderItems": [_item_view(order, item, included) for item in order.items],
    }
    if "FULFILLMENT" in included:
        view["fulfillment"] = {
            "fulfillmentStatus": order.status,
            "fulfilledBy": "AMAZON" if order.by_amazon else "MERCHANT",
            "fulfillmentServiceLevel": "STANDARD",
        }
    return view


def _item_view(order: Order, item: Item, included: set[str]) -> dict[str, Any]:
    ordered = 0 if order.zero_quantities else item.ordered
    view: dict[str, Any] = {
        "orderItemId": item.item_id,
        "quantityOrdered": ordered,
        "product": {"asin": item.asin, "title": f"Item {item.sku}", "sellerSku": item.sku},
    }
    if "FULFILLMENT" in included:
        left = 0 if item.cancelled_by else max(0, ordered - item.shipped)
        view["fulfillment"] = {"quantityFulfilled": item.shipped, "quantityUnfulfilled": left}
    if "CANCELLATION" in included and (item.cancelled_by or item.asked_to_cancel):
        view["cancellation"] = {}
        if item.asked_to_cancel:
            view["cancellation"]["cancellationRequest"] = {"requester": "BUYER", "cancelReason": "NO_LONGER_NEEDED"}
        if item.cancelled_by:
            told = {"cancelledBy": item.cancelled_by, "cancelReason": item.cancel_reason}
            view["cancellation"]["cancellationExecution"] = told
    return view


def order_view_v0(order: Order) -> dict[str, Any]:
    pending = order.status in ("PENDING", "PENDING_AVAILABILITY")
    return {
        "AmazonOrderId": order.order_id,
        "PurchaseDate": iso(order.created),
        "LastUpdateDate": iso(order.updated),
        "OrderStatus": V0[order.status],
        "FulfillmentChannel": "AFN" if order.by_amazon else "MFN",
        "MarketplaceId": order.marketplace,
        "SalesChannel": "Amazon.co.uk" if order.on_amazon else "Non-Amazon",
        "OrderType": "StandardOrder",
        "NumberOfItemsShipped": sum(item.shipped for item in order.items),
        "NumberOfItemsUnshipped": 0 if pending else sum(item.ordered - item.shipped for item in order.items),
    }


def _until(seller: Seller, asked: datetime | None) -> datetime:
    newest = later(seller.now(), -seller.plan.visibility)
    if asked is not None and asked > newest:
        raise Refused(400, "InvalidInput", "The upper bound has to be at least two minutes before now")
    return asked or newest


def _matching(
    seller: Seller,
    marketplaces: Sequence[str],
    created: datetime | None,
    updated: datetime | None,
    until: datetime,
    statuses: Sequence[str],
) -> list[Order]:
    found = []
    for order in seller.orders.values():
        if marketplaces and order.on_amazon and order.marketplace not in marketplaces:
            continue
        if order.listed_from is not None and seller.now() < order.listed_from:
            continue
        at = order.created if created is not None else order.updated
        if at < (created or updated or at) or at > until or order.created > until:
            continue
        if statuses and order.status not in statuses:
            continue
        found.append(order)
    return sorted(found, key=lambda order: (order.created if created is not None else order.updated, order.order_id))


def _size(asked: str) -> int:
    if not asked:
        return 100
    if not asked.isdigit() or not 1 <= int(asked) <= 100:
        raise Refused(400, "InvalidInput", "Invalid number of results per page")
    return int(asked)


def _known(seller: Seller, order_id: str) -> Order:
    order = seller.orders.get(order_id)
    if order is None or later(order.created, min(seller.plan.visibility, 120.0)) > seller.now():
        raise Refused(404, "NotFound", f"The order {order_id} was not found")
    return order
