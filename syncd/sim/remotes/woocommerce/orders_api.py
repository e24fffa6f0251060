"""Orders and refunds over the API."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from syncd.sim.remotes.woocommerce.access import ApiError
from syncd.sim.remotes.woocommerce.bodies import order_body, refund_body
from syncd.sim.remotes.woocommerce.paging import Answer, listed, moment, numbers, only, page_of, sorted_by
from syncd.sim.remotes.woocommerce.products_api import find_product
from syncd.sim.remotes.woocommerce.records import STATUSES, Order, ShopRefused

if TYPE_CHECKING:
    from syncd.sim.remotes.woocommerce.shop import Shop

_ORDERS: Final[Mapping[str, Callable[[Order], Any]]] = {
    "date": lambda order: (order.created, order.id),
    "id": lambda order: order.id,
    "modified": lambda order: (order.modified, order.id),
    "include": lambda order: order.id,
}


def list_orders(shop: "Shop", url: str, query: Mapping[str, str], lag_seconds: float) -> Answer:
    """`after` and `modified_after` leave out the very second that they name. What is in the bin is not listed."""
    statuses, include = listed(query, "status") or ["any"], numbers(query, "include")
    after, changed = moment(query, "after"), moment(query, "modified_after")
    seen_until = shop.now() - timedelta(seconds=lag_seconds)
    found = [
        order
        for order in shop.orders.values()
        if order.status != "trash"
        and ("any" in statuses or order.status in statuses)
        and (not include or order.id in include)
        and (after is None or order.created > after)
        and (changed is None or order.modified > changed)
        and (lag_seconds <= 0 or order.modified <= seen_until)
    ]
    return page_of(sorted_by(found, query, _ORDERS), query, lambda order: order_body(shop, order, url))


def find_order(shop: "Shop", number: str) -> Order:
    order = shop.orders.get(int(number)) if number.isdigit() else None
    if order is None:
        raise ApiError(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
    return order


def show_order(shop: "Shop", url: str, order: Order, query: Mapping[str, str]) -> Answer:
    return Answer(body=only(order_body(shop, order, url), query))


def create_order(shop: "Shop", url: str, given: Mapping[str, Any]) -> Answer:
    """Nothing is checked against the stock."""
    wishes = []
    for line in given.get("line_items") or ():
        parent = find_product(shop, str(line.get("product_id")))
        variation = line.get("variation_id")
        product = find_product(shop, str(variation), parent) if variation else parent
        wishes.append((product, int(line.get("quantity", 1))))
    status = _status(shop, given.get("status", "pending"))
    made = shop.make_order(wishes, status=status, pays=bool(given.get("set_paid")))
    return Answer(status=201, body=order_body(shop, made, url))


def edit_order(shop: "Shop", url: str, order: Order, given: Mapping[str, Any]) -> Answer:
    """Only the status and the payment: what an edit of lines through the API does to stock was not seen."""
    if "status" in given:
        shop.set_status(order, _status(shop, given["status"]))
    elif given.get("set_paid"):
        shop.pay(order)
    else:
        shop.touch(order)
    return Answer(body=order_body(shop, order, url))


def delete_order(shop: "Shop", url: str, order: Order, query: Mapping[str, str]) -> Answer:
    body = order_body(shop, order, url)
    shop.trash_order(order)
    if query.get("force") == "true":
        del shop.orders[order.id]
    return Answer(body=body)


def list_refunds(url: str, order: Order, query: Mapping[str, str]) -> Answer:
    newest_first = sorted(order.refunds, key=lambda refund: -refund.id)
    return page_of(newest_first, query, lambda refund: refund_body(refund, order, url))


def create_refund(shop: "Shop", url: str, order: Order, given: Mapping[str, Any]) -> Answer:
    """`api_restock` is true unless it is said otherwise."""
    lines = []
    for each in given.get("line_items") or ():
        line = next((line for line in order.lines if line.id == each.get("id")), None)
        if line is None:
            raise ApiError(400, "woocommerce_rest_invalid_order_refund", "Invalid line item.")
        if each.get("quantity"):
            lines.append((line, int(each["quantity"])))
    try:
        made = shop.refund(order, lines, restock=bool(given.get("api_restock", True)))
    except ShopRefused as refused:
        raise ApiError(400, "woocommerce_rest_cannot_create_order_refund", str(refused)) from refused
    return Answer(status=201, body=refund_body(made, order, url))


def totals(shop: "Shop") -> Answer:
    """How many orders there are in each status, plugins' own included."""
    names = {slug: slug.replace("-", " ").capitalize() for slug in STATUSES if slug != "checkout-draft"}
    counted = [
        {"slug": slug, "name": name, "total": sum(order.status == slug for order in shop.orders.values())}
        for slug, name in {**names, **shop.custom_statuses}.items()
    ]
    return Answer(body=counted)


def _status(shop: "Shop", status: Any) -> str:
    if status not in STATUSES and status not in shop.custom_statuses:
        raise ApiError(400, "rest_invalid_param", "Invalid parameter(s): status")
    return str(status)
