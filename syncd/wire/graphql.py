"""A GraphQL call over HTTP, with the cost that some vendors tell in `extensions`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from syncd.domain.errors import OutcomeUnknown, Retry
from syncd.domain.listings import Span
from syncd.wire.http import Http


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a call cost and what is left of the bucket; `actual` is None when it was not executed."""

    requested: float
    actual: float | None
    available: float
    capacity: float
    restore_per_second: float

    @property
    def wait_seconds(self) -> float:
        """How long until the bucket holds what was requested."""
        missing = min(self.requested, self.capacity) - self.available
        return max(0.0, missing / self.restore_per_second) if self.restore_per_second > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphError:
    message: str
    code: str = ""
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`executed` is False when the server refused the document before running any of it."""

    status: int
    headers: Mapping[str, str]
    data: Mapping[str, Any] | None
    errors: tuple[GraphError, ...]
    cost: Cost | None
    at: Span
    executed: bool
    shown: str = ""


async def post(
    http: Http,
    path: str,
    *,
    name: str,
    query: str,
    variables: Mapping[str, Any],
    headers: Mapping[str, str],
    changes: bool,
) -> Reply:
    """Send one named document. HTTP statuses below 500 come back in the reply, as do the errors in its body."""
    body = orjson.dumps({"query": query, "variables": variables, "operationName": name})
    sent = {**headers, "Content-Type": "application/json"}
    answer = await http.send("POST", path, body=body, headers=sent, changes=changes)
    decoded: Any = None
    if answer.status == 200:
        try:
            decoded = answer.json()
        except (ValueError, RecursionError) as error:
            told = f"{name}: the answer is no JSON: {answer.shown[:120]}"
            raise (OutcomeUnknown(told) if changes else Retry(told)) from error
    held = decoded if isinstance(decoded, dict) else {}
    data = held.get("data")
    errors = held.get("errors")
    return Reply(
        status=answer.status,
        headers=answer.headers,
        data=data if isinstance(data, dict) else None,
        errors=tuple(_error(each) for each in errors) if isinstance(errors, list) else (),
        cost=_cost(held),
        at=answer.at,
        executed="data" in held,
        shown=answer.shown,
    )


def _error(raw: Any) -> GraphError:
    held = raw if isinstance(raw, dict) else {"message": str(raw)}
    extensions = held.get("extensions")
    path = held.get("path")
    return GraphError(
        message=str(held.get("message", "")),
        code=str(extensions.get("code", "")) if isinstance(extensions, dict) else "",
        path=tuple(str(each) for each in path) if isinstance(path, list) else (),
    )


def _cost(held: Mapping[str, Any]) -> Cost | None:
    try:
        cost = held["extensions"]["cost"]
        left = cost["throttleStatus"]
        actual = cost.get("actualQueryCost")
        return Cost(
            requested=float(cost["requestedQueryCost"]),
            actual=None if actual is None else float(actual),
            available=float(left["currentlyAvailable"]),
            capacity=float(left["maximumAvailable"]),
            restore_per_second=float(left["restoreRate"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
