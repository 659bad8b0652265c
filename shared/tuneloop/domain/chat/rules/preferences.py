"""Preference lines: a conversation and two answers to it, one of which is liked better than the other; text only."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from tuneloop.domain.chat.messages import JsonObject, text_of
from tuneloop.domain.chat.rules import Found
from tuneloop.domain.chat.rules.contents import images_in
from tuneloop.domain.chat.rules.conversations import (
    NEVER_LEARNT,
    answers_problems,
    conversation_problems,
    unlearnable_problems,
)
from tuneloop.domain.chat.rules.fields import unknown_keys
from tuneloop.domain.chat.rules.tools import tools_problems

PREFERENCE_FIELDS = ("input", "preferred_output", "non_preferred_output")
OUTPUTS = PREFERENCE_FIELDS[1:]
OUTPUT_KEYS = ("role", "content")
INPUT_KEYS = ("messages", "tools", "functions", "parallel_tool_calls")


def is_preference(row: JsonObject) -> bool:
    """Whether a line is meant as a preference pair."""
    return any(name in row for name in OUTPUTS) or ("input" in row and "messages" not in row)


def preference_problems(row: JsonObject) -> Iterator[Found]:
    """What is wrong with a preference line."""
    if "messages" in row:
        rule = "A line is either supervised, with `messages`, or a preference pair, with its messages in `input`."
        yield "$.messages", "mixed_formats", rule
    given = row.get("input")
    messages = given.get("messages") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(messages, list) or not messages:
        rule = "`input` must be an object with `messages`, a list of what was asked."
        yield ("$.input.messages" if isinstance(given, dict) else "$.input"), "missing_messages", rule
        messages = []
    else:
        yield from _input_problems(given, messages)
    outputs = [row.get(name) for name in OUTPUTS]
    for name, output in zip(OUTPUTS, outputs, strict=True):
        yield from _output_problems(f"$.{name}", output)
    if (texts := [_text(output) for output in outputs])[0] == texts[1] and texts[0].strip():
        rule = "The two outputs must differ: the one is to be preferred to the other."
        yield "$.non_preferred_output", "same_outputs", rule
    turns = ((f"$.input.messages[{index}]", message) for index, message in enumerate(messages))
    yield from answers_problems(chain(turns, [("$.preferred_output[0]", {"role": "assistant"})]))


def _input_problems(given: JsonObject, messages: list[Any]) -> Iterator[Found]:
    yield from conversation_problems("$.input.messages", messages)
    if images_in(messages):
        yield "$.input.messages", "misplaced_image", "Preference pairs are of text only."
    for index, message in enumerate(messages):
        if isinstance(message, dict) and message.get("role") == "assistant" and "weight" in message:
            rule = "`weight` stands in supervised lines only: of a preference pair, the outputs are learnt."
            yield f"$.input.messages[{index}].weight", "invalid_weight", rule
    yield from unknown_keys("$.input", given, INPUT_KEYS, "`input`")
    yield from tools_problems("$.input", given)


def _output_problems(path: str, output: Any) -> Iterator[Found]:
    message = output[0] if isinstance(output, list) and len(output) == 1 else None
    if not isinstance(message, dict) or message.get("role") != "assistant":
        yield path, "invalid_output", f"`{path[2:]}` must be a list of exactly one assistant message."
        return
    yield from unlearnable_problems(f"{path}[0]", message)
    rest = {key: value for key, value in message.items() if key not in NEVER_LEARNT}
    yield from unknown_keys(f"{path}[0]", rest, OUTPUT_KEYS, "An output")
    yield from conversation_problems(path, [{name: message.get(name) for name in OUTPUT_KEYS}])


def _text(output: Any) -> str:
    message = output[0] if isinstance(output, list) and output else None
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list) and not all(
        isinstance(part, dict) and isinstance(part.get("text"), str | None) for part in content
    ):
        return ""
    return text_of({"content": content}) if isinstance(content, str | list) else ""
