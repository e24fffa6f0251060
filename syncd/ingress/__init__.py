"""The HTTP listener: route, verify, store, answer; nothing is parsed before the answer.

May import actors and everything below. Start with `listener.py`.
"""
