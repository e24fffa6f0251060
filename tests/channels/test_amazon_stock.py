"""Reading listings and Amazon's own stock, and notifications as hints."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from syncd.channels.amazon import AmazonChannel, normal_location
from syncd.domain.errors import BadSignature, Refused, Retry, Unverifiable
from syncd.ports import Facts
from syncd.sim.remotes.amazon import Plan
from syncd.sim.remotes.amazon.notifications import envelope
from tests.channels.amazon_world import Clock, listing, open_world, settings_for

pytestmark = pytest.mark.anyio


async def test_the_catalogue_is_read_past_the_thousand_that_a_search_shows() -> None:
    async with open_world() as world:
        for number in range(1250):
            world.seller.add_listing(f"S{number:04d}", number % 7)
            world.clock.advance(seconds=1)
        rows = await world.catalogue()

    assert len({row.remote_id for row in rows}) == 1250
    assert {row.remote_id: row.units for row in rows}["S1249"] == 1249 % 7


async def test_only_mapped_places_are_read() -> None:
    async with open_world(stock={"MUG": 3}, mapped=["fba"]) as world:
        world.seller.add_fba("LAMP", 7)
        rows = await world.catalogue()

    assert [(row.remote_id, row.remote_location, row.units) for row in rows] == [("LAMP", "fba", 7)]
    assert world.server.count("searchListingsItems") == 0


async def test_fba_counts_what_can_be_sold_and_a_sale_there_lowers_it() -> None:
    async with open_world() as world:
        world.seller.add_fba("LAMP", 7, inbound=50)
        world.seller.order({"LAMP": 2}, by_amazon=True)
        rows = await world.channel.read_levels([listing("LAMP", "fba")])

    assert [row.units for row in rows] == [5]


async def test_fba_is_paged_and_names_left_out_are_asked_for_again() -> None:
    async with open_world() as world:
        for number in range(120):
            world.seller.add_fba(f"F{number:03d}", number)
        rows = await world.catalogue()
        world.faults.script("empty_page", on="getInventorySummaries")
        again = await world.channel.read_levels([listing("F001", "fba"), listing("F002", "fba")])
        world.faults.empty_page = 1.0
        with pytest.raises(Retry):
            await world.channel.read_levels([listing(f"F{number:03d}", "fba") for number in range(20)])

    assert len({row.remote_id for row in rows if row.remote_location == "fba"}) == 120
    assert [row.units for row in again] == [1, 2]


async def test_an_fba_page_token_that_ended_is_an_error_not_an_end() -> None:
    async with open_world(plan=Plan(fba_token=0)) as world:
        for number in range(60):
            world.seller.add_fba(f"F{number:03d}", 1)
        world.server.on_call.append(lambda phase, operation: world.clock.advance(seconds=2))
        pages = world.channel._fba.catalogue()
        await anext(pages)
        with pytest.raises(Exception, match="expired"):
            await anext(pages)


async def test_listings_without_a_figure_and_absurd_figures() -> None:
    async with open_world() as world:
        world.seller.add_listing("NEW", None)
        world.seller.add_listing("BAD", 10**12)
        rows = await world.catalogue()

    assert [(row.remote_id, row.units) for row in rows] == [("NEW", 0)]


async def test_connecting_names_marketplaces_where_the_seller_does_not_sell() -> None:
    async with open_world() as world:
        other = world.another(marketplaces=["A1F83G8C2ARO7P", "A1PA6795UKMFR9"])
        facts = await other.connect()
        await other.close()

    assert facts.identity == "A2SIMSELLER01"
    assert [place.remote_location for place in facts.locations] == ["mfn", "fba"]
    assert any("A1PA6795UKMFR9" in warning for warning in facts.warnings)


def test_places_may_be_written_in_any_case_and_nothing_else_is_one() -> None:
    assert [normal_location(each) for each in ("MFN", "fba", "", " Mfn ")] == ["mfn", "fba", "mfn", "mfn"]
    with pytest.raises(ValueError, match="neither"):
        normal_location("warehouse")


@pytest.mark.parametrize("bad", [{"marketplaces": []}, {"orders_api": "v1"}, {"endpoint": "http://amazon.example"}])
def test_settings_that_cannot_work_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings_for(**bad)


# Notifications.


@pytest.fixture
def channel() -> AmazonChannel:
    return AmazonChannel(settings_for(webhook_secret=[{"env": "NEW"}, {"env": "HOOKS"}]), ["mfn"], Clock())


def signed(body: bytes, secret: str = "forwarder-secret") -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"x-syncd-hmac-sha256": base64.b64encode(digest).decode()}


def heard(channel: AmazonChannel, told: Any) -> Facts:
    body = json.dumps(told).encode()
    delivery = channel.verify(signed(body), body)
    return channel.parse(delivery.topic, delivery.headers, body)


async def notified(kind: str, what: str) -> dict[str, Any]:
    async with open_world(stock={"MUG": 10}) as world:
        world.seller.add_fba("LAMP", 7)
        made: dict[str, object] = {
            "order": world.seller.order({"MUG": 2}),
            "fba order": world.seller.order({"LAMP": 2}, by_amazon=True),
            "listing": world.seller.listings["MUG"],
            "fba": world.seller.fba["LAMP"],
        }
        return envelope(world.seller, kind, made[what])


def test_deliveries_are_signed_with_any_of_the_secrets(channel: AmazonChannel) -> None:
    body = b'{"NotificationType": "ORDER_CHANGE", "NotificationMetadata": {"NotificationId": "n-1"}}'

    for secret in ("forwarder-secret", "new-forwarder-secret"):
        delivery = channel.verify(signed(body, secret), body)
        assert (delivery.key, delivery.event_id, delivery.topic) == ("ORDER_CHANGE:n-1", "n-1", "ORDER_CHANGE")
    for headers in ({}, signed(body, "wrong"), signed(body + b" "), {"x-syncd-hmac-sha256": "\udcff"}):
        with pytest.raises(BadSignature):
            channel.verify(headers, body)
    with pytest.raises(Unverifiable):
        AmazonChannel(settings_for(webhook_secret=None), ["mfn"], Clock()).verify(signed(body), body)


def test_what_cannot_be_read_is_verified_by_its_bytes_and_refused_later(channel: AmazonChannel) -> None:
    for body in (b"\xff\x00", b"[]", b"{}", b'{"NotificationMetadata": 3}'):
        delivery = channel.verify(signed(body), body)
        assert delivery.key == channel.verify(signed(body), body).key
    with pytest.raises(Refused):
        channel.parse("notification", {}, b"\xff\x00")


async def test_an_order_change_asks_for_the_order(channel: AmazonChannel) -> None:
    told = await notified("ORDER_CHANGE", "order")
    order_id = told["Payload"]["OrderChangeNotification"]["AmazonOrderId"]

    assert heard(channel, told).fetch == (order_id,)
    assert heard(channel, {"version": "0", "detail-type": "ORDER_CHANGE", "detail": told}).fetch == (order_id,)
    assert heard(channel, {"Type": "Notification", "Message": json.dumps(told)}).fetch == (order_id,)
    assert heard(channel, lower(told)).fetch == (order_id,)


async def test_a_change_of_an_order_that_amazon_ships_asks_for_nothing(channel: AmazonChannel) -> None:
    facts = heard(channel, await notified("ORDER_CHANGE", "fba order"))

    assert facts.fetch == ()
    assert "Amazon" in facts.note


async def test_quantities_that_amazon_tells_are_observations(channel: AmazonChannel) -> None:
    merchant = heard(channel, await notified("LISTINGS_ITEM_MFN_QUANTITY_CHANGE", "listing")).observations
    amazon = heard(channel, await notified("FBA_INVENTORY_AVAILABILITY_CHANGES", "fba")).observations

    assert [(seen.remote_id, seen.remote_location, seen.units) for seen in merchant] == [("MUG", "mfn", 8)]
    assert [(seen.remote_id, seen.remote_location, seen.units) for seen in amazon] == [("LAMP", "fba", 5)]


async def test_a_notification_for_another_seller_is_refused(channel: AmazonChannel) -> None:
    told = await notified("LISTINGS_ITEM_MFN_QUANTITY_CHANGE", "listing")
    told["Payload"]["SellerId"] = "ASOMEONEELSE"

    with pytest.raises(Refused, match="not A2SIMSELLER01"):
        heard(channel, told)


async def test_a_feed_that_finished_and_types_nobody_asked_for_do_nothing(channel: AmazonChannel) -> None:
    for kind in ("FEED_PROCESSING_FINISHED", "PRICING_HEALTH"):
        facts = heard(channel, {"notificationType": kind, "payload": {}})
        assert (facts.fetch, facts.observations, facts.orders) == ((), (), ())
        assert facts.note


SAMPLES = {
    "OrderChangeNotification.json": "fetch",
    "ListingsItemMfnQuantityChange.json": "observations",
    "ListingsItemStatusChangeNotification.json": "items",
    "FeedProcessingFinishedNotification.json": "note",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_vendors_own_examples_are_understood(name: str, specs: Path) -> None:
    schema = json.loads((specs / "amazon" / "schemas" / "notifications" / name).read_text())
    assert schema["examples"]
    for example in schema["examples"]:
        seller = _seller_of(example) or "A2SIMSELLER01"
        channel = AmazonChannel(settings_for(seller_id=seller), ["mfn"], Clock())
        assert getattr(heard(channel, example), SAMPLES[name])


def _seller_of(held: Any) -> str:
    if isinstance(held, dict):
        for key, value in held.items():
            if key.lower() == "sellerid" and isinstance(value, str):
                return value
            found = _seller_of(value)
            if found:
                return found
    return ""


def lower(held: Any) -> Any:
    if isinstance(held, dict):
        return {key[:1].lower() + key[1:]: lower(value) for key, value in held.items()}
    return [lower(each) for each in held] if isinstance(held, list) else held
