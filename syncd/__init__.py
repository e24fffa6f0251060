"""syncd keeps one true stock figure per SKU and location and makes every sales channel show what it should.

Arrows point down only: cli -> tui | sim -> daemon -> ingress | control -> actors -> channels | storage ->
wire | observe -> config -> ports -> domain. Start reading at `daemon.py` (how it is put together) or
`domain/` (what is computed).
"""

__version__ = "0.1.0"
