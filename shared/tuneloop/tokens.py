"""Token counts with an embedded vocabulary (o200k_base): nothing is downloaded at run time.

Per message OpenAI's chat format adds 3 tokens and the role, 1 more for a name, and 3 per example (read 2026-11).
"""

from functools import cache
from typing import Any

from splintr import Tokenizer

from tuneloop.domain.examples import text_of

PER_MESSAGE = 3
PER_NAME = 1
PER_EXAMPLE = 3


@cache
def _tokenizer() -> Any:
    return Tokenizer.from_pretrained("o200k_base")


def count_text(text: str) -> int:
    """Tokens of a text."""
    return len(_tokenizer().encode_ordinary(text))


def count_messages(messages: list[dict[str, Any]]) -> int:
    """Tokens of a conversation as it is billed in training; tool calls and images are not counted yet."""
    return PER_EXAMPLE + sum(_count_message(message) for message in messages)


def _count_message(message: dict[str, Any]) -> int:
    name = message.get("name")
    named = PER_NAME + count_text(name) if isinstance(name, str) else 0
    return PER_MESSAGE + count_text(message["role"]) + count_text(text_of(message)) + named
