"""Conversions between the two wires: Bedrock's content blocks to OpenAI's messages, and an answer to blocks."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from tuneloop.openai_wire.chat import AnswerMessage


def chat_messages(system: Sequence[dict[str, Any]], messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a system prompt and messages of text, toolUse and toolResult blocks as OpenAI's messages."""
    instructions = _text_in(system)
    chat: list[dict[str, Any]] = [{"role": "system", "content": instructions}] if instructions else []
    for message in messages:
        chat += _chat_messages_of(message["role"], message["content"])
    return chat


def _chat_messages_of(role: str, blocks: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for block in blocks:
        if result := block.get("toolResult"):
            yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": _result_text(result["content"])}
    text = _text_in(blocks)
    calls = [_call(block["toolUse"]) for block in blocks if "toolUse" in block]
    if calls:
        yield {"role": role, "content": text or None, "tool_calls": calls}
    elif text:
        yield {"role": role, "content": text}


def _text_in(blocks: Sequence[dict[str, Any]]) -> str:
    return "\n".join(block["text"] for block in blocks if "text" in block)


def _result_text(blocks: Sequence[dict[str, Any]]) -> str:
    """Return a tool's result as text: its texts, and its JSON."""
    texts = (block["text"] if "text" in block else _compact(block.get("json")) for block in blocks)
    return "\n".join(texts)


def _call(use: dict[str, Any]) -> dict[str, Any]:
    function = {"name": use["name"], "arguments": _compact(use["input"])}
    return {"id": use["toolUseId"], "type": "function", "function": function}


def _compact(value: Any) -> str:
    return orjson.dumps(value).decode()


def blocks_of(message: AnswerMessage) -> list[dict[str, Any]]:
    """Return an answer as Bedrock's blocks: its text, then its tool calls."""
    blocks: list[dict[str, Any]] = [{"text": message.content}] if message.content else []
    for call in (message.model_extra or {}).get("tool_calls") or ():
        function = call["function"]
        use = {"toolUseId": call["id"], "name": function["name"], "input": _input_of(function.get("arguments"))}
        blocks.append({"toolUse": use})
    return blocks or [{"text": ""}]


def _input_of(arguments: Any) -> Any:
    """Return the input of a tool from a call's arguments; `{"arguments": text}` if they aren't JSON."""
    if not isinstance(arguments, str):
        return arguments or {}
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {"arguments": arguments}
