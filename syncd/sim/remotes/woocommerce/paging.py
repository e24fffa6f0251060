"""Query parameters, pages, and the fields asked for, as WordPress has them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from syncd.sim.remotes.woocommerce.access import ApiError

T = TypeVar("T")

MOST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def page_of(found: Sequence[T], query: Mapping[str, str], show: Callable[[T], Mapping[str, Any]]) -> Answer:
    """One page, with how many there are in all; a page beyond the last is empty."""
    size = whole(query, "per_page", 10, least=1, most=MOST)
    page = whole(query, "page", 1, least=1)
    shown = [show(each) for each in found[(page - 1) * size : page * size]]
    headers = {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(-(-len(found) // size))}
    return Answer(body=[only(each, query) for each in shown], headers=headers)


def only(body: Mapping[str, Any], query: Mapping[str, str]) -> Mapping[str, Any]:
    """The fields that `_fields` names; all without it."""
    fields = listed(query, "_fields")
    return {name: body[name] for name in fields if name in body} if fields else body


def listed(query: Mapping[str, str], name: str) -> list[str]:
    return [piece.strip() for piece in query.get(name, "").split(",") if piece.strip()]


def numbers(query: Mapping[str, str], name: str) -> list[int]:
    try:
        return [int(piece) for piece in listed(query, name)]
    except ValueError:
        raise invalid(name) from None


def whole(query: Mapping[str, str], name: str, default: int, *, least: int, most: int | None = None) -> int:
    try:
        value = int(query.get(name, default))
    except ValueError:
        raise invalid(name) from None
    if value < least or (most is not None and value > most):
        raise invalid(name)
    return value


def moment(query: Mapping[str, str], name: str) -> datetime | None:
    """A time without an offset is the shop's own, which is UTC here with or without `dates_are_gmt`."""
    value = query.get(name)
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise invalid(name) from None
    return at.replace(tzinfo=at.tzinfo or UTC)


def sorted_by(found: Iterable[T], query: Mapping[str, str], orders: Mapping[str, Callable[[T], Any]]) -> list[T]:
    """By `orderby`, newest first unless `order` says otherwise."""
    by = orders.get(query.get("orderby", "date"))
    if by is None:
        raise invalid("orderby")
    return sorted(found, key=by, reverse=query.get("order", "desc") != "asc")


def invalid(name: str) -> ApiError:
    return ApiError(400, "rest_invalid_param", f"Invalid parameter(s): {name}")
