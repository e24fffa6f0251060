"""The vendor's own recorded payloads, signed and posted over HTTP to a running daemon."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import Building, Daemon, until

pytestmark = [pytest.mark.anyio, pytest.mark.daemon]

RECORDED = {
    "app_uninstalled.json": "app/uninstalled",
    "fulfillments_create.json": "fulfillments/create",
    "inventory_items_update.json": "inventory_items/update",
    "inventory_levels_disconnect.json": "inventory_levels/disconnect",
    "inventory_levels_update.json": "inventory_levels/update",
    "locations_deactivate.json": "locations/deactivate",
    "orders_create.draft-order-2023.json": "orders/create",
    "orders_create.json": "orders/create",
    "orders_edited.json": "orders/edited",
    "products_delete.json": "products/delete",
    "products_update.json": "products/update",
    "refunds_create.json": "refunds/create",
}


async def stored(daemon: Daemon, event_id: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    async def seen() -> bool:
        found[:] = [row for row in await daemon.lines("events", "list") if row["event_id"] == event_id]
        return bool(found)

    await until(seen)
    return found[0]


async def test_every_recorded_webhook_is_acknowledged_stored_and_applied_or_explained(
    building: Building, specs: Path
) -> None:
    async with building() as site:
        for name, topic in RECORDED.items():
            body = (specs / "shopify" / "webhooks" / name).read_bytes()
            answer = await site.daemon.hook(body, topic=topic, webhook_id=f"recorded-{name}")
            assert answer.status == 200, name
        for name in RECORDED:
            await stored(site.daemon, f"recorded-{name}")
        await site.daemon.until_idle()

        letters = await site.daemon.lines("dead-letters", "list")
        orders = {row["order_id"]: row for row in await site.daemon.lines("orders", "list")}
        assert letters == []
        assert "820982911946154508" in orders, "orders_create.json, its id of 60 bits whole"


async def test_orders_create_json_with_stock_is_applied_and_explained(building: Building, specs: Path) -> None:
    async with building() as site:
        await site.until_shown("TEE", 10)
        body = json.loads((specs / "shopify" / "webhooks" / "orders_create.json").read_bytes())
        body["cancelled_at"] = None
        line = body["line_items"][0]
        line |= {
            "variant_id": site.one.items["TEE"].variant_id,
            "variant_inventory_management": "shopify",
            "quantity": 3,
            "current_quantity": 3,
        }

        answer = await site.daemon.hook(body, webhook_id="recorded-with-stock")
        assert answer.status == 200

        async def booked() -> bool:
            return await site.daemon.level("TEE") == (10, 3)

        await until(booked)
        why = await site.daemon.json("why", "TEE")
        entry = next(entry for entry in why["entries"] if entry["order_id"] == "820982911946154508")
        assert (entry["event_id"], entry["line_id"]) == ("recorded-with-stock", str(line["id"]))
        assert why["unexplained"] == 0


async def test_what_is_not_from_the_shop_is_refused_and_leaves_nothing(building: Building) -> None:
    async with building() as site:
        wrong = await site.daemon.hook({"id": 1}, secret="not the secret", webhook_id="forged")
        bare = await site.daemon.hook({"id": 1}, webhook_id="bare", X_Shopify_Hmac_Sha256="")
        foreign = await site.daemon.hook({"id": 1}, shop="other.myshopify.com", webhook_id="foreign")
        nowhere = await site.daemon.hook({"id": 1}, channel="three")
        large = await site.daemon.hook(b"x" * (4 * 1024 * 1024 + 1))

        assert [answer.status for answer in (wrong, bare, foreign, nowhere, large)] == [401, 401, 401, 404, 413]
        events = {row["event_id"] for row in await site.daemon.lines("events", "list")}
        assert not events & {"forged", "bare", "foreign"}


UNUSABLE = {
    "text": b"not JSON",
    "empty": b"",
    "list": b"[]",
    "nan": b'{"id": NaN}',
    "huge": b'{"id": 1e400}',
    "surrogate": b'{"id": "\\ud800"}',
    "deep": b"[" * 5000,
    "gzip": gzip.compress(b"{}" * 1000),
    "ten-to-the-43": b'{"id": 10000000000000000000000000000000000000000000}',
}


async def test_what_is_well_signed_and_unusable_is_kept_visible_and_answered_200(building: Building) -> None:
    async with building(counts={}) as site:
        for name, body in UNUSABLE.items():
            assert (await site.daemon.hook(body, webhook_id=name)).status == 200, name

        async def seen() -> bool:
            return len(await site.daemon.lines("dead-letters", "list")) == len(UNUSABLE)

        await until(seen)
        letters = await site.daemon.lines("dead-letters", "list")
        assert all(letter["reason"] for letter in letters)
        again = await site.daemon.run("dead-letters", "retry", "--all")
        assert again.returncode == 1, "they are still unusable"
        discarded = await site.daemon.run("dead-letters", "discard", str(letters[0]["id"]))
        assert discarded.returncode == 0, discarded.stderr
        assert len(await site.daemon.lines("dead-letters", "list")) == len(UNUSABLE) - 1


async def test_a_line_of_half_a_unit_is_quarantined_and_the_rest_of_its_order_is_booked(
    building: Building, specs: Path
) -> None:
    async with building() as site:
        await site.until_shown("TEE", 10)
        body = json.loads((specs / "shopify" / "webhooks" / "orders_create.json").read_bytes())
        body["cancelled_at"] = None
        for line, sku, quantity in zip(body["line_items"], ("TEE", "MUG"), (1, 0.5), strict=False):
            line |= {
                "variant_id": site.one.items[sku].variant_id,
                "variant_inventory_management": "shopify",
                "quantity": quantity,
                "current_quantity": quantity,
            }

        assert (await site.daemon.hook(body)).status == 200

        async def booked() -> bool:
            return await site.daemon.level("TEE") == (10, 1)

        await until(booked)
        conflicts = [c for c in await site.daemon.lines("conflicts", "list") if c["kind"] == "quarantined"]
        assert [(c["facts"]["order_id"], c["facts"]["line_id"]) for c in conflicts] == [
            ("820982911946154508", str(body["line_items"][1]["id"]))
        ]
        assert await site.daemon.level("MUG") == (10, 0)


async def test_a_rotated_secret_is_accepted_beside_the_old_one(building: Building) -> None:
    async with building(start=False) as site:
        text = site.daemon.config.read_text()
        both = 'webhook_secret = [{ env = "SHOP_TOKEN" }, { env = "SHOP_SECRET" }]'
        site.daemon.config.write_text(text.replace('webhook_secret = { env = "SHOP_SECRET" }', both, 1))
        await site.daemon.start()

        old = await site.daemon.hook({"id": 5})
        new = await site.daemon.hook({"id": 6}, secret="shpat_simulated")

        assert [old.status, new.status] == [200, 200]
