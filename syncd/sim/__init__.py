"""The simulation: vendors' servers, seeded traffic and the verdict over both.

It may import everything below the command line; nothing in the daemon imports it. Each vendor lives in `remotes/`.
This module imports nothing, so that asking for a scenario's name costs nothing.
"""
