"""Token counts with an embedded vocabulary (o200k_base): nothing is downloaded at run time.

Per message OpenAI's chat format adds 3 tokens and the role, 1 more for a name, and 3 per example (read 2026-11).
Tools and tool calls are rendered in a format that isn't published: their JSON is counted instead, an estimate that lies
above what is billed, as it should for a guard of spending. Images are not counted yet.
"""

from functools import cache, lru_cache
from typing import Any

from splintr import Tokenizer

from tuneloop.domain.examples import canonical, text_of

PER_MESSAGE = 3
PER_NAME = 1
PER_EXAMPLE = 3
PIECE = 1 << 16  # characters; beyond, a text without spaces takes more memory and time than its length
CALLING = ("tool_calls", "function_call", "tool_call_id")


@cache
def _tokenizer() -> Any:
    return Tokenizer.from_pretrained("o200k_base")


def count_text(text: str) -> int:
    """Tokens of a text; a very long one is counted piece by piece, which may find one more at each cut."""
    encode = _tokenizer().encode_ordinary
    return sum(len(encode(text[start : start + PIECE])) for start in range(0, len(text), PIECE))


def count_messages(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> int:
    """Tokens of a conversation as it is billed in training, with the tools that it was given."""
    counted = PER_EXAMPLE + sum(_count_message(message) for message in messages)
    return counted + (_count_tools(canonical(tools)) if tools else 0)


@lru_cache(maxsize=64)
def _count_tools(text: str) -> int:
    """Tokens of tools as JSON; most examples of a dataset were given the same."""
    return count_text(text)


def _count_message(message: dict[str, Any]) -> int:
    name = message.get("name")
    named = PER_NAME + count_text(name) if isinstance(name, str) else 0
    calls = [called for field in CALLING if (called := message.get(field))]
    called = count_text(canonical(calls)) if calls else 0
    return PER_MESSAGE + count_text(message["role"]) + count_text(text_of(message)) + named + called
