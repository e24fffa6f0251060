"""What the simulator answers exists at the vendor, with the same types."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
)

from syncd.sim.remotes.shopify import VERSIONS
from syncd.sim.remotes.shopify.schema import executable_schema, schema_text


@pytest.fixture(scope="module")
def vendor(specs: Path) -> GraphQLSchema:
    return build_schema((specs / "shopify/admin-2026-10.graphql").read_text(encoding="utf-8"), assume_valid=True)


@pytest.fixture(scope="module")
def ours() -> GraphQLSchema:
    return build_schema(schema_text("2026-10"))


def _named(schema: GraphQLSchema) -> list:
    return [each for each in schema.type_map.values() if not each.name.startswith("__")]


def test_every_type_and_field_has_the_vendors_signature(ours: GraphQLSchema, vendor: GraphQLSchema) -> None:
    differing = []
    for each in _named(ours):
        theirs = vendor.type_map.get(each.name)
        if type(theirs) is not type(each):
            differing.append(each.name)
        elif isinstance(each, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for name, field in each.fields.items():
                held = theirs.fields.get(name)
                if held is None or str(held.type) != str(field.type):
                    differing.append(f"{each.name}.{name}: {field.type}, at the vendor {held and held.type}")

    assert differing == []


def test_every_argument_has_the_vendors_type_and_default(ours: GraphQLSchema, vendor: GraphQLSchema) -> None:
    differing = []
    for each in _named(ours):
        if not isinstance(each, GraphQLObjectType | GraphQLInterfaceType):
            continue
        for name, field in each.fields.items():
            theirs = vendor.type_map[each.name].fields[name].args
            for argument, declared in field.args.items():
                held = theirs.get(argument)
                if held is None or str(held.type) != str(declared.type) or held.default_value != declared.default_value:
                    differing.append(f"{each.name}.{name}({argument})")
            missing = [n for n, a in theirs.items() if str(a.type).endswith("!") and n not in field.args]
            differing += [f"{each.name}.{name} lacks the required {argument}" for argument in missing]

    assert differing == []


def test_inputs_ask_for_everything_the_vendor_requires(ours: GraphQLSchema, vendor: GraphQLSchema) -> None:
    lacking = []
    for each in _named(ours):
        if isinstance(each, GraphQLInputObjectType):
            theirs = vendor.type_map[each.name].fields
            lacking += [n for n, f in theirs.items() if str(f.type).endswith("!") and n not in each.fields]

    assert lacking == []


def test_enums_unions_and_interfaces_hold_nothing_of_their_own(ours: GraphQLSchema, vendor: GraphQLSchema) -> None:
    invented = []
    for each in _named(ours):
        theirs = vendor.type_map[each.name]
        if isinstance(each, GraphQLEnumType):
            invented += [f"{each.name}.{value}" for value in each.values if value not in theirs.values]
        elif isinstance(each, GraphQLUnionType):
            known = {member.name for member in theirs.types}
            invented += [f"{each.name} | {member.name}" for member in each.types if member.name not in known]
        elif isinstance(each, GraphQLObjectType):
            known = {interface.name for interface in theirs.interfaces}
            invented += [f"{each.name} & {i.name}" for i in each.interfaces if i.name not in known]

    assert invented == []


def test_the_idempotent_directive_is_the_vendors(ours: GraphQLSchema, vendor: GraphQLSchema) -> None:
    mine, theirs = ours.get_directive("idempotent"), vendor.get_directive("idempotent")

    assert mine.locations == theirs.locations
    assert {name: str(each.type) for name, each in mine.args.items()} == {
        name: str(each.type) for name, each in theirs.args.items()
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_can_be_built(version: str) -> None:
    schema = executable_schema(version)
    stocked = "ITEM_NOT_STOCKED_AT_LOCATION" in schema.type_map["InventorySetQuantitiesUserErrorCode"].values
    compares = "compareQuantity" in schema.type_map["InventoryQuantityInput"].fields

    assert stocked == (version < "2026-10")
    assert compares == (version == "2026-01")
    assert ("isActive" in schema.type_map["InventoryLevel"].fields) == (version >= "2026-04")
