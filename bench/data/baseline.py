"""The baseline: the check script that people copy before they fine-tune, in its usual form.

It reads the whole file into a list, counts format errors by kind, counts each conversation's tokens with tiktoken
(every value of every message, and the assistant's once more), and describes the distributions. It follows the one in
OpenAI's cookbook; values on which that one fails are counted as JSON (tool calls) or left out (null).
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import tiktoken

KEYS = {"role", "content", "name", "weight", "tool_calls", "function_call", "tool_call_id"}
ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
TOKEN_LIMIT = 65_536  # of an example of the gpt-4o and gpt-4.1 families; longer ones are cut
# The tokens that the cookbook's script adds for the wire format.
PER_MESSAGE = 3
PER_NAME = 1
PER_EXAMPLE = 3

Conversation = list[dict[str, Any]]


def check(path: Path) -> dict[str, Any]:
    """Read a file, and count its examples, format errors and tokens."""
    dataset: list[Any] = []
    errors: Counter[str] = Counter()
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                dataset.append(json.loads(line))
            except json.JSONDecodeError:
                errors["invalid_json"] += 1
    for example in dataset:
        check_format(example, errors)
    return {"examples": len(dataset), "errors": dict(errors), **statistics(dataset)}


def check_format(example: Any, errors: Counter[str]) -> None:
    """Count the format errors of one example by kind."""
    if not isinstance(example, dict):
        errors["data_type"] += 1
        return
    messages = example.get("messages")
    if not messages:
        errors["missing_messages_list"] += 1
        return
    for message in messages:
        if "role" not in message or ("content" not in message and "tool_calls" not in message):
            errors["message_missing_key"] += 1
        if any(key not in KEYS for key in message):
            errors["message_unrecognized_key"] += 1
        if message.get("role") not in ROLES:
            errors["unrecognized_role"] += 1
        content, calls = message.get("content"), message.get("tool_calls") or message.get("function_call")
        if (not content and not calls) or not isinstance(content, str | None):
            errors["missing_content"] += 1
    if not any(message.get("role") == "assistant" for message in messages):
        errors["example_missing_assistant_message"] += 1


def statistics(dataset: list[Any]) -> dict[str, Any]:
    """Counts and distributions over all examples."""
    encoding = tiktoken.get_encoding("o200k_base")
    n_missing_system = n_missing_user = 0
    n_messages: list[int] = []
    conversation_lengths: list[int] = []
    assistant_lengths: list[int] = []
    for example in dataset:
        messages = example["messages"]
        n_missing_system += not any(message["role"] == "system" for message in messages)
        n_missing_user += not any(message["role"] == "user" for message in messages)
        n_messages.append(len(messages))
        conversation_lengths.append(count_tokens(encoding, messages))
        assistant_lengths.append(count_assistant_tokens(encoding, messages))
    return {
        "missing_system": n_missing_system,
        "missing_user": n_missing_user,
        "messages": distribution(n_messages),
        "tokens": distribution(conversation_lengths),
        "assistant_tokens": distribution(assistant_lengths),
        "over_limit": sum(length > TOKEN_LIMIT for length in conversation_lengths),
        "billable_tokens": sum(min(TOKEN_LIMIT, length) for length in conversation_lengths),
    }


def count_tokens(encoding: tiktoken.Encoding, messages: Conversation) -> int:
    """The tokens of a conversation: of every value of every message."""
    tokens = PER_EXAMPLE
    for message in messages:
        tokens += PER_MESSAGE
        for key, value in message.items():
            if value is None:
                continue
            tokens += len(encoding.encode(value if isinstance(value, str) else json.dumps(value)))
            if key == "name":
                tokens += PER_NAME
    return tokens


def count_assistant_tokens(encoding: tiktoken.Encoding, messages: Conversation) -> int:
    """The tokens of the assistant's messages."""
    return sum(len(encoding.encode(message["content"] or "")) for message in messages if message["role"] == "assistant")


def distribution(values: list[int]) -> dict[str, float]:
    """The usual description of a list of numbers."""
    return {
        "min": float(np.min(values)),
        "max": float(np.max(values)),
        "mean": float(np.mean(values)),
        "median": float(np.median(values)),
        "p5": float(np.quantile(values, 0.05)),
        "p95": float(np.quantile(values, 0.95)),
    }
