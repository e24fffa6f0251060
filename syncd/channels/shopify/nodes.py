"""Small readers of GraphQL nodes that the readers of orders share."""

from typing import Any

from syncd.channels.shopify.order_parts import Account
from syncd.channels.shopify.values import Unusable, line_id, location_gid, named, objects
from syncd.domain.ids import LineId, RemoteLocation


def line_of(raw: Any) -> LineId:
    return line_id(named(named(raw, "line").get("lineItem"), "lineItem").get("id"))


def location_of(value: object, account: Account) -> RemoteLocation | None:
    if type(value) is not dict:
        return None
    try:
        return location_gid(value.get("id"))
    except Unusable as error:
        account.fault(f"order {account.order_id}: {error}")
        return None


def nodes(connection: object, what: str) -> list[Any]:
    return objects(named(connection, what).get("nodes"), what)


def listed(value: object, what: str, account: Account) -> list[Any]:
    """A plain list, or the nodes of a connection."""
    try:
        return nodes(value, what) if type(value) is dict else objects(value, what)
    except Unusable as error:
        account.fault(f"order {account.order_id}: {error}")
        return []
