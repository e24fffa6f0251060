"""Conflicts: what is open, which ways lead out of it, and what a person decides."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from syncd.actors.snapshots import book_held
from syncd.control.answers import CONTEXT, Problem, answer, body_of, flag, limit_of, listed, text_in
from syncd.control.context import ControlContext
from syncd.control.counts import book, plan
from syncd.control.finding import channel_named, did_you_mean, item_of_alias, sku_named
from syncd.control.listings import link_item
from syncd.control.peer import actor
from syncd.domain.books import Audited
from syncd.domain.commands import DecideDrift, TryAgain
from syncd.domain.conflicts import ConflictKind, ConflictState
from syncd.domain.ids import Alias, ChannelId, LevelKey, LocationId, RemoteId, Sku
from syncd.domain.snapshots import TrustAuthority
from syncd.storage import decisions, inbox
from syncd.storage.queries import load

READS = load("reads")
CONFLICTS = load("conflicts")
PAGE: Final = 500
SKU: Final = "SKU"

_IGNORE: Final = {"ignore": "leave it as it is and hear of it no more", "done": "it has been dealt with elsewhere"}
WAYS: Final[Mapping[ConflictKind, Mapping[str, str]]] = {
    ConflictKind.OVERSELL: {
        "done": "the units were found, or an order was cancelled or moved at its channel; it also closes by itself "
        "when enough are available again",
        "ignore": _IGNORE["ignore"],
    },
    ConflictKind.DRIFT: {
        "enforce": "overwrite what the channel shows with what is wanted",
        "adopt": "take the channel's difference over into our stock",
        **_IGNORE,
    },
    ConflictKind.UNMAPPED: {SKU: "link the item to this SKU of ours, and book the orders that waited", **_IGNORE},
    ConflictKind.REJECTED: {"retry": "write it again", **_IGNORE},
    ConflictKind.QUARANTINED: {"replay": "apply the stored delivery again", **_IGNORE},
    ConflictKind.MASS_CHANGE: {"apply": "book all of it", "discard": "forget it; nothing is booked"},
    ConflictKind.UNBOOKED: {"adopt": "the authority has entered them: take its count as it stands", **_IGNORE},
    ConflictKind.STALE: _IGNORE,
}


async def list_conflicts(request: web.Request) -> web.StreamResponse:
    context = request.app[CONTEXT]
    kind = request.query.get("kind")
    if kind is not None and kind not in tuple(ConflictKind):
        raise Problem("usage", f"there is no kind {kind}", f"there are: {', '.join(ConflictKind)}")
    return await listed(request, _pages(context, kind, limit_of(request), closed=flag(request, "all")))


async def _pages(
    context: ControlContext, kind: str | None, limit: int | None, *, closed: bool
) -> AsyncIterator[list[dict[str, Any]]]:
    after, left = 0, limit
    while left is None or left > 0:
        most = PAGE if left is None else min(PAGE, left)
        async with context.database.reading() as connection:
            rows = await connection.fetch(READS.conflicts, after, closed, kind, most)
        if not rows:
            return
        after = rows[-1]["id"]
        left = None if left is None else left - len(rows)
        yield [{name: row[name] for name in _LISTED} for row in rows]


_LISTED: Final = ("id", "kind", "state", "sku", "location", "channel", "opened_at", "resolved_at", "facts")


async def show_conflict(request: web.Request) -> web.Response:
    row = await _found(request)
    kind = ConflictKind(row["kind"])
    ways = WAYS[kind] if row["state"] == ConflictState.OPEN else {}
    return answer(
        {
            **{name: row[name] for name in _LISTED},
            "updated_at": row["updated_at"],
            "history": row["history"],
            "ways_out": [
                {"take": take, "does": does, "command": f"syncd conflicts resolve {row['id']} --take {take}"}
                for take, does in ways.items()
            ],
        }
    )


async def _found(request: web.Request) -> Mapping[str, Any]:
    number = request.match_info["id"]
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise Problem("usage", f"{number} is not the number of a conflict")
    async with request.app[CONTEXT].database.reading() as connection:
        row = await connection.fetchrow(CONFLICTS.by_id, int(number))
    if row is None:
        raise Problem("not_found", f"there is no conflict {number}", "`syncd conflicts list --all` shows them")
    return dict(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    conflict: Mapping[str, Any]
    take: str
    reason: str
    actor: str


async def resolve(request: web.Request) -> web.Response:
    context = request.app[CONTEXT]
    row = await _found(request)
    document = await body_of(request)
    decision = Decision(
        conflict=row,
        take=text_in(document, "take"),
        reason=text_in(document, "reason", optional=True),
        actor=actor(request),
    )
    if row["state"] == ConflictState.RESOLVED:
        raise Problem("refused", f"conflict {row['id']} is resolved already")
    how = await _act(context, decision)
    state = ConflictState.IGNORED if decision.take == "ignore" else ConflictState.RESOLVED
    told = f"{how} ({decision.reason})" if decision.reason else how
    audit = Audited(actor=decision.actor, action="conflict.resolve", target=f"{row['kind']} {row['id']}", reason=told)
    async with decisions.deciding(context.database.dsn) as connection:
        await decisions.close(connection, row["id"], state, context.now(), actor=decision.actor, how=told)
        await decisions.audit(connection, audit, context.now())
        if row["kind"] == ConflictKind.MASS_CHANGE:
            await decisions.drop(connection, row["subject"])
    return answer({"id": row["id"], "kind": row["kind"], "state": state.value, "how": told})


async def _act(context: ControlContext, decision: Decision) -> str:
    """Do what the decision asks for; returns how the conflict ends, in words."""
    kind, take = ConflictKind(decision.conflict["kind"]), decision.take
    ways = WAYS[kind]
    if take in ("ignore", "done") and kind is not ConflictKind.MASS_CHANGE:
        return f"{'ignored' if take == 'ignore' else 'done'} by {decision.actor}"
    if take not in ways and SKU not in ways:
        hint = did_you_mean(take, ways) or f"there are: {', '.join(ways)}"
        raise Problem("usage", f"a {kind} conflict cannot be resolved by {take}", hint)
    match kind:
        case ConflictKind.DRIFT:
            return await _decide_drift(context, decision)
        case ConflictKind.UNMAPPED:
            return await _link(context, decision)
        case ConflictKind.REJECTED:
            return await _try_again(context, decision)
        case ConflictKind.QUARANTINED:
            return await _replay(context, decision)
        case ConflictKind.UNBOOKED:
            return await _trust(context, decision)
        case _:
            return await _decide_change(context, decision)


async def _decide_drift(context: ControlContext, decision: Decision) -> str:
    channel, remote_id, remote_location = _listing_of(decision.conflict)
    take_over = decision.take == "adopt"
    command = DecideDrift(
        channel=channel,
        remote_id=remote_id,
        remote_location=remote_location,
        take_over=take_over,
        difference=int(decision.conflict["facts"]["difference"]),
        actor=decision.actor,
    )
    await context.stock.ask(command)
    return f"{'taken over' if take_over else 'overwritten'} by {decision.actor}"


def _listing_of(conflict: Mapping[str, Any]) -> tuple[ChannelId, RemoteId, str]:
    channel, remote_id, remote_location = conflict["subject"].split("|", 2)
    return ChannelId(channel), RemoteId(remote_id), remote_location


async def _link(context: ControlContext, decision: Decision) -> str:
    """Link the listing, or the item that an order line names."""
    facts = decision.conflict["facts"]
    channel = channel_named(context, decision.conflict["channel"] or "")
    async with context.database.reading() as connection:
        sku = await sku_named(connection, decision.take)
        if facts.get("remote_id"):
            remote_id = RemoteId(facts["remote_id"])
        elif facts.get("item"):
            remote_id = await item_of_alias(connection, channel, Alias(facts["item"]))
        else:
            raise Problem("refused", "the order line names no item of the channel, so there is nothing to link")
    await link_item(context, channel, remote_id, sku, decision.actor)
    return f"{remote_id} linked to {sku} by {decision.actor}"


async def _try_again(context: ControlContext, decision: Decision) -> str:
    channel, remote_id, remote_location = _listing_of(decision.conflict)
    command = TryAgain(channel=channel, remote_id=remote_id, remote_location=remote_location, actor=decision.actor)
    await context.stock.ask(command)
    return f"{decision.actor} says to try again"


async def _replay(context: ControlContext, decision: Decision) -> str:
    event_id = str(decision.conflict["facts"].get("event_id", ""))
    async with context.database.reading() as connection:
        rows = await inbox.by_event(connection, event_id)
    if not rows:
        raise Problem("refused", f"delivery {event_id} is not stored any more")
    for number, reason in (await context.stock.replay([row.id for row in rows])).items():
        if reason:
            raise Problem("refused", f"delivery {number}: {reason}")
    return f"replayed by {decision.actor}"


async def _trust(context: ControlContext, decision: Decision) -> str:
    key = LevelKey(Sku(decision.conflict["sku"]), LocationId(decision.conflict["location"]))
    by = await context.stock.ask(TrustAuthority(key=key, actor=decision.actor))
    return f"{by:+d}: the authority's count was taken by {decision.actor}"


async def _decide_change(context: ControlContext, decision: Decision) -> str:
    """Book a change that was held, as of when it came: what moved since stays on top."""
    subject = decision.conflict["subject"]
    if decision.take == "discard":
        return f"discarded by {decision.actor}"
    async with context.database.reading() as connection:
        change = await decisions.held(connection, subject)
    if change is None:
        raise Problem("refused", "the change is not stored any more")

    if change.channel is not None:
        await book_held(context.stock, change)
        return f"applied by {decision.actor}"

    async def progress(what: str, done: int, of: int) -> None: ...

    planned = await plan(context, change.counts, change.as_of, progress)
    await book(context, planned, f"imported from {change.source}", decision.actor, progress)
    return f"applied by {decision.actor}"


ROUTES = [
    web.get("/v1/conflicts", list_conflicts),
    web.get("/v1/conflicts/{id}", show_conflict),
    web.post("/v1/conflicts/{id}/resolve", resolve),
]
