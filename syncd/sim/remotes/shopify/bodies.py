"""Webhook bodies, REST-shaped (fact sheet 6.4): snake_case, numeric ids, times with the shop's own offset."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncd.sim.remotes.shopify.bulk import BulkOperation
from syncd.sim.remotes.shopify.ids import gid, iso
from syncd.sim.remotes.shopify.records import (
    Fulfilment,
    FulfilmentOrder,
    Item,
    Level,
    Line,
    Location,
    Order,
    Product,
    Refund,
    Return,
)

if TYPE_CHECKING:
    from syncd.sim.remotes.shopify.shop import Shop
    from syncd.sim.remotes.shopify.state import ShopEvent

Body = dict[str, Any]


def body_of(shop: "Shop", event: "ShopEvent") -> Body:
    """The body of the event's webhook, as things stand now."""
    return _WRITERS[event.topic](shop, event.subject, event.extra)


def _local(shop: "Shop", moment: datetime | None) -> str | None:
    return moment.astimezone(shop.timezone).isoformat(timespec="seconds") if moment else None


def _order(shop: "Shop", order: Order, extra: Mapping[str, Any] | None = None) -> Body:
    total = f"{sum(float(line.price) * line.quantity for line in order.lines):.2f}"
    return {
        "id": order.id,
        "admin_graphql_api_id": order.gid,
        "app_id": 580111,
        "cancel_reason": order.cancel_reason,
        "cancelled_at": _local(shop, order.cancelled_at),
        "closed_at": _local(shop, order.closed_at),
        "confirmed": True,
        "created_at": _local(shop, order.created_at),
        "currency": "USD",
        "financial_status": order.financial_status,
        "fulfillment_status": order.fulfillment_status,
        "location_id": order.retail_location.id if order.retail_location else None,
        "name": order.name,
        "note": None,
        "number": order.number,
        "order_number": order.number + 1000,
        "processed_at": _local(shop, order.created_at),
        "source_name": order.source_name,
        "tags": "",
        "test": order.test,
        "total_price": total,
        "updated_at": _local(shop, order.updated_at),
        "user_id": None,
        "fulfillments": [_fulfilment(shop, each) for each in order.fulfilments],
        "line_items": [_order_line(line) for line in order.lines],
        "refunds": [_refund(shop, each) for each in order.refunds],
        "returns": [{"id": each.id, "admin_graphql_api_id": each.gid} for each in order.returns],
        "shipping_lines": [],
    }


def _order_line(line: Line) -> Body:
    return {
        **_line(line),
        "current_quantity": line.current_quantity,
        "sales_line_item_group_id": None,
    }


def _line(line: Line) -> Body:
    item = line.item if line.item is not None and not line.item.deleted else None
    return {
        "id": line.id,
        "admin_graphql_api_id": line.gid,
        "fulfillable_quantity": line.unfulfilled,
        "fulfillment_service": "manual",
        "fulfillment_status": _line_status(line),
        "gift_card": line.gift_card,
        "grams": 0,
        "name": line.title,
        "price": line.price,
        "product_exists": item is not None,
        "product_id": item.product_id if item else None,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": line.requires_shipping,
        "sku": line.sku,
        "taxable": True,
        "title": line.title,
        "total_discount": "0.00",
        "variant_id": item.variant_id if item else None,
        "variant_inventory_management": "shopify" if item and item.tracked else None,
        "variant_title": None,
        "vendor": None,
        "tax_lines": [],
        "duties": [],
        "discount_allocations": [],
    }


def _line_status(line: Line) -> str | None:
    if line.shipped == 0:
        return None
    return "partial" if line.unfulfilled else "fulfilled"


def _fulfilment(shop: "Shop", fulfilment: Fulfilment, extra: Mapping[str, Any] | None = None) -> Body:
    return {
        "id": fulfilment.id,
        "admin_graphql_api_id": fulfilment.gid,
        "order_id": fulfilment.order.id,
        "status": fulfilment.status,
        "created_at": _local(shop, fulfilment.created_at),
        "updated_at": _local(shop, fulfilment.updated_at),
        "location_id": fulfilment.location.id,
        "name": fulfilment.name,
        "service": "manual",
        "shipment_status": None,
        "tracking_company": None,
        "tracking_number": None,
        "tracking_numbers": [],
        "tracking_url": None,
        "tracking_urls": [],
        "receipt": {},
        "line_items": [{**_line(part.line), "quantity": part.quantity} for part in fulfilment.lines],
    }


def _refund(shop: "Shop", refund: Refund, extra: Mapping[str, Any] | None = None) -> Body:
    return {
        "id": refund.id,
        "admin_graphql_api_id": refund.gid,
        "order_id": refund.order.id,
        "created_at": _local(shop, refund.created_at),
        "processed_at": _local(shop, refund.created_at),
        "note": refund.note,
        "user_id": None,
        "restock": any(part.restock_type != "no_restock" for part in refund.lines),
        "return": {"id": refund.return_.id, "admin_graphql_api_id": refund.return_.gid} if refund.return_ else None,
        "duties": [],
        "order_adjustments": [],
        "refund_shipping_lines": [],
        "transactions": [],
        "refund_line_items": [
            {
                "id": part.id,
                "line_item_id": part.line.id,
                "quantity": part.quantity,
                "restock_type": part.restock_type,
                "location_id": part.location.id if part.location else None,
                "line_item": _line(part.line),
            }
            for part in refund.lines
        ],
    }


def _edited(shop: "Shop", order: Order, extra: Mapping[str, Any]) -> Body:
    at = _local(shop, order.updated_at)
    return {
        "order_edit": {
            "id": extra["edit_id"],
            "app_id": None,
            "created_at": at,
            "committed_at": at,
            "notify_customer": False,
            "order_id": order.id,
            "staff_note": "",
            "user_id": None,
            "line_items": {
                "additions": [{"id": number, "delta": delta} for number, delta in extra["additions"]],
                "removals": [{"id": number, "delta": delta} for number, delta in extra["removals"]],
            },
            "discounts": {"line_item": {"additions": [], "removals": []}},
            "shipping_lines": {"additions": [], "removals": []},
        }
    }


def _level(shop: "Shop", level: Level, extra: Mapping[str, Any]) -> Body:
    return {
        "inventory_item_id": level.item.inventory_item_id,
        "location_id": level.location.id,
        "available": level.quantities["available"] if level.item.tracked else None,
        "updated_at": _local(shop, level.updated_at),
        "admin_graphql_api_id": level.gid,
    }


def _level_gone(shop: "Shop", level: Level, extra: Mapping[str, Any]) -> Body:
    return {"inventory_item_id": level.item.inventory_item_id, "location_id": level.location.id}


def _item(shop: "Shop", item: Item, extra: Mapping[str, Any]) -> Body:
    return {
        "id": item.inventory_item_id,
        "admin_graphql_api_id": item.gid,
        "sku": item.sku,
        "created_at": _local(shop, item.created_at),
        "updated_at": _local(shop, item.updated_at),
        "requires_shipping": item.requires_shipping,
        "tracked": item.tracked,
        "cost": None,
        "country_code_of_origin": None,
        "province_code_of_origin": None,
        "harmonized_system_code": None,
        "country_harmonized_system_codes": [],
        "weight_value": 0,
        "weight_unit": "kg",
    }


def _item_gone(shop: "Shop", item: Item, extra: Mapping[str, Any]) -> Body:
    return {"id": item.inventory_item_id}


def _gone(shop: "Shop", record: Product | Location | Order, extra: Mapping[str, Any]) -> Body:
    return {"id": record.id}


def _product(shop: "Shop", product: Product, extra: Mapping[str, Any]) -> Body:
    return {
        "id": product.id,
        "admin_graphql_api_id": product.gid,
        "title": product.title,
        "handle": product.title.lower().replace(" ", "-"),
        "created_at": _local(shop, product.created_at),
        "updated_at": _local(shop, product.updated_at),
        "published_at": _local(shop, product.created_at),
        "status": "active",
        "product_type": "",
        "tags": "",
        "vendor": shop.name,
        "options": [],
        "images": [],
        "image": None,
        "variants": [_variant(shop, item, position) for position, item in enumerate(product.items[:100], start=1)],
        "variant_gids": [
            {"admin_graphql_api_id": item.variant_gid, "updated_at": iso(item.updated_at)} for item in product.items
        ],
    }


def _variant(shop: "Shop", item: Item, position: int) -> Body:
    return {
        "id": item.variant_id,
        "admin_graphql_api_id": item.variant_gid,
        "product_id": item.product_id,
        "inventory_item_id": item.inventory_item_id,
        "inventory_policy": item.policy.lower(),
        "inventory_quantity": shop.sellable(item),
        "old_inventory_quantity": shop.sellable(item),
        "sku": item.sku,
        "barcode": item.barcode,
        "title": item.title,
        "price": item.price,
        "position": position,
        "taxable": True,
        "created_at": _local(shop, item.created_at),
        "updated_at": _local(shop, item.updated_at),
    }


def _location(shop: "Shop", location: Location, extra: Mapping[str, Any]) -> Body:
    return {
        "id": location.id,
        "admin_graphql_api_id": location.gid,
        "name": location.name,
        "active": location.active,
        "legacy": location.is_fulfillment_service,
        "created_at": _local(shop, location.created_at),
        "updated_at": _local(shop, location.updated_at),
    }


def _return(shop: "Shop", return_: Return, extra: Mapping[str, Any]) -> Body:
    return {
        "id": return_.id,
        "admin_graphql_api_id": return_.gid,
        "name": return_.name,
        "status": "closed" if return_.closed_at else "open",
        "order": {"id": return_.order.id, "admin_graphql_api_id": return_.order.gid},
        "total_return_line_items": return_.total_quantity,
        "return_line_items": [
            {
                "id": part.id,
                "admin_graphql_api_id": gid("ReturnLineItem", part.id),
                "quantity": part.quantity,
                "fulfillment_line_item": {
                    "id": part.fulfilment_line.id,
                    "line_item": {"id": part.fulfilment_line.line.id},
                },
            }
            for part in return_.lines
        ],
    }


def _moved(shop: "Shop", moved: FulfilmentOrder, extra: Mapping[str, Any]) -> Body:
    return {
        "moved_fulfillment_order": {
            "id": moved.gid,
            "status": moved.status.lower(),
            "assigned_location_id": moved.location.gid,
        },
        "destination_location_id": moved.location.gid,
    }


def _bulk(shop: "Shop", operation: BulkOperation, extra: Mapping[str, Any]) -> Body:
    return {
        "admin_graphql_api_id": operation.gid,
        "completed_at": _local(shop, operation.completed_at),
        "created_at": _local(shop, operation.created_at),
        "error_code": operation.error_code,
        "status": operation.status.lower(),
        "type": operation.type.lower(),
    }


def _uninstalled(shop: "Shop", subject: object, extra: Mapping[str, Any]) -> Body:
    return {"id": shop.id, "name": shop.name, "domain": None, "myshopify_domain": shop.domain}


_WRITERS: dict[str, Callable[["Shop", Any, Mapping[str, Any]], Body]] = {
    **dict.fromkeys(
        (
            "orders/create",
            "orders/updated",
            "orders/paid",
            "orders/cancelled",
            "orders/fulfilled",
            "orders/partially_fulfilled",
        ),
        _order,
    ),
    "orders/edited": _edited,
    "orders/delete": _gone,
    "fulfillments/create": _fulfilment,
    "fulfillments/update": _fulfilment,
    "fulfillment_orders/moved": _moved,
    "refunds/create": _refund,
    **dict.fromkeys(("returns/approve", "returns/process", "returns/close"), _return),
    "inventory_levels/update": _level,
    "inventory_levels/connect": _level,
    "inventory_levels/disconnect": _level_gone,
    "inventory_items/create": _item,
    "inventory_items/update": _item,
    "inventory_items/delete": _item_gone,
    "products/create": _product,
    "products/update": _product,
    "products/delete": _gone,
    **dict.fromkeys(("locations/create", "locations/update", "locations/activate", "locations/deactivate"), _location),
    "locations/delete": _gone,
    "bulk_operations/finish": _bulk,
    "app/uninstalled": _uninstalled,
}
