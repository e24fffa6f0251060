"""A shop's Admin API in as few lines as the daemon needs: locations, a catalogue, no orders, and writes by compare.

It notes when each write arrived, by the machine's monotonic clock, and keeps a bucket of query points that it enforces.
Beside the API it answers `GET /notes` (what was written since the last time) and `POST /bucket`.
"""

import argparse
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import uvloop
from aiohttp import web

from tests.bench.payload import FIRST_ITEM, FIRST_VARIANT, LOCATION, sku
from tests.bench.serving import serve

PLACE: Final = f"gid://shopify/Location/{LOCATION}"
ITEM: Final = "gid://shopify/InventoryItem/"
WRITE_COST: Final = 10
LAST_PAGE: Final = {"hasNextPage": False, "endCursor": None}


@dataclass(slots=True)
class Bucket:
    """Points, as the vendor counts them."""

    capacity: float
    restore: float
    left: float = 0.0
    at: float = 0.0

    def take(self, cost: float) -> bool:
        now = time.monotonic()
        self.left = min(self.capacity, self.left + (now - self.at) * self.restore)
        self.at = now
        if cost > self.left:
            return False
        self.left -= cost
        return True

    def told(self, cost: float, *, executed: bool) -> dict[str, Any]:
        return {
            "cost": {
                "requestedQueryCost": cost,
                "actualQueryCost": cost if executed else None,
                "throttleStatus": {
                    "maximumAvailable": self.capacity,
                    "currentlyAvailable": int(self.left),
                    "restoreRate": self.restore,
                },
            }
        }


@dataclass(slots=True)
class Shop:
    domain: str
    items: int
    units: int
    bucket: Bucket = field(default_factory=lambda: Bucket(20_000.0, 1_000.0, 20_000.0))
    shown: dict[str, int] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    throttled: int = 0

    def answer(self, asked: dict[str, Any], received: float) -> dict[str, Any]:
        name, variables = asked["operationName"], asked["variables"]
        cost = WRITE_COST if name == "SetAvailable" else 1
        if not self.bucket.take(cost):
            self.throttled += 1
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return {"errors": [error], "extensions": self.bucket.told(cost, executed=False)}
        return {"data": self._data(name, variables, received), "extensions": self.bucket.told(cost, executed=True)}

    def _data(self, name: str, variables: dict[str, Any], received: float) -> dict[str, Any]:
        match name:
            case "Shop":
                return {"shop": {"id": "gid://shopify/Shop/1", "name": "bench", "myshopifyDomain": self.domain}}
            case "Locations":
                place = {"id": PLACE, "name": "Warehouse", "isActive": True}
                return {"locations": {"nodes": [place], "pageInfo": LAST_PAGE}}
            case "Scopes":
                return {"currentAppInstallation": {"accessScopes": []}}
            case "Orders":
                return {"orders": {"nodes": [], "pageInfo": LAST_PAGE}}
            case "InventoryItems":
                return {"inventoryItems": self._page(variables)}
            case "InventoryItemsById":
                return {"nodes": [self._item(int(each.removeprefix(ITEM)) - FIRST_ITEM) for each in variables["ids"]]}
            case "SetAvailable":
                return {"inventorySetQuantities": self._set(variables["input"], received)}
        raise ValueError(f"{name} is not played here")

    def _page(self, variables: dict[str, Any]) -> dict[str, Any]:
        begin = int(variables["after"] or 0)
        end = min(self.items, begin + variables["first"])
        info = {"hasNextPage": end < self.items, "endCursor": str(end)}
        return {"nodes": [self._item(index) for index in range(begin, end)], "pageInfo": info}

    def _item(self, index: int) -> dict[str, Any]:
        item = f"{ITEM}{FIRST_ITEM + index}"
        quantities = [
            {"name": "available", "quantity": self.shown.get(item, self.units)},
            {"name": "committed", "quantity": 0},
        ]
        level = {"location": {"id": PLACE}, "isActive": True, "quantities": quantities}
        return {
            "id": item,
            "sku": sku(index),
            "tracked": True,
            "variant": {
                "id": f"gid://shopify/ProductVariant/{FIRST_VARIANT + index}",
                "title": "Default Title",
                "product": {"title": "Example mug"},
            },
            "inventoryLevels": {"nodes": [level], "pageInfo": LAST_PAGE},
        }

    def _set(self, wanted: dict[str, Any], received: float) -> dict[str, Any]:
        rows = wanted["quantities"]
        stale = [row for row in rows if self.shown.get(row["inventoryItemId"], self.units) != row["changeFromQuantity"]]
        self.notes.append({"at": received, "rows": len(rows), "stale": len(stale)})
        if stale:
            error = {"code": "CHANGE_FROM_QUANTITY_STALE", "field": ["input"], "message": "stale"}
            return {"inventoryAdjustmentGroup": None, "userErrors": [error]}
        self.shown.update({row["inventoryItemId"]: row["quantity"] for row in rows})
        entered = datetime.now(UTC).isoformat(timespec="seconds")
        return {"inventoryAdjustmentGroup": {"id": "gid://1", "createdAt": entered}, "userErrors": []}


SHOP = web.AppKey("shop", Shop)


async def graphql(request: web.Request) -> web.Response:
    received = time.monotonic()
    answer = request.app[SHOP].answer(orjson.loads(await request.read()), received)
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


async def notes(request: web.Request) -> web.Response:
    """What was written, and how often a call was throttled, since the last time."""
    shop = request.app[SHOP]
    told, shop.notes, throttled, shop.throttled = shop.notes, [], shop.throttled, 0
    return web.json_response({"writes": told, "throttled": throttled})


async def bucket(request: web.Request) -> web.Response:
    """From now on a full bucket of this size, refilled at this rate."""
    given = orjson.loads(await request.read())
    request.app[SHOP].bucket = Bucket(given["capacity"], given["restore"], given["capacity"], time.monotonic())
    return web.Response()


async def application(domain: str, items: int, units: int) -> web.Application:
    app = web.Application(client_max_size=8 << 20)
    app[SHOP] = Shop(domain, items, units)
    app.router.add_post("/admin/api/{version}/graphql.json", graphql)
    app.router.add_get("/notes", notes)
    app.router.add_post("/bucket", bucket)
    return app


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("domain")
    arguments.add_argument("--items", type=int, default=0)
    arguments.add_argument("--units", type=int, default=1_000_000)
    given = arguments.parse_args()
    uvloop.run(serve(application(given.domain, given.items, given.units)))
