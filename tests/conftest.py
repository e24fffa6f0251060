"""What every test may use: the anyio backend and where the vendors' published material lies."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def specs() -> Path:
    """The vendors' schemas and recordings; a test that needs them skips, with the reason, where they are absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "specs"
    path = Path(os.environ.get("SYNCD_SPECS", default))
    if not path.is_dir():
        reason = f"vendor material not found at {path}; set SYNCD_SPECS"
        if os.environ.get("SYNCD_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
