"""PostgreSQL: running the embedded one, connecting, migrating, and the tables of syncd.

May import wire, observe, config, ports and domain; channels never see this package. Start reading at `pool.py`
(how a transaction is run) and `queries/` (every statement, with its purpose).
"""
