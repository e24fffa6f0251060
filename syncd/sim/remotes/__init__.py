"""Servers that behave like the vendors' own, one module or package per channel kind.

A remote keeps its shop's own books, so that a run can be judged by what the shop knows and not by what syncd believes.
Start with the class named after the vendor's server, e.g. `shopify.ShopifyServer`.
"""
