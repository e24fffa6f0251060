"""What is computed: stock, orders, listings and policy as values and pure functions.

Imports the standard library only; there is no clock, no randomness and no I/O in here. Start with `orders.py`
(what a sale does to stock), then `listings.py` (what a channel is believed to show) and `books.py` (both at work).
"""
