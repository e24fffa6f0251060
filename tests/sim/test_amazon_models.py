"""What we send and what the simulator answers, held against Amazon's published models."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.domain.ids import OrderId
from syncd.sim.remotes.amazon.notifications import envelope
from tests.channels.amazon_world import World, listing, open_world

pytestmark = pytest.mark.anyio

MODELS = {
    "searchOrders": ("orders_2026-01-01", "searchOrders"),
    "getOrder": ("orders_2026-01-01", "getOrder"),
    "getOrders": ("ordersV0", "getOrders"),
    "getOrderV0": ("ordersV0", "getOrder"),
    "getOrderItems": ("ordersV0", "getOrderItems"),
    "searchListingsItems": ("listingsItems_2021-08-01", "searchListingsItems"),
    "getListingsItem": ("listingsItems_2021-08-01", "getListingsItem"),
    "patchListingsItem": ("listingsItems_2021-08-01", "patchListingsItem"),
    "getInventorySummaries": ("fbaInventory", "getInventorySummaries"),
    "createFeedDocument": ("feeds_2021-06-30", "createFeedDocument"),
    "createFeed": ("feeds_2021-06-30", "createFeed"),
    "getFeed": ("feeds_2021-06-30", "getFeed"),
    "getFeeds": ("feeds_2021-06-30", "getFeeds"),
    "getFeedDocument": ("feeds_2021-06-30", "getFeedDocument"),
    "getMarketplaceParticipations": ("sellers", "getMarketplaceParticipations"),
}
WITHOUT_ANSWER = {"cancelFeed"}


class Model:
    """One of the vendor's Swagger 2.0 files, or a JSON Schema; as much of either as those files use."""

    def __init__(self, held: Mapping[str, Any]) -> None:
        self.held = held

    def operation(self, name: str) -> Mapping[str, Any]:
        for path in self.held["paths"].values():
            for method, operation in path.items():
                if method != "parameters" and operation.get("operationId") == name:
                    return {**operation, "parameters": [*operation.get("parameters", []), *path.get("parameters", [])]}
        raise KeyError(name)

    def resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            found: Any = self.held
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def wrong(self, value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
        schema = self.resolve(schema)
        kinds = schema.get("type")
        kinds = [kinds] if isinstance(kinds, str) else list(kinds or [])
        if kinds and not any(_is(value, kind) for kind in kinds):
            yield f"{where}: {value!r} is not of type {kinds}"
            return
        if "enum" in schema and value is not None and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        if schema.get("format") == "date-time" and isinstance(value, str):
            datetime.fromisoformat(value)
        for name in ("minimum", "maximum"):
            bound = schema.get(name)
            if bound is not None and (value < bound if name == "minimum" else value > bound):
                yield f"{where}: {value} is beyond the {name} {bound}"
        if isinstance(value, dict):
            yield from self._members(value, schema, where)
        if isinstance(value, list) and "items" in schema:
            if len(value) > schema.get("maxItems", len(value)) or len(value) < schema.get("minItems", 0):
                yield f"{where}: {len(value)} items"
            for number, each in enumerate(value):
                yield from self.wrong(each, schema["items"], f"{where}[{number}]")

    def _members(self, value: dict[str, Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
        properties = schema.get("properties", {})
        yield from (f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value)
        if properties and not schema.get("additionalProperties"):
            yield from (f"{where}: {name} is not in the model" for name in value if name not in properties)
        for name, each in value.items():
            if name in properties:
                yield from self.wrong(each, properties[name], f"{where}.{name}")


def _is(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}[kind])


@pytest.fixture
def model(specs: Path) -> Any:
    return lambda name: Model(json.loads((specs / "amazon" / name).with_suffix(".json").read_text()))


def wrong_in_query(operation: Mapping[str, Any], query: Mapping[str, str]) -> Iterator[str]:
    known = {each["name"]: each for each in operation["parameters"] if each["in"] == "query"}
    yield from (f"{name} is not a parameter" for name in query if name not in known)
    yield from (f"{name} is required" for name, each in known.items() if each.get("required") and name not in query)
    for name, value in query.items():
        each = known.get(name, {})
        parts = value.split(",") if each.get("type") == "array" else [value]
        allowed = each.get("enum") or each.get("items", {}).get("enum")
        if allowed:
            yield from (f"{name}: {part} is none of {allowed}" for part in parts if part not in allowed)
        if len(parts) > each.get("maxItems", len(parts)):
            yield f"{name}: {len(parts)} values"
        if each.get("type") == "integer" and not each.get("minimum", 0) <= int(value) <= each.get("maximum", 10**9):
            yield f"{name}: {value}"
        if each.get("format") == "date-time":
            datetime.fromisoformat(value)


@pytest.fixture
async def lived() -> AsyncIterator[World]:
    """A world in which everything was called at least once."""
    skus = {f"S{number:02d}": 10 for number in range(50)}
    async with open_world(stock=skus) as world:
        world.seller.add_fba("LAMP", 7)
        order = world.seller.order({"S00": 2, "S01": 1})
        await world.channel.connect()
        await world.catalogue()
        for change in (world.seller.authorise, world.seller.ask_to_cancel, world.seller.ship, world.seller.cancel):
            await world.poll(minutes=3)
            change(order)
        await world.poll(minutes=3)
        await world.channel.fetch_orders([OrderId(order.order_id)])
        await world.write(("S02", 3, 10))
        world.faults.script("invalid", on="patchListingsItem")
        await world.write(("S03", 3, 10))
        await world.channel.read_levels([listing(sku) for sku in skus] + [listing("LAMP", "fba")])
        batch = world.batch(*[(sku, 4, 10) for sku in skus])
        await world.channel.write(batch)
        again = world.another()
        await again.landed(batch)
        await again.close()
        for seconds in (45, 25, 40):
            world.clock.advance(seconds=seconds)
            await world.channel.landed(batch)
        old = world.another(orders_api="v0")
        async for _ in old.poll_orders(None):
            pass
        await old.fetch_orders([OrderId(order.order_id)])
        await old.close()
        yield world


async def test_every_call_and_every_answer_keeps_to_the_models(lived: World, model: Any) -> None:
    seen = set()
    for exchange in lived.server.exchanges:
        if exchange.operation in WITHOUT_ANSWER:
            continue
        name, operation_id = MODELS[exchange.operation]
        held = model(f"models/{name}")
        operation = held.operation(operation_id)
        told = list(wrong_in_query(operation, exchange.query))
        body = next((each["schema"] for each in operation["parameters"] if each["in"] == "body"), None)
        if body is not None:
            told += held.wrong(exchange.request, body, "request")
        told += held.wrong(exchange.answer, operation["responses"][str(exchange.status)]["schema"], "answer")
        assert told == [], exchange.operation
        seen.add(exchange.operation)

    assert seen == MODELS.keys()


async def test_feed_documents_and_reports_keep_to_their_schemas(lived: World, specs: Path) -> None:
    folder = specs / "amazon" / "schemas" / "feeds"
    document = next(each for each in lived.server.feeds.documents.values() if not each.zipped)
    held = json.loads(document.body)
    schema = Model(json.loads((folder / "listings-feed-schema-v2.json").read_text()))
    message = Model(json.loads((folder / "listings-feed-message-schema-v2.json").read_text()))

    told = list(schema.wrong(held["header"], schema.held["properties"]["header"], "header"))
    for each in held["messages"]:
        told += message.wrong(each, message.held, "message")

    assert told == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ORDER_CHANGE", "OrderChangeNotification"),
        ("LISTINGS_ITEM_MFN_QUANTITY_CHANGE", "ListingsItemMfnQuantityChange"),
        ("FBA_INVENTORY_AVAILABILITY_CHANGES", "FBAInventoryAvailabilityChangeNotification"),
    ],
)
async def test_notifications_hold_what_their_schemas_require(kind: str, name: str, model: Any) -> None:
    schema = model(f"schemas/notifications/{name}")
    async with open_world(stock={"MUG": 10}) as world:
        world.seller.add_fba("LAMP", 7)
        what = {
            "ORDER_CHANGE": world.seller.order({"MUG": 2}),
            "LISTINGS_ITEM_MFN_QUANTITY_CHANGE": world.seller.listings["MUG"],
            "FBA_INVENTORY_AVAILABILITY_CHANGES": world.seller.fba["LAMP"],
        }[kind]
        told = envelope(world.seller, kind, what)

    assert list(schema.wrong(told, schema.held, "notification")) == []
