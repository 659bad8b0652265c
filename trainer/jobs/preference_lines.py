"""Preference files: OpenAI's rules for one line.

A line holds an `input` (messages that end with what wants an answer) and two outputs, of assistant messages, text only.
"""

from collections.abc import Mapping
from typing import Any

from trainer.jobs.training_lines import ROLES

_OUTPUTS = ("preferred_output", "non_preferred_output")


def fault_in_pair(line: object) -> str | None:
    """Return which rule a preference line breaks, or None."""
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
    is_whole = all(_is_message(message, frozenset({"assistant"})) for message in output)
    return None if is_whole else f"has a message in its '{name}' that is not an assistant's text"


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
