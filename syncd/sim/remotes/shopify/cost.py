"""Calculated query cost and the bucket it is taken from (the model of the fact sheet, section 2).

The model was fitted to recorded pairs of query and cost: exact for most, never too high. Lists are not multiplied;
a connection costs 2 plus m(n) times its node, m(n) = max(1, floor(2 ln n)).
"""

import math
from collections.abc import Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
)

MAX_SINGLE_QUERY = 1000
MUTATION_BASE = 10

_FREE = {"Count", "PageInfo", "UserError", "WebhookSubscriptionEndpoint", "LocationAddress", "MoneyV2", "ApiVersion"}
_LOOKED_AT = 5  # how many members of a list are looked at for the actual cost


class Bucket:
    """Leaky bucket: `take` the requested cost at the start, `give_back` what was not used. Times in seconds."""

    def __init__(self, maximum: float, restore: float, at: float) -> None:
        self.maximum = maximum
        self.restore = restore
        self._available = maximum
        self._at = at

    def available(self, at: float) -> float:
        self._available = min(self.maximum, self._available + max(0.0, at - self._at) * self.restore)
        self._at = max(at, self._at)
        return self._available

    def take(self, cost: int, at: float) -> bool:
        if self.available(at) < cost:
            return False
        self._available -= cost
        return True

    def give_back(self, points: int) -> None:
        self._available = min(self.maximum, self._available + points)

    def status(self, at: float) -> dict[str, int]:
        return {
            "maximumAvailable": round(self.maximum),
            "currentlyAvailable": max(0, math.floor(self.available(at))),
            "restoreRate": round(self.restore),
        }


class CostModel:
    """Cost of one operation: `requested` from its arguments, `actual` from what came back."""

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = fragments
        self._variables = variables

    def requested(self) -> int:
        return self._operation_cost(None, asked=True)

    def actual(self, data: Mapping[str, Any] | None) -> int:
        return self._operation_cost(data or {}, asked=False)

    def _operation_cost(self, data: Mapping[str, Any] | None, *, asked: bool) -> int:
        root = self._schema.get_root_type(self._operation.operation)
        if root is None:
            return 0
        if self._operation.operation is not OperationType.MUTATION:
            return self._children(self._operation.selection_set, root, data, asked)
        total = 0
        for field, on in self._fields(self._operation.selection_set, root):
            payload = _result(field, data)
            total += MUTATION_BASE + self._payload(field, on, payload, asked)
        return total

    def _payload(self, field: FieldNode, on: GraphQLObjectType | GraphQLInterfaceType, data: Any, asked: bool) -> int:
        """The payload's own objects are free; only what lies below them counts."""
        made = get_named_type(on.fields[field.name.value].type)
        if not isinstance(made, GraphQLObjectType) or field.selection_set is None or (not asked and data is None):
            return 0
        total = 0
        for inner, owner in self._fields(field.selection_set, made):
            cost = self._field(inner, owner, _result(inner, data), asked)
            total += max(0, cost - 1)
        return total

    def _children(self, selection: SelectionSetNode, on: GraphQLCompositeType, data: Any, asked: bool) -> int:
        return sum(self._field(f, owner, _result(f, data), asked) for f, owner in self._fields(selection, on))

    def _field(self, field: FieldNode, on: GraphQLObjectType | GraphQLInterfaceType, data: Any, asked: bool) -> int:
        definition = on.fields.get(field.name.value)
        if definition is None or field.selection_set is None or field.name.value == "userErrors":
            return 0
        made = get_named_type(definition.type)
        if is_leaf_type(made) or made.name in _FREE or (not asked and data is None):
            return 0
        if made.name.endswith("Connection") and isinstance(made, GraphQLObjectType):
            return self._connection(field, made, data, asked)
        composite = made if isinstance(made, GraphQLInterfaceType | GraphQLUnionType) else None
        if composite is not None:
            return 1 + self._dearest(field.selection_set, composite, data, asked)
        if isinstance(made, GraphQLObjectType):
            return 1 + self._largest(field.selection_set, made, data, asked)
        return 0

    def _connection(self, field: FieldNode, made: GraphQLObjectType, data: Any, asked: bool) -> int:
        node_cost, count = 0, 0
        for inner, _ in self._fields(field.selection_set, made):
            through = _result(inner, data)
            if inner.selection_set is None or inner.name.value not in ("nodes", "edges"):
                continue
            count = max(count, len(through or ()))
            if inner.name.value == "nodes":
                node_cost = max(node_cost, self._field(inner, made, through, asked))
                continue
            edge = get_named_type(made.fields["edges"].type)
            if isinstance(edge, GraphQLObjectType):
                node_cost = max(node_cost, self._largest(inner.selection_set, edge, through, asked))
        if asked:
            return 2 + _multiple(self._size(field)) * max(1, node_cost)
        return 2 + (_multiple(count) * max(1, node_cost) if count else 0)

    def _largest(self, selection: SelectionSetNode, made: GraphQLObjectType, data: Any, asked: bool) -> int:
        if isinstance(data, list):
            some = [each for each in data[:_LOOKED_AT] if each is not None]
            return max((self._children(selection, made, each, asked) for each in some), default=0)
        return self._children(selection, made, data, asked)

    def _dearest(
        self, selection: SelectionSetNode, made: GraphQLInterfaceType | GraphQLUnionType, data: Any, asked: bool
    ) -> int:
        branches = self._schema.get_possible_types(made)
        return max((self._largest(selection, branch, data, asked) for branch in branches), default=0)

    def _size(self, field: FieldNode) -> int:
        for argument in field.arguments or ():
            if argument.name.value in ("first", "last"):
                value = argument.value
                given = self._variables.get(value.name.value) if isinstance(value, VariableNode) else None
                if isinstance(value, IntValueNode):
                    given = int(value.value)
                if isinstance(given, int):
                    return given
        return 1

    def _fields(
        self, selection: SelectionSetNode | None, on: GraphQLCompositeType
    ) -> list[tuple[FieldNode, GraphQLObjectType | GraphQLInterfaceType]]:
        found: list[tuple[FieldNode, GraphQLObjectType | GraphQLInterfaceType]] = []
        for each in selection.selections if selection else ():
            if isinstance(each, FieldNode):
                if not isinstance(on, GraphQLUnionType):
                    found.append((each, on))
            elif isinstance(each, FragmentSpreadNode):
                fragment = self._fragments[each.name.value]
                found += self._narrowed(fragment.selection_set, fragment.type_condition.name.value, on)
            elif isinstance(each, InlineFragmentNode):
                condition = each.type_condition.name.value if each.type_condition else on.name
                found += self._narrowed(each.selection_set, condition, on)
        return found

    def _narrowed(
        self, selection: SelectionSetNode, condition: str, on: GraphQLCompositeType
    ) -> list[tuple[FieldNode, GraphQLObjectType | GraphQLInterfaceType]]:
        named = self._schema.type_map[condition]
        if named is on:
            return self._fields(selection, on)
        if isinstance(named, GraphQLInterfaceType | GraphQLUnionType) and self._schema.is_sub_type(named, on):
            return self._fields(selection, on)
        return []


def _result(field: FieldNode, data: Any) -> Any:
    if not isinstance(data, Mapping):
        return None
    return data.get((field.alias or field.name).value)


def _multiple(count: int) -> int:
    return max(1, math.floor(2 * math.log(count))) if count > 0 else 1
