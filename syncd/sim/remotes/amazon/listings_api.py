"""The Listings Items API 2021-08-01 over the seller's listings."""

from collections.abc import Mapping
from typing import Any

from syncd.sim.remotes.amazon.call import Call, Refused, Told, iso, marketplaces_of, page_token, start_of
from syncd.sim.remotes.amazon.seller import Seller
from syncd.sim.remotes.amazon.state import Listing

MOST_FOUND = 1000
STOCK = "/attributes/fulfillment_availability"


def search_listings(seller: Seller, call: Call) -> Told:
    """Twenty a page, and no more than a thousand of what matches."""
    marketplaces = _marketplaces(seller, call)
    named = call.many("identifiers")
    if named and (call.one("identifierstype") != "SKU" or len(named) > 20):
        raise Refused(400, "BAD_REQUEST", "identifiersType is missing, or more than 20 identifiers")
    size = int(call.one("pagesize") or "10")
    if not 1 <= size <= 20:
        raise Refused(400, "BAD_REQUEST", "pageSize has to be between 1 and 20")
    since = call.moment("createdafter", "BAD_REQUEST")
    seller.settle()
    found = [
        listing
        for listing in seller.listings.values()
        if set(listing.marketplaces) & set(marketplaces)
        and (not named or listing.sku in named)
        and (since is None or listing.created >= since)
    ]
    found.sort(key=lambda each: (each.created, each.sku), reverse=call.one("sortorder") != "ASC")
    parameters = {name: call.one(name) for name in ("identifiers", "createdafter", "sortby", "sortorder")}
    token = call.one("pagetoken")
    start = start_of(token, parameters, seller.now(), 3600.0) if token else 0
    page = [] if call.fault == "empty_page" else found[:MOST_FOUND][start : start + size]
    included = set(call.many("includeddata")) or {"summaries"}
    body: dict[str, Any] = {
        "numberOfResults": 0 if call.fault == "empty_page" else len(found),
        "items": [item_view(seller, listing, marketplaces, included) for listing in page],
    }
    if page and start + size < min(len(found), MOST_FOUND):
        body["pagination"] = {"nextToken": page_token(parameters, start + size, seller.now())}
    return Told(body=body)


def get_listing(seller: Seller, call: Call) -> Told:
    marketplaces = _marketplaces(seller, call)
    seller.settle()
    listing = seller.listings.get(call.match["sku"])
    if listing is None or not set(listing.marketplaces) & set(marketplaces):
        raise Refused(404, "NOT_FOUND", f"SKU '{call.match['sku']}' not found in marketplace {marketplaces}")
    included = set(call.many("includeddata")) or {"summaries"}
    return Told(body=item_view(seller, listing, marketplaces, included))


def patch_listing(seller: Seller, call: Call) -> Told:
    """INVALID is told at HTTP 200."""
    marketplaces = _marketplaces(seller, call)
    sku = call.match["sku"]
    if not call.body.get("productType") or not isinstance(call.body.get("patches"), list):
        raise Refused(400, "BAD_REQUEST", "productType and patches are required")
    submission = f"sub-{seller.number():08d}"
    issues = patch_issues(seller, sku, call.body, marketplaces)
    if call.fault == "invalid":
        issues = [issue("90220", "'[brand]' is required but not supplied.")]
    preview = call.one("mode") == "VALIDATION_PREVIEW"
    status = "INVALID" if issues else ("VALID" if preview else "ACCEPTED")
    if not issues and not preview:
        apply_patches(seller, sku, call.body, submission)
    return Told(body={"sku": sku, "status": status, "submissionId": submission, "issues": issues})


def patch_issues(seller: Seller, sku: str, body: Mapping[str, Any], marketplaces: list[str]) -> list[dict[str, Any]]:
    listing = seller.listings.get(sku)
    if listing is None or not set(listing.marketplaces) & set(marketplaces):
        return [issue("4000003", f"The SKU '{sku}' does not exist.")]
    for patch in body.get("patches") or ():
        if patch.get("op") not in ("add", "replace", "merge", "delete"):
            return [issue("4000001", "The operation is not known.")]
        if patch.get("path") != STOCK:
            return [issue("90000900", f"The attribute '{patch.get('path')}' is not valid.")]
        for value in patch.get("value") or [{}]:
            if not value.get("fulfillment_channel_code"):
                return [issue("99022", "'fulfillment_channel_code' does not have enough values.")]
            quantity = value.get("quantity", 0)
            if type(quantity) is not int or quantity < 0:
                return [issue("99001", f"'{quantity}' is not a whole number of zero or more.")]
    return []


def apply_patches(seller: Seller, sku: str, body: Mapping[str, Any], cause: str) -> None:
    """`merge` keeps what the entry holds beside what is named; `add` and `replace` drop it."""
    for patch in body["patches"]:
        for value in patch.get("value") or ():
            code = value["fulfillment_channel_code"]
            values = {key: number for key, number in value.items() if type(number) is int}
            seller.submit(sku, code, values, whole=patch["op"] in ("add", "replace"), cause=cause)


def issue(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "severity": "ERROR", "categories": ["INVALID_ATTRIBUTE"]}


def item_view(seller: Seller, listing: Listing, marketplaces: list[str], included: set[str]) -> dict[str, Any]:
    view: dict[str, Any] = {"sku": listing.sku}
    if "summaries" in included:
        view["summaries"] = [
            {
                "marketplaceId": marketplace,
                "asin": listing.asin,
                "productType": listing.product_type,
                "status": ["BUYABLE", "DISCOVERABLE"] if listing.shows else ["DISCOVERABLE"],
                "itemName": listing.title,
                "createdDate": iso(listing.created),
                "lastUpdatedDate": iso(listing.updated),
            }
            for marketplace in marketplaces
            if marketplace in listing.marketplaces
        ]
    if "attributes" in included:
        entries = [{"fulfillment_channel_code": code, **values} for code, values in listing.submitted.items()]
        view["attributes"] = {"fulfillment_availability": entries}
    if "fulfillmentAvailability" in included:
        view["fulfillmentAvailability"] = [
            {"fulfillmentChannelCode": code}
            | ({"quantity": values.get("quantity", 0)} if not code.startswith("AMAZON_") else {})
            for code, values in listing.entries.items()
        ]
    if "productTypes" in included:
        view["productTypes"] = [{"marketplaceId": each, "productType": listing.product_type} for each in marketplaces]
    if "issues" in included:
        view["issues"] = []
    return view


def _marketplaces(seller: Seller, call: Call) -> list[str]:
    if call.match["seller_id"] != seller.seller_id:
        raise Refused(403, "Unauthorized", "Access to requested resource is denied.")
    found = marketplaces_of(call, seller.marketplaces)
    if not found:
        raise Refused(400, "BAD_REQUEST", "marketplaceIds is required")
    return found
