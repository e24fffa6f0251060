"""`syncd events`, `syncd dead-letters` and `syncd ledger`: what arrived, what of it could not be used, what it did."""

from typing import Annotated, Any

import typer

from syncd.cli.exits import PROBLEMS, USAGE, Stop
from syncd.cli.options import AsJson, Channel, ConfigFile, Everything, Limit, Socket
from syncd.cli.orders import ENTRY_COLUMNS
from syncd.cli.output import clean, column, page_size, show, show_json, show_lines, show_table, time_column, when
from syncd.cli.reach import reach

events = typer.Typer(no_args_is_help=True, help="What arrived, as it arrived.")
letters = typer.Typer(no_args_is_help=True, help="Deliveries that could not be used.")
ledger = typer.Typer(no_args_is_help=True, help="Every movement there ever was.")

EventId = Annotated[
    str, typer.Argument(metavar="EVENT_ID", help="The vendor's own delivery id, or the one syncd made.")
]
LetterId = Annotated[int | None, typer.Argument(metavar="[ID]")]
AllLetters = Annotated[bool, typer.Option("--all", help="Every open one.")]


@events.command("list")
def list_events(
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
    channel: Channel = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="ISO 8601, or 10:02 for today.")] = None,
    topic: Annotated[str | None, typer.Option("--topic", metavar="TOPIC", help="Only of this topic.")] = None,
    limit: Limit = None,
) -> None:
    """Every stored delivery; for people, the newest."""
    with reach(config, socket) as daemon:
        query: dict[str, Any] = {"channel": channel, "since": since, "topic": topic, "limit": limit}
        if json:
            show_lines(daemon.lines("/v1/deliveries", query))
            return
        columns = [
            time_column("RECEIVED", "received_at"),
            column("CHANNEL"),
            column("TOPIC"),
            column("EVENT", "event_id"),
            column("STATE", word=True),
        ]
        query |= {"limit": page_size(limit), "newest": True}
        show_table(columns, daemon.rows("/v1/deliveries", query), none="nothing has arrived yet")


@events.command("show")
def show_event(event_id: EventId, config: ConfigFile = None, socket: Socket = None, json: AsJson = False) -> None:
    """What was delivered under an id, and what it did."""
    with reach(config, socket) as daemon:
        if json:
            show_lines(daemon.lines("/v1/delivery", {"event_id": event_id}))
            return
        for found in daemon.rows("/v1/delivery", {"event_id": event_id}):
            _tell_delivery(found)


def _tell_delivery(found: dict[str, Any]) -> None:
    heading = (
        f"{found['event_id']}: {found['topic']} of {found['channel']}, {when(found['received_at'])}, {found['state']}"
    )
    show(clean(heading))
    if found["reason"]:
        show(clean(f"reason: {found['reason']}"))
    for name, value in found["headers"].items():
        show(clean(f"{name}: {value}"))
    show("", *(clean(line) for line in found["body"].splitlines()), "")
    show_table(ENTRY_COLUMNS[:-1], found["entries"], none="it made no ledger entries of its own")


@events.command("replay")
def replay(event_id: EventId, config: ConfigFile = None, socket: Socket = None, json: AsJson = False) -> None:
    """Apply a stored delivery again; what it did already it does not do twice."""
    with reach(config, socket) as daemon:
        done = daemon.post("/v1/deliveries/replay", {"event_id": event_id})
    _tell_applied(done, json)


def _tell_applied(done: dict[str, Any], json: bool) -> None:
    if json:
        show_json(done)
    else:
        show(f"{len(done['applied'])} applied, {len(done['failed'])} could not be used")
    if done["failed"]:
        raise Stop(PROBLEMS, *(f"{one['id']}: {one['reason']}" for one in done["failed"]))


@letters.command("list")
def list_letters(
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
    channel: Channel = None,
    all_: Everything = False,
    limit: Limit = None,
) -> None:
    """Deliveries that could not be used, with the reason."""
    with reach(config, socket) as daemon:
        query = {"channel": channel, "all": all_, "limit": limit}
        if json:
            show_lines(daemon.lines("/v1/dead-letters", query))
            return
        columns = [
            column("ID", figure=True),
            column("CHANNEL"),
            column("WHAT"),
            column("TRIES", "attempts", figure=True),
            time_column("FIRST", "first_at"),
            time_column("LAST", "last_at"),
            column("STATE", word=True),
            column("REASON"),
        ]
        show_table(columns, daemon.rows("/v1/dead-letters", query), none="every delivery could be used")


@letters.command("show")
def show_letter(
    number: Annotated[int, typer.Argument(metavar="ID")],
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """One dead letter: why it could not be used, and what was delivered."""
    with reach(config, socket) as daemon:
        found = daemon.get(f"/v1/dead-letters/{number}")
    if json:
        show_json(found)
        return
    show(clean(f"dead letter {found['id']}, {found['state']}, tried {found['attempts']} times: {found['reason']}"))
    if found["delivery"] is not None:
        _tell_delivery(found["delivery"])


@letters.command("retry")
def retry(
    number: LetterId = None,
    all_: AllLetters = False,
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Apply dead letters again."""
    with reach(config, socket, timeout_seconds=600) as daemon:
        done = daemon.post("/v1/dead-letters/retry", _which(number, all_))
    _tell_applied(done, json)


@letters.command("discard")
def discard(
    number: LetterId = None,
    all_: AllLetters = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")] = "",
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Give dead letters up: what they told is not booked."""
    with reach(config, socket) as daemon:
        done = daemon.post("/v1/dead-letters/discard", {**_which(number, all_), "reason": reason})
    if json:
        show_json(done)
    else:
        show(f"{len(done['discarded'])} discarded")


def _which(number: int | None, every: bool) -> dict[str, Any]:
    if (number is None) == (not every):
        raise Stop(USAGE, "name one dead letter, or say --all")
    return {"all": True} if every else {"ids": [number]}


@ledger.command("export")
def export(config: ConfigFile = None, socket: Socket = None, json: AsJson = False) -> None:
    """Every entry, a JSON object a line."""
    with reach(config, socket) as daemon:
        show_lines(daemon.lines("/v1/ledger"))


def register(main: typer.Typer) -> None:
    main.add_typer(events, name="events")
    main.add_typer(letters, name="dead-letters")
    main.add_typer(ledger, name="ledger")
