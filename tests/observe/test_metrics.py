"""Metrics are named as Prometheus wants them and belong to one daemon only."""

import re

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from syncd.observe.metrics import Metrics


def test_every_metric_has_our_prefix_a_help_text_and_a_base_unit() -> None:
    metrics = Metrics(version="1.2.3")

    for family in text_string_to_metric_families(metrics.exposition().decode()):
        assert family.documentation.endswith("."), family.name
        assert re.match(r"(syncd|process)_[a-z_]+$", family.name)
        assert not re.search(r"_(ms|milliseconds|minutes|kb|percent)(_|$)", family.name)
        if family.type == "gauge":
            assert not family.name.endswith("_total"), family.name


def test_two_daemons_in_one_process_do_not_count_together() -> None:
    one, two = Metrics(version="1"), Metrics(version="1")

    one.ledger_rows_total.inc(3)

    assert one.registry.get_sample_value("syncd_ledger_rows_total") == 3
    assert two.registry.get_sample_value("syncd_ledger_rows_total") == 0


def test_a_circuit_is_in_one_state_and_a_channel_that_is_gone_leaves_no_series() -> None:
    metrics = Metrics(version="1")
    metrics.show_circuit("shop-uk", "open")
    metrics.show_circuit("shop-uk", "half_open")
    shown = [
        metrics.registry.get_sample_value("syncd_channel_circuit_state", {"channel": "shop-uk", "state": state})
        for state in ("closed", "half_open", "open")
    ]
    for gauge in (metrics.channel_up, metrics.writes_owed):
        gauge.labels("shop-uk").set(1)

    metrics.forget_channel("shop-uk")

    assert shown == [0, 1, 0]
    assert b"shop-uk" not in metrics.exposition()


@pytest.mark.anyio
async def test_a_blocked_event_loop_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics(version="1")
    metrics.event_loop_lag_seconds.set(-1)
    monkeypatch.setattr("syncd.observe.metrics.LAG_INTERVAL_SECONDS", 0.001)

    async with anyio.create_task_group() as group:
        group.start_soon(metrics.watch_event_loop)
        with anyio.fail_after(10):
            while metrics.registry.get_sample_value("syncd_event_loop_lag_seconds") == -1:
                await anyio.sleep(0.001)
        group.cancel_scope.cancel()

    assert (metrics.registry.get_sample_value("syncd_event_loop_lag_seconds") or 0) >= 0
