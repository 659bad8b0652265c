"""Supervised training files: OpenAI's rules for one line, and for the file.

Tuneloop has these rules a second time, in its own domain: the trainer stands for a provider, which judges a file by
itself. A test on the wire would prove nothing if both sides read the same code.

Messages say where and what, never what a line holds.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

Message = Mapping[str, Any]


class InvalidFileError(ValueError):
    """A training or validation file breaks a rule; the message names the line."""


def lines_in(path: Path) -> Iterator[tuple[int, object]]:
    """Read a JSONL file as (line number from 1, value), passing over blank lines; raise for a line that isn't JSON."""
    with path.open("rb") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                try:
                    yield number, orjson.loads(text)
                except orjson.JSONDecodeError as broken:
                    raise InvalidFileError(f"Line {number} is not valid JSON (column {broken.colno}).") from None


def check_file(path: Path, fault_of: Callable[[object], str | None], *, at_least: int = 1) -> int:
    """Return the number of examples in a file, or raise InvalidFileError for the first line that breaks a rule."""
    examples = 0
    for number, line in lines_in(path):
        if fault := fault_of(line):
            raise InvalidFileError(f"Line {number} {fault}.")
        examples += 1
    if examples < at_least:
        raise InvalidFileError(f"The file has {examples} examples, but must have at least {at_least}.")
    return examples


def fault_in(line: object) -> str | None:
    """Return which rule a training line breaks, e.g. `has no assistant message`, or None."""
    if not isinstance(line, dict):
        return "is not a JSON object"
    messages = line.get("messages")
    if not isinstance(messages, list) or not messages:
        return "has no list of 'messages'"
    for number, message in enumerate(messages, start=1):
        if not isinstance(message, dict):
            return f"has a message {number} that is not an object"
        for rule in _MESSAGE_RULES:
            if fault := rule(message):
                return f"has a message {number} {fault}"
    return _conversation_fault(messages)


def _role_fault(message: Message) -> str | None:
    role = message.get("role")
    is_known = isinstance(role, str) and role in ROLES
    return None if is_known else f"whose role is not one of {', '.join(sorted(ROLES))}"


def _content_fault(message: Message) -> str | None:
    content = message.get("content")
    if isinstance(content, str) or (isinstance(content, list) and content and all(map(_is_part, content))):
        return None
    if content is not None:
        return "whose content is neither text nor a list of parts"
    calls = message["role"] == "assistant" and (message.get("tool_calls") or message.get("function_call"))
    return None if calls else "without content"


def _is_part(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("type"), str)


def _weight_fault(message: Message) -> str | None:
    if message.get("weight") is None:
        return None
    if message["role"] != "assistant":
        return "with a weight, which only assistant messages may have"
    return None if message["weight"] in (0, 1) else "whose weight is neither 0 nor 1"


def _calls_fault(message: Message) -> str | None:
    calls, legacy = message.get("tool_calls"), message.get("function_call")
    if calls is None and legacy is None:
        return None
    if message["role"] != "assistant":
        return "with tool calls, which only assistant messages may have"
    if legacy is not None and not _is_function(legacy):
        return "whose function call is malformed"
    return (
        None
        if calls is None or (isinstance(calls, list) and all(map(_is_call, calls)))
        else "whose tool calls are malformed"
    )


def _is_call(call: object) -> bool:
    return isinstance(call, dict) and isinstance(call.get("id"), str) and _is_function(call.get("function"))


def _is_function(function: object) -> bool:
    return isinstance(function, dict) and isinstance(function.get("name"), str)


def _name_fault(message: Message) -> str | None:
    return None if isinstance(message.get("name", ""), str | None) else "whose name is not text"


_MESSAGE_RULES: tuple[Callable[[Message], str | None], ...] = (
    _role_fault,
    _content_fault,
    _weight_fault,
    _calls_fault,
    _name_fault,
)


def _conversation_fault(messages: list[Message]) -> str | None:
    answers = [message for message in messages if message["role"] == "assistant"]
    if not answers:
        return "has no assistant message"
    if messages[-1]["role"] != "assistant":
        return "does not end with an assistant message"
    if all(message.get("weight") == 0 for message in answers):
        return "has no assistant message with weight 1"
    called: list[object] = []
    for number, message in enumerate(messages, start=1):
        called.extend(call["id"] for call in message.get("tool_calls") or ())
        if message["role"] == "tool" and message.get("tool_call_id") not in called:
            return f"has a message {number} whose tool_call_id answers no call before it"
    return None
