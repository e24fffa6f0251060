"""The control API on the unix socket: what is shown of the daemon, and what a person may ask of it.

May import actors, storage and everything below; `client.py` alone imports nothing of the daemon, since the command
line and the terminal screens are made of it. Start with `context.py`, then `server.py`.
"""
