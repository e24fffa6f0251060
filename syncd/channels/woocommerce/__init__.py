"""WooCommerce, by its REST API v3 and webhooks.

May import wire, observe, config, ports and domain. Start with `channel.py`; `order_facts.py` says what an order does to
stock, `writes.py` how stock is set, `webhooks.py` what each topic says.
"""

from syncd.channels.woocommerce.channel import WooCommerceChannel
from syncd.channels.woocommerce.settings import CAPABILITIES, Settings
from syncd.config.model import Channel as ChannelConfig
from syncd.ports import Now

__all__ = ["CAPABILITIES", "Settings", "WooCommerceChannel", "create"]


def create(config: ChannelConfig, now: Now) -> WooCommerceChannel:
    if not isinstance(config.settings, Settings):
        raise TypeError(f"settings of another kind: {type(config.settings).__name__}")
    return WooCommerceChannel(config.settings, now)
