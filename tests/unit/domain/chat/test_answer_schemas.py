"""Answer schemas: what keeps to one, what it is told by, and which schemas are not taken."""

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import JSON
from tuneloop.domain.chat.answer_schemas import (
    MOST_STEPS,
    SCHEMA_PARTS,
    TooManySteps,
    faults_in,
    fits,
    order_names,
    resolve_references,
)
from tuneloop.domain.chat.answer_schemas import TYPES as KINDS_OF

CARD = {
    "type": "object",
    "properties": {"year": {"type": "string", "minLength": 4}, "number": {"type": "integer", "minimum": 1}},
    "required": ["year"],
    "additionalProperties": False,
}
TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


def schemas(depth: int = 2) -> st.SearchStrategy[Any]:
    """Schemas of every keyword that is checked."""
    leaf = st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
            "enum": st.lists(JSON, min_size=1, max_size=3),
            "const": JSON,
            "minimum": st.integers(-3, 3),
            "maximum": st.floats(-3, 3),
            "exclusiveMinimum": st.integers(-3, 3),
            "exclusiveMaximum": st.integers(-3, 3),
            "minLength": st.integers(0, 3),
            "maxLength": st.integers(0, 3),
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
            "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
        },
    )
    if not depth:
        return leaf | st.booleans()
    inner = schemas(depth - 1)
    more = st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
        },
    )
    return st.builds(lambda one, other: {**one, **other}, leaf if depth == 2 else st.just({}), more) | leaf


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 4) | st.floats(-4, 4) | st.text("ab", max_size=4),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from("abc"), part, max_size=3),
    max_leaves=6,
)


@given(schemas(), VALUES)
def test_a_value_fits_where_the_reference_implementation_says_so(schema: Any, value: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="the oracle is a development dependency")
    schema = schema if isinstance(schema, dict) else {"allOf": [schema]}

    assert fits(value, resolve_references(schema)) == jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"year": "1986"}, []),
        ({"year": "86"}, [(".year", "must keep to `minLength` 4")]),
        ({"year": 1986}, [(".year", "must be of type string")]),
        ({"number": 0}, [(".number", "must keep to `minimum` 1"), (".year", "must be there")]),
        ({"year": "1986", "colour": "red"}, [(".colour", "is not known")]),
        ({"year": "1986", "number": True}, [(".number", "must be of type integer")]),
        ({"year": "1986", "number": 2.0}, []),
        ("1986", [("", "must be of type object")]),
    ],
)
def test_a_fault_is_told_by_its_place_and_never_by_its_value(value: Any, told: list[tuple[str, str]]) -> None:
    assert [tuple(fault) for fault in faults_in(value, resolve_references(CARD))] == told


def test_what_a_schema_refers_to_is_put_in_its_place() -> None:
    schema = {"$defs": {"Card": CARD}, "type": "array", "items": {"$ref": "#/$defs/Card", "title": "A card"}}

    found = resolve_references(schema)

    assert fits([{"year": "1986"}], found)
    assert [fault.path for fault in faults_in([{"year": "1986"}, {}], found)] == ["[1].year"]


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"pattern": "(a+)+$"}, "the keyword pattern is not checked here"),
        ({"properties": {"a": {"not": {}}}}, "the keyword not is not checked here"),
        ({"a purple heron": 1}, "the keyword (unusual name) is not checked here"),
        ({"$ref": "#"}, "a `$ref` must name one of its own `$defs`"),
        ({"$ref": "https://example.com/schema"}, "a `$ref` must name one of its own `$defs`"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "refers to itself"),
        ({"type": "card"}, "`type` has a value that JSON Schema doesn't give it"),
        ({"type": []}, "`type` has a value"),
        ({"enum": []}, "`enum` has a value"),
        ({"minLength": "3"}, "`minLength` has a value"),
        ({"required": "year"}, "`required` has a value"),
        ({"properties": []}, "`properties` has a value"),
        ({"items": [{}]}, "a part of it that must be a schema is no object"),
    ],
)
def test_a_schema_that_could_not_be_checked_is_refused(schema: Any, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        resolve_references(schema)

    assert told in str(refused.value)


def test_a_schema_that_grows_without_end_is_refused() -> None:
    doubling = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(14)} | {"a14": {}}

    with pytest.raises(ValueError, match=f"more than {SCHEMA_PARTS:,} parts"):
        resolve_references({"$ref": "#/$defs/a0", "$defs": doubling})


@given(JSON)
def test_any_schema_is_taken_or_refused_and_nothing_else(schema: Any) -> None:
    try:
        found = resolve_references({"properties": {"a": schema}})
    except ValueError:
        return
    list(faults_in({"a": schema}, found))


def looked_at(value: Any, schema: Any, monkeypatch: pytest.MonkeyPatch, look: Any = fits) -> int:
    """How many times a value of `schema` is asked whether it is a text or an integer."""
    asked = Counter[str]()

    def counting(kind: str) -> Any:
        return lambda value, is_so=KINDS_OF[kind]: asked.update([kind]) or is_so(value)

    with monkeypatch.context() as patched:
        for kind in ("string", "integer"):
            patched.setitem(KINDS_OF, kind, counting(kind))
        with suppress(TooManySteps):
            look(value, schema)
    return asked.total()


def branching(leaf: Any, levels: int) -> Any:
    """A schema whose last branch alone is the leaf, after as many others as levels double them to."""
    for _ in range(levels):
        leaf = {"anyOf": [leaf, leaf]}
    return {"anyOf": [leaf, {"properties": {"b": {"type": "integer"}, "a": {}}}]}


def test_a_check_ends_after_so_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = resolve_references({"items": branching({"type": "string"}, 8)})

    assert looked_at(list(range(10)), schema, monkeypatch) == 10 * 2**8
    assert MOST_STEPS / 10 < looked_at(list(range(1_000_000)), schema, monkeypatch) < MOST_STEPS
    with pytest.raises(TooManySteps):
        list(faults_in(list(range(10_000)), schema))


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ([[1] * 100] * 1000, {"items": {"enum": [[1] * 99 + [2]] * 9 + [[1] * 100]}}),
        ([1] * 1000, {"items": {"enum": list(range(300, 0, -1))}}),
        ([1] * 1000, {"items": {"type": ["string"] * 300 + ["integer"]}}),
        ([{}] * 1000, {"items": {"properties": {f"p{n}": {} for n in range(300)}}}),
        ([{f"p{n}": 1 for n in range(300)}] * 1000, {"items": {"additionalProperties": {}}}),
        ([{"a": 1}] * 1000, {"items": {"required": ["a"] * 300}}),
        ([1] * (MOST_STEPS + 1), {"items": {}}),
    ],
    ids=["texts", "enum", "type", "properties", "others", "required", "items"],
)
def test_whatever_a_schema_names_many_of_is_counted(value: Any, schema: Any) -> None:
    assert fits(value[:100], resolve_references(schema))
    with pytest.raises(TooManySteps):
        fits(value, resolve_references(schema))


def test_putting_names_in_order_takes_no_more_steps_than_checking_them_did(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = resolve_references({"items": branching({"type": "string"}, 8)})
    value = [{"a": 1, "b": 2} for _ in range(50)]

    checked = looked_at(value, schema, monkeypatch)

    assert 0 < looked_at(value, schema, monkeypatch, order_names) <= checked
    assert list(order_names(value, schema)[0]) == ["b", "a"]


def test_names_stand_in_the_order_of_the_schema() -> None:
    schema = resolve_references({
        "properties": {"why": {}, "cards": {"items": {"properties": {"b": {}, "a": {}}}}},
        "anyOf": [{"required": ["no"]}, {"properties": {"label": {}}}],
    })  # fmt: skip

    value = {"z": 1, "label": 2, "cards": [{"a": 1, "b": 2}], "why": 3, "c": 4}

    assert list(order_names(value, schema)) == ["label", "why", "cards", "c", "z"]
    assert list(order_names(value, schema)["cards"][0]) == ["b", "a"]
