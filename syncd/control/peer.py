"""Who is at the other end of the control socket."""

import pwd
import socket
import struct
from typing import Final

from aiohttp import web

_CREDENTIALS: Final = struct.Struct("3i")


def actor(request: web.Request) -> str:
    """The user at the other end, by name where this machine knows one."""
    sock = request.transport.get_extra_info("socket") if request.transport is not None else None
    if sock is None or sock.family != socket.AF_UNIX:
        return "unknown"
    _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"
