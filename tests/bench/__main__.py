"""`make bench`: all cases, one table. `--quick` for short rounds, `--only CASE` for one."""

import argparse
import tempfile
from pathlib import Path

import anyio
import structlog

from tests.bench.cases import CASES, Effort
from tests.bench.report import Figure, table
from tests.bench.stand import load_generator

FULL = Effort(rounds=5, seconds=3.0)
QUICK = Effort(rounds=3, seconds=1.0, many_skus=20_000)


async def measure(names: list[str], effort: Effort) -> list[Figure]:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as folder:
        async with load_generator() as load:
            for name in names:
                place = Path(folder) / name
                place.mkdir()
                found += await CASES[name](place, load, effort)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.bench")
    arguments.add_argument("--only", choices=CASES, action="append", help="measure this case alone; may be repeated")
    arguments.add_argument("--quick", action="store_true", help="short rounds: for trying things out, not for judging")
    arguments.add_argument("--rounds", type=int, default=None)
    given = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    effort = QUICK if given.quick else FULL
    if given.rounds:
        effort = Effort(rounds=given.rounds, seconds=effort.seconds, many_skus=effort.many_skus)
    print(table(anyio.run(measure, given.only or list(CASES), effort)))  # noqa: T201 - its result


if __name__ == "__main__":
    main()
