"""Bedrock's training lines, checked and converted to the engine's; a fault never repeats content of its line.

A conversation has the schema `bedrock-conversation-2024`: user and assistant alternate, the user first, the assistant
last, with texts, tool uses and tool results. A prompt is `{"prompt", "completion"}`, one turn each. Source: Bedrock's
user guide, read 2026-11.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from trainer.bedrock.base_models import Lines
from trainer.bedrock.messages import chat_messages
from trainer.jobs.training_lines import InvalidFileError, read_lines

SCHEMA = Lines.CONVERSATION.value
_BLOCKS = {"user": ("text", "toolResult"), "assistant": ("text", "toolUse")}


def convert_file(path: Path, kind: Lines, target: BinaryIO) -> int:
    """Write a file's lines as the engine's, and return their number; InvalidFileError for the first invalid one."""
    fault_of, messages_of = _FORMATS[kind]
    examples = 0
    for number, line in read_lines(path):
        fault = fault_of(line) if isinstance(line, dict) else "is not a JSON object"
        if fault:
            raise InvalidFileError(f"Line {number} {fault}.")
        target.write(orjson.dumps({"messages": messages_of(line)}) + b"\n")
        examples += 1
    return examples


def _prompt_fault(line: Any) -> str | None:
    for name in ("prompt", "completion"):
        if not isinstance(line.get(name), str) or not line[name].strip():
            return f"has no text '{name}'"
    return None


def _prompt_messages(line: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": line["prompt"]}, {"role": "assistant", "content": line["completion"]}]


def _conversation_fault(line: Any) -> str | None:
    if line.get("schemaVersion") != SCHEMA:
        return f"has no schemaVersion '{SCHEMA}'"
    if not _are_texts(line.get("system", [])):
        return "has a system prompt that is not a list of texts"
    messages = line.get("messages")
    if not isinstance(messages, list) or len(messages) < 2 or len(messages) % 2:
        return "does not go from a user's message to an assistant's by turns"
    return next(_message_faults(messages), None)


def _message_faults(messages: list[Any]) -> Iterator[str]:
    for number, message in enumerate(messages, start=1):
        role = ("assistant", "user")[number % 2]
        if not isinstance(message, Mapping) or message.get("role") != role:
            yield f"has a message {number} whose role is not '{role}'"
        elif not isinstance(message.get("content"), list) or not message["content"]:
            yield f"has a message {number} without a list of content"
        elif not all(_is_block(block, _BLOCKS[role]) for block in message["content"]):
            yield f"has a message {number} with content that is none of: {', '.join(_BLOCKS[role])}"


def _are_texts(blocks: Any) -> bool:
    return isinstance(blocks, list) and all(_is_block(block, ("text",)) for block in blocks)


def _is_block(block: Any, kinds: tuple[str, ...]) -> bool:
    if not isinstance(block, dict) or len(block) != 1:
        return False
    ((kind, value),) = block.items()
    if kind not in kinds:
        return False
    if kind == "text":
        return isinstance(value, str) and bool(value.strip())
    needed = ("toolUseId", "name") if kind == "toolUse" else ("toolUseId",)
    has_ids = isinstance(value, dict) and all(isinstance(value.get(name), str) for name in needed)
    return has_ids and isinstance(value.get("input" if kind == "toolUse" else "content"), dict | list)


def _conversation_messages(line: Any) -> list[dict[str, Any]]:
    return chat_messages(line.get("system", []), line["messages"])


_FORMATS: dict[Lines, tuple[Callable[[Any], str | None], Callable[[Any], list[dict[str, Any]]]]] = {
    Lines.CONVERSATION: (_conversation_fault, _conversation_messages),
    Lines.PROMPT: (_prompt_fault, _prompt_messages),
}
