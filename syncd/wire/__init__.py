"""Transport parts that channels hold: HTTP with error mapping, GraphQL, OAuth, signatures, a limiter.

May import domain, ports and config; knows no vendor. Start with `http.py`.
"""
