"""Tables and times for people."""

import io
from contextlib import redirect_stdout

import pytest

from syncd.cli import output
from syncd.cli.output import Column, clean, column, item_column, lasting, show_json, show_table, when, width


class Terminal(io.TextIOWrapper):
    """A stdout that is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined]  # it is the BytesIO from above


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return made


COLUMNS = [column("SKU"), column("TITLE"), column("UNITS", figure=True), column("STATE", word=True)]
ROW = {"sku": "TEE", "title": "A shirt whose name is much too long for it", "units": 7, "state": "live"}


def test_a_pipe_gets_every_column_whole_and_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, [ROW, {"sku": "MUG", "title": None, "units": 1234, "state": "failed"}], none="")

    assert capsys.readouterr().out.splitlines() == [
        "SKU  TITLE                                       UNITS  STATE",
        "TEE  A shirt whose name is much too long for it      7  live",
        "MUG  -                                            1234  failed",
    ]


def test_on_a_terminal_the_table_fits(terminal: Terminal) -> None:
    with redirect_stdout(terminal):
        show_table(COLUMNS, [ROW], none="")

    plain = terminal.text.replace("\x1b[1m", "").replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert all(len(line) <= 40 for line in plain.splitlines())
    assert "…" in plain
    assert "      7  live" in plain


def test_no_color_is_honoured(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    with redirect_stdout(terminal):
        show_table(COLUMNS, [ROW], none="")

    assert "\x1b" not in terminal.text


def test_text_from_outside_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]0;owned\x07[bold]x[/bold]\r\nfake row"

    show_table([column("SKU")], [{"sku": evil}], none="")

    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[bold]x[/bold]" in shown
    assert len(shown.splitlines()) == 2
    assert clean("Mütze 帽子") == "Mütze 帽子"


def test_wide_characters_keep_the_columns_straight(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([column("SKU"), column("N", figure=True)], [{"sku": "帽子", "n": 1}, {"sku": "HATS", "n": 2}], none="")

    lines = capsys.readouterr().out.splitlines()
    assert {width(line) for line in lines} == {7}


def test_an_empty_table_says_so_beside_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_table(COLUMNS, [], none="nothing yet") == 0

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "nothing yet\n")


def test_ids_are_shown_by_their_tail_only_where_they_are_addresses() -> None:
    shown = item_column("ITEM", "id")

    assert shown.of({"id": "gid://shopify/InventoryItem/7"}) == "7"
    assert shown.of({"id": "A/B"}) == "A/B"
    assert shown.of({"id": None}) is None


def test_durations_are_told_in_their_two_largest_units() -> None:
    assert [lasting(seconds) for seconds in (None, 0.4, 61, 3600, 90061)] == ["-", "0 s", "1 min 1 s", "1 h", "1 d 1 h"]


def test_times_are_local_and_to_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    assert when(None) is None
    assert when("not a time") == "not a time"
    shown = when("2026-03-01T10:02:03.999Z")
    assert shown is not None
    assert shown.endswith(":02:03")


def test_json_is_one_line_of_bytes(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    show_json({"sku": "Mütze"})

    assert capsysbinary.readouterr().out == '{"sku":"Mütze"}\n'.encode()


def test_a_bar_stays_silent_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    bar = output.Bar()
    bar.draw("sending", 1, 2)
    bar.clear()

    assert capsys.readouterr().err == ""


def test_a_column_of_figures_stands_right(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([Column(title="N", of=lambda row: row["n"], figure=True)], [{"n": 5}, {"n": 500}], none="")

    assert capsys.readouterr().out == "  N\n  5\n500\n"
