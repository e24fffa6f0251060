"""Small parts that resolvers share: pages of records, access checks, errors with the vendor's codes."""

from collections.abc import Callable, Iterable
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from syncd.sim.remotes.shopify.call import Call
from syncd.sim.remotes.shopify.paging import Key, Page, PageRefused, page

SCOPES_PAGE = "https://shopify.dev/api/usage/access-scopes"

Info = GraphQLResolveInfo[Call]
Resolver = Callable[..., Any]


def call_of(info: Info) -> Call:
    return info.context


def by_id(record: Any) -> tuple[int, int]:
    return record.id, record.id


def paged(info: Info, records: Iterable[Any], args: dict[str, Any], key: Key = by_id) -> Page:
    try:
        return page(records, key, args, whole=call_of(info).whole_connections)
    except PageRefused as refusal:
        raise GraphQLError(str(refusal), extensions={"code": "BAD_REQUEST"}) from refusal


def connection(records: Callable[[Any], Iterable[Any]], key: Key = by_id) -> Resolver:
    """A resolver for a connection over what `records` finds in the parent."""

    def resolve(source: Any, info: Info, **args: Any) -> Page:
        return paged(info, records(source), args, key)

    return resolve


def reading(get: Callable[[Any], Any]) -> Resolver:
    """A resolver that needs nothing but the parent."""

    def resolve(source: Any, info: Info, **args: Any) -> Any:
        return get(source)

    return resolve


def guarded(scope: str, resolver: Resolver) -> Resolver:
    """The resolver, for apps that hold the scope."""

    def resolve(source: Any, info: Info, **args: Any) -> Any:
        require(info, scope)
        return resolver(source, info, **args)

    return resolve


def require(info: Info, scope: str) -> None:
    held = call_of(info).shop.credentials.scopes
    if scope in held or scope.replace("read_", "write_", 1) in held:
        return
    needed = f"`{scope}` access scope."
    raise GraphQLError(
        f"Access denied for {info.field_name} field. Required access: {needed}",
        extensions={"code": "ACCESS_DENIED", "documentation": SCOPES_PAGE, "requiredAccess": needed},
    )
