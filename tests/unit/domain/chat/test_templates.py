"""Templates: how an input is asked, and what an output has to look like."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.factories import JSON, a_dataset, a_version
from tuneloop.domain.chat.messages import parse_json_text
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.limits import LINE_PARTS, TEMPLATES_KEPT
from tuneloop.domain.serving.models import Version
from tuneloop.store.dynamodb import attributes_of

SCHEMA = {"type": "object", "properties": {"why": {"type": "string"}, "year": {"type": "string"}}, "required": ["year"]}
CARD = Template(system="Name the card.", user="Front: {{front}}\nBack: {{ back }}", answer_schema=SCHEMA)
PLAIN = Template()
DEEP = json.loads("[" * 70 + "]" * 70)


def rendered(template: Template, given: Any, output: Any) -> tuple[str, str]:
    """The question and the answer."""
    row = {"input": given, "output": output}
    assert list(template.faults(row)) == []
    *_, user, assistant = template.messages(row)
    return user["content"], assistant["content"]


def told(template: Template, **row: Any) -> list[tuple[str, str]]:
    return [(path, code) for path, code, _ in template.faults(row)]


def test_an_input_fills_the_places_of_its_template() -> None:
    row = {"input": {"front": "a", "back": 7, "other": "x"}, "output": {"year": "1986", "why": "b"}}

    assert CARD.messages(row) == [
        {"role": "system", "content": "Name the card."},
        {"role": "user", "content": "Front: a\nBack: 7"},
        {"role": "assistant", "content": '{"why":"b","year":"1986"}'},
    ]


@given(st.text() | st.dictionaries(st.text(), JSON, max_size=3))
def test_what_is_put_in_is_never_looked_at_again(given: Any) -> None:
    template = Template(user="{{input}} {{input}}")
    text = given if isinstance(given, str) else rendered(PLAIN, {"input": given}, "a")[0]

    assert rendered(template, {"input": given}, "a")[0] == f"{text} {text}"
    assert rendered(CARD, {"front": "{{back}}", "back": "{{front}}"}, '{"year":"1"}')[0] == (
        "Front: {{back}}\nBack: {{front}}"
    )


def test_a_text_or_an_object_stands_where_the_whole_input_is_asked_for() -> None:
    assert rendered(PLAIN, "a", "b") == ("a", "b")
    assert rendered(PLAIN, {"b": 1, "a": [None]}, 5) == ('{"a":[null],"b":1}', "5")


def test_an_answer_is_text_as_it_is_or_json_in_the_order_of_the_schema() -> None:
    place = {"front": "a", "back": "b"}

    assert rendered(CARD, place, ' { "year": "1986", "why" : "ü" }')[1] == '{"why":"ü","year":"1986"}'
    assert rendered(Template(answer_schema={"enum": ["late", "lost"]}), "a", "late")[1] == "late"
    assert rendered(PLAIN, "a", {"b": 1, "a": "ü"})[1] == '{"a":"ü","b":1}'


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"input": {"front": "a"}, "output": {"year": "1"}}, [("$.input.back", "missing_input")]),
        ({"input": {"front": "a", "back": None}, "output": {"year": "1"}}, [("$.input.back", "missing_input")]),
        ({"input": "a", "output": {"year": "1"}}, [(f"$.input.{side}", "missing_input") for side in ("front", "back")]),
        ({"input": ["a"], "output": {"year": "1"}}, [("$.input", "invalid_input")]),
        ({"output": {"year": "1"}}, [("$.input", "invalid_input")]),
        ({"input": {"front": "a", "back": "b"}}, [("$.output", "missing_output")]),
        ({"input": {"front": "a", "back": "b"}, "output": {"year": 1}}, [("$.output.year", "breaks_answer_schema")]),
        ({"input": {"front": "a", "back": "b"}, "output": "{}"}, [("$.output.year", "breaks_answer_schema")]),
        ({"input": {"front": "a", "back": "b"}, "output": "the purple heron"}, [("$.output", "answer_not_json")]),
        ({"input": {"front": "a", "back": "b"}, "output": "[" * 100_000}, [("$.output", "answer_not_json")]),
        ({"input": {"front": "a", "back": "b"}, "output": "[" * 99 + "]" * 99}, [("$.output", "answer_not_json")]),
        ({"input": {"front": "a", "back": "b"}, "output": '{"year": NaN}'}, [("$.output", "answer_not_json")]),
        ({"input": {"front": "a", "back": "b"}, "output": '{"year": 1e999}'}, [("$.output", "answer_not_json")]),
        ({"input": {"front": "a", "back": "b"}, "output": "9" * 5000}, [("$.output", "answer_not_json")]),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_is_told_by_its_field(row: Any, expected: list[tuple[str, str]]) -> None:
    assert told(CARD, **row) == expected


@given(JSON, JSON)
def test_any_row_is_rendered_or_told_why_not(given: Any, output: Any) -> None:
    for template in (CARD, PLAIN):
        row = {"input": given, "output": output}
        if not list(template.faults(row)):
            assert {type(message["content"]) for message in template.messages(row)} == {str}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"system": "You are {{name}}."}, "it can't have {{places}}"),
        ({"system": ""}, "at least 1 character"),
        ({"user": "Where is my order?"}, "it must have a {{place}}"),
        ({"user": "{{a}}" * 4}, "each at most 3 times"),
        ({"user": "{{a}}", "system": "x" * (16 << 10)}, "16 KiB at most"),
        ({"answer_schema": {"pattern": "a"}}, "the keyword pattern is not checked here"),
        ({"answer_schema": "{"}, "it is not JSON"),
        ({"answer_schema": {"default": {"a": [[]]}, "enum": [DEEP]}}, "64 deep"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_what_is_no_template_is_refused(fields: Any, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Template(**fields)

    assert message in str(refused.value)


def test_an_answer_in_json_of_too_many_parts_is_not_unpacked() -> None:
    output = "[" + ";".join(["[]"] * LINE_PARTS) + "]"

    with pytest.raises(ValueError, match="250,000 times at most"):
        parse_json_text(output)


def test_a_template_is_stored_with_its_schema_in_the_order_that_it_came_in() -> None:
    stored = Template.model_validate_json(CARD.model_dump_json())

    assert stored == CARD
    assert stored.answer_schema
    assert list(stored.answer_schema["properties"]) == ["why", "year"]


def test_a_row_holds_a_schema_as_text_which_keeps_its_order_and_its_depth() -> None:
    dataset = attributes_of(a_dataset().with_template(CARD))
    version = attributes_of(a_version(parameters=CARD.parameters))

    assert dataset["templates"][0]["template"]["answer_schema"] == json.dumps(SCHEMA)
    assert json.loads(version["parameters"]) == CARD.parameters
    assert Version.model_validate(version).parameters == CARD.parameters
    assert a_version(parameters=CARD.parameters).model_dump()["parameters"] == CARD.parameters


def test_a_version_is_asked_for_answers_that_keep_to_the_schema() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}

    assert CARD.parameters == {"response_format": wanted}
    assert PLAIN.parameters == {}
    assert Template(answer_schema={"enum": ["a"]}).parameters == {}  # providers ask for objects alone


def test_another_template_is_the_next_version_from_the_next_revision_on() -> None:
    empty = a_dataset().with_template(PLAIN)
    full = a_dataset(revision=4).with_template(PLAIN).with_template(CARD)

    assert (empty.revision, empty.template_version, empty.templates_at(0)) == (0, 1, [PLAIN])
    assert [(each.version, each.revision) for each in full.templates] == [(1, 5), (2, 5)]
    assert (full.revision, full.templates_at(4), full.templates_at(5)) == (4, [], [CARD, PLAIN])
    assert (full.template_of(1), full.template_of(2), full.template_of(None)) == (PLAIN, CARD, None)


def test_the_same_template_again_changes_nothing_but_another_order_does() -> None:
    turned = CARD.model_copy(update={"answer_schema": dict(reversed(SCHEMA.items()))})
    dataset = a_dataset(revision=4).with_template(CARD)

    assert dataset.with_template(Template.model_validate(CARD.model_dump())) is dataset
    assert dataset.with_template(turned).template_version == 2


def test_versions_are_numbered_on_when_the_first_are_forgotten() -> None:
    dataset = a_dataset()
    for number in range(TEMPLATES_KEPT + 3):
        dataset = dataset.with_template(Template(user=f"{number} {{{{input}}}}"))

    assert [each.version for each in dataset.templates] == list(range(4, TEMPLATES_KEPT + 4))


def test_a_template_could_have_made_what_has_its_prompt_and_schema() -> None:
    made = CARD.messages({"input": {"front": "a", "back": "b"}, "output": {"year": "1986"}})
    asked, answered = made[:-1], made[-1]

    assert CARD.could_have_made(made)
    assert not CARD.could_have_made([*asked, {**answered, "content": "{}"}])
    assert not CARD.could_have_made([{"role": "system", "content": "another prompt"}, *made[-2:]])
    assert not CARD.could_have_made(made[-2:])


def test_an_answer_whose_check_takes_too_many_steps_is_refused() -> None:
    nested: Any = {"type": "string"}
    for _ in range(7):
        nested = {"anyOf": [nested, nested]}
    template = Template(answer_schema={"type": "array", "items": {"anyOf": [nested, {"type": "integer"}]}})

    assert told(template, input="a", output=list(range(4_000))) == [("$.output", "answer_too_large")]
    assert told(template, input="a", output=json.dumps(list(range(4_000)))) == [("$.output", "answer_too_large")]
    assert told(template, input="a", output=list(range(40))) == []
