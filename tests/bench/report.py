"""One table: each figure beside its goal, ratios first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`least` or `most` is its goal; one without either is told for orientation only."""

    name: str
    rounds: tuple[float, ...]
    unit: str = "x"
    least: float | None = None
    most: float | None = None

    @property
    def value(self) -> float:
        return median(self.rounds)

    @property
    def holds(self) -> bool | None:
        if self.least is not None:
            return self.value >= self.least
        return self.value <= self.most if self.most is not None else None


def ratio(
    name: str, ours: Sequence[float], theirs: Sequence[float], *, least: float | None = None, most: float | None = None
) -> Figure:
    """Round by round, so that what else the machine does weighs on both sides."""
    return Figure(name=name, rounds=tuple(a / b for a, b in zip(ours, theirs, strict=True)), least=least, most=most)


def table(figures: Iterable[Figure]) -> str:
    ordered = sorted(figures, key=lambda figure: (figure.unit != "x", figure.holds is None))
    rows = [("", "median", "least .. most of the rounds", "goal", ""), *(_row(figure) for figure in ordered)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    goal = ""
    if figure.least is not None:
        goal = f">= {_number(figure.least)}"
    elif figure.most is not None:
        goal = f"<= {_number(figure.most)}"
    verdict = {True: "holds", False: "FALLS SHORT", None: ""}[figure.holds]
    among = f"{_number(min(figure.rounds))} .. {_number(max(figure.rounds))} ({len(figure.rounds)})"
    return figure.name, f"{_number(figure.value)} {figure.unit}", among, goal, verdict


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
