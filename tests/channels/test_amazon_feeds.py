"""Bulk writes by feeds: followed to the report, each line with its own outcome, never beside a patch."""

import json

import pytest

from syncd.channels.amazon.api import CREATE_FEED
from syncd.ports import Outcome
from syncd.sim.remotes.amazon import Plan
from tests.channels.amazon_world import World, open_world, outcomes_of

pytestmark = pytest.mark.anyio

SKUS = [f"S{number:03d}" for number in range(60)]


def stocked() -> dict[str, int]:
    return dict.fromkeys(SKUS, 10)


async def test_many_listings_go_out_as_one_feed_and_are_confirmed_line_by_line() -> None:
    async with open_world(stock=stocked()) as world:
        batch = world.batch(*[(sku, 4, 10) for sku in SKUS])

        first = await world.channel.write(batch)
        queued = await world.channel.landed(batch)
        world.clock.advance(seconds=45)
        await world.channel.landed(batch)
        world.clock.advance(seconds=25)
        working = await world.channel.landed(batch)
        world.clock.advance(seconds=40)
        done = await world.channel.landed(batch)

    assert set(outcomes_of(first).values()) == {Outcome.ACCEPTED}
    assert set(outcomes_of(queued).values()) == {Outcome.ACCEPTED}
    assert set(outcomes_of(working).values()) == {Outcome.ACCEPTED}
    assert set(outcomes_of(done).values()) == {Outcome.CONFIRMED}
    assert world.server.count("patchListingsItem") == 0
    assert world.server.count("createFeed") == 1


async def finished(world: World) -> None:
    for seconds in (45, 25, 40):
        world.clock.advance(seconds=seconds)
        world.server.feeds.settle()
    world.seller.settle()


async def test_the_report_says_which_lines_were_refused() -> None:
    async with open_world(stock=stocked()) as world:
        batch = world.batch(*[(sku, 4, 10) for sku in SKUS])
        await world.channel.write(batch)
        world.seller.listings.pop("S007")
        await finished(world)

        outcomes = {outcome.key.remote_id: outcome for outcome in await world.channel.landed(batch)}

    assert outcomes["S007"].outcome is Outcome.REJECTED
    assert "does not exist" in outcomes["S007"].reason
    assert [each.outcome for sku, each in outcomes.items() if sku != "S007"] == [Outcome.CONFIRMED] * 59


async def test_a_fatal_feed_is_read_back_not_believed() -> None:
    async with open_world(stock=stocked()) as world:
        world.server.feeds.fatal = True
        batch = world.batch(*[(sku, 4, 10) for sku in SKUS])
        await world.channel.write(batch)
        await finished(world)

        outcomes = outcomes_of(await world.channel.landed(batch))

    assert Outcome.CONFIRMED not in outcomes.values()
    assert Outcome.REJECTED not in outcomes.values()


async def test_a_feed_that_stays_in_the_queue_is_cancelled_and_nothing_was_done() -> None:
    async with open_world(stock=stocked(), plan=Plan(feed_queue=10**6), feed_minutes=1e-9) as world:
        batch = world.batch(*[(sku, 4, 10) for sku in SKUS])
        await world.channel.write(batch)

        first = await world.channel.landed(batch)
        second = await world.channel.landed(batch)

    assert set(outcomes_of(first).values()) == {Outcome.ACCEPTED}
    assert set(outcomes_of(second).values()) == {Outcome.UNTOUCHED}
    assert world.server.count("cancelFeed") == 1


async def test_a_stuck_feed_keeps_its_lines_and_no_patch_overtakes_it() -> None:
    async with open_world(stock=stocked(), feed_minutes=1e-9) as world:
        world.server.feeds.stuck = True
        batch = world.batch(*[(sku, 4, 10) for sku in SKUS])
        await world.channel.write(batch)
        await finished(world)
        world.clock.advance(days=2)

        outcomes = outcomes_of(await world.channel.landed(batch))

    assert set(outcomes.values()) == {Outcome.ACCEPTED}
    assert world.server.count("cancelFeed") == 0


async def test_after_a_restart_rows_wait_while_a_feed_from_before_is_under_way() -> None:
    async with open_world(stock=stocked()) as world:
        batch = world.batch(*[(sku, 4, 10) for sku in SKUS])
        await world.channel.write(batch)
        again = world.another()
        under_way = outcomes_of(await again.landed(batch))
        await again.close()
        await finished(world)
        later = world.another()

        done = outcomes_of(await later.landed(batch))
        await later.close()

    assert set(under_way.values()) == {Outcome.ACCEPTED}
    assert set(done.values()) == {Outcome.CONFIRMED}


async def test_a_feed_whose_making_was_not_answered_is_in_doubt_and_not_made_again() -> None:
    async with open_world(stock=stocked()) as world:
        world.faults.script("cut_after_effect", on="createFeed")
        batch = world.batch(*[(sku, 4, 10) for sku in SKUS])
        first = outcomes_of(await world.channel.write(batch))
        under_way = outcomes_of(await world.channel.landed(batch))
        await finished(world)

        done = outcomes_of(await world.channel.landed(batch))

    assert set(first.values()) == set(under_way.values()) == {Outcome.ACCEPTED}
    assert set(done.values()) == {Outcome.CONFIRMED}
    assert world.server.count("createFeed") == 1


async def test_a_feed_leaves_out_what_may_not_be_written() -> None:
    async with open_world(stock=stocked()) as world:
        world.seller.add_fba("LAMP", 5)
        world.seller.order({"S001": 5})

        outcomes = await world.write(*[(sku, 6, 10) for sku in SKUS], ("LAMP", 1, 2))
        document = next(iter(world.server.feeds.documents.values()))

    assert outcomes["LAMP"] is Outcome.REJECTED
    assert outcomes["S001"] is Outcome.STALE
    messages = json.loads(document.body)["messages"]
    assert len(messages) == 59
    assert {message["patches"][0]["op"] for message in messages} == {"merge"}


async def test_without_a_token_for_feeds_the_riskiest_are_patched() -> None:
    async with open_world(stock=stocked(), speed=20.0) as world:
        for _ in range(5):
            await world.channel._api._bucket(CREATE_FEED).acquire()

        outcomes = await world.write(*[(sku, 4, 10) for sku in SKUS])

    assert world.server.count("createFeed") == 0
    assert list(outcomes.values()).count(Outcome.ACCEPTED) >= 10
    assert outcomes["S000"] is Outcome.ACCEPTED
