"""Signed `orders/create` deliveries of about 5 KB, one line each, as a Shopify shop sends them."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import orjson

SECRET: Final = b"bench-secret"
FIRST_VARIANT: Final = 40_000_000_000_000
FIRST_ITEM: Final = 50_000_000_000_000
FIRST_LINE: Final = 10_000_000_000_000
LOCATION: Final = 61_000_000_001

_ADDRESS: Final = {
    "first_name": "Ada",
    "last_name": "Example",
    "address1": "1 Example Street",
    "address2": None,
    "city": "Exampleton",
    "zip": "EX1 1EX",
    "province": "Exampleshire",
    "country": "United Kingdom",
    "phone": "+44 20 7946 0000",
    "company": None,
    "latitude": 51.5,
    "longitude": -0.12,
    "name": "Ada Example",
    "country_code": "GB",
    "province_code": "EXS",
}


def _money(amount: str) -> dict[str, object]:
    return {
        "shop_money": {"amount": amount, "currency_code": "GBP"},
        "presentment_money": {"amount": amount, "currency_code": "GBP"},
    }


def _order() -> dict[str, object]:
    return {
        "id": "@order",
        "admin_graphql_api_id": "gid://shopify/Order/@number",
        "app_id": 580111,
        "browser_ip": "192.0.2.1",
        "buyer_accepts_marketing": False,
        "cancel_reason": None,
        "cancelled_at": None,
        "cart_token": "c1-68778783ad298f1c80c3bafcddeea02f",
        "checkout_id": 901414060,
        "checkout_token": "bd5a8aa1ecd019dd3520ff791ee3a24c",
        "client_details": {"accept_language": "en-GB", "browser_ip": "192.0.2.1", "user_agent": "Mozilla/5.0 (X11)"},
        "closed_at": None,
        "confirmation_number": "X1Y2Z3A4B",
        "confirmed": True,
        "contact_email": "ada@example.com",
        "created_at": "@time",
        "currency": "GBP",
        "current_subtotal_price": "19.90",
        "current_subtotal_price_set": _money("19.90"),
        "current_total_discounts": "0.00",
        "current_total_discounts_set": _money("0.00"),
        "current_total_price": "19.90",
        "current_total_price_set": _money("19.90"),
        "current_total_tax": "3.32",
        "current_total_tax_set": _money("3.32"),
        "customer_locale": "en-GB",
        "discount_codes": [],
        "email": "ada@example.com",
        "estimated_taxes": False,
        "financial_status": "paid",
        "fulfillment_status": None,
        "landing_site": "/products/example?utm_source=example",
        "location_id": None,
        "name": "#@number",
        "note": None,
        "note_attributes": [],
        "number": "@order",
        "order_number": "@order",
        "order_status_url": "https://bench.example/orders/b1946ac92492d2347c6235b4d2611184/authenticate?key=imasecret",
        "original_total_duties_set": None,
        "payment_gateway_names": ["visa"],
        "phone": None,
        "presentment_currency": "GBP",
        "processed_at": "@time",
        "referring_site": "https://search.example/",
        "source_name": "web",
        "subtotal_price": "19.90",
        "subtotal_price_set": _money("19.90"),
        "tags": "",
        "tax_lines": [{"price": "3.32", "rate": 0.2, "title": "VAT", "price_set": _money("3.32")}],
        "taxes_included": True,
        "test": False,
        "token": "b1946ac92492d2347c6235b4d2611184",
        "total_discounts": "0.00",
        "total_line_items_price": "19.90",
        "total_price": "19.90",
        "total_price_set": _money("19.90"),
        "total_shipping_price_set": _money("0.00"),
        "total_tax": "3.32",
        "total_tip_received": "0.00",
        "total_weight": 200,
        "updated_at": "@time",
        "user_id": None,
        "billing_address": _ADDRESS,
        "customer": {
            "id": 115310627314723954,
            "email": "ada@example.com",
            "created_at": "2026-01-02T03:04:05+00:00",
            "first_name": "Ada",
            "last_name": "Example",
            "state": "enabled",
            "verified_email": True,
            "tags": "",
            "currency": "GBP",
            "default_address": {"id": 715243470612851245, "customer_id": 115310627314723954, **_ADDRESS},
        },
        "discount_applications": [],
        "fulfillments": [],
        "line_items": [
            {
                "id": "@line",
                "admin_graphql_api_id": "gid://shopify/LineItem/1",
                "current_quantity": 1,
                "fulfillable_quantity": 1,
                "fulfillment_service": "manual",
                "fulfillment_status": None,
                "gift_card": False,
                "grams": 200,
                "name": "Example mug - Blue",
                "price": "19.90",
                "price_set": _money("19.90"),
                "product_exists": True,
                "product_id": 632910392,
                "properties": [],
                "quantity": 1,
                "requires_shipping": True,
                "sku": "@sku",
                "taxable": True,
                "title": "Example mug",
                "total_discount": "0.00",
                "total_discount_set": _money("0.00"),
                "variant_id": "@variant",
                "variant_inventory_management": "shopify",
                "variant_title": "Blue",
                "vendor": "Example",
                "tax_lines": [{"price": "3.32", "rate": 0.2, "title": "VAT", "price_set": _money("3.32")}],
                "duties": [],
                "discount_allocations": [],
            }
        ],
        "payment_terms": None,
        "refunds": [],
        "shipping_address": _ADDRESS,
        "shipping_lines": [],
    }


def _template() -> bytes:
    text = orjson.dumps(_order()).replace(b"%", b"%%")
    for mark in (b"order", b"line", b"variant"):
        text = text.replace(b'"@%s"' % mark, b"%%(%s)d" % mark)
    for mark in (b"time", b"sku"):
        text = text.replace(b"@%s" % mark, b"%%(%s)s" % mark)
    return text.replace(b"@number", b"%(order)d")


_TEMPLATE: Final = _template()

_HEAD: Final = (
    b"POST %(path)s HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"User-Agent: Shopify-Captain-Hook\r\n"
    b"Content-Type: application/json\r\n"
    b"X-Shopify-Topic: orders/create\r\n"
    b"X-Shopify-Hmac-Sha256: %(signature)s\r\n"
    b"X-Shopify-Shop-Domain: %(domain)s\r\n"
    b"X-Shopify-API-Version: 2026-10\r\n"
    b"X-Shopify-Webhook-Id: 9c8b1d5e-2f6a-4c3b-8e7d-%(order)012d\r\n"
    b"X-Shopify-Event-Id: 1a2b3c4d-5e6f-4a8b-9c0d-%(order)012d\r\n"
    b"X-Shopify-Triggered-At: %(time)s\r\n"
    b"Content-Length: %(length)d\r\n\r\n"
)


def sku(index: int) -> str:
    return f"SKU-{index:06d}"


def body(order: int, index: int, time: bytes) -> bytes:
    """One order for one unit of the SKU of that index."""
    values = {
        b"order": order,
        b"line": FIRST_LINE + order,
        b"variant": FIRST_VARIANT + index,
        b"time": time,
        b"sku": sku(index).encode(),
    }
    return _TEMPLATE % values


def delivery(order: int, index: int, *, path: str, domain: str, time: bytes) -> bytes:
    """The whole request, head and body, ready to be sent."""
    content = body(order, index, time)
    signature = base64.b64encode(hmac.digest(SECRET, content, hashlib.sha256))
    head = _HEAD % {
        b"path": path.encode(),
        b"signature": signature,
        b"domain": domain.encode(),
        b"order": order,
        b"time": time,
        b"length": len(content),
    }
    return head + content


def deliveries(orders: Iterable[tuple[int, int]], *, path: str, domain: str) -> list[bytes]:
    """Requests for (order, index of the SKU), all placed now."""
    time = datetime.now(UTC).isoformat(timespec="seconds").encode()
    return [delivery(order, index, path=path, domain=domain, time=time) for order, index in orders]
