"""The FBA Inventory API v1, the reading half of it."""

from typing import Any

from syncd.sim.remotes.amazon.call import Call, Refused, Told, iso, marketplaces_of, page_token, start_of
from syncd.sim.remotes.amazon.seller import Seller
from syncd.sim.remotes.amazon.state import FbaStock

PAGE = 50


def get_summaries(seller: Seller, call: Call) -> Told:
    marketplaces = marketplaces_of(call, seller.marketplaces)
    if len(marketplaces) != 1 or call.one("granularitytype") != "Marketplace":
        raise Refused(400, "InvalidInput", "One marketplace, and granularityType Marketplace")
    if call.one("granularityid") != marketplaces[0]:
        raise Refused(400, "InvalidInput", "granularityId has to be the marketplace")
    named = call.many("sellerskus")
    if len(named) > 50:
        raise Refused(400, "InvalidInput", "At most 50 sellerSkus")
    found = [row for sku, row in sorted(seller.fba.items()) if not named or sku in named]
    since = call.moment("startdatetime")
    if since is not None:
        found = [row for row in found if row.updated >= since]
    parameters = {name: call.one(name) for name in ("sellerskus", "startdatetime")}
    token = call.one("nexttoken")
    start = start_of(token, parameters, seller.now(), seller.plan.fba_token) if token else 0
    page = [] if call.fault == "empty_page" else found[start : start + PAGE]
    detailed = call.one("details").lower() == "true"
    body: dict[str, Any] = {
        "payload": {
            "granularity": {"granularityType": "Marketplace", "granularityId": marketplaces[0]},
            "inventorySummaries": [_view(row, detailed) for row in page],
        }
    }
    if start + PAGE < len(found):
        body["pagination"] = {"nextToken": page_token(parameters, start + PAGE, seller.now())}
    return Told(body=body)


def _view(row: FbaStock, detailed: bool) -> dict[str, Any]:
    view: dict[str, Any] = {
        "asin": row.asin,
        "fnSku": row.fnsku,
        "sellerSku": row.sku,
        "condition": "NewItem",
        "lastUpdatedTime": iso(row.updated),
        "productName": row.title,
        "totalQuantity": row.total,
    }
    if detailed:
        view["inventoryDetails"] = {
            "fulfillableQuantity": row.fulfillable,
            "inboundWorkingQuantity": 0,
            "inboundShippedQuantity": row.inbound,
            "inboundReceivingQuantity": 0,
            "reservedQuantity": {
                "totalReservedQuantity": row.pending,
                "pendingCustomerOrderQuantity": row.pending,
                "pendingTransshipmentQuantity": 0,
                "fcProcessingQuantity": 0,
            },
            "researchingQuantity": {"totalResearchingQuantity": 0, "researchingQuantityBreakdown": []},
            "unfulfillableQuantity": {"totalUnfulfillableQuantity": row.unfulfillable},
        }
    return view
