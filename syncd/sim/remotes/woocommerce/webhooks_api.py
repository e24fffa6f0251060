"""Webhooks over the API."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from syncd.sim.remotes.woocommerce.access import ApiError
from syncd.sim.remotes.woocommerce.bodies import webhook_body
from syncd.sim.remotes.woocommerce.paging import Answer, page_of
from syncd.sim.remotes.woocommerce.records import Webhook

if TYPE_CHECKING:
    from syncd.sim.remotes.woocommerce.shop import Shop

TOPICS: Final = frozenset(
    f"{resource}.{event}"
    for resource in ("order", "product", "customer", "coupon")
    for event in ("created", "updated", "deleted", "restored")
)


def dispatch(
    shop: "Shop",
    url: str,
    method: str,
    rest: Sequence[str],
    query: Mapping[str, str],
    given: Mapping[str, Any],
    ping: Callable[[Webhook], None],
) -> Answer | None:
    match method, list(rest):
        case "GET", []:
            newest_first = sorted(shop.webhooks.values(), key=lambda webhook: -webhook.id)
            return page_of(newest_first, query, lambda webhook: webhook_body(webhook, url))
        case "POST", []:
            return _create(shop, url, given, ping)
        case "GET", [number]:
            return Answer(body=webhook_body(_find(shop, number), url))
        case (("PUT" | "POST" | "PATCH"), [number]):
            return _edit(shop, url, _find(shop, number), given)
        case "DELETE", [number]:
            found = _find(shop, number)
            del shop.webhooks[found.id]
            return Answer(body=webhook_body(found, url))
    return None


def _create(shop: "Shop", url: str, given: Mapping[str, Any], ping: Callable[[Webhook], None]) -> Answer:
    """It pings its address at once; whether that worked makes no difference."""
    topic, address = str(given.get("topic", "")), str(given.get("delivery_url", ""))
    if topic not in TOPICS:
        raise ApiError(400, "woocommerce_rest_webhook_invalid_topic", "Webhook topic is required and must be valid.")
    if not address.startswith(("http://", "https://")):
        told = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise ApiError(400, "woocommerce_rest_webhook_invalid_delivery_url", told)
    made = shop.add_webhook(
        topic,
        address,
        str(given.get("secret", "")),
        name=str(given.get("name", "")),
        status=str(given.get("status", "active")),
    )
    ping(made)
    return Answer(status=201, body=webhook_body(made, url))


def _edit(shop: "Shop", url: str, webhook: Webhook, given: Mapping[str, Any]) -> Answer:
    """Switched on again it begins with no failures; what the vendor does to the count then was not seen."""
    for name in ("name", "status", "secret", "delivery_url", "topic"):
        if name in given:
            setattr(webhook, name, str(given[name]))
    if given.get("status") == "active":
        webhook.failure_count = 0
    webhook.modified = shop.second
    return Answer(body=webhook_body(webhook, url))


def _find(shop: "Shop", number: str) -> Webhook:
    found = shop.webhooks.get(int(number)) if number.isdigit() else None
    if found is None:
        raise ApiError(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
    return found
