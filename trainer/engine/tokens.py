"""Token counts as OpenAI bills them: o200k tokens, plus 3 for each message and 3 for each conversation.

Source: OpenAI's cookbook, "How to count tokens with tiktoken". The vocabulary is part of the library, so nothing is
downloaded. Tuneloop counts tokens by code of its own: the trainer stands for a provider, which counts by itself.
"""

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from splintr import AnyTokenizer, Tokenizer

from tuneloop.openai_wire.chat import content_text

PER_MESSAGE = 3
PER_CONVERSATION = 3
MAX_EXAMPLE_TOKENS = 65_536  # OpenAI cuts longer examples to this length before it trains on them


@cache
def tokenizer() -> AnyTokenizer:
    """Return the tokenizer; the first call loads it, in about 150 ms."""
    return Tokenizer.from_pretrained("o200k_base")


# Roles, prompts and labels repeat in the lines of a file and in the chats of an evaluation; the size bounds memory.
@lru_cache(maxsize=16_384)
def tokens_in(text: str) -> int:
    """Return the number of tokens in a text."""
    return len(tokenizer().encode_ordinary(text))


def tokens_in_turns(turns: Iterable[tuple[str, str]]) -> int:
    """Return the number of tokens in a conversation of (role, text) pairs."""
    return PER_CONVERSATION + sum(PER_MESSAGE + tokens_in(role) + tokens_in(text) for role, text in turns)


def tokens_in_line(line: Mapping[str, Any]) -> int:
    """Return the number of tokens that training reads of a line, at most `MAX_EXAMPLE_TOKENS`."""
    turns = [(message["role"], content_text(message.get("content"))) for message in line["messages"]]
    return min(tokens_in_turns(turns), MAX_EXAMPLE_TOKENS)


def tokens_in_pair(line: Mapping[str, Any]) -> int:
    """Return the number of tokens that training reads of a preference line: its input with each of its outputs."""
    outputs = (line["preferred_output"], line["non_preferred_output"])
    return sum(tokens_in_line({"messages": [*line["input"]["messages"], *output]}) for output in outputs)


def cut_to(text: str, limit: int) -> str:
    """Return the first `limit` tokens of a text."""
    return tokenizer().decode_lossy(tokenizer().encode_ordinary(text)[:limit])
