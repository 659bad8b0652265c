"""Token counts with an embedded vocabulary (o200k_base), so that nothing is downloaded at run time.

OpenAI's chat format adds 3 tokens and the role per message, 1 more for a name, and 3 per example (read 2026-11). The
format of tools and tool calls isn't published, so their JSON is counted instead. That is more than what is billed, as
suits a limit on spending. Images are counted separately (`domain.chat.images`), as their tokens depend on the base
model.
"""

from functools import cache, lru_cache
from typing import Any

from splintr import Tokenizer

from tuneloop.domain.chat.messages import canonical, text_of

PER_MESSAGE = 3
PER_ROLE = 1  # every role is one token
PER_NAME = 1
PER_EXAMPLE = 3
# A longer text is counted in pieces: for one without spaces, memory and time grow faster than its length.
PIECE_CHARACTERS = 1 << 16
# Every special token starts with this. A text that holds one is still text, but needs the slower encoding call.
SPECIAL = "<|"
SPECIAL_MARK = "|"  # searched for first: hardly any text has it, and one character is found six times as fast
TOKEN_BYTES = 4  # `encode_flat` returns each token as 32 bits
CACHED_CHARACTERS = 1 << 12  # counts of longer texts aren't cached, which bounds the cache's memory
CALL_FIELDS = ("tool_calls", "function_call", "tool_call_id")


@cache
def _tokenizer() -> Any:
    return Tokenizer.from_pretrained("o200k_base")


def count_text(text: str) -> int:
    """Tokens of a text; above `PIECE_CHARACTERS` it is counted in pieces, which may add one token at each cut."""
    if len(text) > PIECE_CHARACTERS:
        return sum(
            count_text(text[start : start + PIECE_CHARACTERS]) for start in range(0, len(text), PIECE_CHARACTERS)
        )
    if SPECIAL in text:
        return len(_tokenizer().encode_ordinary(text))
    encoded: bytes = _tokenizer().encode_flat(text)
    return len(encoded) // TOKEN_BYTES


def count_texts(texts: list[str]) -> int:
    """Tokens of all texts together."""
    encode, encoded_bytes, tokens = _tokenizer().encode_flat, 0, 0
    for text in texts:
        if len(text) > PIECE_CHARACTERS or (SPECIAL_MARK in text and SPECIAL in text):
            tokens += count_text(text)
        else:
            encoded_bytes += len(encode(text))
    return encoded_bytes // TOKEN_BYTES + tokens


@lru_cache(maxsize=1 << 10)
def count_short(text: str) -> int:
    """Tokens of a short text; the count is cached."""
    return count_text(text)


def clear_caches() -> None:
    """Free the caches of texts and counts, which take up to 20 MB."""
    _tokenizer().clear_cache()
    count_short.cache_clear()


def count_repeated(text: str) -> int:
    """Tokens of a text that many examples share, such as a system prompt or tools; the count is cached."""
    return count_short(text) if len(text) <= CACHED_CHARACTERS else count_text(text)


def count_messages(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> int:
    """Tokens of a conversation and its tools, as training bills them."""
    tokens = PER_EXAMPLE + sum(_count_message(message) for message in messages)
    return tokens + (count_repeated(canonical(tools)) if tools else 0)


def count_content(content: dict[str, Any]) -> int:
    """Tokens of an example's content; a preference pair counts with both answers, as both are trained on."""
    other = content.get("non_preferred_output", [])
    return count_messages(content["messages"], content.get("tools")) + sum(_count_message(message) for message in other)


def _count_message(message: dict[str, Any]) -> int:
    name = message.get("name")
    name_tokens = PER_NAME + count_text(name) if isinstance(name, str) else 0
    calls = [value for field in CALL_FIELDS if (value := message.get(field))]
    call_tokens = count_text(canonical(calls)) if calls else 0
    return PER_MESSAGE + PER_ROLE + count_text(text_of(message)) + name_tokens + call_tokens
