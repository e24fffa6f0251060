"""Shopify through the shared suite."""

import pytest

from tests.channels.shopify_bench import ShopifyBench
from tests.channels.suite import exercise_channel
from tests.conftest import TestServer

pytestmark = pytest.mark.anyio


async def test_it_stands_what_every_channel_has_to(postgres_server: TestServer) -> None:
    await exercise_channel(ShopifyBench, lambda: postgres_server.create(migrated=True))
