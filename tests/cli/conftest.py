"""The verbs are tried on the running program, beside simulated shops, on a database that is there already."""

from functools import partial

import pytest

from tests.daemon.conftest import Building, building

__all__ = ["building"]


@pytest.fixture
def running(building: Building, database: str) -> Building:
    """`async with running(first_sync="ask", counts={...}) as site`: the daemon is ready, counts are imported."""
    return partial(building, top=f'[database]\nurl = "{database}"\n')
