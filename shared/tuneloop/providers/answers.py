"""Answers of models, read for all adapters: their text, and their tokens as far as a provider reports them.

Half of a surrogate pair, which nobody can store or send, is replaced by U+FFFD.
"""

from collections.abc import Mapping
from typing import Any

from tuneloop.domain.core.json_values import replace_halves
from tuneloop.domain.core.pricing import CallTokens
from tuneloop.openai_wire.chat import ChatChunk, ChatCompletion, CompletionUsage


def completion_in(fields: Mapping[str, Any]) -> ChatCompletion:
    """A chat answer by its fields; ValueError where they are none."""
    return ChatCompletion.model_validate(_without_halves(fields))


def chunk_in(fields: Mapping[str, Any]) -> ChatChunk:
    """A piece of a streamed chat answer by its fields; ValueError where they are none."""
    return ChatChunk.model_validate(_without_halves(fields))


def call_tokens(usage: CompletionUsage | None) -> CallTokens:
    """The tokens that a usage reports; None for each where there is no usage."""
    if usage is None:
        return CallTokens(None, None)
    return CallTokens(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)


def _without_halves(fields: Mapping[str, Any]) -> Any:
    try:
        return replace_halves(fields)
    except RecursionError as error:
        raise ValueError("an answer that is nested too deeply") from error
