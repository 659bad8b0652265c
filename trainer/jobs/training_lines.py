"""Training files: OpenAI's rules for supervised lines, for preference lines, and for the number of examples.

Tuneloop states these rules in its own domain too. The trainer stands for a provider, which checks a file by itself: a
test over the wire would prove nothing if both sides ran the same code.

A fault names the place and the rule, and never repeats content of the line.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_OUTPUTS = ("preferred_output", "non_preferred_output")

Message = Mapping[str, Any]


class InvalidFileError(ValueError):
    """A training or validation file breaks a rule; the message names the line."""


def read_lines(path: Path) -> Iterator[tuple[int, object]]:
    """Yield (line number from 1, value) of the lines that aren't blank; raise InvalidFileError if one isn't JSON."""
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
    for number, line in read_lines(path):
        if fault := fault_of(line):
            raise InvalidFileError(f"Line {number} {fault}.")
        examples += 1
    if examples < at_least:
        raise InvalidFileError(f"The file has {examples} examples, but must have at least {at_least}.")
    return examples


def supervised_fault(line: object) -> str | None:
    """Return which rule a supervised line breaks, e.g. `has no assistant message`, or None if it is valid."""
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
    is_valid = isinstance(role, str) and role in ROLES
    return None if is_valid else f"whose role is not one of {', '.join(sorted(ROLES))}"


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
    call_ids: list[object] = []
    for number, message in enumerate(messages, start=1):
        call_ids.extend(call["id"] for call in message.get("tool_calls") or ())
        if message["role"] == "tool" and message.get("tool_call_id") not in call_ids:
            return f"has a message {number} whose tool_call_id answers no call before it"
    return None


def preference_fault(line: object) -> str | None:
    """Return which rule a preference line breaks, or None if it is valid.

    A line has an `input` (messages, the last not the assistant's) and two outputs of assistant messages; text only.
    """
    if not isinstance(line, dict):
        return "is not a JSON object"
    if fault := _input_fault(line.get("input")):
        return fault
    if fault := next(filter(None, (_output_fault(name, line.get(name)) for name in _OUTPUTS)), None):
        return fault
    return "prefers an answer to itself" if line[_OUTPUTS[0]] == line[_OUTPUTS[1]] else None


def _input_fault(value: object) -> str | None:
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list) or not messages:
        return "has no list of 'input.messages'"
    if not all(_is_message(message, ROLES) for message in messages):
        return "has a message in its input without a known role or without text"
    if messages[-1]["role"] == "assistant":
        return "has an input that ends with an assistant message"
    return None


def _output_fault(name: str, output: object) -> str | None:
    if not isinstance(output, list) or not output:
        return f"has no list '{name}'"
    is_valid = all(_is_message(message, frozenset({"assistant"})) for message in output)
    return None if is_valid else f"has a message in its '{name}' that is not an assistant's text"


def _is_message(message: object, roles: frozenset[str]) -> bool:
    if not isinstance(message, Mapping) or message.get("role") not in roles:
        return False
    content: Any = message.get("content")
    if isinstance(content, list):
        return bool(content) and all(_is_text_part(part) for part in content)
    only_calls = message["role"] == "assistant" and bool(message.get("tool_calls"))
    return isinstance(content, str) or (content is None and only_calls)


def _is_text_part(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
