"""`syncd channel` and `syncd reconcile`."""

from typing import Annotated, Any

import typer

from syncd.cli.exits import PROBLEMS, TRY_LATER, USAGE, Stop
from syncd.cli.options import AsJson, ConfigFile, Socket
from syncd.cli.output import (
    Column,
    column,
    item_column,
    lasting,
    say,
    show_json,
    show_lines,
    show_table,
    time_column,
    watched,
    when,
)
from syncd.cli.reach import reach

app = typer.Typer(no_args_is_help=True, help="The channels, and what they are told.")

COLUMNS = [
    column("CHANNEL"),
    column("KIND"),
    column("STATE", word=True),
    column("CIRCUIT", word=True),
    column("PAUSED"),
    column("FROZEN"),
    column("BLOCKED"),
    column("QUEUE", figure=True),
    Column(title="OLDEST", of=lambda row: lasting(row.get("oldest_seconds")), figure=True),
    time_column("LAST SUCCESS", "last_success_at"),
    column("LAST ERROR", "last_error"),
]
OneChannel = Annotated[str, typer.Argument(metavar="CHANNEL")]
MaybeChannel = Annotated[str | None, typer.Argument(metavar="[CHANNEL]")]
AllChannels = Annotated[bool, typer.Option("--all", help="Every channel.")]
WhyText = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")]


@app.command("list")
def list_(config: ConfigFile = None, socket: Socket = None, json: AsJson = False) -> None:
    """Every channel and how it is."""
    with reach(config, socket) as daemon:
        if json:
            show_lines(daemon.lines("/v1/channels"))
        else:
            show_table(COLUMNS, daemon.rows("/v1/channels"), none="no channels are configured")


@app.command("show")
def show_one(channel: OneChannel, config: ConfigFile = None, socket: Socket = None, json: AsJson = False) -> None:
    """One channel in full."""
    with reach(config, socket) as daemon:
        found = daemon.get(f"/v1/channels/{channel}")
    if json:
        show_json(found)
        return
    listings = found["listings"]
    facts = [
        ("channel", f"{found['channel']} ({found['kind']}), {found['state']}, circuit {found['circuit']}"),
        ("told to", ", ".join(word for word in ("paused", "frozen", "blocked") if found[word]) or "-"),
        (
            "first synchronisation",
            when(found["first_synced_at"]) or f"not confirmed (first_sync = {found['first_sync']})",
        ),
        ("drift", found["drift"]),
        ("writes", found["writes"]),
        ("listings", ", ".join(f"{count} {name}" for name, count in listings.items())),
        ("owed", f"{found['queue']}, {found['in_flight']} in flight, {found['in_doubt']} in doubt"),
        ("questions", f"{found['questions']} listings to read again, {found['orders_wanted']} orders to read"),
        ("orders known to", when(found["orders_known_to"])),
        ("last success", when(found["last_success_at"])),
        ("last error", found["last_error"]),
        ("dead letters", found["dead_letters"]),
    ]
    facts += [(f"location {remote or '(only one)'}", ", ".join(ours)) for remote, ours in found["locations"].items()]
    show_table([column("WHAT"), column("IS")], [{"what": name, "is": text} for name, text in facts], none="")


def _tell(
    action: str,
    channel: str | None,
    every: bool,
    reason: str,
    config: Any,
    socket: Any,
    json: bool,
) -> None:
    if (channel is None) == (not every):
        raise Stop(USAGE, "name one channel, or say --all")
    with reach(config, socket, timeout_seconds=660 if action == "poll" else None) as daemon:
        asked = {"channel": channel, "all": every, "reason": reason}
        rows = daemon.post(f"/v1/channels/{action}", asked)["channels"]
    if json:
        for row in rows:
            show_json(row)
    else:
        show_table(COLUMNS, rows, none="no channels are configured")
    failed = [f"{row['channel']}: {row['error']}" for row in rows if row["error"]]
    if failed:
        raise Stop(TRY_LATER, *failed)


@app.command("pause")
def pause(
    channel: MaybeChannel = None,
    all_: AllChannels = False,
    reason: WhyText = "",
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Write nothing to it; what it shows stays, its orders still count."""
    _tell("pause", channel, all_, reason, config, socket, json)


@app.command("resume")
def resume(
    channel: MaybeChannel = None,
    all_: AllChannels = False,
    reason: WhyText = "",
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """End a pause."""
    _tell("resume", channel, all_, reason, config, socket, json)


@app.command("freeze")
def freeze(
    channel: MaybeChannel = None,
    all_: AllChannels = False,
    reason: WhyText = "",
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Write falls only; rises wait."""
    _tell("freeze", channel, all_, reason, config, socket, json)


@app.command("unfreeze")
def unfreeze(
    channel: MaybeChannel = None,
    all_: AllChannels = False,
    reason: WhyText = "",
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Let rises go out again."""
    _tell("unfreeze", channel, all_, reason, config, socket, json)


@app.command("block")
def block(
    channel: MaybeChannel = None,
    all_: AllChannels = False,
    reason: WhyText = "",
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Show nothing there: every listing is to show 0."""
    _tell("block", channel, all_, reason, config, socket, json)


@app.command("unblock")
def unblock(
    channel: MaybeChannel = None,
    all_: AllChannels = False,
    reason: WhyText = "",
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Show there what the policy says again."""
    _tell("unblock", channel, all_, reason, config, socket, json)


@app.command("poll")
def poll(
    channel: MaybeChannel = None,
    all_: AllChannels = False,
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Read its orders now, and apply them."""
    _tell("poll", channel, all_, "", config, socket, json)


def reconcile(
    channel: OneChannel,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write what differs; confirms a first synchronisation.")
    ] = False,
    config: ConfigFile = None,
    socket: Socket = None,
    json: AsJson = False,
) -> None:
    """Read a channel anew and show where it differs from what it should show."""
    columns = [
        column("SKU"),
        item_column("ITEM", "remote_id"),
        item_column("WHERE", "remote_location"),
        column("SHOWS", "observed", figure=True),
        column("EXPECTED", figure=True),
        column("SHOULD", "desired", figure=True),
        column("STATE", word=True),
    ]
    results: list[dict[str, Any]] = []

    def rows() -> Any:
        for document in watched(daemon.long_work(f"/v1/channels/{channel}/reconcile", {"apply": apply})):
            if "row" in document:
                yield document["row"]
            else:
                results.append(document["result"])

    with reach(config, socket) as daemon:
        if json:
            for row in rows():
                show_json(row)
        else:
            show_table(columns, rows(), none="the channel shows what it should")
    result = results[0]
    _explain(result)
    if result["differences"] and not apply:
        raise Stop(PROBLEMS)


def _explain(result: dict[str, Any]) -> None:
    channel, differences = result["channel"], result["differences"]
    say(
        f"{channel}: {result['synchronised']} of {result['listings']} listings are synchronised, "
        f"{differences} {'differs' if differences == 1 else 'differ'}, {result['unmapped']} without a SKU, "
        f"{result['held']} held, {result['rejected']} rejected"
    )
    if result["first_synced_now"]:
        say("the first synchronisation is confirmed: from now on everything flows")
    elif not result["first_synced"]:
        say(f"nothing is written before the first synchronisation is confirmed: syncd reconcile {channel} --apply")
    elif differences and not result["applied"]:
        say(
            "these are written as their turn comes, unless the channel is paused or frozen, or a drift waits for a word"
        )
    if result["applied"] and differences:
        say("what differs is being written now; `syncd status` tells when that is done")


def register(main: typer.Typer) -> None:
    main.add_typer(app, name="channel")
    main.command("reconcile")(reconcile)
