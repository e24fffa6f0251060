"""Who may deliver, and what identifies a delivery."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from syncd.domain.errors import BadSignature, Unverifiable
from syncd.ports import ShopFacts

BODY = b'{"id":1}'


def signed(body: bytes = BODY, secret: str = "simulated-secret", **changes: str | None) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    headers = {
        "x-shopify-topic": "orders/create",
        "x-shopify-hmac-sha256": base64.b64encode(digest).decode(),
        "x-shopify-shop-domain": "real.myshopify.com",
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "x-shopify-event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
        "x-shopify-triggered-at": "2026-11-23T12:00:00Z",
        "cookie": "is not kept",
    }
    for name, value in changes.items():
        key = "x-shopify-" + name.replace("_", "-")
        if value is None:
            del headers[key]
        else:
            headers[key] = value
    return headers


def test_a_signed_delivery_is_named_by_topic_and_webhook_id(a_channel: Any) -> None:
    delivery = a_channel().verify(signed(), BODY)

    assert delivery.key == "orders/create:b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"
    assert delivery.event_id == "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"
    assert delivery.topic == "orders/create"
    assert delivery.headers["x-shopify-event-id"] == "98880550-7158-44d4-b7cd-2c97c8a091b5"
    assert "cookie" not in delivery.headers
    assert "x-shopify-hmac-sha256" not in delivery.headers


@pytest.mark.parametrize(
    "headers",
    [
        signed(secret="another"),
        signed(body=b'{"id":2}'),
        signed(hmac_sha256=None),
        signed(hmac_sha256=""),
        signed(hmac_sha256="not base64 \udcff\u00e9"),
        signed(secret=""),
    ],
    ids=["other secret", "other body", "no signature", "empty signature", "garbage", "signed with nothing"],
)
def test_what_is_not_signed_with_the_secret_is_refused(a_channel: Any, headers: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        a_channel().verify(headers, BODY)


@pytest.mark.parametrize("missing", ["topic", "webhook_id", "shop_domain"])
def test_a_signed_delivery_without_what_names_it_cannot_be_verified(a_channel: Any, missing: str) -> None:
    with pytest.raises(Unverifiable, match=missing.replace("_", "-")):
        a_channel().verify(signed(**{missing: None}), BODY)


def test_while_a_secret_is_rotated_both_are_good(a_channel: Any) -> None:
    channel = a_channel(webhook_secret=[{"env": "HOOKS"}, {"env": "OLD"}])

    assert channel.verify(signed(), BODY).topic == "orders/create"
    assert channel.verify(signed(secret="old-secret"), BODY).topic == "orders/create"
    with pytest.raises(BadSignature):
        channel.verify(signed(secret="older still"), BODY)


def test_an_app_with_client_credentials_signs_with_its_client_secret(a_channel: Any) -> None:
    channel = a_channel(access_token=None, webhook_secret=None, client_id="id", client_secret={"env": "ID_SECRET"})

    assert channel.verify(signed(), BODY).topic == "orders/create"


def test_without_any_secret_nothing_can_be_verified(a_channel: Any) -> None:
    with pytest.raises(Unverifiable, match="no webhook secret"):
        a_channel(webhook_secret=None).verify(signed(), BODY)


def test_once_the_shop_is_known_only_its_own_domain_is_taken(a_channel: Any) -> None:
    channel = a_channel()
    channel.verify(signed(shop_domain="anything.myshopify.com"), BODY)

    channel.learn(ShopFacts(identity="Real.myshopify.com"))

    assert channel.verify(signed(shop_domain="REAL.myshopify.com"), BODY)
    with pytest.raises(BadSignature, match=r"for the shop other\.myshopify\.com, not real\.myshopify\.com"):
        channel.verify(signed(shop_domain="other.myshopify.com"), BODY)
    with pytest.raises(BadSignature):
        channel.verify(signed(shop_domain="shop.myshopify.com"), BODY)  # the endpoint's host is not the shop
