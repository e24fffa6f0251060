"""From a document and its variables to the body of the answer, with cost, in the vendor's shapes.

Order of checks as recorded: syntax, validation, variables, size and cost, bucket, then execution.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypeGuard

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    validate,
)

from syncd.sim.remotes.shopify.call import Call, ServerBroke
from syncd.sim.remotes.shopify.cost import MAX_SINGLE_QUERY, Bucket, CostModel
from syncd.sim.remotes.shopify.schema import executable_schema
from syncd.sim.remotes.shopify.variables import MAX_ARRAY, oversized, variable_errors

RATE_LIMITS_PAGE = "https://shopify.dev/api/usage/rate-limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    body: dict[str, Any]
    operation: str = ""
    roots: tuple[str, ...] = ()
    is_mutation: bool = False
    requested: int | None = None
    actual: int | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document parsed and validated once for each version and text."""

    errors: list[dict[str, Any]] = field(default_factory=list)
    operations: list[OperationDefinitionNode] = field(default_factory=list)
    fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    document: DocumentNode | None = None


@lru_cache(maxsize=512)
def prepare(version: str, text: str) -> Prepared:
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        return Prepared([_shown(error)])
    errors = validate(executable_schema(version), document)
    if errors:
        return Prepared([{**_shown(error), "extensions": {"code": _validation_code(error)}} for error in errors])
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    fragments = {e.name.value: e for e in document.definitions if isinstance(e, FragmentDefinitionNode)}
    return Prepared([], operations, fragments, document)


def answer(
    call: Call,
    text: str,
    variables: Mapping[str, Any],
    operation_name: str | None,
    *,
    bucket: Bucket,
    monotonic: Callable[[], float],
) -> Answer:
    """Run one document against the call's shop. Raises ServerBroke when a fault says so."""
    prepared = prepare(call.version, text)
    operation = _chosen(prepared, operation_name)
    if operation is None or prepared.document is None:
        return Answer(body={"errors": prepared.errors or [{"message": "No operation named like that"}]})
    schema = executable_schema(call.version)
    known = Answer(
        body={},
        operation=operation.name.value if operation.name else "",
        roots=_roots(operation),
        is_mutation=operation.operation is OperationType.MUTATION,
    )
    wrong = variable_errors(schema, operation, variables)
    if wrong:
        return replace(known, body={"errors": wrong})
    too_long = oversized(variables)
    if too_long is not None:
        return replace(known, body={"errors": [_too_long(too_long)]})
    model = CostModel(schema, operation, prepared.fragments, variables)
    requested = model.requested()
    if requested > MAX_SINGLE_QUERY:
        return replace(known, body={"errors": [_too_dear(requested)]}, requested=requested)
    if not bucket.take(requested, monotonic()):
        cost = _cost(requested, None, bucket, monotonic())
        return replace(known, body={"errors": [_throttled()], "extensions": {"cost": cost}}, requested=requested)
    result = _run(call, prepared.document, variables, operation_name)
    body: dict[str, Any] = {}
    if result.errors:
        body["errors"] = [_executed(error) for error in result.errors]
    body["data"] = result.data
    actual = min(requested, model.actual(body["data"]))
    bucket.give_back(requested - actual)
    body["extensions"] = {"cost": _cost(requested, actual, bucket, monotonic())}
    if call.search_notes:
        body["extensions"]["search"] = call.search_notes
    return replace(known, body=body, requested=requested, actual=actual)


def roots_of(version: str, text: str, operation_name: str | None) -> tuple[str, ...]:
    """The root fields a document asks for; none when it is not acceptable."""
    operation = _chosen(prepare(version, text), operation_name)
    return _roots(operation) if operation else ()


def bulk_data(call: Call, text: str) -> dict[str, Any] | None:
    """The whole result of a bulk query, all connections in full; None when it failed."""
    document = prepare(call.version, text).document
    if document is None:
        return None
    return _run(call, document, {}, None).data


def _run(call: Call, document: DocumentNode, variables: Mapping[str, Any], name: str | None) -> ExecutionResult:
    result = execute(
        executable_schema(call.version),
        document,
        context_value=call,
        variable_values=dict(variables),
        operation_name=name,
        is_awaitable=_never,
    )
    if not isinstance(result, ExecutionResult):
        raise TypeError("a resolver of the simulator awaits")
    return result


def _never(value: Any) -> TypeGuard[Awaitable[Any]]:
    return False


def _chosen(prepared: Prepared, name: str | None) -> OperationDefinitionNode | None:
    for operation in prepared.operations:
        if name is None or (operation.name and operation.name.value == name):
            return operation
    return None


def _roots(operation: OperationDefinitionNode) -> tuple[str, ...]:
    return tuple(each.name.value for each in operation.selection_set.selections if isinstance(each, FieldNode))


def _executed(error: GraphQLError) -> dict[str, Any]:
    if isinstance(error.original_error, ServerBroke):
        raise error.original_error
    if error.original_error is not None and not error.extensions:
        raise error.original_error
    shown = _shown(error)
    locations = (error.extensions or {}).get("locations")
    if locations:
        shown["locations"] = locations
    extensions = {key: value for key, value in (error.extensions or {}).items() if key != "locations"}
    return {**shown, "extensions": extensions, "path": list(error.path or [])}


def _shown(error: GraphQLError) -> dict[str, Any]:
    return {
        "message": error.message,
        "locations": [{"line": each.line, "column": each.column} for each in error.locations or []],
    }


def _validation_code(error: GraphQLError) -> str:
    if error.message.startswith("Cannot query field"):
        return "undefinedField"
    if "was not provided" in error.message or "is required" in error.message:
        return "missingRequiredArguments"
    return "argumentLiteralsIncompatible" if "Expected" in error.message else "invalid"


def _cost(requested: int, actual: int | None, bucket: Bucket, at: float) -> dict[str, Any]:
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": bucket.status(at)}


def _throttled() -> dict[str, Any]:
    return {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": RATE_LIMITS_PAGE}}


def _too_dear(cost: int) -> dict[str, Any]:
    return {
        "message": f"Query cost is {cost}, which exceeds the single query max cost limit ({MAX_SINGLE_QUERY}).",
        "extensions": {
            "code": "MAX_COST_EXCEEDED",
            "cost": cost,
            "maxCost": MAX_SINGLE_QUERY,
            "documentation": RATE_LIMITS_PAGE,
        },
    }


def _too_long(size: int) -> dict[str, Any]:
    return {
        "message": f"The input array size of {size} is greater than the maximum allowed of {MAX_ARRAY}.",
        "extensions": {"code": "MAX_INPUT_SIZE_EXCEEDED"},
    }
