"""Files dropped into a folder or an SFTP server: legacy systems, wholesale lists, spreadsheets.

May import wire, observe, config, ports and domain. Start with `channel.py`; `folder.py` is how files change hands,
`tables.py` how one is read, `intake.py` what it comes to.
"""

from syncd.channels.files.channel import FilesChannel
from syncd.channels.files.settings import CAPABILITIES, Settings
from syncd.config.model import Channel as ChannelConfig
from syncd.ports import Now

__all__ = ["CAPABILITIES", "FilesChannel", "Settings", "create"]


def create(config: ChannelConfig, now: Now) -> FilesChannel:
    if not isinstance(config.settings, Settings):
        raise TypeError(f"settings of another kind: {type(config.settings).__name__}")
    return FilesChannel(config.settings, config.locations, now)
