"""Exchanges recorded from a live shop, played again: the simulator answers as the shop did, cost included."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from syncd.sim.remotes.shopify import Location, Shop

pytestmark = pytest.mark.anyio

MAIN, CUSTOM = 106318430514, 106318463282
_WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_VOLATILE = ("objectCount", "rootObjectCount")

GROUP = """inventoryAdjustmentGroup {
        id createdAt reason referenceDocumentUri
        changes { name delta quantityAfterChange item { id } location { id name } }
      }
      userErrors { field message code }"""


def cases(specs: Path, name: str) -> list[dict[str, Any]]:
    return json.loads((specs / "shopify/recorded" / name).read_text(encoding="utf-8"))["cases"]


def comparable(value: Any) -> Any:
    """The value without what no two shops share: our own new ids, dates, counts of other people's objects."""
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items() if key not in _VOLATILE}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if isinstance(value, str):
        without_new = re.sub(
            r"(InventoryLevel|InventoryAdjustmentGroup|WebhookSubscription|BulkOperation)/\d+", r"\1/N", value
        )
        return _WHEN.sub("DATE", without_new)
    return value


def cost(answer: dict[str, Any]) -> tuple[int, int] | None:
    told = answer.get("extensions", {}).get("cost")
    return (told["requestedQueryCost"], told["actualQueryCost"]) if told else None


def check(ours: dict[str, Any], recorded: dict[str, Any]) -> None:
    assert comparable(ours.get("data")) == comparable(recorded.get("data"))
    assert ours.get("errors") == recorded.get("errors")
    assert cost(ours) == cost(recorded)


@pytest.fixture
def main(shop: Shop) -> Location:
    shop.locations.clear()
    return shop.add_location("Shop location", location_id=MAIN)


def document(root: str, input_type: str, *, selected: str, keyed: bool, name: str) -> str:
    directive = " @idempotent(key: $idempotencyKey)" if keyed else ""
    declared = ", $idempotencyKey: String!" if keyed else ""
    return f"""
  mutation {name}($input: {input_type}!{declared}) {{
    {root}(input: $input){directive} {{
      {selected}
    }}
  }}"""


_INPUTS = {
    "inventorySetQuantities": "InventorySetQuantitiesInput",
    "inventoryAdjustQuantities": "InventoryAdjustQuantitiesInput",
    "inventorySetOnHandQuantities": "InventorySetOnHandQuantitiesInput",
    "inventoryMoveQuantities": "InventoryMoveQuantitiesInput",
}
_ROOT_OF = (
    ("setonhand", "inventorySetOnHandQuantities"),
    ("adjust", "inventoryAdjustQuantities"),
    ("move", "inventoryMoveQuantities"),
    ("set", "inventorySetQuantities"),
)


def contract(case: dict[str, Any]) -> str:
    """The document of a case that was recorded without one: the same root, cost and source positions."""
    data = case["response"].get("data")
    name = case["case"].rpartition("/")[2].lower()
    root = next(iter(data)) if data else next(field for part, field in _ROOT_OF if part in name)
    asked = cost(case["response"])
    selected = "inventoryAdjustmentGroup { id } userErrors { field message code }" if asked == (10, 10) else GROUP
    if "variables" in case and "ledgerDocument" in str(case["variables"]):
        selected = selected.replace("quantityAfterChange", "quantityAfterChange ledgerDocumentUri")
    places = [
        place for error in case["response"].get("errors", ()) for place in error["locations"] if place["line"] == 2
    ]
    padding = "M" * (places[0]["column"] - 13) if places else "Contract"
    keyed = "Idempotency" not in case["case"] and "idempotencyKey" in case["variables"]
    return document(root, _INPUTS[root], selected=selected, keyed=keyed, name=padding)


def selected_like(case: dict[str, Any], text: str) -> str:
    """Leave out of the group what the recording did not select."""
    data = case["response"].get("data") or {}
    group = next(((payload or {}).get("inventoryAdjustmentGroup") for payload in data.values()), None)
    if not group:
        return text
    for name in ("id createdAt ", "referenceDocumentUri"):
        if name.split()[0] not in group:
            text = text.replace(name, "")
    return (
        text if "name" in group["changes"][0]["location"] else text.replace("location { id name }", "location { id }")
    )


async def test_quantity_contracts(specs: Path, shop: Shop, main: Location, serving: Any) -> None:
    shop.add_item("A", available={main: 0}, inventory_item_id=53469430055218)

    async with serving() as (_, app):
        app.version = "2026-04"
        for case in cases(specs, "inventory-quantity-contracts-2026-04.json"):
            ours = await app.ask(selected_like(case, contract(case)), case["variables"])
            check(ours, case["response"])


@pytest.mark.parametrize(
    ("name", "items"),
    [
        (
            "inventorySetQuantities-name-validation.json",
            (53228116934962, 53228116967730, 53228117295410, 53228117328178, 53228117360946),
        ),
        ("inventory-adjust-zero-delta-noop.json", (53489877745970, 53489877778738)),
        ("inventory-adjust-ledger-document-validation.json", (53495895949618, 53495895982386)),
    ],
)  # fmt: skip
async def test_quantity_validations(
    name: str, items: tuple[int, ...], specs: Path, shop: Shop, main: Location, serving: Any
) -> None:
    for number in items:
        shop.add_item(str(number), available={main: 0}, inventory_item_id=number)

    async with serving() as (_, app):
        app.version = "2026-04"
        for case in cases(specs, name):
            text = case.get("query") or selected_like(case, contract(case))
            ours = await app.ask(text, case["variables"])
            check(ours, case["response"])


async def test_activation(specs: Path, shop: Shop, main: Location, serving: Any) -> None:
    shop.add_location("My Custom Location", location_id=CUSTOM)
    for number in (53486247084338, 53486247117106, 53486247182642):
        shop.add_item(str(number), available={main: 0}, inventory_item_id=number)
    played = [case for case in cases(specs, "inventory-activate-on-hand.json") if case["case"].startswith("cases/")]

    async with serving() as (_, app):
        app.version = "2026-04"
        level = ""
        for case in played:
            variables = dict(case["variables"])
            if "inventoryLevelId" in variables:
                variables["inventoryLevelId"] = level
            ours = await app.ask(case["query"], variables)
            check(ours, case["response"])
            activated = (ours["data"].get("inventoryActivate") or {}).get("inventoryLevel")
            level = activated["id"] if activated else level

    assert len(played) == 5


@pytest.mark.parametrize(
    "name", ["webhook-subscription-topic-format-name-validation.json", "webhook-subscription-uri-validation.json"]
)
async def test_webhook_subscriptions(name: str, specs: Path, shop: Shop, serving: Any) -> None:
    ids: dict[str, str] = {}

    async with serving(allow_http_webhooks=False) as (_, app):
        app.version = "2026-04"
        for case in cases(specs, name):
            variables = {
                key: ids.get(value, value) if key == "id" else value for key, value in case["variables"].items()
            }
            ours = await app.ask(case["query"], variables)
            check(ours, case["response"])
            for alias, payload in case["response"]["data"].items():
                if payload.get("webhookSubscription"):
                    ids[payload["webhookSubscription"]["id"]] = ours["data"][alias]["webhookSubscription"]["id"]


async def test_bulk_query_rules(specs: Path, serving: Any) -> None:
    async with serving() as (_, app):
        app.version = "2026-04"
        for case in cases(specs, "bulk-operation-run-query-validators.json"):
            check(await app.ask(case["query"], case["variables"]), case["response"])


async def test_the_sixth_bulk_query_waits_its_turn(specs: Path, serving: Any) -> None:
    ids: dict[str, str] = {}
    played = 0

    async with serving(bulk_seconds=3600) as (_, app):
        app.version = "2026-04"
        for case in cases(specs, "bulk-operation-run-query-concurrency-limit.json"):
            if "query" not in case:
                continue
            variables = {key: ids.get(value, value) for key, value in case["variables"].items()}
            ours = await app.ask(case["query"], variables)
            check(ours, case["response"])
            recorded = (case["response"]["data"].get("bulkOperationRunQuery") or {}).get("bulkOperation")
            if recorded:
                ids[recorded["id"]] = ours["data"]["bulkOperationRunQuery"]["bulkOperation"]["id"]
            played += 1

    assert played >= 6
