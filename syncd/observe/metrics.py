"""The metrics of the daemon, in a registry of its own. Label values are channels, kinds and outcomes, never SKUs."""

from typing import Final

import anyio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
LATENCY_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
LAG_INTERVAL_SECONDS: Final = 0.5
CIRCUITS: Final = ("closed", "half_open", "open")


class Metrics:
    """Made once by the daemon and handed to whoever counts; the attribute is the metric's name without `syncd_`."""

    def __init__(self, *, version: str) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        ProcessCollector(registry=registry)
        self.build_info = Gauge(
            "syncd_build_info", "Always 1; the label is the version.", ["version"], registry=registry
        )
        self.build_info.labels(version).set(1)

        # From a sale to the channels
        self.push_latency_seconds = Histogram(
            "syncd_push_latency_seconds",
            "From the change of a desired level to its confirmation by the channel.",
            ["channel"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.ledger_rows_total = Counter("syncd_ledger_rows_total", "Entries written to the ledger.", registry=registry)
        self.units_at_risk = Gauge(
            "syncd_units_at_risk", "The most that could be oversold before the next writes land.", registry=registry
        )
        self.oversells_total = Counter(
            "syncd_oversells_total", "Times that a SKU's available figure fell below zero.", registry=registry
        )

        # Arriving
        self.webhooks_received_total = Counter(
            "syncd_webhooks_received_total",
            "Deliveries by what became of them; the topic is empty unless the signature was good.",
            ["channel", "topic", "result"],
            registry=registry,
        )
        self.inbox_depth = Gauge("syncd_inbox_depth", "Stored deliveries that are not applied yet.", registry=registry)
        self.inbox_oldest_seconds = Gauge(
            "syncd_inbox_oldest_seconds", "Age of the oldest delivery that is not applied yet.", registry=registry
        )
        self.dead_letters = Gauge("syncd_dead_letters", "Deliveries set aside for their content.", registry=registry)

        # Channels
        self.channel_up = Gauge(
            "syncd_channel_up",
            "1 while the channel answers and is neither paused nor failed.",
            ["channel"],
            registry=registry,
        )
        self.channel_circuit_state = Gauge(
            "syncd_channel_circuit_state",
            "1 at the state that the channel's circuit is in.",
            ["channel", "state"],
            registry=registry,
        )
        self.tokens_available = Gauge(
            "syncd_tokens_available",
            "Calls, or points, that the channel's limit leaves now.",
            ["channel"],
            registry=registry,
        )
        self.writes_owed = Gauge(
            "syncd_writes_owed",
            "Listings whose figure on the channel is to be changed.",
            ["channel"],
            registry=registry,
        )
        self.writes_total = Counter(
            "syncd_writes_total", "Listings written, by what became of each.", ["channel", "outcome"], registry=registry
        )
        self.retries_total = Counter("syncd_retries_total", "Calls made again.", ["channel"], registry=registry)
        self.last_success_timestamp_seconds = Gauge(
            "syncd_last_success_timestamp_seconds",
            "When the channel last answered well, Unix time.",
            ["channel"],
            registry=registry,
        )
        self.drift_skus = Gauge(
            "syncd_drift_skus", "SKUs that the channel shows otherwise than it should.", ["channel"], registry=registry
        )
        self.reconcile_duration_seconds = Histogram(
            "syncd_reconcile_duration_seconds",
            "Time to compare a channel with the books.",
            ["channel"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )

        # Conflicts
        self.conflicts_open = Gauge(
            "syncd_conflicts_open", "Conflicts that are open, by kind.", ["kind"], registry=registry
        )
        self.conflicts_total = Counter(
            "syncd_conflicts_total", "Conflicts that were opened, by kind.", ["kind"], registry=registry
        )

        # The daemon itself
        self.database_up = Gauge("syncd_database_up", "1 while the database takes transactions.", registry=registry)
        self.event_loop_lag_seconds = Gauge(
            "syncd_event_loop_lag_seconds", "How late the event loop last woke a timer.", registry=registry
        )
        self.http_requests_total = Counter(
            "syncd_http_requests_total", "Requests to the listener.", ["route", "status"], registry=registry
        )
        self.http_request_duration_seconds = Histogram(
            "syncd_http_request_duration_seconds",
            "Time to answer a request to the listener.",
            ["route"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )

    def show_circuit(self, channel: str, state: str) -> None:
        for each in CIRCUITS:
            self.channel_circuit_state.labels(channel, each).set(1 if each == state else 0)

    def forget_channel(self, channel: str) -> None:
        """Drop the series of a channel that a reload took away."""
        for metric in (
            self.channel_up,
            self.tokens_available,
            self.writes_owed,
            self.drift_skus,
            self.last_success_timestamp_seconds,
        ):
            metric.remove(channel)
        for state in CIRCUITS:
            self.channel_circuit_state.remove(channel, state)

    def exposition(self) -> bytes:
        """What `/metrics` answers, to be sent as `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    async def watch_event_loop(self) -> None:
        """Measure, for ever, by how much a sleep overran."""
        while True:
            due = anyio.current_time() + LAG_INTERVAL_SECONDS
            await anyio.sleep(LAG_INTERVAL_SECONDS)
            self.event_loop_lag_seconds.set(max(0.0, anyio.current_time() - due))
