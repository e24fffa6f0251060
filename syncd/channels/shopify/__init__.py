"""Shopify, by the Admin GraphQL API and webhooks.

May import wire, observe, config, ports and domain. Start with `channel.py`; `documents.py` holds all that is asked of
the vendor, `writes.py` what is changed there, `webhooks.py` what each topic says.
"""

from syncd.channels.shopify.channel import ShopifyChannel, normal_location
from syncd.channels.shopify.settings import CAPABILITIES, Settings
from syncd.config.model import Channel as ChannelConfig
from syncd.ports import Now

__all__ = ["CAPABILITIES", "Settings", "ShopifyChannel", "create", "normal_location"]


def create(config: ChannelConfig, now: Now) -> ShopifyChannel:
    if not isinstance(config.settings, Settings):
        raise TypeError(f"settings of another kind: {type(config.settings).__name__}")
    return ShopifyChannel(config.settings, config.locations, now)
