"""The mutation root: what guards each write (scopes, compare argument, idempotency key), then the write itself."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import FieldNode, GraphQLError, VariableNode, get_directive_values

from syncd.sim.remotes.shopify import activation
from syncd.sim.remotes.shopify.bulk import BulkOperation
from syncd.sim.remotes.shopify.call import ServerBroke
from syncd.sim.remotes.shopify.fields import Info, Resolver, call_of, guarded
from syncd.sim.remotes.shopify.idempotency import Refusal
from syncd.sim.remotes.shopify.inventory_writes import QUANTITY_MUTATIONS, Outcome
from syncd.sim.remotes.shopify.subscriptions import Subscription, UserError

KEY_NEEDED_FROM = "2026-04"
NO_KEY = "The @idempotent directive is required for this mutation but was not provided."

# Where a mutation's rows are, and the input type that must carry changeFromQuantity.
_ROWS = {
    "inventorySetQuantities": ("quantities", "InventoryQuantityInput"),
    "inventorySetOnHandQuantities": ("setQuantities", "InventorySetQuantityInput"),
    "inventoryAdjustQuantities": ("changes", "InventoryChangeInput"),
    "inventoryMoveQuantities": ("changes", "InventoryMoveQuantityTerminalInput"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPayload:
    webhook_subscription: Subscription | None = None
    deleted_webhook_subscription_id: str | None = None
    user_errors: list[UserError] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPayload:
    bulk_operation: BulkOperation | None = None
    user_errors: list[UserError] = field(default_factory=list)


def _quantities(root: Any, info: Info, input: Mapping[str, Any]) -> Any:
    call = call_of(info)
    if call.version >= KEY_NEEDED_FROM:
        _need_compare(info, input)

    def write() -> Outcome:
        return QUANTITY_MUTATIONS[info.field_name](call.shop, call.version, input)

    def refused(error: UserError) -> Outcome:
        return Outcome(user_errors=[error])

    return _once(info, {"input": input}, write, refused)


def _activate(root: Any, info: Info, **args: Any) -> Any:
    shop = call_of(info).shop
    return _once(
        info,
        args,
        lambda: activation.activate(shop, args),
        lambda error: activation.Activated(user_errors=[UserError(error.field, error.message)]),
    )


def _once(
    info: Info,
    parameters: Mapping[str, Any],
    write: Callable[[], Any],
    refused: Callable[[UserError], Any],
) -> Any:
    """Carry out `write` under the field's idempotency key: once for all calls with the same key and parameters."""
    call = call_of(info)
    key = _key(info)
    if key is None:
        if call.version >= KEY_NEEDED_FROM:
            raise _told(info, NO_KEY, "BAD_REQUEST")
        return _attempt(info, write, refused)
    canonical = orjson.dumps([info.field_name, parameters], option=orjson.OPT_SORT_KEYS)
    attempt = call.shop.idempotency.begin(key, hashlib.sha256(canonical).hexdigest())
    if isinstance(attempt, Refusal):
        return refused(UserError(None, attempt.message, attempt.code))
    if attempt.state == "done":
        return attempt.outcome
    try:
        outcome = attempt.outcome = _attempt(info, write, refused)
    except ServerBroke:
        attempt.state = "failed"
        raise
    if any(error.code == "SERVICE_UNAVAILABLE" for error in outcome.user_errors):
        call.shop.idempotency.forget(attempt)
    else:
        call.attempts.append(attempt)
    return outcome


def _attempt(info: Info, write: Callable[[], Any], refused: Callable[[UserError], Any]) -> Any:
    call = call_of(info)
    if call.fail_before_effect:
        raise ServerBroke
    if call.service_unavailable and info.field_name == "inventoryAdjustQuantities":
        return refused(UserError(None, "The service is currently unavailable. Try again later.", "SERVICE_UNAVAILABLE"))
    return write()


def _key(info: Info) -> str | None:
    directive = info.schema.get_directive("idempotent")
    if directive is None:
        return None
    for node in info.field_nodes:
        values = get_directive_values(directive, node, info.variable_values)
        if values:
            if not str(values["key"]).strip():
                raise _told(info, "The @idempotent directive key can't be blank.", "BAD_REQUEST")
            return str(values["key"])
    return None


def _need_compare(info: Info, given: Mapping[str, Any]) -> None:
    rows_key, type_name = _ROWS[info.field_name]
    rows = given[rows_key]
    if info.field_name == "inventoryMoveQuantities":
        rows = [row[side] for row in rows for side in ("from", "to")]
    if any("changeFromQuantity" not in row for row in rows):
        told = f"{type_name} must include the following argument: changeFromQuantity."
        raise _told(info, told, "INVALID_FIELD_ARGUMENTS", declared=True)


def _told(info: Info, message: str, code: str, *, declared: bool = False) -> GraphQLError:
    """An error located at the field and, where `declared`, at the declaration of the variable it came from."""
    node = info.field_nodes[0]
    places = [_place(node)]
    if declared:
        places += _declarations(info, node)
    return GraphQLError(message, nodes=[node], extensions={"code": code, "locations": places})


def _declarations(info: Info, node: FieldNode) -> list[dict[str, int]]:
    used = {argument.value.name.value for argument in node.arguments or () if isinstance(argument.value, VariableNode)}
    return [_place(each) for each in info.operation.variable_definitions or () if each.variable.name.value in used]


def _place(node: Any) -> dict[str, int]:
    start = node.loc.start_token
    return {"line": start.line, "column": start.column}


def _deactivate(root: Any, info: Info, **args: Any) -> Any:
    return activation.deactivate(call_of(info).shop, args["inventoryLevelId"])


def _toggle(root: Any, info: Info, **args: Any) -> Any:
    return activation.toggle(call_of(info).shop, args)


def _subscribe(root: Any, info: Info, **args: Any) -> SubscriptionPayload:
    made, errors = call_of(info).shop.subscriptions.create(args["topic"], args["webhookSubscription"])
    return SubscriptionPayload(webhook_subscription=made, user_errors=errors)


def _resubscribe(root: Any, info: Info, **args: Any) -> SubscriptionPayload:
    made, errors = call_of(info).shop.subscriptions.update(args["id"], args["webhookSubscription"])
    return SubscriptionPayload(webhook_subscription=made, user_errors=errors)


def _unsubscribe(root: Any, info: Info, **args: Any) -> SubscriptionPayload:
    gone, errors = call_of(info).shop.subscriptions.delete(args["id"])
    return SubscriptionPayload(deleted_webhook_subscription_id=gone, user_errors=errors)


def _bulk_query(root: Any, info: Info, **args: Any) -> BulkPayload:
    call = call_of(info)
    begun, errors = call.shop.bulk.run_query(args["query"], info.schema, call.version)
    return BulkPayload(bulk_operation=begun, user_errors=errors)


def _bulk_cancel(root: Any, info: Info, **args: Any) -> BulkPayload:
    known, errors = call_of(info).shop.bulk.cancel(args["id"])
    return BulkPayload(bulk_operation=known, user_errors=errors)


MUTATION: dict[str, Resolver] = {
    **{name: guarded("write_inventory", _quantities) for name in QUANTITY_MUTATIONS},
    "inventoryActivate": guarded("write_inventory", _activate),
    "inventoryDeactivate": guarded("write_inventory", _deactivate),
    "inventoryBulkToggleActivation": guarded("write_inventory", _toggle),
    "webhookSubscriptionCreate": _subscribe,
    "webhookSubscriptionUpdate": _resubscribe,
    "webhookSubscriptionDelete": _unsubscribe,
    "bulkOperationRunQuery": _bulk_query,
    "bulkOperationCancel": _bulk_cancel,
}
