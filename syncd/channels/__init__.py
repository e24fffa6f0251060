"""One file (or package) per kind of channel; its name is the `kind` of the configuration.

May import wire, observe, config, ports and domain; none imports another, and none reaches storage. Each offers
`Settings` (a pydantic model of its own keys), `CAPABILITIES` and `create(...)`; start with `shopify/`.
"""

import importlib
import pkgutil
from typing import Protocol, cast

from pydantic import BaseModel

from syncd.config.model import Channel as ChannelConfig
from syncd.ports import Capabilities, Channel, Now


class Kind(Protocol):
    """What a channel module offers."""

    Settings: type[BaseModel]
    CAPABILITIES: Capabilities

    def create(self, config: ChannelConfig, now: Now) -> Channel:
        """A channel ready to verify and parse; it connects on first use, and needs no running loop to be made."""


def kinds() -> dict[str, type[BaseModel]]:
    """Every kind with the model of its settings, for checking a configuration."""
    return {name: kind(name).Settings for name in _names()}


def kind(name: str) -> Kind:
    return cast(Kind, importlib.import_module(f"{__name__}.{name}"))


def _names() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]
