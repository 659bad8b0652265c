"""Metering: the tokens of an answer, as far as its provider told them."""

from tuneloop.domain.pricing import Tokens
from tuneloop.wire.usage import CompletionUsage


def tokens_of(usage: CompletionUsage | None) -> Tokens:
    """The tokens that a usage tells, none where there is no usage."""
    if usage is None:
        return Tokens(None, None)
    return Tokens(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
