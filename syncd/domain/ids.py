"""The names of things; distinct types so that a SKU is never taken for a listing."""

from typing import NamedTuple, NewType

Sku = NewType("Sku", str)
LocationId = NewType("LocationId", str)
"""One of our own locations, as the configuration names it."""
ChannelId = NewType("ChannelId", str)

RemoteId = NewType("RemoteId", str)
"""An item as the channel names it in listings, e.g. `gid://shopify/InventoryItem/1`."""
RemoteLocation = NewType("RemoteLocation", str)
"""A location as the channel names it; empty where the channel has none."""
Alias = NewType("Alias", str)
"""A second name by which the channel's orders speak of the item, e.g. a variant id."""

OrderId = NewType("OrderId", str)
LineId = NewType("LineId", str)
PartId = NewType("PartId", str)
"""The channel's id of a fulfilment, refund or return."""
EventId = NewType("EventId", str)
"""The channel's own id of a delivery, or one that syncd makes for a record it read."""

Instant = int
"""Milliseconds since the epoch. In listings and orders always the channel's own clock."""


class OrderKey(NamedTuple):
    channel: ChannelId
    order_id: OrderId


class ListingKey(NamedTuple):
    """One SKU as one channel knows it, at one of the channel's locations."""

    channel: ChannelId
    remote_id: RemoteId
    remote_location: RemoteLocation


class LevelKey(NamedTuple):
    sku: Sku
    location: LocationId
