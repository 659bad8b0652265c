"""Conversions: what can come along does, and what can't is counted by its name."""

from typing import Any

import pytest

from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.datasets.policy import ExampleKind
from tuneloop.domain.exports.conversions import (
    BEDROCK_SCHEMA,
    LEFT_OUT_REASONS,
    Conversion,
    Format,
    check_kind,
    openai_pair,
    stored_form,
)

ASKED = {"role": "user", "content": "Where is it?"}
SAID = {"role": "assistant", "content": "On its way."}
PAIR = {
    "input": {"messages": [ASKED], "tools": [{"type": "function", "function": {"name": "find"}}]},
    "preferred_output": [SAID],
    "non_preferred_output": [{"role": "assistant", "content": "Dunno."}],
}


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def bedrock(content: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, int], dict[str, int]]:
    conversion = Conversion(Format.BEDROCK_CONVERSATION)
    return conversion.convert(content), dict(conversion.lost), dict(conversion.left_out)


def test_a_conversation_is_what_bedrock_reads() -> None:
    line, lost, left_out = bedrock(chat({"role": "system", "content": "Be kind."}, ASKED, SAID))

    assert line == {
        "schemaVersion": BEDROCK_SCHEMA,
        "system": [{"text": "Be kind."}],
        "messages": [
            {"role": "user", "content": [{"text": "Where is it?"}]},
            {"role": "assistant", "content": [{"text": "On its way."}]},
        ],
    }
    assert (lost, left_out) == ({}, {})


def test_turns_of_one_role_become_one_since_bedrock_s_alternate() -> None:
    line, lost, _ = bedrock(chat(ASKED, {"role": "user", "content": "Hello?"}, SAID))

    assert line
    assert line["messages"][0] == {"role": "user", "content": [{"text": "Where is it?"}, {"text": "Hello?"}]}
    assert "system" not in line
    assert lost == {}


def test_what_only_describes_is_lost_and_counted() -> None:
    weighed = {**SAID, "weight": 1}
    named = {**ASKED, "name": "Ann"}
    late = {"role": "developer", "content": "Be brief."}

    line, lost, _ = bedrock(chat(named, weighed, late, ASKED, SAID, tools=[{}], parallel_tool_calls=False))

    assert line
    assert line["system"] == [{"text": "Be brief."}]
    assert lost == {"tools": 1, "parallel_tool_calls": 1, "weight": 1, "name": 1, "place_of_system_message": 1}


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([ASKED, {"role": "assistant", "tool_calls": [{"id": "c"}]}], "tool_calls"),
        ([ASKED, {"role": "assistant", "content": "x", "function_call": {"name": "f"}}], "tool_calls"),
        ([ASKED, {"role": "tool", "tool_call_id": "c", "content": "x"}, SAID], "tool_calls"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}, SAID],
            "images_and_other_parts",
        ),
        ([SAID, ASKED, SAID], "starts_with_the_assistant"),
        ([{"role": "system", "content": "Begin."}, SAID], "starts_with_the_assistant"),
        ([ASKED, {**SAID, "weight": 0}, ASKED, SAID], "weight_0"),
        ([ASKED, {"role": "assistant", "content": " "}], "empty_message"),
        ([ASKED, {"role": "assistant", "content": None}], "empty_message"),
    ],
)
def test_what_would_teach_something_else_stays_behind(messages: list[dict[str, Any]], why: str) -> None:
    assert bedrock(chat(*messages)) == (None, {}, {why: 1})
    assert why in LEFT_OUT_REASONS


def test_text_in_parts_comes_along() -> None:
    parts = [{"type": "text", "text": "Where"}, {"type": "text", "text": "is it?"}]

    line, _, _ = bedrock(chat({"role": "user", "content": parts}, SAID))

    assert line
    assert line["messages"][0]["content"] == [{"text": "Where"}, {"text": "is it?"}]


def test_a_pair_loses_the_answer_that_was_not_preferred() -> None:
    conversion = Conversion(Format.OPENAI_SFT)

    line = conversion.convert(PAIR)

    assert line == {"messages": [ASKED, SAID], "tools": PAIR["input"]["tools"]}  # type: ignore[index]
    assert conversion.lost == {"non_preferred_output": 1}


def test_a_pair_that_stays_behind_loses_nothing() -> None:
    conversion = Conversion(Format.BEDROCK_CONVERSATION)

    assert conversion.convert({**PAIR, "input": {"messages": [SAID, ASKED]}}) is None
    assert dict(conversion.lost) == {}


def test_in_its_own_format_an_example_is_as_it_was() -> None:
    assert Conversion(Format.OPENAI_PREFERENCE).convert(PAIR) == PAIR
    assert Conversion(Format.OPENAI_SFT).convert(chat(ASKED, SAID)) == chat(ASKED, SAID)


def test_nobody_can_tell_what_was_not_preferred() -> None:
    with pytest.raises(Conflict, match="supervised"):
        check_kind(ExampleKind.SUPERVISED, Format.OPENAI_PREFERENCE)
    conversion = Conversion(Format.OPENAI_PREFERENCE)
    assert conversion.convert(chat(ASKED, SAID)) is None
    assert conversion.left_out == {"not_a_pair": 1}

    check_kind(ExampleKind.PREFERENCE, Format.OPENAI_PREFERENCE)
    check_kind(ExampleKind.PREFERENCE, Format.BEDROCK_CONVERSATION)


def test_a_pair_goes_out_as_it_came_in() -> None:
    found = read_example(PAIR, 1)

    assert isinstance(found, Example)
    assert openai_pair(found.content) == PAIR
    assert stored_form(PAIR) == found.content
    assert stored_form(chat(ASKED, SAID)) == chat(ASKED, SAID)


def test_openai_keeps_the_weights_of_messages() -> None:
    content = chat(ASKED, {**SAID, "weight": 0}, ASKED, SAID)

    assert Conversion(Format.OPENAI_SFT).convert(content) == content


def prompt_of(content: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, int], dict[str, int]]:
    conversion = Conversion(Format.BEDROCK_PROMPT)
    return conversion.convert(content), dict(conversion.lost), dict(conversion.left_out)


def test_one_question_and_its_answer_are_a_prompt_with_its_completion() -> None:
    line, lost, left_out = prompt_of(chat({"role": "system", "content": "Be kind."}, ASKED, SAID))

    assert line == {"prompt": "Be kind.\n\nWhere is it?", "completion": "On its way."}
    assert lost == {"role_of_system_message": 1}
    assert left_out == {}
    assert prompt_of(chat(ASKED, SAID))[1] == {}


def test_a_conversation_of_more_turns_is_no_prompt() -> None:
    line, _, left_out = prompt_of(chat(ASKED, SAID, ASKED, SAID))

    assert line is None
    assert left_out == {"more_than_one_turn": 1}
