"""WooCommerce shops that are not real: the REST API v3, its webhooks and its faults, over a shop's own books.

Imports nothing of syncd outside of this package. Start with `Shop` (the shop's truth, driven by its buyers and staff)
and `WooCommerceServer` (the same shops over HTTP). It behaves as version 8.4.0 was seen to; what was only read of it or
left open stands in each module.
"""

from syncd.sim.remotes.woocommerce.delivery import DeliverySettings, signature
from syncd.sim.remotes.woocommerce.faults import Faults
from syncd.sim.remotes.woocommerce.records import Line, Movement, Order, Product, Refund, ShopRefused, SoldOut, Webhook
from syncd.sim.remotes.woocommerce.server import ApiCall, WooCommerceServer, serve
from syncd.sim.remotes.woocommerce.shop import Shop

__all__ = [
    "ApiCall",
    "DeliverySettings",
    "Faults",
    "Line",
    "Movement",
    "Order",
    "Product",
    "Refund",
    "Shop",
    "ShopRefused",
    "SoldOut",
    "Webhook",
    "WooCommerceServer",
    "serve",
    "signature",
]
