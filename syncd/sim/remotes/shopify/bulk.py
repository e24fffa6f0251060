"""Bulk queries: the vendor's rules for their text, the operations and their states, and the lines of the result."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    parse,
    validate,
)

from syncd.sim.remotes.shopify.ids import Numbers, gid, number_of, to_second
from syncd.sim.remotes.shopify.subscriptions import UserError

MAX_RUNNING = 5
MAX_CONNECTIONS = 5
MAX_DEPTH = 2


@dataclass(slots=True, kw_only=True, eq=False)
class BulkOperation:
    id: int
    query: str
    version: str
    created_at: datetime
    status: str = "CREATED"
    type: str = "QUERY"
    error_code: str | None = None
    completed_at: datetime | None = None
    object_count: int = 0
    root_object_count: int = 0
    file_size: int | None = None
    url: str | None = None
    partial_data_url: str | None = None
    lines: bytes = b""

    @property
    def gid(self) -> str:
        return gid("BulkOperation", self.id)

    @property
    def ended(self) -> bool:
        return self.status in ("COMPLETED", "FAILED", "CANCELED", "EXPIRED")


class BulkOperations:
    """`on_created` is told of each new operation, so that whoever serves the shop can run it and finish it."""

    def __init__(self, *, now: Callable[[], datetime], numbers: Numbers) -> None:
        self._now = now
        self._numbers = numbers
        self.by_id: dict[int, BulkOperation] = {}
        self.on_created: Callable[[BulkOperation], None] | None = None

    def run_query(self, text: str, schema: GraphQLSchema, version: str) -> tuple[BulkOperation | None, list[UserError]]:
        wrong = text_errors(text, schema)
        if wrong:
            return None, wrong
        running = [each.gid for each in self.by_id.values() if not each.ended]
        if len(running) >= MAX_RUNNING:
            told = f"A bulk query operation for this app and shop is already in progress: {', '.join(running)}."
            return None, [UserError(None, told, "OPERATION_IN_PROGRESS")]
        number = self._numbers.next("BulkOperation")
        made = BulkOperation(id=number, query=text, version=version, created_at=to_second(self._now()))
        self.by_id[made.id] = made
        if self.on_created is not None:
            self.on_created(made)
        return made, []

    def cancel(self, global_id: str) -> tuple[BulkOperation | None, list[UserError]]:
        known = self.by_id.get(number_of(global_id, "BulkOperation") or 0)
        if known is None:
            return None, [UserError(["id"], "Bulk operation does not exist")]
        if not known.ended:
            known.status = "CANCELING"
        return known, []

    def finish(self, operation: BulkOperation, data: Mapping[str, Any] | None, base_url: str) -> None:
        """Write the result's lines; an empty result has no file."""
        operation.completed_at = to_second(self._now())
        if operation.status == "CANCELING":
            operation.status = "CANCELED"
            return
        if data is None:
            operation.status, operation.error_code = "FAILED", "INTERNAL_SERVER_ERROR"
            return
        rows = list(result_lines(data))
        operation.lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        operation.object_count = len(rows)
        operation.root_object_count = sum(1 for row in rows if "__parentId" not in row)
        operation.status = "COMPLETED"
        if rows:
            operation.file_size = len(operation.lines)
            operation.url = f"{base_url}/bulk/{operation.id}.jsonl"


def result_lines(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row for each node of each connection; children name their parent's id."""
    for value in data.values():
        if _is_connection(value):
            yield from _rows(value, None)


def _rows(connection: Mapping[str, Any], parent: str | None) -> Iterator[dict[str, Any]]:
    for edge in connection["edges"]:
        node = edge["node"]
        row = {key: value for key, value in node.items() if not _is_connection(value)}
        if parent is not None:
            row["__parentId"] = parent
        yield row
        for value in node.values():
            if _is_connection(value):
                yield from _rows(value, node.get("id"))


def _is_connection(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("edges"), list)


def text_errors(text: str, schema: GraphQLSchema) -> list[UserError]:
    """What the vendor holds against a bulk query before it looks at the schema; mostly a matter of its shape."""
    try:
        document = parse(text)
    except GraphQLError as error:
        return [UserError(["query"], f"Invalid bulk query: {error.message}", "INVALID")]
    operation = next((each for each in document.definitions if isinstance(each, OperationDefinitionNode)), None)
    if operation is None or operation.operation is not OperationType.QUERY:
        return [_invalid("Invalid operation type. Only `query` operations are supported.")]
    look = _Look()
    look.into(operation.selection_set, schema.query_type, depth=0)
    shape = look.errors(operation)
    return shape or [_invalid(f"Invalid bulk query: {error.message}") for error in validate(schema, document)]


class _Look:
    def __init__(self) -> None:
        self.connections = 0
        self.deepest = 0
        self.by_nodes: list[str] = []
        self.without_id: list[str] = []
        self.in_list = False

    def into(self, selection: SelectionSetNode, on: GraphQLObjectType | None, *, depth: int) -> None:
        for node in selection.selections:
            if isinstance(node, FieldNode) and node.selection_set is not None:
                self._field(node, node.selection_set, on, depth)

    def _field(self, node: FieldNode, selection: SelectionSetNode, on: GraphQLObjectType | None, depth: int) -> None:
        names = {each.name.value: each for each in selection.selections if isinstance(each, FieldNode)}
        made = _made(node, on)
        if "edges" not in names and "nodes" not in names:
            inner = _named(made)
            if _is_list(made) and any(_has_connection(each) for each in names.values()):
                self.in_list = True
            self.into(selection, inner, depth=depth)
            return
        self.connections += 1
        self.deepest = max(self.deepest, depth + 1)
        if "nodes" in names:
            self.by_nodes.append(node.name.value)
        inside = _inside(names)
        if inside is not None:
            nested = [each for each in inside.selections if isinstance(each, FieldNode) and _has_connection(each)]
            if nested and not _selects_id(inside):
                self.without_id.append(node.name.value)
            self.into(inside, _node_type(made), depth=depth + 1)

    def errors(self, operation: OperationDefinitionNode) -> list[UserError]:
        told = []
        roots = [each.name.value for each in operation.selection_set.selections if isinstance(each, FieldNode)]
        if "node" in roots:
            told.append("Bulk queries cannot contain a top level `node` field.")
        if self.connections == 0:
            told.append("Bulk queries must contain at least one connection.")
        if self.connections > MAX_CONNECTIONS:
            told.append(f"Bulk queries cannot contain more than {MAX_CONNECTIONS} connections.")
        if self.deepest > MAX_DEPTH:
            told.append(f"Bulk queries cannot contain connections with a nesting depth greater than {MAX_DEPTH}.")
        if self.by_nodes:
            told.append(
                "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g: "
                f"'{self.by_nodes[0]} {{ edges {{ node {{'. Selecting via 'nodes' is not supported. "
                f"Invalid connection fields: '{', '.join(self.by_nodes)}'."
            )
        if self.without_id:
            told.append(
                "The parent 'node' field for a nested connection must select the 'id' field without an alias and must "
                f"be of 'ID' return type. Connection fields without 'id': {', '.join(self.without_id)}."
            )
        if self.in_list:
            told.append("Queries that contain a connection field within a list field are not currently supported.")
        return [_invalid(each) for each in told]


def _invalid(message: str) -> UserError:
    return UserError(["query"], message, "INVALID")


def _has_connection(node: FieldNode) -> bool:
    selection = node.selection_set
    if selection is None:
        return False
    names = {each.name.value for each in selection.selections if isinstance(each, FieldNode)}
    return bool(names & {"edges", "nodes"})


def _inside(names: Mapping[str, FieldNode]) -> SelectionSetNode | None:
    if "edges" in names:
        edges = names["edges"].selection_set
        for each in edges.selections if edges else ():
            if isinstance(each, FieldNode) and each.name.value == "node":
                return each.selection_set
        return None
    return names["nodes"].selection_set


def _selects_id(selection: SelectionSetNode) -> bool:
    return any(
        isinstance(each, FieldNode) and each.name.value == "id" and each.alias is None for each in selection.selections
    )


def _made(node: FieldNode, on: GraphQLObjectType | None) -> GraphQLOutputType | None:
    definition = on.fields.get(node.name.value) if on else None
    return definition.type if definition else None


def _named(made: GraphQLOutputType | None) -> GraphQLObjectType | None:
    named = get_named_type(made) if made is not None else None
    return named if isinstance(named, GraphQLObjectType) else None


def _is_list(made: GraphQLOutputType | None) -> bool:
    inner = made.of_type if isinstance(made, GraphQLNonNull) else made
    return isinstance(inner, GraphQLList)


def _node_type(made: GraphQLOutputType | None) -> GraphQLObjectType | None:
    connection = _named(made)
    nodes = connection.fields.get("nodes") if connection else None
    return _named(nodes.type) if nodes else None
