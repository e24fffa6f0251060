"""Puts the daemon together, runs it until it is told to stop, and takes it apart in the opposite order.

The only place where everything meets. Order of start: database, migrations, stock actor (which takes the database's
lock), raw writer, control socket, channels, listener; what stops last is the embedded PostgreSQL.
"""

import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from syncd import __version__, channels
from syncd.actors import channel as channel_actor
from syncd.actors.channel import ChannelActor, facts_from_json
from syncd.actors.database import Connector
from syncd.actors.desk import Desk
from syncd.actors.doorbell import Doorbell
from syncd.actors.janitor import Janitor
from syncd.actors.raw import RawWriter
from syncd.actors.snapshots import Snapshots
from syncd.actors.stock import AnotherDaemon, StockActor
from syncd.actors.supervisor import supervise
from syncd.config.explain import ConfigError
from syncd.config.load import load
from syncd.config.model import Config
from syncd.control.context import ControlContext
from syncd.control.server import SocketTaken, serve_control
from syncd.domain.backoff import Backoff
from syncd.domain.books import ChannelRecord
from syncd.domain.errors import InvariantBroken, Retry
from syncd.domain.ids import ChannelId
from syncd.ingress.listener import Listener
from syncd.observe.metrics import Metrics
from syncd.observe.notify import Notifier
from syncd.ports import Channel
from syncd.storage.embedded import EmbeddedPostgres
from syncd.storage.errors import DatabaseNewer, MigrationChanged, PostgresUnusable, StateDirectoryInUse
from syncd.storage.migrate import migrate
from syncd.storage.pool import Database, connected, is_connection_lost, open_database

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 8.0
WAIT_FOR_DATABASE: Final = Backoff(first_seconds=0.2, limit_seconds=5.0)
READERS: Final = 6


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Daemon:
    config: Config
    environ: Mapping[str, str]
    reload: Callable[[], Config]
    metrics: Metrics = field(default_factory=lambda: Metrics(version=__version__))
    rng: random.Random = field(default_factory=random.SystemRandom)
    ready: bool = False

    async def run(self) -> None:
        """Until SIGTERM or SIGINT.

        Raises StateDirectoryInUse, AnotherDaemon, PostgresUnusable, DatabaseNewer, InvariantBroken (possibly inside
        an exception group).
        """
        notifier = Notifier(self.environ)
        notifier.status("starting")
        async with self._database() as dsn, open_database(dsn, readers=READERS) as database:
            await self._migrate(dsn, notifier)
            async with anyio.create_task_group() as tasks:
                await self._start(tasks, dsn, database, notifier)

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[str]:
        """The user's own database, or the embedded one for as long as the body runs."""
        if self.config.database_url is not None:
            yield self.config.database_url.get_secret_value()
            return
        server = EmbeddedPostgres(self.config.state_dir, rng=self.rng)
        async with anyio.create_task_group() as tasks:
            dsn = await tasks.start(server.run)
            try:
                yield dsn
            finally:
                with anyio.CancelScope(shield=True):
                    await server.stop()

    async def _migrate(self, dsn: str, notifier: Notifier) -> None:
        attempt = 0
        while True:
            try:
                async with connected(dsn, application_name="syncd migrations") as connection:
                    notifier.extend_timeout(3600)
                    await migrate(connection)
                    return
            except Exception as error:
                if not is_connection_lost(error):
                    raise
                attempt += 1
                if attempt == 1:
                    log.warning("database.unreachable", error=str(error) or type(error).__name__)
                notifier.status("waiting for the database")
                await anyio.sleep(WAIT_FOR_DATABASE.delay_seconds(attempt, self.rng))

    async def _start(self, tasks: TaskGroup, dsn: str, database: Database, notifier: Notifier) -> None:
        config = self.config
        shops = {id: channels.kind(table.kind).create(table, now) for id, table in config.channels.items()}
        counting = {id for id, shop in shops.items() if shop.capabilities.tells_counts}
        setup = config.setup({id: shop.capabilities.write for id, shop in shops.items()}, counting)
        desks = {id: Desk(ChannelRecord(channel=id, kind=table.kind)) for id, table in config.channels.items()}
        bell = Doorbell()
        connector = Connector(lambda: dsn, self.rng)
        raw = RawWriter(connector, bell)
        stock = StockActor(connector=connector, raw=raw, bell=bell, setup=setup, channels=shops, desks=desks, now=now)
        crew = {
            id: channel_actor.build(
                shop,
                setup.channels[id],
                desks[id],
                stock=stock,
                raw=raw,
                database=database,
                now=now,
                rng=self.rng,
                poll_seconds=config.channels[id].poll_seconds,
                public_url=config.listener.public_url,
            )
            for id, shop in shops.items()
        }
        listener = Listener(config.listener, shops, desks, raw, self.metrics, now, lambda: self.ready)
        context = ControlContext(
            database=database,
            stock=stock,
            raw=raw,
            desks=desks,
            crew=crew,
            config=config,
            now=now,
            started_at=anyio.current_time(),
            version=__version__,
            is_ready=lambda: self.ready,
        )
        await tasks.start(stock.run)
        await tasks.start(raw.run)
        _recall(shops, desks)
        await tasks.start(serve_control, context, config.control_socket)
        scope = anyio.CancelScope()
        tasks.start_soon(_within, scope, partial(supervise, {id: one.run for id, one in crew.items()}, desks, self.rng))
        address = await tasks.start(listener.run)
        tasks.start_soon(Janitor(database, stock, raw, desks, shops, self.metrics, connector, now).run)
        tasks.start_soon(Snapshots(database, stock, shops, desks, now).run)
        tasks.start_soon(self.metrics.watch_event_loop)
        tasks.start_soon(_watchdog, notifier, stock)
        self.ready = True
        notifier.ready(f"{len(shops)} channels, listening on {address}")
        log.info("daemon.ready", listening=address, control=str(config.control_socket), channels=len(shops))
        await self._until_told(stock, crew)
        notifier.stopping("draining")
        await _drain(desks, scope)
        for shop in shops.values():
            await shop.close()
        tasks.cancel_scope.cancel()

    async def _until_told(self, stock: StockActor, crew: Mapping[ChannelId, ChannelActor]) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async for number in signals:
                if number != signal.SIGHUP:
                    log.info("daemon.stopping", signal=number.name)
                    self.ready = False
                    return
                self._reload(stock, crew)

    def _reload(self, stock: StockActor, crew: Mapping[ChannelId, ChannelActor]) -> None:
        """Take over what can change while running: policies, rules for drift and mass changes, poll intervals."""
        try:
            fresh = self.reload()
        except ConfigError as error:
            log.error("config.refused", faults=[str(fault) for fault in error.faults])
            return
        old = self.config
        kept = {id: crew[id].channel.capabilities.write for id in crew if id in fresh.channels}
        if set(fresh.channels) != set(old.channels) or set(fresh.locations) != set(old.locations):
            log.error("config.needs_restart", what="channels or locations were added or taken away")
            return
        for id, one in crew.items():
            one.poller.every_seconds = fresh.channels[id].poll_seconds
            one.setup = one.reconciler.setup = fresh.channels[id].setup(kept[id])
            if fresh.channels[id].settings != old.channels[id].settings:
                log.warning("config.needs_restart", channel=id, what="settings of the channel's kind")
        if fresh.listener != old.listener or fresh.database_url != old.database_url:
            log.warning("config.needs_restart", what="listener or database")
        counting = {id for id, one in crew.items() if one.channel.capabilities.tells_counts}
        stock.setup = fresh.setup(kept, counting)
        stock.refresh_all()
        self.config = fresh
        log.info("config.reloaded", path=str(fresh.path))


def _recall(shops: Mapping[ChannelId, Channel], desks: Mapping[ChannelId, Desk]) -> None:
    """What an earlier run learnt of each shop, so that deliveries can be verified before it is reached again."""
    for channel, shop in shops.items():
        facts = desks[channel].record.facts
        if facts is not None:
            shop.learn(facts_from_json(facts))


async def _within(scope: anyio.CancelScope, run: Callable[[], Awaitable[None]]) -> None:
    with scope:
        await run()


async def _drain(desks: Mapping[ChannelId, Desk], scope: anyio.CancelScope) -> None:
    """Begin no write any more and wait for the calls in flight; the rest is in doubt, settled at the next start."""
    for desk in desks.values():
        desk.draining = True
    with anyio.move_on_after(DRAIN_SECONDS):
        for desk in desks.values():
            async with desk.sending:
                log.debug("channel.drained", channel=desk.channel)
    scope.cancel()


async def _watchdog(notifier: Notifier, stock: StockActor) -> None:
    """Tell systemd that the stock actor makes progress; a database that is away does not count against it."""
    seconds = notifier.watchdog_seconds
    if seconds is None:
        return
    while True:
        with anyio.move_on_after(seconds):
            try:
                await stock.pulse()
            except Retry:
                log.debug("watchdog.database_away")
            notifier.watchdog()
        await anyio.sleep(seconds / 3)


EXIT_OK: Final = 0
EXIT_INTERNAL: Final = 70
EXIT_TRY_LATER: Final = 75
EXIT_CONFIG: Final = 78
TRY_LATER: Final = (AnotherDaemon, StateDirectoryInUse, SocketTaken)
WRONG_SETUP: Final = (DatabaseNewer, MigrationChanged, PostgresUnusable)
"""Starting again would not help: a person has to change something first."""


def run(config_path: Path) -> int:
    """Run the daemon in the foreground; returns the exit status.

    Raises ConfigError with every fault of the configuration.
    """
    environ = dict(os.environ)

    def read() -> Config:
        return load(config_path, kinds=channels.kinds(), environ=environ)

    daemon = Daemon(read(), environ, read)
    try:
        anyio.run(daemon.run, backend_options={"use_uvloop": _has_uvloop()})
    except BaseException as error:
        known = _cause(error)
        if isinstance(known, TRY_LATER):
            log.error("daemon.refused", error=str(known))
            return EXIT_TRY_LATER
        if isinstance(known, WRONG_SETUP):
            log.error("daemon.refused", error=str(known))
            return EXIT_CONFIG
        if isinstance(known, KeyboardInterrupt):
            return EXIT_OK
        log.critical("daemon.failed", error=f"{type(known).__name__}: {known}", exc_info=error)
        return EXIT_INTERNAL
    log.info("daemon.stopped")
    return EXIT_OK


def _cause(error: BaseException) -> BaseException:
    """The one that says most, of a group of errors."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [_cause(one) for one in error.exceptions]
    telling = [leaf for leaf in leaves if isinstance(leaf, (*TRY_LATER, *WRONG_SETUP, InvariantBroken))]
    return (telling or leaves)[0]


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401  # the extra `speed`
    except ImportError:
        return False
    return True
