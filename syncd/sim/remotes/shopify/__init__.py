"""Shopify shops that are not real: the Admin GraphQL API, its webhooks and its faults, over a shop's own books.

Imports nothing of syncd outside of this package. Start with `Shop` (the shop's truth, driven by its buyers and staff)
and `ShopifyServer` (the same shops over HTTP); what the vendor does and what was left open stands in each module.
"""

from syncd.sim.remotes.shopify.delivery import DeliveryCounts, DeliverySettings, signature
from syncd.sim.remotes.shopify.faults import Faults
from syncd.sim.remotes.shopify.records import Item, Level, Line, Location, Movement, Order, ShopRefused, SoldOut
from syncd.sim.remotes.shopify.sales import Wish, custom_line, gift_card, service
from syncd.sim.remotes.shopify.server import ApiCall, ShopifyServer, serve
from syncd.sim.remotes.shopify.shop import VERSIONS, Plan, Shop
from syncd.sim.remotes.shopify.site import Site

__all__ = [
    "VERSIONS",
    "ApiCall",
    "DeliveryCounts",
    "DeliverySettings",
    "Faults",
    "Item",
    "Level",
    "Line",
    "Location",
    "Movement",
    "Order",
    "Plan",
    "Shop",
    "ShopRefused",
    "ShopifyServer",
    "Site",
    "SoldOut",
    "Wish",
    "custom_line",
    "gift_card",
    "serve",
    "service",
    "signature",
]
