"""`syncd conflicts`: what needs a person, and the ways out."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from syncd.cli.options import AsJson, ConfigFile, Everything, Limit, Socket
from syncd.cli.output import Column, clean, column, show, show_json, show_lines, show_table, time_column, when
from syncd.cli.reach import reach

app = typer.Typer(no_args_is_help=True, help="What needs a person.")

Number = Annotated[int, typer.Argument(metavar="ID")]
_LEADING = ("why", "reason", "missing", "source", "difference")


@app.command("list")
def list_(
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
    all_: Everything = False,
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only of this kind.")] = None,
    limit: Limit = None,
) -> None:
    """The open conflicts."""
    with reach(config, socket) as daemon:
        query = {"all": all_, "kind": kind, "limit": limit}
        if json:
            show_lines(daemon.lines("/v1/conflicts", query))
            return
        columns = [
            column("ID", figure=True),
            column("KIND"),
            column("STATE", word=True),
            column("SKU"),
            column("CHANNEL"),
            time_column("OPENED", "opened_at"),
            Column(title="WHAT", of=lambda row: _gist(row["facts"])),
        ]
        show_table(columns, daemon.rows("/v1/conflicts", query), none="nothing needs a person")


def _gist(facts: Mapping[str, Any]) -> str:
    found = [
        f"{name} {facts[name]}" if name in ("missing", "difference") else str(facts[name])
        for name in _LEADING
        if facts.get(name)
    ]
    return "; ".join(found)


@app.command("show")
def show_one(number: Number, config: ConfigFile = None, socket: Socket = None, json: AsJson = False) -> None:
    """One conflict: its facts, its history, and the ways out."""
    with reach(config, socket) as daemon:
        found = daemon.get(f"/v1/conflicts/{number}")
    if json:
        show_json(found)
        return
    about = ", ".join(f"{name} {found[name]}" for name in ("sku", "location", "channel") if found[name])
    show(clean(f"{found['kind']} {found['id']}, {found['state']}{': ' + about if about else ''}"))
    show(
        f"opened {when(found['opened_at'])}" + (f", ended {when(found['resolved_at'])}" if found["resolved_at"] else "")
    )
    for name, value in found["facts"].items():
        _tell_fact(name, value)
    for step in found["history"]:
        show(clean(f"  {when(step.get('at'))} {step.get('what')} by {step.get('by')}: {step.get('how')}"))
    for way in found["ways_out"]:
        show(clean(f"-> {way['command']}"), clean(f"     {way['does']}"))


def _tell_fact(name: str, value: Any) -> None:
    rows = (
        [{name: key, **one} for key, one in value.items() if isinstance(one, dict)]
        if isinstance(value, dict)
        else value
    )
    if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
        show(clean(f"  {name}:"))
        show_table([column(title.upper(), title) for title in rows[0]], rows, none="")
    elif isinstance(value, dict | list):
        pairs = [f"{key} {one}" for key, one in value.items()] if isinstance(value, dict) else map(str, value)
        show(clean(f"  {name}: {', '.join(pairs) or '-'}"))
    elif value not in (None, ""):
        show(clean(f"  {name}: {value}"))


@app.command("resolve")
def resolve(
    number: Number,
    take: Annotated[str, typer.Option("--take", metavar="WAY", help="One of those that `conflicts show` names.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")] = "",
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Decide a conflict."""
    with reach(config, socket, timeout_seconds=600) as daemon:
        done = daemon.post(f"/v1/conflicts/{number}/resolve", {"take": take, "reason": reason})
    if json:
        show_json(done)
    else:
        show(clean(f"{done['kind']} {done['id']} is {done['state']}: {done['how']}"))
