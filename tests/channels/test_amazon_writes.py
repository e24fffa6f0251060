"""Writing merchant-fulfilled stock: absolute, later in force, never over an unseen sale that can be seen."""

from typing import Any

import pytest

from syncd.domain.errors import AuthFailed, Retry, Throttled
from syncd.domain.listings import (
    Account,
    Circumstances,
    Reading,
    Span,
    WriteKind,
    begin,
    confirm,
    cover,
    next_write,
    observe,
    own_effects,
    refuse,
)
from syncd.domain.listings import Write as Owed
from syncd.domain.orders import timeline
from syncd.ports import Outcome
from syncd.sim.remotes.amazon import Plan
from tests.channels.amazon_world import DE, UK, World, listing, open_world, outcomes_of

pytestmark = pytest.mark.anyio


async def test_a_write_is_accepted_and_confirmed_once_it_is_seen_in_force() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        batch = world.batch(("MUG", 4, 10))

        first = await world.channel.write(batch)
        before = await world.channel.landed(batch)
        world.clock.advance(seconds=31)
        after = await world.channel.landed(batch)

    assert outcomes_of(first) == {"MUG": Outcome.ACCEPTED}
    assert before == []
    assert outcomes_of(after) == {"MUG": Outcome.CONFIRMED}
    assert after[0].at is not None
    assert after[0].at.latest - after[0].at.earliest >= 31_000


async def test_a_write_keeps_the_handling_time() -> None:
    async with open_world(plan=Plan(write_lag=0)) as world:
        world.seller.add_listing("MUG", 10, handling_days=3)

        await world.write(("MUG", 4, 10))

    assert world.seller.listings["MUG"].entries["DEFAULT"] == {"quantity": 4, "lead_time_to_ship_max_days": 3}
    assert world.server.bodies[-1][1]["patches"][0]["op"] == "merge"


async def test_invalid_at_http_200_is_a_refusal_with_its_reason() -> None:
    async with open_world(stock={"MUG": 10, "CUP": 5}) as world:
        world.faults.script("invalid", on="patchListingsItem")

        outcomes = await world.channel.write(world.batch(("MUG", 4, 10), ("CUP", 4, 5)))

    refused = [outcome for outcome in outcomes if outcome.outcome is Outcome.REJECTED]
    assert len(refused) == 1
    assert "[brand]" in refused[0].reason
    assert sorted(outcome.outcome for outcome in outcomes) == [Outcome.ACCEPTED, Outcome.REJECTED]


async def test_stock_that_amazon_ships_is_never_written() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        world.seller.add_fba("LAMP", 7)

        by_place = await world.channel.write(world.batch(("LAMP", 3, 7), place="fba"))
        calls = list(world.server.calls)
        by_sku = await world.write(("LAMP", 3, 7))

        assert outcomes_of(by_place) == by_sku == {"LAMP": Outcome.REJECTED}
        assert "FBA" in by_place[0].reason
        assert calls == []
        assert world.server.count("patchListingsItem") == 0
        assert not world.seller.listings["LAMP"].stranded


async def test_a_sku_in_both_modes_is_not_written() -> None:
    async with open_world() as world:
        world.seller.add_fba("LAMP", 7)
        world.seller.listings["LAMP"].entries["DEFAULT"] = {"quantity": 2}

        outcomes = await world.channel.write(world.batch(("LAMP", 5, 2)))

    assert outcomes[0].outcome is Outcome.REJECTED
    assert "as well" in outcomes[0].reason


async def test_a_listing_that_shows_something_else_is_not_raised_but_may_be_lowered() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        world.seller.order({"MUG": 4})

        lifted = await world.channel.write(world.batch(("MUG", 8, 10)))
        lowered = await world.write(("MUG", 2, 10))

    assert lifted[0].outcome is Outcome.STALE
    assert lifted[0].reading is not None
    assert lifted[0].reading.units == 6
    assert lowered == {"MUG": Outcome.ACCEPTED}


async def test_unknown_skus_are_gone_and_an_empty_answer_takes_nothing_away() -> None:
    skus = {f"S{number:03d}": 5 for number in range(40)}
    async with open_world(stock=skus) as world:
        gone = await world.write(("NO-SUCH", 1, 2))
        keys = [listing(sku) for sku in skus]
        world.faults.empty_page = 1.0
        with pytest.raises(Retry, match="40 of 40"):
            await world.channel.read_levels(keys)
        world.faults.clear()
        rows = await world.channel.read_levels(keys)

    assert gone == {"NO-SUCH": Outcome.GONE}
    assert len(rows) == 40


async def test_many_listings_that_are_really_gone_are_told_so_in_the_end() -> None:
    async with open_world(stock={"MUG": 5}) as world:
        keys = [listing(f"GONE{number}") for number in range(30)] + [listing("MUG")]
        with pytest.raises(Retry):
            await world.channel.read_levels(keys)
        rows = await world.channel.read_levels(keys)

    assert [row.remote_id for row in rows] == ["MUG"]


@pytest.mark.parametrize("fault", ["cut_after_effect", "error_after_effect"])
async def test_a_patch_without_an_answer_is_in_doubt_until_it_is_seen(fault: str) -> None:
    async with open_world(stock={"MUG": 10, "CUP": 10}) as world:
        world.faults.script(fault, on="patchListingsItem")
        batch = world.batch(("MUG", 4, 10), ("CUP", 4, 10))

        first = await world.channel.write(batch)
        world.clock.advance(seconds=31)
        second = await world.channel.landed(batch)

    assert set(outcomes_of(first).values()) == {Outcome.ACCEPTED}
    assert set(outcomes_of(second).values()) == {Outcome.CONFIRMED}
    assert world.server.count("patchListingsItem") == 2


async def test_a_patch_that_never_arrived_is_not_confirmed_and_not_repeated() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        world.faults.script("cut_before_effect", on="patchListingsItem")
        batch = world.batch(("MUG", 4, 10))

        await world.channel.write(batch)
        world.clock.advance(seconds=60)
        landed = await world.channel.landed(batch)

    assert landed == []
    assert world.server.count("patchListingsItem") == 1


async def test_a_time_out_after_the_effect_is_in_doubt() -> None:
    async with open_world(stock={"MUG": 10}, plan=Plan(write_lag=0), call_timeout_seconds=0.3) as world:
        world.faults.slow_seconds = 1.0
        world.faults.script("slow_after_effect", on="patchListingsItem")
        batch = world.batch(("MUG", 4, 10))

        first = await world.channel.write(batch)
        second = await world.channel.landed(batch)

    assert outcomes_of(first) == {"MUG": Outcome.ACCEPTED}
    assert outcomes_of(second) == {"MUG": Outcome.CONFIRMED}


async def test_after_a_restart_a_write_in_doubt_is_only_read_back() -> None:
    """The daemon was killed between sending and entering the outcome: nothing is sent again."""
    async with open_world(stock={"MUG": 10, "CUP": 10}) as world:
        world.faults.script("cut_before_effect", on="patchListingsItem")
        batch = world.batch(("MUG", 4, 10), ("CUP", 3, 10))
        await world.channel.write(batch)
        world.clock.advance(seconds=60)
        sent = world.server.count("patchListingsItem")
        again = world.another()

        landed = await again.landed(batch)
        await again.close()

    assert list(outcomes_of(landed).values()) == [Outcome.CONFIRMED]
    assert world.server.count("patchListingsItem") == sent == 2


async def test_a_partial_refusal_for_the_rate_leaves_the_rest_untouched() -> None:
    skus = {f"S{number}": 10 for number in range(6)}
    async with open_world(stock=skus) as world:
        world.faults.script("too_many_requests", on="patchListingsItem")

        outcomes = await world.write(*[(sku, 4, 10) for sku in skus])

    assert set(outcomes.values()) <= {Outcome.ACCEPTED, Outcome.UNTOUCHED}
    assert Outcome.UNTOUCHED in outcomes.values()


@pytest.mark.parametrize(("named", "expected"), [(7.0, 7.0), (None, 0.2)])
async def test_429_waits_as_long_as_is_named_or_as_the_rate_says(named: float | None, expected: float) -> None:
    async with open_world(stock={"MUG": 10}, speed=1.0) as world:
        world.faults.retry_after = named
        world.faults.script("too_many_requests", on="patchListingsItem")

        with pytest.raises(Throttled) as refused:
            await world.write(("MUG", 4, 10))

    assert refused.value.after_seconds == pytest.approx(expected)


async def test_503_and_500_before_a_write_change_nothing() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        for fault in ("service_unavailable", "server_error"):
            world.faults.script(fault, on="getListingsItem")
            with pytest.raises(Retry):
                await world.write(("MUG", 4, 10))

    assert world.server.count("patchListingsItem") == 0


async def test_an_expired_token_is_renewed_once_and_the_call_goes_on() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        await world.channel.connect()
        world.server.application.expire()

        outcomes = await world.write(("MUG", 4, 10))

    assert outcomes == {"MUG": Outcome.ACCEPTED}
    assert world.server.application.mintings == 2


async def test_a_withdrawn_grant_needs_a_person() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        world.server.application.granted = False
        with pytest.raises(AuthFailed, match="invalid grant"):
            await world.channel.connect()


async def test_a_write_in_one_marketplace_shows_in_all_of_them() -> None:
    async with open_world(marketplaces=[UK, DE], plan=Plan(write_lag=0)) as world:
        world.seller.add_listing("MUG", 10)
        world.seller.add_listing("ONLY-DE", 10, marketplaces=[DE])

        rows = await world.catalogue()
        outcomes = await world.write(("MUG", 4, 10), ("ONLY-DE", 3, 10))

    assert sorted(row.remote_id for row in rows) == ["MUG", "ONLY-DE"]
    assert set(outcomes.values()) == {Outcome.ACCEPTED}
    assert world.seller.shows("ONLY-DE") == 3


# The window: what a sale does that is placed at each step of a write.

STEPS = (
    "before the orders' as-of",
    "after the orders' as-of",
    "after the listing was read",
    "after the patch was accepted",
    "after it is in force",
)


class Keeper:
    """One listing as the program keeps it: 10 in stock, `floor` of them held back from now on."""

    def __init__(self, world: World, on_hand: int) -> None:
        self.world = world
        self.on_hand = on_hand
        self.account = Account()
        self.steps: dict[Any, int] = {}

    @property
    def desired(self) -> int:
        return max(0, self.on_hand - self.world.stock().get("MUG", (0, 0))[1])

    async def cover(self, **later: float) -> None:
        rows = await self.world.channel.read_levels([listing("MUG")])
        row = rows[0]
        assert row.units is not None
        self.account = observe(self.account, Reading(row.units, row.at)).account
        pages = await self.world.poll(**(later or {"seconds": 125}))
        self.entered()
        reached = pages[-1].reached
        assert reached is not None
        self.account = cover(self.account, reached).account

    def entered(self) -> None:
        now: dict[Any, int] = {}
        for order in self.world.known.values():
            for (place, at), step in timeline(order).items():
                now[order.order_id, place, at] = step
        new = [(key[2], step) for key, step in now.items() if self.steps.get(key) != step]
        self.steps = now
        if new:
            self.account = own_effects(self.account, new)

    async def write(self) -> Outcome | None:
        """One step of the writer: read orders, choose, write, wait until it lands."""
        await self.world.poll(seconds=5)
        self.entered()
        when = Circumstances(kind=WriteKind.ABSOLUTE, orders_read_in_step=True)
        owed = next_write(self.account, self.desired, when)
        if not isinstance(owed, Owed):
            return None
        self.account = begin(self.account, owed)
        batch = self.world.batch(("MUG", owed.target, owed.was))
        outcome = (await self.world.channel.write(batch))[0]
        if outcome.outcome is Outcome.STALE:
            self.account = refuse(self.account)
            assert outcome.reading is not None
            self.account = observe(self.account, outcome.reading).account
            return Outcome.STALE
        assert outcome.outcome is Outcome.ACCEPTED
        self.world.clock.advance(seconds=self.world.seller.plan.write_lag + 1)
        landed = await self.world.channel.landed(batch)
        assert outcomes_of(landed) in ({"MUG": Outcome.CONFIRMED}, {})
        if landed:
            at = landed[0].at
        else:
            now = int(self.world.clock().timestamp() * 1000)
            at = Span(now - 60_000, now)  # given up after its time: the reading below decides
        assert at is not None
        self.account = confirm(self.account, WriteKind.ABSOLUTE, at)
        return Outcome.CONFIRMED


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("on_hand", [12, 8])
async def test_a_sale_at_each_step_of_a_write_is_overwritten_only_inside_the_window(step: str, on_hand: int) -> None:
    """Stock is counted as 12 (a rise) or 8 (a fall) where Amazon shows 10, and two units are sold at one of the steps.

    Overwritten is a sale only between the reading right before the patch and the moment it takes force; and then the
    figure is put right as soon as the order can be read.
    """
    async with open_world(stock={"MUG": 10}) as world:
        keeper = Keeper(world, 10)
        await world.poll()
        await keeper.cover()
        assert keeper.account.expected == 10
        keeper.on_hand = on_hand
        world.clock.advance(seconds=300)
        _sale_at(world, step)

        outcome = await keeper.write()
        if step == "after it is in force":
            world.seller.order({"MUG": 2})
        shown = world.seller.shows("MUG")

        inside = step in ("after the listing was read", "after the patch was accepted")
        right = on_hand - 2
        if inside:
            assert shown == on_hand  # the sale was overwritten: this is the window
        elif step == "after the orders' as-of":
            assert outcome is Outcome.STALE
            assert shown == 8  # not raised over the sale that nobody has told of yet
        else:
            assert shown == right

        for _ in range(4):
            world.clock.advance(seconds=20)
            await keeper.cover()
            await keeper.write()
        assert world.seller.shows("MUG") == right == keeper.account.expected


def _sale_at(world: World, step: str) -> None:
    """Have two units sold at the step; the last one is for the caller to do."""
    sold: list[str] = []

    def sell() -> None:
        if not sold:
            sold.append(world.seller.order({"MUG": 2}).order_id)

    if step == "before the orders' as-of":
        sell()
        world.clock.advance(seconds=130)
        return
    call = {
        "after the orders' as-of": ("after", "searchOrders"),
        "after the listing was read": ("after", "getListingsItem"),
        "after the patch was accepted": ("after", "patchListingsItem"),
    }.get(step)
    world.server.on_call.append(lambda when, operation: sell() if (when, operation) == call else None)


async def test_buckets_follow_the_rate_that_answers_name() -> None:
    async with open_world(stock={"MUG": 10}, speed=4.0) as world:
        await world.pages()

        tokens = world.channel.tokens()

    assert tokens.restore_per_second == pytest.approx(0.0056 * 4)
    assert tokens.capacity == 20


async def test_an_empty_bucket_refuses_instead_of_waiting_for_minutes() -> None:
    async with open_world(stock={"MUG": 10}, speed=1.0) as world:
        for _ in range(9):
            await world.poll(seconds=4)
        with pytest.raises(Throttled) as refused:
            await _poll_on(world)

    assert refused.value.after_seconds is not None
    assert refused.value.after_seconds > 100
    assert world.server.count("searchOrders") == 20


async def test_without_a_token_a_reading_just_made_serves_the_step() -> None:
    async with open_world(stock={"MUG": 10}, speed=1.0) as world:
        for _ in range(19):
            await world.poll(seconds=20)

        soon = await world.poll(seconds=10)
        with pytest.raises(Throttled):
            await world.poll(seconds=20)

    assert [len(page.records) for page in soon] == [0]
    assert world.server.count("searchOrders") == 20


async def _poll_on(world: World) -> None:
    for _ in range(22):
        await world.poll(seconds=20)


async def test_a_fall_that_sold_more_once_in_force_is_known_by_the_orders() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        await world.poll()
        batch = world.batch(("MUG", 6, 10))
        await world.channel.write(batch)
        world.clock.advance(seconds=60)
        world.seller.order({"MUG": 1})
        world.clock.advance(seconds=20)
        early = await world.channel.landed(batch)
        await world.poll(seconds=180)
        later = await world.channel.landed(batch)

    assert early == []
    assert outcomes_of(later) == {"MUG": Outcome.CONFIRMED}


async def test_a_listing_that_only_sold_is_not_taken_for_written() -> None:
    async with open_world(stock={"MUG": 10}, plan=Plan(write_lag=3600)) as world:
        await world.poll()
        batch = world.batch(("MUG", 6, 10))
        await world.channel.write(batch)
        world.clock.advance(seconds=60)
        world.seller.order({"MUG": 5})
        world.clock.advance(seconds=20)
        await world.channel.landed(batch)
        await world.poll(seconds=180)

        assert await world.channel.landed(batch) == []


async def test_a_rise_of_which_some_was_sold_is_seen_at_once() -> None:
    async with open_world(stock={"MUG": 4}) as world:
        batch = world.batch(("MUG", 10, 4))
        await world.channel.write(batch)
        world.clock.advance(seconds=60)
        world.seller.order({"MUG": 3})

        assert outcomes_of(await world.channel.landed(batch)) == {"MUG": Outcome.CONFIRMED}


async def test_a_cancelled_order_leaves_a_write_in_doubt() -> None:
    async with open_world(stock={"MUG": 10}) as world:
        await world.poll()
        order = world.seller.order({"MUG": 2})
        batch = world.batch(("MUG", 6, 8))
        await world.channel.write(batch)
        world.clock.advance(seconds=60)
        world.seller.cancel(order)
        world.clock.advance(seconds=20)
        await world.channel.landed(batch)
        await world.poll(seconds=180)

        assert await world.channel.landed(batch) == []
