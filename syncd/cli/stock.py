"""`syncd stock`: levels, counts, adjustments, files of counts."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from syncd.cli.exits import PROBLEMS, Stop
from syncd.cli.options import AsJson, ConfigFile, Limit, Reason, Socket
from syncd.cli.output import (
    SCREENFUL,
    Bar,
    column,
    item_column,
    on_terminal,
    page_size,
    say,
    show,
    show_json,
    show_lines,
    show_table,
    watched,
    when,
)
from syncd.cli.reach import reach
from syncd.domain.quantities import LARGEST

app = typer.Typer(no_args_is_help=True, help="What is there, per SKU and location.")

LEVELS = [
    column("SKU"),
    column("LOCATION"),
    column("ON HAND", "on_hand", figure=True),
    column("COMMITTED", figure=True),
    column("UNAVAILABLE", figure=True),
    column("INCOMING", figure=True),
    column("AVAILABLE", figure=True),
]
EXPORTED = ("sku", "location", "on_hand", "committed", "unavailable", "incoming", "available")
EXAMPLES = 20

Sku = Annotated[str, typer.Argument(metavar="SKU")]
Location = Annotated[str, typer.Argument(metavar="LOCATION")]


@app.command("list")
def list_(
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
    location: Annotated[str | None, typer.Option("--location", metavar="LOCATION", help="Only there.")] = None,
    find: Annotated[str | None, typer.Option("--find", metavar="TEXT", help="Only SKUs that contain it.")] = None,
    limit: Limit = None,
) -> None:
    """Every level: what is on hand, promised and available."""
    with reach(config, socket) as daemon:
        query: dict[str, Any] = {"location": location, "q": find, "limit": limit}
        if json:
            show_lines(daemon.lines("/v1/stock", query))
            return
        query["limit"] = page_size(limit)
        shown = show_table(
            LEVELS, daemon.rows("/v1/stock", query), none="no stock yet: `syncd stock import FILE --apply`"
        )
        if limit is None and on_terminal() and shown == SCREENFUL:
            say(f"the first {shown} are shown; --limit, --find or --json show more")


@app.command("show")
def show_one(sku: Sku, config: ConfigFile = None, socket: Socket = None, json: AsJson = False) -> None:
    """One SKU: its levels, and what each channel shows."""
    with reach(config, socket) as daemon:
        found = daemon.get("/v1/stock", {"sku": sku})
    if json:
        show_json(found)
        return
    rows = [{**level, "counted": when(level["counted_at"])} for level in found["levels"]]
    show_table([*LEVELS[1:], column("COUNTED"), column("AUTHORITY")], rows, none="no level anywhere")
    columns = [
        column("CHANNEL"),
        item_column("ITEM", "remote_id"),
        item_column("WHERE", "remote_location"),
        column("SHOULD", "desired", figure=True),
        column("EXPECTED", figure=True),
        column("SAID", "observed", figure=True),
        column("STATE", word=True),
    ]
    show("")
    show_table(columns, found["listings"], none="no channel lists it")


@app.command("set")
def set_(
    sku: Sku,
    location: Location,
    on_hand: Annotated[int, typer.Argument(metavar="N", min=0, max=LARGEST)],
    reason: Reason,
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Enter a count: so many are physically there. A SKU that is new is created."""
    with reach(config, socket) as daemon:
        level = daemon.post("/v1/stock/set", {"sku": sku, "location": location, "on_hand": on_hand, "reason": reason})
    _told(level, json)


@app.command("adjust")
def adjust(
    sku: Sku,
    location: Location,
    by: Annotated[
        int, typer.Option("--by", metavar="N", min=-LARGEST, max=LARGEST, help="Units that came, or below 0 went.")
    ],
    reason: Reason,
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Units came or went."""
    with reach(config, socket) as daemon:
        level = daemon.post("/v1/stock/adjust", {"sku": sku, "location": location, "by": by, "reason": reason})
    _told(level, json)


def _told(level: dict[str, Any], json: bool) -> None:
    if json:
        show_json(level)
    else:
        show_table(LEVELS, [level], none="")


@app.command("export")
def export(config: ConfigFile = None, socket: Socket = None, json: AsJson = False) -> None:
    """Every level as CSV; `stock import` takes it back."""
    with reach(config, socket) as daemon:
        if json:
            show_lines(daemon.lines("/v1/stock"))
            return
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(EXPORTED)
        for row in daemon.rows("/v1/stock"):
            writer.writerow([row[name] for name in EXPORTED])


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)],
    apply: Annotated[bool, typer.Option("--apply", help="Book it; without this it is only shown.")] = False,
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Enter counts from a CSV file with the columns sku, location and on_hand."""
    from syncd.cli.countfile import Count, Fault, read_counts

    counts: list[Count] = []
    faults: list[Fault] = []
    for row in read_counts(file.read_bytes()):
        counts.append(row) if isinstance(row, Count) else faults.append(row)
    query: dict[str, str | int | bool | None] = {"source": file.name, "apply": apply and not faults, "changes": True}
    changes: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    with reach(config, socket, timeout_seconds=600) as daemon:
        for document in watched(daemon.long_work("/v1/stock/import", query, _upload(counts))):
            if "change" in document and (json or len(changes) < EXAMPLES):
                changes.append(document["change"])
            result = document.get("result", result)
    refused = [{"line": fault.line, "reason": fault.reason} for fault in faults] + result["refused"]
    result["refused"] = sorted(refused, key=lambda row: int(row["line"]))
    result["rows"] += len(faults)
    if json:
        show_json({"file": str(file), **result, "changes": changes})
    else:
        _tell_import(file, result, changes)
    _judge_import(file, result, apply=apply)


def _upload(counts: list[Any]) -> Iterator[bytes]:
    import orjson

    bar = Bar()
    size = 2000
    for start in range(0, len(counts), size):
        some = counts[start : start + size]
        yield b"".join(orjson.dumps([row.line, row.sku, row.location, row.on_hand]) + b"\n" for row in some)
        bar.draw("sending", start + len(some), len(counts))
    bar.clear()


def _tell_import(file: Path, result: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    if changes and not result["applied"]:
        columns = [
            column("WHAT"),
            column("SKU"),
            column("LOCATION"),
            column("FROM", figure=True),
            column("TO", figure=True),
        ]
        show_table(columns, changes, none="")
        more = result["new"] + result["changed"] - len(changes)
        if more > 0:
            show(f"... and {more} more")
        show("")
    done = "booked" if result["applied"] else "nothing is booked"
    show(
        f"{file.name}: {result['rows']} rows: {result['new']} new, {result['changed']} changed, "
        f"{result['unchanged']} unchanged, {len(result['refused'])} refused; {done}"
    )


def _judge_import(file: Path, result: dict[str, Any], *, apply: bool) -> None:
    """Say what is in the way, and end with the status that says so."""
    for row in result["refused"]:
        say(f"{file}:{row['line']}: {row['reason']}")
    if result["refused"]:
        raise Stop(PROBLEMS, "rows were refused, so nothing is booked: mend them and import again")
    for channel, reach_ in result["held_by"].items():
        altered, zeroed = reach_["altered"], reach_["zeroed"]
        say(
            f"{channel}: of {reach_['synchronised']} synchronised listings {altered} would show another figure, "
            f"{zeroed} of them 0"
        )
    if result["conflict"] is not None:
        number = result["conflict"]
        raise Stop(
            PROBLEMS,
            f"held as too large a change to be believed: conflict {number}",
            f"look at it: syncd conflicts show {number}; then: syncd conflicts resolve {number} --take apply|discard",
        )
    if result["held_by"]:
        say("with --apply this would be held until a person has looked at it")
    elif not apply:
        say("book it with --apply")
