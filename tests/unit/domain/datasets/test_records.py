"""Shaping: every form of an example is the same conversation, and what is wrong is told by the sender's own names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import chat
from tests.unit.factories import JSON
from tuneloop.domain.chat.examples import Example, Split
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.datasets.records import Record, read_record

TEMPLATE = Template(system="Be short.", user="Q: {{input}}", answer_schema={"type": "object", "required": ["a"]})
SIMPLE = {"user_message": "a", "assistant_response": "b"}
FORMS = (
    "messages",
    "user_message",
    "assistant_response",
    "prompt",
    "completion",
    "input",
    "output",
    "preferred_output",
    "tools",
)
FIELDS = (*FORMS, "quality", "source", "created_at", "split", "subject")


def example(row: Any, **more: Any) -> Example:
    found = read_record(Record(1, row), **more)
    assert isinstance(found, Example), found
    return found


def told(row: Any, template: Template | None = None, columns: dict[str, str] | None = None) -> list[tuple[str, str]]:
    found = read_record(Record(3, row, columns=columns or {}), template=template)
    assert isinstance(found, list)
    assert {problem.line for problem in found} == {3}
    return [(problem.path, problem.code) for problem in found]


def test_a_question_and_its_answer_are_two_messages() -> None:
    assert example(SIMPLE) == example(chat("a", "b"))
    assert example({**SIMPLE, "category": "x"}, split=Split.TEST) == example(chat("a", "b", category="x", split="test"))


def test_a_prompt_and_its_completion_are_the_same_two_messages() -> None:
    assert example({"prompt": "a", "completion": "b", "category": "x"}) == example(chat("a", "b", category="x"))


def test_a_cell_is_the_object_that_it_holds_where_a_template_names_fields() -> None:
    named, whole = Template(user="{{title}} of {{year}}"), Template()
    columns = {"input": "input", "output": "output"}
    row = {"input": '{"title": "A", "year": 1986}', "output": "b"}

    found = [read_record(Record(1, row, columns=columns), template=template) for template in (named, whole)]
    line = told(row, named)

    assert found == [example(chat("A of 1986", "b")), example(chat(str(row["input"]), "b"))]
    assert line == [("$.input.title", "missing_input"), ("$.input.year", "missing_input")]
    assert told({**row, "input": "[1]"}, named, columns)[0] == ("$.input", "missing_input")
    assert told({**row, "input": "{"}, named, columns)[0] == ("$.input", "missing_input")


def test_input_and_output_are_what_the_template_makes_of_them() -> None:
    row = {"input": "a", "output": {"b": 1, "a": 2}, "subject": "u"}

    assert example(row, template=TEMPLATE) == example(chat("Q: a", '{"a":2,"b":1}', "Be short.", subject="u"))


def test_other_forms_are_left_as_they_are() -> None:
    pair = {"preferred_output": [{"role": "assistant", "content": "b"}],
            "non_preferred_output": [{"role": "assistant", "content": "c"}],
            "input": {"messages": [{"role": "user", "content": "a"}]}}  # fmt: skip

    assert example(pair, template=TEMPLATE).content["non_preferred_output"]
    assert example(chat("a", "b"), template=TEMPLATE) == example(chat("a", "b"))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"user_message": "a"}, [("$.assistant_response", "missing_text")]),
        ({**SIMPLE, "user_message": ["a"]}, [("$.user_message", "missing_text")]),
        ({"prompt": "a"}, [("$.completion", "missing_text")]),
        ({"prompt": ["a"], "completion": "b"}, [("$.prompt", "missing_text")]),
        ({"prompt": "a", "completion": " "}, [("$.completion", "empty_answer")]),
        ({**SIMPLE, "prompt": "a"}, [("$.prompt", "invalid_field")]),
        ({**SIMPLE, "assistant_response": " "}, [("$.assistant_response", "empty_answer")]),
        ({**SIMPLE, "user_message": "\ud800"}, [("$.user_message", "invalid_unicode")]),
        ({**SIMPLE, "quality": 1.01}, [("$.quality", "invalid_quality")]),
        ({**SIMPLE, "quality": -0.01}, [("$.quality", "invalid_quality")]),
        ({**SIMPLE, "quality": True}, [("$.quality", "invalid_quality")]),
        ({**SIMPLE, "quality": "0.9"}, [("$.quality", "invalid_quality")]),
        ({**SIMPLE, "quality": float("nan")}, [("$.quality", "invalid_quality")]),
        ({**SIMPLE, "source": "correction"}, [("$.source", "reserved_source")]),
        ({**SIMPLE, "source": " Confirmation"}, [("$.source", "reserved_source")]),
        ({**SIMPLE, "source": "x" * 501}, [("$.source", "too_long")]),
        ({**SIMPLE, "category": "x" * 201}, [("$.category", "too_long")]),
        ({**SIMPLE, "created_at": "0001-01-01T00:00:00+14:00"}, [("$.created_at", "invalid_field")]),
        ({**SIMPLE, "created_at": "9999-12-31T23:59:59-14:00"}, [("$.created_at", "invalid_field")]),
        ({**SIMPLE, "created_at": "yesterday"}, [("$.created_at", "invalid_field")]),
        ({**SIMPLE, "split": "dev"}, [("$.split", "invalid_field")]),
        ({**SIMPLE, "input": "a"}, [("$.input", "invalid_field")]),
        ({"input": "a", "output": "b"}, [("$.input", "no_template")]),
        ({"messages": [{"role": "user", "content": "a"}]}, [("$.messages", "no_assistant_message")]),
        ([], [("$", "not_an_object")]),
    ],
)
def test_what_is_wrong_is_told_by_the_field_that_was_sent(row: Any, expected: list[tuple[str, str]]) -> None:
    assert told(row)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"input": "a", "output": "b"}, ("$.output", "answer_not_json")),
        ({"input": "a", "output": {}}, ("$.output.a", "breaks_answer_schema")),
        ({"input": "a"}, ("$.output", "missing_output")),
        ({"output": {"a": 1}}, ("$.input", "invalid_input")),
        ({"input": {"a": [[[[]]]]}, "output": {"a": 1}, "tools": 5}, ("$.tools", "invalid_tools")),
    ],
)
def test_what_a_template_cannot_render_is_told_by_its_field(row: Any, expected: tuple[str, str]) -> None:
    assert told(row, TEMPLATE) == [expected]


def test_what_is_rendered_may_not_be_deep() -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]

    assert told({"input": {"a": deep}, "output": {"a": 1}}, TEMPLATE) == [("$", "too_deep")]


def test_a_problem_of_a_table_names_its_column() -> None:
    columns = {"user_message": "Customer question", "assistant_response": "reply", "quality": "stars"}

    assert told({"user_message": "a", "assistant_response": ""}, columns=columns) == [("$.reply", "empty_answer")]
    assert told({**SIMPLE, "quality": "five"}, columns=columns) == [("$.stars", "invalid_quality")]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_any_row_is_an_example_or_problems(row: Any) -> None:
    for template in (None, TEMPLATE, Template()):
        found = read_record(Record(1, row), template=template)
        assert isinstance(found, Example) or found
