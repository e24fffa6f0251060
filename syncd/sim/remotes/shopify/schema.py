"""The executable schema of each version: our subset of the vendor's, with resolvers attached."""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from operator import attrgetter
from typing import Any

from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
)

from syncd.sim.remotes.shopify.ids import iso
from syncd.sim.remotes.shopify.resolvers import RESOLVERS, type_name

_MARK = re.compile(r"# (?P<word>since|until):(?P<version>\d{4}-\d{2})\s*$")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def schema_text(version: str) -> str:
    """The schema language text of one version."""
    text = files(__package__).joinpath("admin.graphql").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if _in_version(line, version))


@lru_cache
def executable_schema(version: str) -> GraphQLSchema:
    schema = build_schema(schema_text(version))
    for named in schema.type_map.values():
        if named.name.startswith("__"):
            continue
        if isinstance(named, GraphQLObjectType):
            known = RESOLVERS.get(named.name, {})
            for name, field in named.fields.items():
                field.resolve = known.get(name) or _attribute(name)
        elif isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
            named.resolve_type = _resolve_type
        elif isinstance(named, GraphQLScalarType) and named.name in _SERIALIZERS:
            for hook in ("serialize", "coerce_output_value"):  # graphql-core 3.2 reads the first, 3.3 the second
                setattr(named, hook, _SERIALIZERS[named.name])
    return schema


_SERIALIZERS: dict[str, Callable[[Any], Any]] = {"DateTime": iso, "UnsignedInt64": str, "URL": str, "ARN": str}


def _in_version(line: str, version: str) -> bool:
    mark = _MARK.search(line)
    if mark is None:
        return True
    return version >= mark["version"] if mark["word"] == "since" else version <= mark["version"]


def _attribute(name: str) -> Callable[..., Any]:
    get = attrgetter(_CAPITAL.sub("_", name).lower())

    def resolve(source: Any, info: Any, **args: Any) -> Any:
        return get(source)

    return resolve


def _resolve_type(value: Any, info: Any, abstract: Any) -> str:
    return type_name(value)
