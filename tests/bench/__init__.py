"""Measures the hot path beside a plain service, bare aiohttp and pgbench, in one interleaved run.

`python -m tests.bench`; start reading in `cases.py`. Every server is a process of its own, as is the load generator.
"""
