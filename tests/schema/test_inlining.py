import pytest

from engine.schema import parse_schema
from engine.schema.inlining import inline_schemas

PRICE = {"type": "fixed", "name": "Price", "namespace": "shop", "size": 4}
SIDE = {"type": "enum", "name": "Side", "symbols": ["buy", "sell"]}
TEXTS = {"type": "array", "items": "string"}
BASKET = {
    "type": "record",
    "name": "shop.Basket",
    "fields": [{"name": "first", "type": PRICE}, {"name": "rest", "type": {"type": "array", "items": "Price"}}],
}


def record(*types, name="Root", **fields):
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{n}", "type": t} for n, t in enumerate(types)],
    } | fields


@pytest.mark.parametrize(
    ("source", "others", "whole"),
    [
        ("shop.Price", [PRICE], PRICE),
        (["null", "shop.Price"], [PRICE], ["null", PRICE]),
        ({"type": "map", "values": "shop.Price"}, [PRICE], {"type": "map", "values": PRICE}),
        (record("shop.Price", "shop.Price"), [PRICE], record(PRICE, "shop.Price")),
        (record("Price", namespace="shop"), [PRICE], record(PRICE, namespace="shop")),
        (record("Side"), [SIDE, PRICE], record(SIDE)),
        ("shop.Basket", [BASKET], BASKET),
        # what is inside of another one may be named first: it is then defined there, and only named later
        (record("shop.Price", "shop.Basket"), [BASKET], record(PRICE, {**BASKET, "fields": [
            {"name": "first", "type": "shop.Price"}, BASKET["fields"][1],
        ]})),
        # a definition without a namespace does not get that of what surrounds it
        (record(SIDE, namespace="shop"), [PRICE], record({**SIDE, "namespace": "shop"}, namespace="shop")),
        (record(TEXTS, "long"), [PRICE], record(TEXTS, "long")),
        ("int", [], "int"),
    ],
)  # fmt: skip
def test_what_a_schema_takes_from_others_is_defined_where_it_is_used_first(source, others, whole):
    assert parse_schema(inline_schemas(source, others)) == parse_schema(whole)


def test_a_schema_that_needs_no_other_stays_as_it_was():
    source = record("long", name="shop.Root")
    assert inline_schemas(source, []) is source


def test_a_type_that_refers_to_itself_is_defined_once():
    node = record(["null", "Node"], name="Node")
    whole = inline_schemas(record("Node"), [node])
    assert parse_schema(whole) == parse_schema(record(node))


def test_schemas_that_use_each_other_are_found_in_whatever_order_they_come():
    item = record("shop.Price", name="Item")
    cart = record({"type": "array", "items": "Item"}, name="Cart")
    schemas = [inline_schemas("Cart", others) for others in ([cart, item, PRICE], [PRICE, item, cart])]
    assert parse_schema(schemas[0]) == parse_schema(schemas[1])
