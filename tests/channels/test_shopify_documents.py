"""Everything that is sent is valid by the vendor's published schema, costs what we think, and asks for no customer."""

import re
from typing import Any

import pytest
from graphql import FieldNode, OperationDefinitionNode, parse, validate, visit
from graphql.language import Visitor

from syncd.channels.shopify import documents
from syncd.channels.shopify.documents import Document, OrderParts
from syncd.sim.remotes.shopify.cost import CostModel
from syncd.sim.remotes.shopify.schema import executable_schema

EVERY = documents.every_document()
FULL = OrderParts()
ids = [f"{each.name}-{index}" for index, each in enumerate(EVERY)]


@pytest.mark.parametrize("document", EVERY, ids=ids)
def test_the_document_is_valid_by_the_published_schema(admin_schema: Any, document: Document) -> None:
    assert validate(admin_schema, parse(document.text)) == []


def test_the_bulk_query_is_valid_by_the_published_schema(admin_schema: Any) -> None:
    assert validate(admin_schema, parse(documents.ALL_ITEMS)) == []


@pytest.mark.parametrize("document", EVERY, ids=ids)
def test_the_document_has_one_operation_with_the_name_it_is_sent_under(document: Document) -> None:
    (operation,) = parse(document.text).definitions

    assert isinstance(operation, OperationDefinitionNode)
    assert operation.name is not None
    assert operation.name.value == document.name
    assert document.changes == (operation.operation.value == "mutation")


PERSONAL = re.compile(r"customer|address|email|phone|note|buyer", re.IGNORECASE)


@pytest.mark.parametrize("document", EVERY, ids=ids)
def test_nothing_about_customers_is_asked(document: Document) -> None:
    asked: list[str] = []

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            asked.append(node.name.value)

    visit(parse(document.text), Fields())

    assert [name for name in asked if PERSONAL.search(name)] == []


COSTS = [
    (documents.orders_page(FULL), documents.connection_cost(100, documents.order_cost(FULL)), {"first": 100}),
    (
        documents.orders_page(OrderParts(locations=False, returns=False)),
        documents.connection_cost(250, documents.order_cost(OrderParts(locations=False, returns=False))),
        {"first": 250},
    ),
    (documents.orders_by_id(FULL), documents.order_cost(FULL), {"ids": ["1", "2"]}),
    (documents.RETURNS_BY_ORDER, documents.RETURNS_COST, {"ids": ["1"]}),
    (documents.ITEMS, documents.connection_cost(250, documents.item_cost(10)), {"first": 250, "levels": 10}),
    (documents.ITEMS_BY_ID, documents.item_cost(10), {"ids": ["1"], "levels": 10}),
    (documents.LOCATIONS, documents.connection_cost(250, 1), {}),
    (documents.SUBSCRIPTIONS, documents.connection_cost(250, 1), {}),
    (documents.SET_AVAILABLE, documents.MUTATION_COST, {}),
    (documents.SUBSCRIBE, documents.MUTATION_COST, {}),
    (documents.SHOP, 1, {}),
]


@pytest.mark.parametrize(("document", "thought", "variables"), COSTS, ids=[each[0].name for each in COSTS])
def test_the_first_guess_at_the_cost_is_what_the_model_requests(
    document: Document, thought: int, variables: dict[str, Any]
) -> None:
    assert requested(document, variables) == thought


@pytest.mark.parametrize("document", EVERY, ids=ids)
def test_no_document_costs_more_than_a_single_call_may(document: Document) -> None:
    assert requested(document, {"first": 100, "levels": 10}) <= 1000


def test_a_page_of_any_allowed_size_stays_below_the_limit_of_a_single_call() -> None:
    assert requested(documents.orders_page(FULL), {"first": 250}) <= 1000
    assert requested(documents.ITEMS, {"first": 250, "levels": 250}) <= 1000


def requested(document: Document, variables: dict[str, Any]) -> int:
    (operation,) = parse(document.text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    return CostModel(executable_schema("2026-10"), operation, {}, variables).requested()
