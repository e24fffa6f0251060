"""The API of the simulated shop: guards, limits, idempotency, faults, searches and pages."""

import contextlib
from datetime import timedelta
from typing import Any

import aiohttp
import anyio
import pytest

from syncd.sim.remotes.shopify import DeliverySettings, Faults, Item, Location, Plan, Shop, ShopifyServer, serve

pytestmark = pytest.mark.anyio

SET = """mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id changes { name delta } } userErrors { code field message } } }"""
ADJUST = """mutation Adjust($input: InventoryAdjustQuantitiesInput!, $key: String!) {
  inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id } userErrors { code field message } } }"""
LEVEL = """query($item: ID!, $location: ID!) { inventoryItem(id: $item) { inventoryLevel(locationId: $location) {
  quantities(names: ["available", "on_hand", "committed"]) { name quantity updatedAt } } } }"""
ORDERS = """query($query: String, $after: String, $first: Int = 50) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes { name } pageInfo { hasNextPage endCursor } } }"""


@pytest.fixture
def main(shop: Shop) -> Location:
    return next(iter(shop.locations.values()))


@pytest.fixture
def cup(shop: Shop, main: Location) -> Item:
    return shop.add_item("CUP", available={main: 10})


def row(item: Item, location: Location, quantity: int, compare: int | None) -> dict[str, Any]:
    return {
        "inventoryItemId": item.gid,
        "locationId": location.gid,
        "quantity": quantity,
        "changeFromQuantity": compare,
    }


def setting(*rows: dict[str, Any], key: str = "k1", name: str = "available") -> dict[str, Any]:
    return {"input": {"name": name, "reason": "correction", "quantities": list(rows)}, "key": key}


def adding(item: Item, location: Location, delta: int, *, key: str = "k1") -> dict[str, Any]:
    change = {"inventoryItemId": item.gid, "locationId": location.gid, "delta": delta, "changeFromQuantity": None}
    return {"input": {"name": "available", "reason": "correction", "changes": [change]}, "key": key}


def codes(data: dict[str, Any]) -> list[str]:
    (payload,) = data.values()
    return [error["code"] for error in payload["userErrors"]]


def available(shop: Shop, item: Item, location: Location) -> int:
    return shop.quantities(item, location)["available"]


# --- versions, tokens, scopes ---


@pytest.mark.parametrize(
    ("asked", "served"),
    [("2026-10", "2026-10"), ("2026-01", "2026-01"), ("2024-07", "2026-01"), ("2027-01", "2027-01")],
)
async def test_the_version_header_names_who_answered(asked: str, served: str, serving: Any) -> None:
    async with serving() as (_, app):
        app.version = asked
        status, _, headers = await app.raw("{ shop { name } }")

    assert status == 200
    assert headers["X-Shopify-API-Version"] == served
    assert headers["X-Request-Id"]
    assert headers["Date"] == "Mon, 23 Nov 2026 12:00:00 GMT"


async def test_a_version_that_never_was_is_not_found(serving: Any) -> None:
    async with serving() as (_, app):
        app.version = "latest"
        assert (await app.raw("{ shop { name } }"))[0] == 404


async def test_a_wrong_or_revoked_token_is_turned_away(shop: Shop, serving: Any) -> None:
    async with serving() as (_, app):
        app.token = "shpat_other"
        assert (await app.raw("{ shop { name } }"))[0] == 401
        app.token = "shpat_simulated"
        assert (await app.raw("{ shop { name } }"))[0] == 200
        shop.credentials.revoke()
        assert (await app.raw("{ shop { name } }"))[0] == 401


async def test_a_minted_token_lives_a_day(shop: Shop, clock: Any, serving: Any) -> None:
    form = {"grant_type": "client_credentials", "client_id": "simulated-client", "client_secret": "simulated-secret"}
    async with serving() as (server, app):
        async with app.session.post(server.url(shop) + "/admin/oauth/access_token", data=form) as response:
            granted = await response.json()
        app.token = granted["access_token"]

        assert granted["expires_in"] == 86_399
        assert (await app.raw("{ shop { name } }"))[0] == 200
        clock.advance(hours=24)
        assert (await app.raw("{ shop { name } }"))[0] == 401


@pytest.mark.parametrize("wrong", [{"client_secret": "guess"}, {"grant_type": "password"}])
async def test_wrong_credentials_mint_nothing(wrong: dict[str, str], shop: Shop, serving: Any) -> None:
    form = {"grant_type": "client_credentials", "client_id": "simulated-client", "client_secret": "simulated-secret"}
    async with serving() as (server, app):
        response = await app.session.post(server.url(shop) + "/admin/oauth/access_token", data=form | wrong)
        assert response.status == 400
        assert "access_token" not in await response.json()


async def test_a_missing_scope_is_denied_with_its_name(clock: Any, serving: Any) -> None:
    poor = Shop(domain="poor.myshopify.com", now=clock, scopes=("read_products",))
    async with serving(shops=[poor]) as (_, app):
        answer = await app.ask("{ orders(first: 1) { nodes { id } } }")

    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert "`read_orders`" in error["message"]
    assert error["path"] == ["orders"]


# --- limits ---


async def test_an_empty_bucket_throttles_and_runs_nothing(clock: Any, serving: Any) -> None:
    small = Shop(domain="small.myshopify.com", now=clock, plan=Plan(maximum=20, restore=10))
    main = small.add_location("Main")
    cup = small.add_item("CUP", available={main: 10})
    seconds = [0.0]

    async with serving(shops=[small], monotonic=lambda: seconds[0]) as (server, app):
        assert codes(await app.data(SET, setting(row(cup, main, 9, 10)))) == []
        answer = await app.ask(SET, setting(row(cup, main, 8, 9), key="k2"))
        assert available(small, cup, main) == 9
        seconds[0] += 0.5
        assert codes(await app.data(SET, setting(row(cup, main, 8, 9), key="k2"))) == []

    assert "data" not in answer
    assert answer["errors"][0]["message"] == "Throttled"
    assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert answer["extensions"]["cost"] == {
        "requestedQueryCost": 11,
        "actualQueryCost": None,
        "throttleStatus": {"maximumAvailable": 20, "currentlyAvailable": 9, "restoreRate": 10},
    }
    assert server.calls[1].codes == ("THROTTLED",)


async def test_what_was_not_used_is_given_back(shop: Shop, cup: Item, serving: Any) -> None:
    async with serving(monotonic=lambda: 0.0) as (_, app):
        answer = await app.ask(
            "{ inventoryItems(first: 250) { nodes { id inventoryLevels(first: 20) { nodes { id } } } } }"
        )

    told = answer["extensions"]["cost"]
    assert told["requestedQueryCost"] > told["actualQueryCost"]
    assert told["throttleStatus"]["currentlyAvailable"] == 2000 - told["actualQueryCost"]


async def test_the_fact_sheets_example_costs_two_hundred_points(serving: Any) -> None:
    async with serving() as (_, app):
        answer = await app.ask(
            """{ inventoryItems(first: 250) { nodes { id sku inventoryLevels(first: 20) { nodes {
              location { id } quantities(names: ["available"]) { name quantity } } } } } }"""
        )

    assert answer["extensions"]["cost"]["requestedQueryCost"] == 200


async def test_a_query_too_dear_is_never_run(serving: Any) -> None:
    async with serving() as (_, app):
        answer = await app.ask(
            """{ orders(first: 250) { nodes {
              lineItems(first: 250) { nodes { variant { inventoryItem { variant { product { id } } } } } }
              refunds { refundLineItems(first: 250) { nodes { lineItem { variant { id } } } } } } } }"""
        )

    assert answer["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert answer["errors"][0]["extensions"]["maxCost"] == 1000
    assert "extensions" not in answer


async def test_pages_and_arrays_end_at_two_hundred_and_fifty(
    shop: Shop, cup: Item, main: Location, serving: Any
) -> None:
    async with serving() as (_, app):
        page = await app.ask("{ locations(first: 251) { nodes { id } } }")
        array = await app.ask(SET, setting(*[row(cup, main, 1, None)] * 251))
        neither = await app.ask("{ locations { nodes { id } } }")

    assert "first cannot exceed 250" in page["errors"][0]["message"]
    assert array["errors"][0]["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"
    assert "first or last" in neither["errors"][0]["message"]
    assert available(shop, cup, main) == 10


# --- writes ---


async def test_a_stale_compare_refuses_the_whole_batch(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    saucer = shop.add_item("SAUCER", available={main: 5})
    async with serving() as (_, app):
        data = await app.data(SET, setting(row(cup, main, 7, 10), row(saucer, main, 1, 4)))

    assert data["inventorySetQuantities"] == {
        "inventoryAdjustmentGroup": None,
        "userErrors": [
            {
                "code": "CHANGE_FROM_QUANTITY_STALE",
                "field": None,
                "message": "The changeFromQuantity argument no longer matches the persisted quantity.",
            }
        ],
    }
    assert (available(shop, cup, main), available(shop, saucer, main)) == (10, 5)


async def test_the_compare_is_with_the_named_quantity(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    shop.place_order([(cup, 4)])
    async with serving() as (_, app):
        assert codes(await app.data(SET, setting(row(cup, main, 12, 10), name="on_hand"))) == []

    assert shop.quantities(cup, main)["available"] == 8
    assert shop.quantities(cup, main)["on_hand"] == 12


async def test_writing_what_is_there_makes_no_group(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    async with serving() as (_, app):
        data = await app.data(SET, setting(row(cup, main, 10, 10)))

    assert data["inventorySetQuantities"] == {"inventoryAdjustmentGroup": None, "userErrors": []}


@pytest.mark.parametrize(("version", "refused"), [("2026-01", False), ("2026-04", True), ("2026-10", True)])
async def test_key_and_compare_are_asked_for_from_2026_04_on(
    version: str, refused: bool, shop: Shop, cup: Item, main: Location, serving: Any
) -> None:
    bare = SET.replace(", $key: String!", "").replace(" @idempotent(key: $key)", "")
    given = {"input": {"name": "available", "reason": "correction", "quantities": [row(cup, main, 9, 10)]}}
    async with serving() as (_, app):
        app.version = version
        answer = await app.ask(bare, given)

    assert [error["extensions"]["code"] for error in answer.get("errors", ())] == (["BAD_REQUEST"] if refused else [])
    assert available(shop, cup, main) == (10 if refused else 9)


async def test_a_dropped_null_is_a_missing_argument(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    entry = row(cup, main, 9, None)
    del entry["changeFromQuantity"]
    async with serving() as (_, app):
        answer = await app.ask(SET, setting(entry))

    assert answer["errors"][0]["extensions"]["code"] == "INVALID_FIELD_ARGUMENTS"
    assert answer["data"] == {"inventorySetQuantities": None}


async def test_the_oldest_version_still_compares_the_old_way(
    shop: Shop, cup: Item, main: Location, serving: Any
) -> None:
    entry = row(cup, main, 9, None)
    del entry["changeFromQuantity"]
    async with serving() as (_, app):
        app.version = "2026-01"
        missing = await app.data(SET, setting(entry))
        stale = await app.data(SET, setting(entry | {"compareQuantity": 3}, key="k2"))
        good = await app.data(SET, setting(entry | {"compareQuantity": 10}, key="k3"))

    assert codes(missing) == ["COMPARE_QUANTITY_REQUIRED"]
    assert codes(stale) == ["COMPARE_QUANTITY_STALE"]
    assert codes(good) == []
    assert available(shop, cup, main) == 9


@pytest.mark.parametrize(
    ("version", "policy", "expected"),
    [
        ("2026-07", "activate", (["ITEM_NOT_STOCKED_AT_LOCATION"], 0, False)),
        ("2026-10", "activate", ([], 4, True)),
        ("2026-10", "store", ([], 4, False)),
    ],
)
async def test_writing_where_an_item_is_not_stocked(
    version: str, policy: str, expected: tuple, shop: Shop, cup: Item, main: Location, serving: Any
) -> None:
    annex = list(shop.locations.values())[1]
    shop.activate_level(cup, annex)
    shop.deactivate_level(cup, annex)
    shop.unstocked_writes = policy
    async with serving() as (_, app):
        app.version = version
        told = codes(await app.data(SET, setting(row(cup, annex, 4, 0))))

    assert (told, available(shop, cup, annex), shop.level(cup, annex).active) == expected


async def test_a_bundle_cannot_be_written(shop: Shop, main: Location, serving: Any) -> None:
    box = shop.add_item("BOX", is_bundle=True, available={main: 0})
    async with serving() as (_, app):
        assert codes(await app.data(SET, setting(row(box, main, 4, None)))) == ["NON_MUTABLE_INVENTORY_ITEM"]


async def test_units_move_between_states_of_one_location(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    move = """mutation($input: InventoryMoveQuantitiesInput!) {
      inventoryMoveQuantities(input: $input) @idempotent(key: "m") {
        inventoryAdjustmentGroup { changes { name delta } } userErrors { code } } }"""
    ends = {
        "from": {"locationId": main.gid, "name": "available", "changeFromQuantity": 10},
        "to": {"locationId": main.gid, "name": "damaged", "changeFromQuantity": 0, "ledgerDocumentUri": "doc://a/1"},
    }
    change = {"inventoryItemId": cup.gid, "quantity": 3, **ends}
    given = {"input": {"reason": "damaged", "referenceDocumentUri": "doc://a/1", "changes": [change]}}
    async with serving() as (_, app):
        assert codes(await app.data(move, given)) == []

    held = shop.quantities(cup, main)
    assert (held["available"], held["damaged"], held["on_hand"]) == (7, 3, 10)


async def test_deactivating_takes_a_level_out_of_every_sum(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    annex = list(shop.locations.values())[1]
    level = shop.activate_level(cup, annex, available=5)
    gone = "mutation($id: ID!) { inventoryDeactivate(inventoryLevelId: $id) { userErrors { message } } }"
    async with serving() as (_, app):
        await app.data(gone, {"id": level.gid})
        variants = await app.data('{ productVariants(first: 1, query: "sku:CUP") { nodes { inventoryQuantity } } }')
        last = await app.data(gone, {"id": shop.level(cup, main).gid})
        await app.data(
            """mutation($item: ID!, $location: ID!) {
              inventoryActivate(inventoryItemId: $item, locationId: $location) @idempotent(key: "a") {
                userErrors { message } } }""",
            {"item": cup.gid, "location": annex.gid},
        )

    assert variants["productVariants"]["nodes"] == [{"inventoryQuantity": 10}]
    assert "at a minimum of 1 location" in last["inventoryDeactivate"]["userErrors"][0]["message"]
    assert level.active
    assert available(shop, cup, annex) == 5


# --- idempotency ---


async def test_one_key_takes_effect_once(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    async with serving() as (_, app):
        first = await app.data(ADJUST, adding(cup, main, 2))
        again = await app.data(ADJUST, adding(cup, main, 2))
        other = await app.data(ADJUST, adding(cup, main, 3))

    assert again == first
    assert codes(other) == ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
    assert available(shop, cup, main) == 12


async def test_a_key_is_forgotten_after_a_day(shop: Shop, cup: Item, main: Location, clock: Any, serving: Any) -> None:
    async with serving() as (_, app):
        await app.data(ADJUST, adding(cup, main, 2))
        clock.advance(hours=23)
        await app.data(ADJUST, adding(cup, main, 2))
        assert available(shop, cup, main) == 12
        clock.advance(hours=2)
        await app.data(ADJUST, adding(cup, main, 2))

    assert available(shop, cup, main) == 14


async def test_a_key_whose_attempt_failed_stays_failed(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    async with serving() as (server, app):
        server.faults.script("error_before_effect")
        broken = await app.ask(ADJUST, adding(cup, main, 2))
        again = await app.data(ADJUST, adding(cup, main, 2))

    assert broken["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert codes(again) == ["IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"]
    assert available(shop, cup, main) == 10


async def test_a_key_still_in_use_is_told_so(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    told: dict[str, list[str]] = {}
    async with serving(faults=Faults(slow_seconds=3600)) as (server, app):
        server.faults.script("slow_after_effect")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.data, ADJUST, adding(cup, main, 2))
            await shop.wait_until(lambda s: available(s, cup, main) == 12)
            told["second"] = codes(await app.data(ADJUST, adding(cup, main, 2)))
            tasks.cancel_scope.cancel()

    assert told["second"] == ["IDEMPOTENCY_CONCURRENT_REQUEST"]


async def test_an_unavailable_service_leaves_the_key_free(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    async with serving() as (server, app):
        server.faults.script("service_unavailable")
        assert codes(await app.data(ADJUST, adding(cup, main, 2))) == ["SERVICE_UNAVAILABLE"]
        assert codes(await app.data(ADJUST, adding(cup, main, 2))) == []

    assert available(shop, cup, main) == 12


# --- faults ---


@pytest.mark.parametrize(("fault", "applied"), [("cut_after_effect", True), ("cut_before_effect", False)])
async def test_a_cut_connection_answers_nothing(
    fault: str, applied: bool, shop: Shop, cup: Item, main: Location, serving: Any
) -> None:
    async with serving() as (server, app):
        server.faults.script(fault)
        with pytest.raises(aiohttp.ClientConnectionError):
            await app.data(SET, setting(row(cup, main, 4, 10)))
        assert available(shop, cup, main) == (4 if applied else 10)
        await app.data(SET, setting(row(cup, main, 4, 10)))

    assert available(shop, cup, main) == 4
    assert [(call.status, call.fault) for call in server.calls] == [(None, fault), (200, None)]


async def test_an_internal_error_may_come_after_the_effect(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    async with serving() as (server, app):
        server.faults.script("error_after_effect")
        answer = await app.ask(SET, setting(row(cup, main, 4, 10)))
        assert codes(await app.data(SET, setting(row(cup, main, 4, 10)))) == []

    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert available(shop, cup, main) == 4


@pytest.mark.parametrize(
    ("fault", "status", "header"),
    [
        ("server_error", 502, None),
        ("too_many_requests", 429, "2.0"),
        ("too_many_requests_bare", 429, None),
        ("unauthorised", 401, None),
    ],
)
async def test_the_edge_refuses(
    fault: str, status: int, header: str | None, shop: Shop, cup: Item, main: Location, serving: Any
) -> None:
    async with serving() as (server, app):
        server.faults.script(fault)
        told, _, headers = await app.raw(SET, setting(row(cup, main, 4, 10)))

    assert told == status
    assert headers.get("Retry-After") == header
    assert available(shop, cup, main) == 10


async def test_a_stale_reading_is_as_old_as_it_says(
    shop: Shop, cup: Item, main: Location, clock: Any, serving: Any
) -> None:
    clock.advance(minutes=1)
    shop.place_order([(cup, 3)])
    asked = {"item": cup.gid, "location": main.gid}
    async with serving(faults=Faults(stale_seconds=5)) as (server, app):
        server.faults.script("stale_read")
        clock.advance(seconds=2)
        stale = await app.data(LEVEL, asked)
        fresh = await app.data(LEVEL, asked)

    shown = [each["inventoryItem"]["inventoryLevel"]["quantities"] for each in (stale, fresh)]
    assert [[each["quantity"] for each in quantities] for quantities in shown] == [[10, 10, 0], [7, 10, 3]]
    assert [each["updatedAt"] is None for each in shown[1]] == [False, True, False]


async def test_searches_of_orders_may_lag_while_single_reads_do_not(
    shop: Shop, cup: Item, clock: Any, serving: Any
) -> None:
    old = shop.place_order([(cup, 1)])
    clock.advance(minutes=1)
    async with serving(faults=Faults(orders_search_lag_seconds=5)) as (_, app):
        young = shop.place_order([(cup, 1)])
        shop.refund(old, [])
        since = {"query": "updated_at:>='2026-11-23T12:00:30Z'"}

        assert (await app.data(ORDERS, since))["orders"]["nodes"] == []
        one = await app.data("query($id: ID!) { order(id: $id) { name } }", {"id": young.gid})
        assert one["order"] == {"name": "#1002"}
        clock.advance(seconds=6)
        assert (await app.data(ORDERS, since))["orders"]["nodes"] == [{"name": "#1001"}, {"name": "#1002"}]


async def test_an_outage_cuts_everything(shop: Shop, serving: Any) -> None:
    async with serving() as (server, app):
        server.site(shop).down = True
        with pytest.raises(aiohttp.ClientConnectionError):
            await app.ask("{ shop { name } }")
        server.site(shop).down = False
        assert (await app.data("{ shop { name } }"))["shop"]


@pytest.mark.parametrize("name", ["none", "some", "storm"])
async def test_every_preset_sets_known_faults(name: str) -> None:
    faults = Faults.preset(name)

    assert (faults.server_error > 0) == (name != "none")
    faults.clear()
    assert all(not faults.happens(each) for each in ("server_error", "webhook_drop"))


# --- reading ---


async def test_orders_are_read_page_by_page_in_order_of_change(shop: Shop, cup: Item, clock: Any, serving: Any) -> None:
    placed = []
    for _ in range(5):
        placed.append(shop.place_order([(cup, 1)]))
        clock.advance(seconds=1)
    async with serving() as (_, app):
        first = await app.data(ORDERS, {"first": 2})
        shop.refund(placed[0], [])
        names, cursor = [each["name"] for each in first["orders"]["nodes"]], first["orders"]["pageInfo"]["endCursor"]
        while cursor:
            page = (await app.data(ORDERS, {"first": 2, "after": cursor}))["orders"]
            names += [each["name"] for each in page["nodes"]]
            cursor = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None

    assert names == ["#1001", "#1002", "#1003", "#1004", "#1005", "#1001"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("created_at:>'2026-11-23T12:00:00Z'", ["#1002", "#1003"]),
        ("updated_at:<='2026-11-23T12:00:00Z'", ["#1001"]),
        ("status:cancelled", ["#1002"]),
        ("status:open AND fulfillment_status:unfulfilled", ["#1001"]),
        ("fulfillment_status:shipped OR status:cancelled", ["#1002", "#1003"]),
        ("NOT status:cancelled test:true", ["#1003"]),
        ("-status:cancelled (name:1001 OR name:1002)", ["#1001"]),
        ("sku:'odd \\' sku'", ["#1003"]),
        ("source_name:pos", ["#1002"]),
        ("", ["#1001", "#1002", "#1003"]),
    ],
)
async def test_searches(
    query: str, found: list[str], shop: Shop, cup: Item, main: Location, clock: Any, serving: Any
) -> None:
    odd = shop.add_item("odd ' sku", available={main: 5})
    shop.place_order([(cup, 1)])
    clock.advance(seconds=1)
    shop.cancel(shop.place_order([(cup, 1)], source="pos"), restock=True)
    clock.advance(seconds=1)
    shop.fulfil(shop.place_order([(odd, 1)], test=True))
    async with serving() as (_, app):
        data = await app.data(ORDERS, {"query": query})

    assert [each["name"] for each in data["orders"]["nodes"]] == found


async def test_an_unknown_search_field_is_ignored_with_a_warning(shop: Shop, cup: Item, serving: Any) -> None:
    shop.place_order([(cup, 1)])
    async with serving() as (_, app):
        answer = await app.ask(ORDERS, {"query": "colour:red"})

    assert len(answer["data"]["orders"]["nodes"]) == 1
    assert answer["extensions"]["search"][0]["warnings"][0]["field"] == "colour"


async def test_nodes_answers_null_for_what_is_not_there(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    order = shop.place_order([(cup, 1)])
    fulfilment = shop.fulfil(order)
    ids = [
        cup.gid,
        "gid://shopify/InventoryItem/1",
        order.gid,
        fulfilment.gid,
        main.gid,
        shop.level(cup, main).gid,
        cup.variant_gid,
    ]
    async with serving() as (_, app):
        data = await app.data("query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", {"ids": ids})

    assert [each and each["__typename"] for each in data["nodes"]] == [
        "InventoryItem",
        None,
        "Order",
        "Fulfillment",
        "Location",
        "InventoryLevel",
        "ProductVariant",
    ]


async def test_a_line_whose_variant_was_deleted_has_none(shop: Shop, cup: Item, serving: Any) -> None:
    order = shop.place_order([(cup, 1)])
    shop.delete_item(cup)
    async with serving() as (_, app):
        data = await app.data(
            "query($id: ID!) { order(id: $id) { lineItems(first: 5) { nodes { sku variant { id } } } } }",
            {"id": order.gid},
        )

    assert data["order"]["lineItems"]["nodes"] == [{"sku": "CUP", "variant": None}]


async def test_a_return_shows_where_its_units_went(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    order = shop.place_order([(cup, 2)])
    shop.fulfil(order)
    came_back = shop.process_return(order, [(order.lines[0], 1)], restock_location=main)
    shop.refund(order, [(order.lines[0], 1, "no_restock", None)], return_=came_back)
    async with serving() as (_, app):
        data = await app.data(
            """query($id: ID!) { order(id: $id) {
              refunds { return { id } refundLineItems(first: 5) { nodes { quantity restockType } } }
              returns(first: 5) { nodes { status
                returnLineItems(first: 5) { nodes { ... on ReturnLineItem { refundedQuantity
                  fulfillmentLineItem { lineItem { id } } } } }
                reverseFulfillmentOrders(first: 5) { nodes { lineItems(first: 5) { nodes {
                  dispositions { type quantity location { id } } } } } } } } } }""",
            {"id": order.gid},
        )

    shown = data["order"]["returns"]["nodes"][0]
    assert data["order"]["refunds"][0]["return"] == {"id": came_back.gid}
    assert shown["returnLineItems"]["nodes"][0]["refundedQuantity"] == 1
    assert shown["reverseFulfillmentOrders"]["nodes"][0]["lineItems"]["nodes"][0]["dispositions"] == [
        {"type": "RESTOCKED", "quantity": 1, "location": {"id": main.gid}}
    ]


async def test_inactive_levels_and_locations_are_hidden_unless_asked_for(
    shop: Shop, cup: Item, main: Location, serving: Any
) -> None:
    annex = list(shop.locations.values())[1]
    shop.activate_level(cup, annex, available=5)
    shop.deactivate_level(cup, annex)
    text = """query($id: ID!, $all: Boolean) { inventoryItem(id: $id) {
      inventoryLevels(first: 5, includeInactive: $all) { nodes { isActive location { name } } } } }"""
    async with serving() as (_, app):
        few = await app.data(text, {"id": cup.gid, "all": False})
        all_of_them = await app.data(text, {"id": cup.gid, "all": True})

    assert [each["location"]["name"] for each in few["inventoryItem"]["inventoryLevels"]["nodes"]] == ["Main"]
    assert len(all_of_them["inventoryItem"]["inventoryLevels"]["nodes"]) == 2


async def test_a_bulk_query_writes_one_line_for_each_object(
    shop: Shop, cup: Item, main: Location, serving: Any
) -> None:
    run = """mutation($q: String!) {
      bulkOperationRunQuery(query: $q) { bulkOperation { id status } userErrors { message } } }"""
    text = "{ inventoryItems { edges { node { id sku inventoryLevels { edges { node { id location { id } } } } } } } }"
    async with serving(bulk_seconds=0.01) as (_, app):
        begun = (await app.data(run, {"q": text}))["bulkOperationRunQuery"]["bulkOperation"]
        (operation,) = shop.bulk.by_id.values()
        await shop.wait_until(lambda s: operation.ended)
        told = await app.data(
            "query($id: ID!) { bulkOperation(id: $id) { status objectCount rootObjectCount url } }", {"id": begun["id"]}
        )
        async with app.session.get(told["bulkOperation"]["url"]) as response:
            lines = (await response.text()).splitlines()

    assert begun["status"] == "CREATED"
    assert told["bulkOperation"]["status"] == "COMPLETED"
    assert told["bulkOperation"]["objectCount"] == "2"
    assert told["bulkOperation"]["rootObjectCount"] == "1"
    assert f'"__parentId":"{cup.gid}"' in lines[1]


async def test_two_shops_have_two_addresses(shop: Shop, clock: Any, serving: Any) -> None:
    other = Shop(domain="other.myshopify.com", now=clock)
    async with serving(shops=[shop, other]) as (server, app):
        first = await app.data("{ shop { myshopifyDomain } }")
        app.url = server.url(other)
        second = await app.data("{ shop { myshopifyDomain } }")

    assert [each["shop"]["myshopifyDomain"] for each in (first, second)] == [shop.domain, other.domain]


async def test_calls_are_counted_with_what_they_cost(shop: Shop, cup: Item, main: Location, serving: Any) -> None:
    async with serving(calls_kept=2) as (server, app):
        await app.data("{ shop { name } }")
        await app.data("query Levels { locations(first: 5) { nodes { id } } }")
        await app.data(SET, setting(row(cup, main, 4, 10)))
        written = await server.wait_for_call(lambda call: call.is_write)

    assert [call.operation for call in server.calls] == ["Levels", "Set"]
    assert written.variables["input"]["quantities"] == "1 entries"
    assert written.requested_cost == 11
    assert written.answered_at >= written.received_at
    assert timedelta(0) <= timedelta(seconds=written.answered_at - written.received_at)


async def test_the_same_seed_gives_the_same_shop() -> None:
    made = [Shop(domain="a.myshopify.com") for _ in range(2)]
    ids = [[shop.add_location("Main").id, shop.add_item("A").inventory_item_id] for shop in made]

    assert ids[0] == ids[1]


async def test_a_storm_spoils_calls_but_never_the_books(
    shop: Shop, cup: Item, main: Location, clock: Any, serving: Any, listener: Any
) -> None:
    storm = Faults.preset("storm")
    storm.slow_seconds = storm.webhook_delay_seconds = 0.01
    shop.webhook_address = listener.url
    sold = 0
    async with serving(faults=storm, delivery=DeliverySettings(time_factor=1e-6)) as (server, app):
        for number in range(120):
            clock.advance(seconds=1)
            if number % 3 == 0 and shop.sellable(cup):
                shop.place_order([(cup, 1)])
                sold += 1
            with contextlib.suppress(aiohttp.ClientConnectionError):
                await app.raw(ADJUST, adding(cup, main, 1, key=f"k{number % 100}"))
        await server.drained()
        storm.clear()
        assert (await app.data("{ shop { name } }"))["shop"]

    held, raised = shop.quantities(cup, main), [each for each in shop.books if each.by == "app"]
    assert held["on_hand"] == 10 + len(raised)
    assert held["committed"] == sold
    assert len({each.cause for each in raised}) == len(raised) <= 100
    assert {call.fault for call in server.calls} > {None, "cut_after_effect", "error_after_effect"}


async def test_serving_ends_when_it_is_cancelled(shop: Shop) -> None:
    addresses: list[str] = []
    async with anyio.create_task_group() as tasks:

        def started(server: ShopifyServer) -> None:
            addresses.append(server.url(shop))
            tasks.cancel_scope.cancel()

        await serve(ShopifyServer(shops=[shop]), started=started)

    assert addresses[0].startswith("http://127.0.0.1:")
