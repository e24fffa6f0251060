"""The configuration file: what may stand in it, where secrets come from, and every fault at once.

May import ports and domain. It knows no channel kind: whoever calls `load` hands in the model of each kind. Start
reading at `model.py`; `load.py` makes a `Config` of a file, `explain.py` turns faults into lines for people.
"""
