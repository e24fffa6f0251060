"""What verbs print: data on stdout, everything else on stderr. Text from outside is never taken for markup."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any, Final

import orjson

MEASURED_ROWS: Final = 1000
SCREENFUL: Final = 200
NARROWEST: Final = 6
GAP: Final = "  "
_BOLD, _RED, _YELLOW, _GREEN, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[0m"
_COLOURS: Final = {
    **dict.fromkeys(("failed", "rejected", "unmapped", "dead", "open"), _RED),
    **dict.fromkeys(("degraded", "owed", "in_doubt", "held", "paused", "awaiting_first_sync", "half_open"), _YELLOW),
    **dict.fromkeys(("live", "synced", "closed", "applied", "resolved"), _GREEN),
}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table; figures stand right, and only text may be cut to fit the terminal."""

    title: str
    of: Callable[[Row], object]
    figure: bool = False
    word: bool = False
    """A state: shown in its colour on a terminal."""


def column(title: str, name: str | None = None, *, figure: bool = False, word: bool = False) -> Column:
    key = name or title.lower()
    return Column(title=title, of=lambda row: row.get(key), figure=figure, word=word)


def item_column(title: str, name: str) -> Column:
    """A channel's own id, for people without the address around it; verbs accept it in either form."""
    return Column(title=title, of=lambda row: tail(row.get(name)))


def tail(name: str | None) -> str | None:
    return name.rpartition("/")[2] if name and "://" in name else name


def time_column(title: str, name: str) -> Column:
    return Column(title=title, of=lambda row: when(row.get(name)))


def say(*lines: str) -> None:
    """Tell the person, not the pipe."""
    for line in lines:
        print(clean(line), file=sys.stderr)  # noqa: T201  # the program's own voice


def show(*lines: str) -> None:
    """Print what was asked for."""
    for line in lines:
        print(line)  # noqa: T201  # the verb's output


def show_json(document: object) -> None:
    raw = orjson.dumps(document) + b"\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)


def show_lines(lines: Iterable[bytes]) -> int:
    """Pass a list on as it comes; returns how many lines it had."""
    count = 0
    sys.stdout.flush()
    for line in lines:
        sys.stdout.buffer.write(line)
        count += 1
    sys.stdout.buffer.flush()
    return count


def on_terminal() -> bool:
    return sys.stdout.isatty()


def page_size(limit: int | None) -> int | None:
    """How many rows people see: as they say, else a screenful or so on a terminal and all of them in a pipe."""
    return limit if limit is not None or not on_terminal() else SCREENFUL


def show_table(columns: Sequence[Column], rows: Iterable[Row], *, none: str) -> int:
    """Print rows as they come, in columns as wide as the first of them need; returns how many there were."""
    cells = ([_cell(column_.of(row)) for column_ in columns] for row in rows)
    first = list(islice(cells, MEASURED_ROWS))
    if not first:
        say(none)
        return 0
    titles = [column_.title for column_ in columns]
    widths = [max(map(width, (title, *cells_))) for title, *cells_ in zip(titles, *first, strict=True)]
    room = shutil.get_terminal_size().columns if on_terminal() else None
    if room is not None:
        _fit(widths, columns, room)
    show(_styled(_BOLD, _line(titles, widths, columns, cut=room is not None)))
    count = 0
    for row in chain(first, cells):
        show(_line(row, widths, columns, cut=room is not None))
        count += 1
    return count


def _fit(widths: list[int], columns: Sequence[Column], room: int) -> None:
    """Narrow the widest text columns until the table fits."""
    while sum(widths) + len(GAP) * (len(widths) - 1) > room:
        texts = [index for index, column_ in enumerate(columns) if not column_.figure and not column_.word]
        widest = max(texts, key=lambda index: widths[index], default=None)
        if widest is None or widths[widest] <= NARROWEST:
            return
        widths[widest] -= 1


def _line(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column], *, cut: bool) -> str:
    found = []
    for cell, room, column_ in zip(cells, widths, columns, strict=True):
        text = _cut(cell, room) if cut else cell
        padding = " " * max(0, room - width(text))
        coloured = _styled(_COLOURS.get(text, ""), text) if column_.word else text
        found.append(padding + coloured if column_.figure else coloured + padding)
    return GAP.join(found).rstrip()


def _cut(text: str, room: int) -> str:
    if width(text) <= room:
        return text
    kept = text
    while kept and width(kept) > room - 1:
        kept = kept[:-1]
    return kept + "…"


def _styled(style: str, text: str) -> str:
    if not style or not on_terminal() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"{style}{text}{_PLAIN}"


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return clean(str(value))


def clean(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def width(text: str) -> int:
    """In cells of the terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def when(stamp: str | None) -> str | None:
    """A time of the API in the local time zone, to the second."""
    if not stamp:
        return None
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return stamp


def lasting(seconds: float | None) -> str:
    """A duration in its two largest units."""
    if seconds is None:
        return "-"
    left = int(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


class Bar:
    """Progress on stderr, where that is a terminal."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = False

    def draw(self, what: str, done: int | None = None, of: int | None = None) -> None:
        if not self._on:
            return
        text = what
        if done is not None and of:
            filled = 24 * done // of
            text = f"{what} [{'#' * filled}{'.' * (24 - filled)}] {done:,} of {of:,}"
        room = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r\x1b[2K" + _cut(clean(text), room))
        sys.stderr.flush()
        self._drawn = True

    def clear(self) -> None:
        if self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = False


def watched(documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Long work's documents, its progress shown and left out."""
    bar = Bar()
    try:
        for document in documents:
            progress = document.get("progress")
            if progress is None:
                bar.clear()
                yield document
            else:
                bar.draw(progress["what"], progress.get("done"), progress.get("of"))
    finally:
        bar.clear()
