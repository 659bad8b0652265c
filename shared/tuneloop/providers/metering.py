"""Metering: the tokens of an answer, as far as its provider told them."""

from tuneloop.domain.core.pricing import CallTokens
from tuneloop.openai_wire.usage import CompletionUsage


def tokens_of(usage: CompletionUsage | None) -> CallTokens:
    """The tokens that a usage tells, none where there is no usage."""
    if usage is None:
        return CallTokens(None, None)
    return CallTokens(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
