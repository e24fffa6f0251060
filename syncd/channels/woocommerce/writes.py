"""Setting quantities: one call for the products of a batch, and one for the variations of each product.

The vendor has no compare and no keys, and its `inventory_delta` loses concurrent changes: what is written overwrites.
So a batch that takes long is cut short, and the rest goes out after the orders have been read again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import anyio

from syncd.channels.woocommerce.api import Api, Missing, Reply
from syncd.channels.woocommerce.products import units_kept
from syncd.channels.woocommerce.values import SECOND, Unusable, instant, parts_of, text
from syncd.domain.errors import AuthFailed, OutcomeUnknown, Rejected, Retry
from syncd.domain.ids import ListingKey
from syncd.domain.listings import Span
from syncd.ports import Outcome, RowOutcome, WriteBatch, WriteRow

NO_MORE_CALLS_AFTER_SECONDS: Final = 2.0
"""So old may the order read of this step be when a call of it begins."""
SAVING_MILLIS: Final = 2 * SECOND
"""An item is dated when its saving begins."""

_CUT: Final = "its turn had not come when the time of the step was over"


class StockWriter:
    def __init__(self, api: Api) -> None:
        self._api = api

    async def write(self, batch: WriteBatch) -> Sequence[RowOutcome]:
        """What became of each row.

        Raises Throttled and Retry (nothing happened), OutcomeUnknown (any row may have been written), AuthFailed.
        """
        began = anyio.current_time()
        outcomes: dict[ListingKey, RowOutcome] = {}
        for product, rows in _calls(batch.rows):
            if outcomes and anyio.current_time() - began > NO_MORE_CALLS_AFTER_SECONDS:
                break
            try:
                found = await self._set(product, rows)
            except (Retry, AuthFailed):
                if not outcomes:
                    raise
                break
            outcomes.update({outcome.key: outcome for outcome in found})
        return [outcomes.get(row.key) or RowOutcome(row.key, Outcome.UNTOUCHED, reason=_CUT) for row in batch.rows]

    async def _set(self, product: int, rows: Mapping[int, WriteRow]) -> Sequence[RowOutcome]:
        path = ("products", product, "variations", "batch") if product else ("products", "batch")
        update = [{"id": item, "stock_quantity": row.target} for item, row in rows.items()]
        if 0 in rows:
            return [RowOutcome(rows[0].key, Outcome.GONE, reason="no id of a product or variation")]
        try:
            reply = await self._api.post(*path, body={"update": update})
        except Missing as missing:
            return [RowOutcome(row.key, Outcome.GONE, reason=str(missing)) for row in rows.values()]
        except Rejected as refused:
            return [RowOutcome(row.key, Outcome.REJECTED, reason=str(refused)) for row in rows.values()]
        results = _results(reply, rows.keys())
        refusals = [refusal for refusal in map(_refusal, results.values()) if refusal is not None]
        if len(refusals) == len(rows) and all(status in (401, 403) for _, status in refusals):
            raise AuthFailed(f"the key may not write stock: {refusals[0][0]}")
        return [_judge(row, results[item], reply.at) for item, row in rows.items()]


def _calls(rows: Sequence[WriteRow]) -> Iterator[tuple[int, Mapping[int, WriteRow]]]:
    """Rows by the product whose variations they are, 0 for products themselves; in the order in which they came."""
    found: dict[int, dict[int, WriteRow]] = {}
    for row in rows:
        product, variation = parts_of(row.key.remote_id)
        parent, item = (product, variation) if variation else (0, product)
        if not item:
            yield 0, {0: row}
            continue
        found.setdefault(parent, {})[item] = row
    yield from found.items()


def _results(reply: Reply, asked: Any) -> Mapping[int, Mapping[str, Any]]:
    """What the answer says of each row; one that says nothing of a row leaves all in doubt."""
    listed = reply.data.get("update") if type(reply.data) is dict else None
    results = {each["id"]: each for each in listed or () if type(each) is dict and type(each.get("id")) is int}
    missing = [item for item in asked if item not in results]
    if missing:
        raise OutcomeUnknown(f"the answer to a batch says nothing of {len(missing)} of its items")
    broken = next((told for told, status in filter(None, map(_refusal, results.values())) if status >= 500), None)
    if broken is not None:
        raise OutcomeUnknown(broken)
    return results


def _refusal(result: Mapping[str, Any]) -> tuple[str, int] | None:
    """The row's own error and its HTTP status."""
    error = result.get("error")
    if type(error) is not dict:
        return None
    held = error.get("data")
    status = held.get("status") if type(held) is dict else None
    return f"{text(error.get('code'))}: {text(error.get('message'))}", status if type(status) is int else 400


def _judge(row: WriteRow, result: Mapping[str, Any], at: Span) -> RowOutcome:
    refusal = _refusal(result)
    if refusal is not None:
        told, status = refusal
        code = told.partition(":")[0]
        gone = status == 404 or (code.startswith("woocommerce_rest") and code.endswith("invalid_id"))
        return RowOutcome(row.key, Outcome.GONE if gone else Outcome.REJECTED, reason=told)
    try:
        kept = units_kept(result)
    except Unusable as error:
        return RowOutcome(row.key, Outcome.REJECTED, reason=str(error))
    if kept is None:
        why = "the shop keeps no stock of the item: stock management is off for it, or its product's is used"
        return RowOutcome(row.key, Outcome.REJECTED, reason=why)
    # Another figure than ours in the answer is one that a sale has lowered since; it will be heard of as an order.
    return RowOutcome(row.key, Outcome.CONFIRMED, at=_in_force(result, at))


def _in_force(result: Mapping[str, Any], at: Span) -> Span:
    """When the write took force: as the item is dated, within the time the call took."""
    try:
        modified = instant(result.get("date_modified_gmt"), "date_modified_gmt")
    except Unusable:
        return at
    earliest, latest = max(modified, at.earliest), min(modified + SAVING_MILLIS - 1, at.latest)
    return Span(earliest, latest) if earliest <= latest else at
