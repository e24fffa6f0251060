"""An Amazon seller account that is not real: the Selling Partner API over the seller's own books, and its faults.

Imports nothing of syncd outside of this package. Start with `Seller` (the account's truth, driven by its buyers and
staff) and `AmazonServer` (the same over HTTP, tokens, buckets and faults included).
"""

from syncd.sim.remotes.amazon.faults import Faults
from syncd.sim.remotes.amazon.notifications import Forwarder
from syncd.sim.remotes.amazon.seller import Seller
from syncd.sim.remotes.amazon.server import AmazonServer
from syncd.sim.remotes.amazon.state import FbaStock, Item, Listing, Movement, Order, OutOfStock, Plan

__all__ = [
    "AmazonServer",
    "Faults",
    "FbaStock",
    "Forwarder",
    "Item",
    "Listing",
    "Movement",
    "Order",
    "OutOfStock",
    "Plan",
    "Seller",
]
