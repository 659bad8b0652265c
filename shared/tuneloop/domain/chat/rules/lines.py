"""Rules of whole lines: a supervised line is one conversation, a preference line a prompt with two answers.

From a supervised line a model learns the assistant's messages (those of weight 0 are left out); from a preference line,
which is of text only, the answer that is preferred to the other.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from tuneloop.domain.chat.messages import JsonObject, text_of
from tuneloop.domain.chat.rules import Violation
from tuneloop.domain.chat.rules.conversations import (
    NEVER_LEARNT,
    answers_problems,
    conversation_problems,
    count_images,
    tools_problems,
    unknown_keys,
    unlearnable_problems,
)

PREFERENCE_FIELDS = ("input", "preferred_output", "non_preferred_output")
OUTPUTS = PREFERENCE_FIELDS[1:]
OUTPUT_KEYS = ("role", "content")
INPUT_KEYS = ("messages", "tools", "functions", "parallel_tool_calls")
MESSAGES_RULE = "`messages` must be a list of what was asked and, last, what the assistant is to answer."
MESSAGES_AS_TEXT = "`messages` must be a list of messages, not a text, even if the text is JSON."
MESSAGE_AS_LINE = "This is one message: an example has its messages, the assistant's last, in a list as `messages`."


def supervised_problems(row: JsonObject) -> Iterator[Violation]:
    """Check a supervised line."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "$.messages", "missing_messages", _messages_rule(row)
        return
    yield from conversation_problems("$.messages", messages)
    if all(isinstance(message, dict) for message in messages):  # else there is no order to check
        yield from _order_problems(messages)
    yield from answers_problems((f"$.messages[{index}]", message) for index, message in enumerate(messages))
    yield from tools_problems("$", row)


def _messages_rule(row: JsonObject) -> str:
    """The message for a line without a list of messages: what would be right, by what the line has instead."""
    if isinstance(row.get("messages"), str):
        return MESSAGES_AS_TEXT
    return MESSAGE_AS_LINE if "messages" not in row and {"role", "content"} <= row.keys() else MESSAGES_RULE


def _order_problems(messages: list[JsonObject]) -> Iterator[Violation]:
    roles = [message.get("role") for message in messages]
    if "assistant" not in roles:
        yield "$.messages", "no_assistant_message", "At least one message must have the role assistant."
    elif roles[-1] != "assistant":
        yield "$.messages[-1]", "last_not_assistant", "The last message must be the assistant's: it is what is learned."
    elif len(roles) == 1:
        yield "$.messages", "no_prompt", "A message must come before the assistant's: it is what is answered."
    elif not any(_is_learnt(message) for message in messages):
        yield "$.messages", "nothing_to_learn", "At least one assistant message must have no `weight` or the weight 1."


def _is_learnt(message: JsonObject) -> bool:
    return message.get("role") == "assistant" and message.get("weight") not in (0, False)


def is_preference(row: JsonObject) -> bool:
    """Whether a line, valid or not, is meant as a preference pair: it has an output, or `input` and no `messages`."""
    return any(name in row for name in OUTPUTS) or ("input" in row and "messages" not in row)


def preference_problems(row: JsonObject) -> Iterator[Violation]:
    """Check a preference line."""
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


def _input_problems(given: JsonObject, messages: list[Any]) -> Iterator[Violation]:
    yield from conversation_problems("$.input.messages", messages)
    if count_images(messages):
        yield "$.input.messages", "misplaced_image", "Preference pairs are of text only."
    for index, message in enumerate(messages):
        if isinstance(message, dict) and message.get("role") == "assistant" and "weight" in message:
            rule = "`weight` stands in supervised lines only: of a preference pair, the outputs are learnt."
            yield f"$.input.messages[{index}].weight", "invalid_weight", rule
    yield from unknown_keys("$.input", given, INPUT_KEYS, "`input`")
    yield from tools_problems("$.input", given)


def _output_problems(path: str, output: Any) -> Iterator[Violation]:
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
