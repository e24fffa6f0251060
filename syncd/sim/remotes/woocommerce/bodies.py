"""The resources as the API and the webhooks show them. Field names, order and types are those of recorded bodies."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncd.sim.remotes.woocommerce.records import Line, Order, Product, Refund, Webhook

if TYPE_CHECKING:
    from syncd.sim.remotes.woocommerce.shop import Shop

PRICE = "10"


def encoded(body: object) -> bytes:
    """As PHP writes JSON: slashes escaped, ASCII only."""
    return json.dumps(body, separators=(",", ":")).replace("/", "\\/").encode()


def order_body(shop: "Shop", order: Order, url: str) -> dict[str, Any]:
    total = f"{sum(line.quantity for line in order.lines) * 10}.00"
    return {
        "id": order.id,
        "parent_id": 0,
        "status": order.status,
        "currency": "USD",
        "version": shop.version,
        "prices_include_tax": False,
        "date_created": _date(order.created),
        "date_modified": _date(order.modified),
        "discount_total": "0.00",
        "discount_tax": "0.00",
        "shipping_total": "0.00",
        "shipping_tax": "0.00",
        "cart_tax": "0.00",
        "total": total,
        "total_tax": "0.00",
        "customer_id": 0,
        "order_key": f"wc_order_{order.id}",
        "billing": _address(email="buyer@example.com"),
        "shipping": _address(),
        "payment_method": order.payment_method,
        "payment_method_title": "",
        "transaction_id": "",
        "customer_ip_address": "",
        "customer_user_agent": "",
        "created_via": "rest-api",
        "customer_note": "",
        "date_completed": _date(order.completed),
        "date_paid": _date(order.paid),
        "cart_hash": "",
        "number": str(order.id),
        "meta_data": [],
        "line_items": [line_body(line) for line in order.lines],
        "tax_lines": [],
        "shipping_lines": [],
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [
            {"id": refund.id, "reason": refund.reason, "total": f"-{_refunded(refund)}"} for refund in order.refunds
        ],
        "payment_url": f"{url}/checkout/order-pay/{order.id}/?pay_for_order=true&key=wc_order_{order.id}",
        "is_editable": order.status in ("pending", "on-hold"),
        "needs_payment": order.status == "pending",
        "needs_processing": True,
        "date_created_gmt": _date(order.created),
        "date_modified_gmt": _date(order.modified),
        "date_completed_gmt": _date(order.completed),
        "date_paid_gmt": _date(order.paid),
        "currency_symbol": "$",
        "_links": _links(url, f"orders/{order.id}", "orders"),
    }


def line_body(line: Line) -> dict[str, Any]:
    variation = line.product.parent is not None
    product = line.product.parent or line.product
    total = f"{line.quantity * 10}.00"
    meta = [
        _meta(line.id * 10 + place, key, value)
        for place, (key, value) in enumerate(
            (("_reduced_stock", line.reduced), ("_restock_refunded_items", line.restocked))
        )
        if value is not None
    ]
    return {
        "id": line.id,
        "name": line.name,
        "product_id": product.id,
        "variation_id": line.product.id if variation else 0,
        "quantity": line.quantity if line.odd_quantity is None else line.odd_quantity,
        "tax_class": "",
        "subtotal": total,
        "subtotal_tax": "0.00",
        "total": total,
        "total_tax": "0.00",
        "taxes": [],
        "meta_data": meta,
        "sku": line.sku,
        "price": 10,
        "image": {"id": "", "src": ""},
        "parent_name": product.name if variation else None,
    }


def refund_body(refund: Refund, order: Order, url: str) -> dict[str, Any]:
    lines = []
    for number, line, units in refund.lines:
        body = line_body(line)
        body |= {"id": number, "quantity": -units, "total": f"-{units * 10}.00", "subtotal": f"-{units * 10}.00"}
        body["meta_data"] = [_meta(number * 10, "_refunded_item_id", line.id)]
        lines.append(body)
    return {
        "id": refund.id,
        "date_created": _date(refund.created),
        "date_created_gmt": _date(refund.created),
        "amount": _refunded(refund),
        "reason": refund.reason,
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [],
        "line_items": lines,
        "shipping_lines": [],
        "tax_lines": [],
        "fee_lines": [],
        "_links": _links(url, f"orders/{order.id}/refunds/{refund.id}", f"orders/{order.id}/refunds"),
    }


def product_body(product: Product, url: str) -> dict[str, Any]:
    """As a webhook tells it, and as `products` lists it."""
    quantity = product.stock if product.manage_stock else None
    return {
        "id": product.id,
        "name": product.name,
        "slug": product.name.lower(),
        "permalink": f"{url}/product/{product.name.lower()}/",
        **_dates(product),
        "type": product.type,
        "status": product.status,
        "featured": False,
        "catalog_visibility": "visible",
        "description": "",
        "short_description": "",
        "sku": product.sku,
        "price": PRICE,
        "regular_price": PRICE,
        "sale_price": "",
        **dict.fromkeys(("date_on_sale_from", "date_on_sale_from_gmt", "date_on_sale_to", "date_on_sale_to_gmt")),
        "on_sale": False,
        "purchasable": True,
        "total_sales": 0,
        "virtual": False,
        "downloadable": False,
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "external_url": "",
        "button_text": "",
        "tax_status": "taxable",
        "tax_class": "",
        "manage_stock": _managed(product),
        "stock_quantity": quantity if product.parent is None or product.manage_stock else _stock_of(product),
        "backorders": product.backorders,
        "backorders_allowed": product.backorders != "no",
        "backordered": product.backorders != "no" and (quantity or 0) < 0,
        "low_stock_amount": None,
        "sold_individually": False,
        "weight": "",
        "dimensions": {"length": "", "width": "", "height": ""},
        "shipping_required": True,
        "shipping_taxable": True,
        "shipping_class": "",
        "shipping_class_id": 0,
        "reviews_allowed": True,
        "average_rating": "0.00",
        "rating_count": 0,
        "upsell_ids": [],
        "cross_sell_ids": [],
        "parent_id": product.parent.id if product.parent else 0,
        "purchase_note": "",
        "categories": [{"id": 15, "name": "Uncategorized", "slug": "uncategorized"}],
        "tags": [],
        "images": [],
        "attributes": _attributes(product),
        "default_attributes": [],
        "variations": [each.id for each in product.variations],
        "grouped_products": [],
        "menu_order": 0,
        "price_html": "",
        "related_ids": [],
        "meta_data": [],
        "stock_status": _stock_status(product),
        "has_options": bool(product.variations),
        "post_password": "",
        "_links": _links(url, f"products/{product.id}", "products"),
    }


def variation_body(product: Product, url: str) -> dict[str, Any]:
    """As `products/<id>/variations` lists it."""
    parent = product.parent.id if product.parent else 0
    return {
        "id": product.id,
        "type": "variation",
        **_dates(product),
        "description": "",
        "permalink": f"{url}/product/{product.name.lower()}/",
        "sku": product.sku or (product.parent.sku if product.parent else ""),
        "price": PRICE,
        "status": product.status,
        "manage_stock": _managed(product),
        "stock_quantity": _stock_of(product),
        "stock_status": _stock_status(product),
        "backorders": product.backorders,
        "attributes": _attributes(product),
        "parent_id": parent,
        "name": product.option,
        "_links": _links(url, f"products/{parent}/variations/{product.id}", f"products/{parent}/variations"),
    }


def webhook_body(webhook: Webhook, url: str) -> dict[str, Any]:
    """The secret is never shown."""
    resource, _, event = webhook.topic.partition(".")
    return {
        "id": webhook.id,
        "name": webhook.name,
        "status": webhook.status,
        "topic": webhook.topic,
        "resource": resource,
        "event": event,
        "hooks": [f"woocommerce_{event}_{resource}"],
        "delivery_url": webhook.delivery_url,
        **_dates(webhook),
        "_links": _links(url, f"webhooks/{webhook.id}", "webhooks"),
    }


def _date(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%S")


def _dates(of: Product | Webhook) -> dict[str, str | None]:
    created, modified = _date(of.created), _date(of.modified)
    return {
        "date_created": created,
        "date_created_gmt": created,
        "date_modified": modified,
        "date_modified_gmt": modified,
    }


def _managed(product: Product) -> bool | str:
    if product.manage_stock or product.parent is None:
        return product.manage_stock
    return "parent" if product.parent.manage_stock else False


def _stock_of(product: Product) -> int | None:
    holder = product.holder
    return None if holder is None else holder.stock


def _stock_status(product: Product) -> str:
    stock = _stock_of(product)
    if stock is None or stock > 0:
        return "instock"
    return "outofstock" if product.backorders == "no" else "onbackorder"


def _attributes(product: Product) -> list[dict[str, Any]]:
    if product.parent is not None:
        return [{"id": 0, "name": "Kind", "option": product.option}]
    if product.variations:
        options = [each.option for each in product.variations]
        return [{"id": 0, "name": "Kind", "position": 0, "visible": True, "variation": True, "options": options}]
    return []


def _meta(number: int, key: str, value: object) -> Mapping[str, Any]:
    return {"id": number, "key": key, "value": str(value), "display_key": key, "display_value": str(value)}


def _refunded(refund: Refund) -> str:
    return f"{sum(units for _, _, units in refund.lines) * 10}.00"


def _address(**more: str) -> dict[str, str]:
    names = ("first_name", "last_name", "company", "address_1", "address_2", "city", "state", "postcode", "country")
    return {**dict.fromkeys(names, ""), **more, "phone": ""}


def _links(url: str, own: str, collection: str) -> dict[str, Any]:
    root = f"{url}/wp-json/wc/v3"
    return {"self": [{"href": f"{root}/{own}"}], "collection": [{"href": f"{root}/{collection}"}]}
