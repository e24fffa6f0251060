"""A public third-party client, python-amazon-sp-api, works against the simulated account."""

import io
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import pytest
from anyio import to_thread

from syncd.sim.remotes.amazon import AmazonServer, Plan, Seller
from syncd.sim.remotes.amazon.access import Application

sp_api = pytest.importorskip("sp_api.api")

from sp_api.base import Client, Marketplaces  # noqa: E402 - after the check that it is there
from sp_api.base.exceptions import SellingApiException  # noqa: E402

pytestmark = pytest.mark.anyio

Make = Callable[[Any], Client]


@pytest.fixture
async def server() -> AsyncIterator[AmazonServer]:
    seller = Seller(plan=Plan(visibility=0, write_lag=0, feed_queue=0, feed_work=0))
    seller.add_listing("MUG/1", 10, handling_days=2)
    seller.add_fba("LAMP", 7)
    for _ in range(3):
        seller.order({"MUG/1": 1})
    application = Application(now=seller.now, refresh_token=f"Atzr|{uuid.uuid4()}")
    async with AmazonServer(seller, application=application, speed=1000) as made:
        yield made


@pytest.fixture
def client(server: AmazonServer) -> Iterator[Make]:
    """A client of the given class, pointed at the simulator as its users would: endpoint and token host replaced."""
    opened: list[Any] = []

    def make(kind: Any) -> Client:
        credentials = {
            "lwa_app_id": server.application.client_id,
            "lwa_client_secret": server.application.client_secret,
        }
        made = kind(
            marketplace=Marketplaces.UK, refresh_token=server.application.refresh_token, credentials=credentials
        )
        made.endpoint = server.url
        made._auth.scheme, made._auth.host = "http://", server.url.removeprefix("http://")
        opened.extend((made, made._auth._transport))
        return made

    yield make
    for each in opened:
        each.close()


async def told(call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    return (await to_thread.run_sync(partial(call, *arguments, **more))).payload


async def test_orders_v0_and_their_items(client: Make) -> None:
    orders = client(sp_api.OrdersV0)

    listed = await told(orders.get_orders, LastUpdatedAfter="2020-01-01T00:00:00Z", MaxResultsPerPage=2)
    rest = await told(
        orders.get_orders,
        LastUpdatedAfter="2020-01-01T00:00:00Z",
        MaxResultsPerPage=2,
        NextToken=listed["NextToken"],
    )
    items = await told(orders.get_order_items, listed["Orders"][0]["AmazonOrderId"])

    assert [len(listed["Orders"]), len(rest["Orders"])] == [2, 1]
    assert items["OrderItems"][0]["SellerSKU"] == "MUG/1"


async def test_orders_2026(client: Make) -> None:
    orders = client(sp_api.OrdersV20260101)

    listed = await told(
        orders.search_orders,
        lastUpdatedAfter="2020-01-01T00:00:00Z",
        marketplaceIds=["A1F83G8C2ARO7P"],
        includedData=["FULFILLMENT", "CANCELLATION"],
    )

    assert len(listed["orders"]) == 3
    assert listed["orders"][0]["fulfillment"]["fulfillmentStatus"] == "PENDING"


async def test_a_listing_is_patched_and_read(client: Make, server: AmazonServer) -> None:
    listings = client(sp_api.ListingsItemsV20210801)
    value = [{"fulfillment_channel_code": "DEFAULT", "quantity": 4}]
    patch = {"op": "merge", "path": "/attributes/fulfillment_availability", "value": value}
    body = {"productType": "PRODUCT", "patches": [patch]}

    answer = await told(
        listings.patch_listings_item, "A2SIMSELLER01", "MUG/1", marketplaceIds=["A1F83G8C2ARO7P"], body=body
    )
    item = await told(
        listings.get_listings_item,
        "A2SIMSELLER01",
        "MUG/1",
        marketplaceIds=["A1F83G8C2ARO7P"],
        includedData=["fulfillmentAvailability"],
    )

    assert answer["status"] == "ACCEPTED"
    assert item["fulfillmentAvailability"] == [{"fulfillmentChannelCode": "DEFAULT", "quantity": 4}]
    assert server.seller.listings["MUG/1"].entries["DEFAULT"]["lead_time_to_ship_max_days"] == 2


async def test_fba_summaries(client: Make) -> None:
    payload = await told(
        client(sp_api.Inventories).get_inventory_summary_marketplace, details=True, marketplaceIds=["A1F83G8C2ARO7P"]
    )

    assert payload["inventorySummaries"][0]["inventoryDetails"]["fulfillableQuantity"] == 7


async def test_a_feed_from_document_to_report(client: Make, server: AmazonServer) -> None:
    feeds = client(sp_api.FeedsV20210630)
    value = [{"fulfillment_channel_code": "DEFAULT", "quantity": 6}]
    patch = {"op": "merge", "path": "/attributes/fulfillment_availability", "value": value}
    messages = [
        {"messageId": number, "sku": sku, "operationType": "PATCH", "productType": "PRODUCT", "patches": [patch]}
        for number, sku in enumerate(("MUG/1", "NO-SUCH"), 1)
    ]
    document = {"header": {"sellerId": "A2SIMSELLER01", "version": "2.0"}, "messages": messages}

    def submit() -> Any:
        file = io.BytesIO(json.dumps(document).encode())
        return feeds.submit_feed("JSON_LISTINGS_FEED", file, "application/json; charset=UTF-8")

    _, made = await to_thread.run_sync(submit)
    with anyio.fail_after(20):
        while (feed := await told(feeds.get_feed, made.payload["feedId"]))["processingStatus"] != "DONE":
            await anyio.sleep(0.05)
    report = await to_thread.run_sync(feeds.get_feed_document, feed["resultFeedDocumentId"])
    held = json.loads(report if isinstance(report, str | bytes) else report.payload["document"])

    assert held["summary"]["messagesAccepted"] == 1
    assert [issue["sku"] for issue in held["issues"]] == ["NO-SUCH"]
    assert server.seller.shows("MUG/1") == 6


async def test_its_errors_are_the_vendors(client: Make, server: AmazonServer) -> None:
    orders = client(sp_api.OrdersV20260101)
    server.faults.script("too_many_requests", on="searchOrders")

    with pytest.raises(SellingApiException, match="quota"):
        await told(orders.search_orders, lastUpdatedAfter=datetime.now(UTC).isoformat())


async def test_its_agent_is_taken_as_it_is(client: Make, server: AmazonServer) -> None:
    await told(client(sp_api.Sellers).get_marketplace_participation)

    assert any(agent.startswith("python-sp-api") for agent in server.agents)
