"""The actors: one stock actor that alone writes the books, one actor per channel around it, and who keeps them alive.

May import channels, storage and everything below. The row in the table is the message; between actors there are only
doorbells and the desks. Start with `stock.py`.
"""
