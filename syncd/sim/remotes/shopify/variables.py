"""Variables that do not fit their declared type, told as the vendor tells it (code INVALID_VARIABLE)."""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    is_input_type,
    print_ast,
    type_from_ast,
)

MAX_ARRAY = 250

Problem = tuple[list[str | int], str]


def variable_errors(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One error for each variable that does not fit; none means graphql-core will take them all."""
    errors = []
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        declared = type_from_ast(schema, definition.type)
        if declared is None or not is_input_type(declared):
            continue
        if name not in given and definition.default_value is not None:
            continue
        value = given.get(name)
        problems = list(_problems(value, declared, []))
        if not problems:
            continue
        errors.append(_error(name, print_ast(definition.type), value, problems, definition.loc))
    return errors


def oversized(value: Any) -> int | None:
    """The length of the first array in an argument that is longer than the vendor takes."""
    if isinstance(value, list):
        if len(value) > MAX_ARRAY:
            return len(value)
        return next((size for each in value if (size := oversized(each))), None)
    if isinstance(value, Mapping):
        return next((size for each in value.values() if (size := oversized(each))), None)
    return None


def _error(name: str, declared: str, value: Any, problems: list[Problem], loc: Any) -> dict[str, Any]:
    told = ", ".join(f"{'.'.join(str(part) for part in path)} ({why})" for path, why in problems if path)
    message = f"Variable ${name} of type {declared} was provided invalid value" + (f" for {told}" if told else "")
    return {
        "message": message,
        "locations": [{"line": loc.start_token.line, "column": loc.start_token.column}] if loc else [],
        "extensions": {
            "code": "INVALID_VARIABLE",
            "value": value,
            "problems": [{"path": path, "explanation": why} for path, why in problems],
        },
    }


def _problems(value: Any, declared: GraphQLInputType, path: list[str | int]) -> Iterator[Problem]:
    if isinstance(declared, GraphQLNonNull):
        if value is None:
            yield path, "Expected value to not be null"
            return
        declared = declared.of_type
    if value is None:
        return
    if isinstance(declared, GraphQLList):
        for index, each in enumerate(value if isinstance(value, list) else [value]):
            yield from _problems(each, declared.of_type, [*path, index])
    elif isinstance(declared, GraphQLInputObjectType):
        yield from _object_problems(value, declared, path)
    elif isinstance(declared, GraphQLEnumType):
        if not isinstance(value, str) or value not in declared.values:
            yield path, f'Expected "{value}" to be one of: {", ".join(declared.values)}'
    elif isinstance(declared, GraphQLScalarType) and not _fits(value, declared):
        yield path, f"Could not coerce value {_shown(value)} to {declared.name}"


def _object_problems(value: Any, declared: GraphQLInputObjectType, path: list[str | int]) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield path, f"Expected {_shown(value)} to be a key-value object."
        return
    for name in value:
        if name not in declared.fields:
            yield [*path, name], f"Field is not defined on {declared.name}"
    for name, field in declared.fields.items():
        if name in value:
            yield from _problems(value[name], field.type, [*path, name])
        elif isinstance(field.type, GraphQLNonNull) and field.default_value is Undefined:
            yield [*path, name], "Expected value to not be null"


def _fits(value: Any, declared: GraphQLScalarType) -> bool:
    match declared.name:
        case "Int":
            return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31
        case "String" | "URL" | "DateTime":
            return isinstance(value, str)
        case "Boolean":
            return isinstance(value, bool)
        case "ID":
            return isinstance(value, str | int) and not isinstance(value, bool)
    return True


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
