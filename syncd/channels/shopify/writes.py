"""Setting quantities: one call a batch, each row compared with what it is expected to show (fact sheet 4).

A batch takes effect as a whole or not at all, so one row that the shop refuses leaves the others untouched.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import anyio

from syncd.channels.shopify.api import Api
from syncd.channels.shopify.documents import ACTIVATE, MUTATION_COST, SET_AVAILABLE
from syncd.channels.shopify.values import Unusable, instant
from syncd.domain.errors import OutcomeUnknown, SyncdError
from syncd.domain.ids import ListingKey
from syncd.domain.listings import Span
from syncd.ports import CatalogueRow, Outcome, RowOutcome, WriteBatch, WriteRow
from syncd.wire.graphql import Reply

ReadLevels = Callable[[Sequence[ListingKey]], Awaitable[Sequence[CatalogueRow]]]

CONCURRENT_WAITS_SECONDS: Final = (0.3, 1.0, 2.0)
KEYS_KEPT_MILLIS: Final = 25 * 3600 * 1000
ACTIVATIONS_AT_MOST: Final = 3
"""A shop that keeps saying "not stocked" after it was stocked is not asked for ever."""

_STALE: Final = frozenset({"CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE"})
_GONE: Final = frozenset({"INVALID_INVENTORY_ITEM", "INVALID_LOCATION"})
_UNSTOCKED: Final = "ITEM_NOT_STOCKED_AT_LOCATION"
_CONCURRENT: Final = "IDEMPOTENCY_CONCURRENT_REQUEST"
_PREVIOUS_FAILED: Final = "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"
_BUSY: Final = "SERVICE_UNAVAILABLE"


class StockWriter:
    """Writes `available`, which moves on_hand by the same step and leaves what is committed alone."""

    def __init__(self, api: Api, read_levels: ReadLevels) -> None:
        self._api = api
        self._read_levels = read_levels
        self._activated: dict[ListingKey, int] = {}

    async def write(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        """What became of each row. The same batch again gives the same result and has one effect, for 24 hours.

        Raises Throttled and Retry (nothing happened), OutcomeUnknown (send the same batch again), AuthFailed, Rejected.
        """
        outcomes: dict[ListingKey, RowOutcome] = {}
        for place, row in enumerate(batch.rows):
            if not row.active:
                refused = await self._activate(row, f"{batch.idempotency_key}/activate/{place}")
                if refused is not None:
                    outcomes[row.key] = refused
        rows = [row for row in batch.rows if row.key not in outcomes]
        if rows:
            reply, errors = await self._set(batch.idempotency_key, rows)
            found = await self._judge(batch.idempotency_key, rows, reply, errors)
            outcomes.update({outcome.key: outcome for outcome in found})
        return [outcomes[row.key] for row in batch.rows]

    async def _set(self, key: str, rows: Sequence[WriteRow]) -> tuple[Reply, list[Mapping[str, Any]]]:
        """Send the batch; while an earlier sending of it is still at work, wait and send the same again."""
        variables = {"input": _input(key, rows), "key": key}
        for wait_seconds in (*CONCURRENT_WAITS_SECONDS, None):
            reply = await self._api.call(SET_AVAILABLE, variables, cost=MUTATION_COST)
            errors = _user_errors(reply, "inventorySetQuantities")
            if _CONCURRENT not in {error.get("code") for error in errors}:
                return reply, errors
            if wait_seconds is not None:
                await anyio.sleep(wait_seconds)
        raise OutcomeUnknown("inventorySetQuantities: an earlier sending of this write is still at work")

    async def _judge(
        self, key: str, rows: Sequence[WriteRow], reply: Reply, errors: list[Mapping[str, Any]]
    ) -> Sequence[RowOutcome]:
        if not errors:
            at = _in_force(reply)
            return [RowOutcome(row.key, Outcome.CONFIRMED, at=at) for row in rows]
        codes = {str(error.get("code")) for error in errors}
        told = "; ".join(f"{error.get('code')}: {error.get('message')}" for error in errors)[:500]
        if _BUSY in codes or any(code.endswith("_FAILED") and code != _PREVIOUS_FAILED for code in codes):
            raise OutcomeUnknown(told)  # to be sent again under the same key
        if _PREVIOUS_FAILED in codes:
            return [RowOutcome(row.key, Outcome.UNTOUCHED, reason=told) for row in rows]
        if codes & _STALE:
            return await self._stale(rows, told)
        named = {place: error for error in errors if (place := _row_named(error, len(rows))) is not None}
        if not named:
            return [RowOutcome(row.key, Outcome.REJECTED, reason=told) for row in rows]
        return [await self._refused(key, place, row, named.get(place)) for place, row in enumerate(rows)]

    async def _stale(self, rows: Sequence[WriteRow], told: str) -> Sequence[RowOutcome]:
        """The refusal does not say which row it is for: read them all and look which show something else."""
        try:
            read = await self._read_levels([row.key for row in rows])
        except SyncdError:
            return [RowOutcome(row.key, Outcome.STALE, reason=told) for row in rows]
        shown = {(level.remote_id, level.remote_location): level for level in read}
        found = [_compared(row, shown.get((row.key.remote_id, row.key.remote_location)), told) for row in rows]
        if any(outcome.outcome is not Outcome.UNTOUCHED for outcome in found):
            return found
        # It has changed back, or the reading lags: what it shows is for the caller to judge, before the next try.
        return [outcome._replace(outcome=Outcome.STALE, reason=told) for outcome in found]

    async def _refused(self, key: str, place: int, row: WriteRow, error: Mapping[str, Any] | None) -> RowOutcome:
        if error is None:
            return RowOutcome(row.key, Outcome.UNTOUCHED, reason="another row of the same call was refused")
        code, told = error.get("code"), f"{error.get('code')}: {error.get('message')}"
        if code in _GONE:
            return RowOutcome(row.key, Outcome.GONE, reason=told)
        if code == _UNSTOCKED:
            tried = self._activated[row.key] = self._activated.get(row.key, 0) + 1
            if tried > ACTIVATIONS_AT_MOST:
                return RowOutcome(row.key, Outcome.REJECTED, reason=f"{told}, and it was activated {tried - 1} times")
            refused = await self._activate(row, f"{key}/stock/{place}")
            return refused or RowOutcome(row.key, Outcome.UNTOUCHED, reason="stocked at the location just now")
        return RowOutcome(row.key, Outcome.REJECTED, reason=told)

    async def _activate(self, row: WriteRow, key: str) -> RowOutcome | None:
        """Stock the item at the location; None when it is. Quantities are left as the level had them, if ever.

        Errors of an activation carry no code.
        """
        variables = {"inventoryItemId": row.key.remote_id, "locationId": row.key.remote_location, "key": key}
        reply = await self._api.call(ACTIVATE, variables, cost=MUTATION_COST)
        errors = _user_errors(reply, "inventoryActivate")
        level = ((reply.data or {}).get("inventoryActivate") or {}).get("inventoryLevel") or {}
        if not errors or level.get("isActive"):
            return None
        told = "; ".join(str(error.get("message")) for error in errors)[:300]
        if any("could not be found" in str(error.get("message")).lower() for error in errors):
            return RowOutcome(row.key, Outcome.GONE, reason=told)
        return RowOutcome(row.key, Outcome.REJECTED, reason=told)


def _input(key: str, rows: Sequence[WriteRow]) -> dict[str, Any]:
    return {
        "name": "available",
        "reason": "correction",
        "referenceDocumentUri": f"gid://syncd/Write/{key}",
        "quantities": [
            {
                "inventoryItemId": row.key.remote_id,
                "locationId": row.key.remote_location,
                "quantity": row.target,
                "changeFromQuantity": row.was,
            }
            for row in rows
        ],
    }


def _user_errors(reply: Reply, field: str) -> list[Mapping[str, Any]]:
    payload = (reply.data or {}).get(field)
    if not isinstance(payload, dict):
        raise OutcomeUnknown(f"{field}: an answer without a result")
    return [error for error in payload.get("userErrors") or () if isinstance(error, dict)]


def _row_named(error: Mapping[str, Any], rows: int) -> int | None:
    """The row that an error is about: the index in a path such as input, quantities, 0, locationId."""
    for part in error.get("field") or ():
        if str(part).isdigit() and int(part) < rows:
            return int(part)
    return None


def _compared(row: WriteRow, level: CatalogueRow | None, told: str) -> RowOutcome:
    if level is None:
        return RowOutcome(row.key, Outcome.GONE, reason="the item is not in the shop any more")
    if level.reading is None:
        return RowOutcome(row.key, Outcome.REJECTED, reason="the shop does not track the item's quantity")
    if level.units == row.was and level.active:
        reason = "another row of the same call was stale"
        return RowOutcome(row.key, Outcome.UNTOUCHED, reason=reason, reading=level.reading)
    return RowOutcome(row.key, Outcome.STALE, reason=told, reading=level.reading)


def _in_force(reply: Reply) -> Span:
    """When the write took force: the second that the shop entered it, within the time the call took.

    An answer to a repeated key tells of the first sending, long before this call: then only the entry's second counts.
    """
    group = ((reply.data or {}).get("inventorySetQuantities") or {}).get("inventoryAdjustmentGroup")
    try:
        entered = instant((group or {}).get("createdAt"), "createdAt")
    except Unusable:
        return reply.at
    if entered > reply.at.latest or entered < reply.at.latest - KEYS_KEPT_MILLIS:
        return reply.at
    earliest, latest = max(entered, reply.at.earliest), min(entered + 999, reply.at.latest)
    return Span(earliest, latest) if earliest <= latest else Span(entered, entered + 999)
