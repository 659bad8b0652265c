"""Serving: a version is asked with its own prompt and parameters, whoever calls."""

from typing import Any

from tests.unit.factories import a_version
from tuneloop.domain.chat.examples import Example, read_example
from tuneloop.domain.serving.routing import chat_request_of, request_for, with_prompt

USER = {"role": "user", "content": "Where is it?"}


def test_a_version_s_prompt_stands_in_for_the_app_s() -> None:
    version = a_version(prompt="One word.")
    ours = {"role": "system", "content": "One word."}

    assert with_prompt(version, [{"role": "system", "content": "Be kind."}, USER]) == [ours, USER]
    assert with_prompt(version, [{"role": "developer", "content": "Be kind."}, USER]) == [ours, USER]
    assert with_prompt(version, [USER]) == [ours, USER]
    assert with_prompt(version, []) == [ours]


def test_only_the_first_message_can_be_the_app_s_prompt() -> None:
    later = {"role": "system", "content": "Be brief."}

    assert with_prompt(a_version(prompt="One word."), [USER, later])[1:] == [USER, later]


def test_a_version_without_a_prompt_leaves_the_conversation_alone() -> None:
    messages = [{"role": "system", "content": "Be kind."}, USER]

    assert with_prompt(a_version(), messages) == messages


def test_a_prompt_that_says_nothing_still_replaces_the_app_s() -> None:
    assert with_prompt(a_version(prompt=""), [USER])[0] == {"role": "system", "content": ""}


def test_a_request_goes_to_the_provider_s_model_with_what_the_app_set() -> None:
    version = a_version(provider_model="ft-7", parameters={"temperature": 0.0, "max_tokens": 5})
    asked: dict[str, Any] = {"model": "support", "messages": [USER], "temperature": 0.7, "logprobs": True}

    request = request_for(version, asked)

    assert request == {"model": "ft-7", "messages": [USER], "temperature": 0.7, "max_tokens": 5, "logprobs": True}
    assert asked["model"] == "support"


def test_an_example_is_asked_with_its_tools_and_no_training_fields() -> None:
    tools = [{"type": "function", "function": {"name": "refund", "parameters": {}}}]
    asked = {"role": "assistant", "content": "Which order?"}
    turns: list[dict[str, Any]] = [USER, {**asked, "weight": 0}, {"role": "user", "content": "Seven."}]
    call = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": "{}"}}
    called = {"role": "assistant", "tool_calls": [call], "weight": 1}
    example = read_example({"messages": [*turns, called], "tools": tools, "parallel_tool_calls": False}, 1)
    assert isinstance(example, Example)

    question = chat_request_of(example)

    assert question == {"messages": [USER, asked, turns[2]], "tools": tools, "parallel_tool_calls": False}
    assert turns[1]["weight"] == 0
