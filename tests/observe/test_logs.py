"""Log lines can be read by machines and people, and never hold a secret."""

import io
import json
import logging
import os
import pty
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from syncd.observe.logs import configure_logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    show_warning = warnings.showwarning
    yield
    logging.captureWarnings(False)
    warnings.showwarning = show_warning
    logging.getLogger().handlers, logging.getLogger().level = handlers, level
    structlog.reset_defaults()


def logged(*events: dict[str, Any], level: str = "info") -> list[dict[str, Any]]:
    stream = io.StringIO()
    configure_logs(environ={}, level=level, stream=stream, cache=False)
    for event in events:
        structlog.get_logger().info(**event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_event_first() -> None:
    (line,) = logged({"event": "write.confirmed", "channel": "shop-uk", "rows": 3})

    assert list(line) == ["time", "level", "event", "channel", "rows"]
    assert line["time"].endswith("Z")
    assert (line["level"], line["event"], line["channel"], line["rows"]) == ("info", "write.confirmed", "shop-uk", 3)


def test_lines_below_the_level_are_not_written() -> None:
    assert logged({"event": "quiet"}, level="warning") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"access_token": "hush"},
        {"webhook_secret": "hush"},
        {"headers": {"Authorization": "hush", "x-shop": "uk"}},
        {"settings": SecretStr("hush")},
        {"nested": [{"api_key": "hush"}]},
        {"url": "postgresql://syncd:hush@db/syncd"},
        {"said": "refused: Authorization: Bearer hush.hush-hush"},
    ],
)
def test_a_secret_is_taken_out_wherever_it_stands(fields: dict[str, Any]) -> None:
    (line,) = logged({"event": "call.failed", **fields})

    assert "hush" not in json.dumps(line)
    assert "[redacted]" in json.dumps(line)


def test_ordinary_fields_are_left_alone() -> None:
    fields = {"sku": "tee:red", "url": "https://shop.example/a?b=c", "tokens": 12.5, "idempotency_key": "0190-a"}

    (line,) = logged({"event": "call.made", **fields})

    assert {key: line[key] for key in fields} == fields


@pytest.mark.parametrize("value", [10**30, "lone \ud800 surrogate", Path("/tmp"), object])
def test_no_value_keeps_a_line_from_being_written(value: object) -> None:
    assert len(logged({"event": "odd", "value": value})) == 1


def test_an_exception_stands_in_the_same_line() -> None:
    stream = io.StringIO()
    configure_logs(environ={}, stream=stream, cache=False)
    try:
        raise ValueError("at postgresql://syncd:hush@db/")
    except ValueError:
        structlog.get_logger().exception("stock.failed")

    (line,) = (json.loads(text) for text in stream.getvalue().splitlines())
    assert "ValueError: at postgresql://syncd:[redacted]@db/" in line["exception"]


def test_what_libraries_log_comes_along() -> None:
    stream = io.StringIO()
    configure_logs(environ={}, stream=stream, cache=False)
    logging.getLogger("aiohttp.server").error("%s went wrong", "something")

    (line,) = (json.loads(text) for text in stream.getvalue().splitlines())
    assert (line["level"], line["logger"], line["text"]) == ("error", "aiohttp.server", "something went wrong")


def test_the_journal_gets_a_priority_but_only_on_the_stream_that_systemd_connected(tmp_path: Path) -> None:
    path = tmp_path / "stderr"
    with path.open("w") as stream:
        found = os.fstat(stream.fileno())
        for journal in (f"{found.st_dev}:{found.st_ino}", f"{found.st_dev}:{found.st_ino + 1}"):
            configure_logs(environ={"JOURNAL_STREAM": journal}, stream=stream, cache=False)
            structlog.get_logger().warning("disk.full")

    with_priority, without = path.read_text().splitlines()
    assert with_priority.startswith('<4>{"time":')
    assert without.startswith('{"time":')


def test_a_terminal_gets_text_for_people() -> None:
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as stream:
        configure_logs(environ={"NO_COLOR": "1"}, stream=stream, cache=False)
        structlog.get_logger().info("write.confirmed", channel="shop-uk")
        text = os.read(reader, 4096).decode()
    os.close(reader)

    assert "[info     ] write.confirmed" in text
    assert "channel=shop-uk" in text


def test_a_stream_that_takes_nothing_stops_nobody() -> None:
    full = open("/dev/full", "w")  # noqa: SIM115 - closing it fails, which is the point
    configure_logs(environ={}, stream=full, cache=False)

    structlog.get_logger().info("lost")

    with pytest.raises(OSError, match="No space left"):
        full.close()
    structlog.get_logger().info("lost as well")
