"""Token counts, as OpenAI bills them: real o200k tokens, 3 for each message, 3 for each conversation.

Counting rule: OpenAI's cookbook, "How to count tokens with tiktoken". The vocabulary is inside the library.
"""

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from splintr import AnyTokenizer, Tokenizer

from tuneloop.openai_wire.chat import text_of

PER_MESSAGE = 3
PER_CONVERSATION = 3
MAX_EXAMPLE_TOKENS = 65_536  # what is longer OpenAI cuts there before it trains


@cache
def tokenizer() -> AnyTokenizer:
    """Load the tokenizer, once (about 150 ms)."""
    return Tokenizer.from_pretrained("o200k_base")


@lru_cache(maxsize=16_384)
def tokens_in(text: str) -> int:
    """Count the tokens of a text."""
    return len(tokenizer().encode_ordinary(text))


def tokens_in_turns(turns: Iterable[tuple[str, str]]) -> int:
    """Count the tokens of a conversation given as (role, text) pairs."""
    return PER_CONVERSATION + sum(PER_MESSAGE + tokens_in(role) + tokens_in(text) for role, text in turns)


def tokens_in_line(line: Mapping[str, Any]) -> int:
    """Count the tokens that one training line is trained on, an over-long one cut at 65,536."""
    turns = [(message["role"], text_of(message.get("content"))) for message in line["messages"]]
    return min(tokens_in_turns(turns), MAX_EXAMPLE_TOKENS)


def tokens_in_pair(line: Mapping[str, Any]) -> int:
    """Count the tokens that one preference line is trained on: its input with each of its two outputs."""
    outputs = (line["preferred_output"], line["non_preferred_output"])
    return sum(tokens_in_line({"messages": [*line["input"]["messages"], *output]}) for output in outputs)


def cut_to(text: str, limit: int) -> str:
    """Return the first `limit` tokens of a text."""
    return tokenizer().decode_lossy(tokenizer().encode_ordinary(text)[:limit])
