"""Amazon, by the Selling Partner API: merchant-fulfilled stock is written, Amazon's own (FBA) is only read.

May import wire, observe, config, ports and domain. Start with `channel.py`; `writes.py` is where stock is changed,
`order_facts.py` says what an order does to it.
"""

from syncd.channels.amazon.channel import AmazonChannel, normal_location
from syncd.channels.amazon.settings import CAPABILITIES, Settings
from syncd.config.model import Channel as ChannelConfig
from syncd.ports import Now

__all__ = ["CAPABILITIES", "AmazonChannel", "Settings", "create", "normal_location"]


def create(config: ChannelConfig, now: Now) -> AmazonChannel:
    if not isinstance(config.settings, Settings):
        raise TypeError(f"settings of another kind: {type(config.settings).__name__}")
    return AmazonChannel(config.settings, config.locations, now)
