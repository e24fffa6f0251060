"""The command line: every verb is a thin client of the control socket, but for those that run or check the daemon.

May import anything; what is heavy is imported inside the verb that needs it, since most verbs only open a socket.
Start with `main.py`.
"""
