"""One channel's actor: connects, then writes, polls, fetches and reconciles side by side, at the channel's own rate."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

import anyio
import structlog

from syncd.actors.contact import Contact
from syncd.actors.desk import Desk
from syncd.actors.lander import Lander
from syncd.actors.poller import Poller
from syncd.actors.raw import RawWriter
from syncd.actors.reconciler import Reconciler
from syncd.actors.stock import StockActor
from syncd.actors.writer import Writer
from syncd.domain.commands import SaveChannel
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Retry
from syncd.domain.setup import ChannelSetup
from syncd.ports import Channel, LateChannel, Now, ShopFacts, ShopLocation
from syncd.storage.pool import Database

log = structlog.get_logger(__name__)

WATCH_SECONDS: Final = 300.0
AUTH_SECONDS: Final = 30.0


@dataclass(slots=True)
class ChannelActor:
    channel: Channel
    setup: ChannelSetup
    desk: Desk
    contact: Contact
    stock: StockActor
    writer: Writer
    poller: Poller
    reconciler: Reconciler
    lander: Lander
    public_url: str | None

    async def run(self) -> None:
        """Never returns; what goes wrong at the vendor's end is waited for, a fault of ours is raised."""
        await self._connect()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.poller.run)
            tasks.start_soon(self.poller.fetch)
            tasks.start_soon(self.reconciler.run)
            tasks.start_soon(self.writer.run)
            if self.channel.capabilities.takes_force_later:
                tasks.start_soon(self.lander.run)
            if self.public_url is not None and self.channel.capabilities.has_webhooks:
                tasks.start_soon(self._watch_subscriptions, f"{self.public_url}/hooks/{self.desk.channel}")

    async def _connect(self) -> None:
        failures = 0
        while True:
            try:
                facts = await self.contact.call("connect", self.channel.connect)
                await self._remember(facts)
                return
            except (Retry, OutcomeUnknown, AuthFailed) as error:
                failures += 1
                if failures == 1 or isinstance(error, AuthFailed):
                    log.warning("channel.unreachable", channel=self.desk.channel, error=str(error))
                wait = AUTH_SECONDS if isinstance(error, AuthFailed) else self.contact.pause_seconds(error, failures)
                await anyio.sleep(wait)

    async def _remember(self, facts: ShopFacts) -> None:
        stored = facts_to_json(facts)
        if stored != self.desk.record.facts:
            await self.stock.ask(SaveChannel(record=replace(self.desk.record, facts=stored)))
        if self.desk.record.first_synced_at is not None:
            self.desk.state = "live"
        self.desk.writes.ring()
        for warning in facts.warnings:
            log.warning("channel.warning", channel=self.desk.channel, warning=warning)
        self._check_locations(facts)
        log.info("channel.connected", channel=self.desk.channel, identity=facts.identity)

    def _check_locations(self, facts: ShopFacts) -> None:
        known = {location.remote_location for location in facts.locations}
        missing = [remote for remote in self.setup.locations if remote not in known]
        if self.channel.capabilities.has_locations and missing and known:
            self.desk.trouble = f"the shop has no location {', '.join(missing)}; it has {', '.join(sorted(known))}"
            log.warning("channel.locations_unknown", channel=self.desk.channel, missing=missing, known=sorted(known))

    async def _watch_subscriptions(self, address: str) -> None:
        failures = 0
        while True:
            try:
                async with self.contact.attempt("subscribe"):
                    created = await self.channel.subscribe(address)
                if created:
                    log.info("webhooks.subscribed", channel=self.desk.channel, topics=list(created))
                failures = 0
                await anyio.sleep(WATCH_SECONDS)
            except (Retry, OutcomeUnknown, AuthFailed) as error:
                failures += 1
                await anyio.sleep(self.contact.pause_seconds(error, failures))


def build(
    channel: Channel,
    setup: ChannelSetup,
    desk: Desk,
    *,
    stock: StockActor,
    raw: RawWriter,
    database: Database,
    now: Now,
    rng: random.Random,
    poll_seconds: float,
    public_url: str | None,
) -> ChannelActor:
    """Put a channel's crew together around its desk."""
    contact = Contact(desk, now, rng)
    poller = Poller(channel, desk, stock, raw, contact, now, poll_seconds)
    return ChannelActor(
        channel=channel,
        setup=setup,
        desk=desk,
        contact=contact,
        stock=stock,
        writer=Writer(channel, desk, stock, raw, poller, contact, now),
        poller=poller,
        lander=Lander(cast(LateChannel, channel), desk, stock, contact, now),
        reconciler=Reconciler(channel, setup, desk, stock, database, contact, poller, now),
        public_url=public_url,
    )


def facts_to_json(facts: ShopFacts) -> dict[str, object]:
    return {"identity": facts.identity, "locations": [list(location) for location in facts.locations]}


def facts_from_json(stored: Mapping[str, object]) -> ShopFacts:
    rows = stored.get("locations")
    locations = tuple(ShopLocation(*row) for row in rows) if isinstance(rows, list) else ()
    return ShopFacts(identity=str(stored["identity"]), locations=locations)
