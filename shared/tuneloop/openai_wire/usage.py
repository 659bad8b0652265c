"""Token usage as servers write it: in OpenAI's names, or in those of its Responses API, of Anthropic and of Bedrock.

A count that makes no sense is one that wasn't told, and so is a prompt of no tokens: there is no such call, and servers
that don't count write zeros. Where one part is missing it is what the other leaves of the total, and what both leave of
it was written: some servers count what a model thought there alone. Of a total alone nothing is made, since tokens that
are read and tokens that are written have different prices.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from tuneloop.openai_wire.shape import LARGEST_COUNT, Shape

PROMPT = ("prompt_tokens", "input_tokens", "inputTokens")
COMPLETION = ("completion_tokens", "output_tokens", "outputTokens")
TOTAL = ("total_tokens", "totalTokens")
# Anthropic and Bedrock leave these out of the tokens of the prompt; they were read from a cache, or written to it.
BESIDE = {
    "input_tokens": ("cache_read_input_tokens", "cache_creation_input_tokens"),
    "inputTokens": ("cacheReadInputTokens", "cacheWriteInputTokens"),
}
DETAILS = ("prompt_tokens_details", "input_tokens_details")
CACHED = "cached_tokens"
# Where servers without OpenAI's details say how much of a prompt was cached: DeepSeek, Anthropic, Bedrock, Moonshot.
CACHED_ELSEWHERE = ("prompt_cache_hit_tokens", "cache_read_input_tokens", "cacheReadInputTokens", CACHED)

Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]


class CompletionUsage(Shape):
    """Tokens read and written by one call; null is what its provider didn't tell."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_tokens_details: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _in_openai_names(cls, said: Any) -> Any:
        return _translated(said) if isinstance(said, Mapping) else said

    @property
    def is_complete(self) -> bool:
        """Whether both what was read and what was written is known."""
        return self.prompt_tokens is not None and self.completion_tokens is not None

    @property
    def cached_tokens(self) -> int | None:
        """Tokens of the prompt that came from the provider's cache; None where what is said of them makes no sense."""
        said = (self.prompt_tokens_details or {}).get(CACHED)
        if said is None:
            return 0
        cached = count_in(said)
        return None if cached is None or cached > (self.prompt_tokens or 0) else cached


def count_in(value: object) -> int | None:
    """A number of tokens, which some servers write with a fraction of zero or as a text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(LARGEST_COUNT)):
        value = int(value)
    if isinstance(value, int | float) and 0 <= value <= LARGEST_COUNT and value == int(value):
        return int(value)
    return None


def _translated(said: Mapping[str, Any]) -> dict[str, Any]:
    """The usage with OpenAI's names for what is known of it, and every other field as it came."""
    prompt, completion, total = _prompt_in(said), _first_in(said, COMPLETION), _first_in(said, TOTAL)
    if total is not None and prompt is None and completion is not None:
        prompt = total - completion if total > completion else None
    if total is not None and completion is None and prompt is not None:
        completion = total - prompt if total >= prompt else None
    if prompt is not None and completion is not None:
        total = prompt + completion if total is None else total
        if (rest := total - prompt - completion) > 0:
            was_read = rest == sum(count_in(said.get(name)) or 0 for name in BESIDE["input_tokens"])
            prompt, completion = (prompt + rest, completion) if was_read else (prompt, completion + rest)
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return {**said, **counts, DETAILS[0]: _details_in(said, prompt or 0)}


def _prompt_in(said: Mapping[str, Any]) -> int | None:
    """The tokens of the prompt, cached ones included, by the first name under which there are any."""
    for name in PROMPT:
        if (counted := count_in(said.get(name))) is not None:
            beside = sum(count_in(said.get(other)) or 0 for other in BESIDE.get(name, ()))
            if counted + beside:
                return counted + beside
    return None


def _first_in(said: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """The first sensible count under one of these names; where a name has zero and another more, that is the count."""
    counts = [counted for name in names if (counted := count_in(said.get(name))) is not None]
    return next(filter(None, counts), counts[0] if counts else None)


def _details_in(said: Mapping[str, Any], prompt: int) -> dict[str, Any] | None:
    """The details of the prompt; what is said of its cache anywhere is put among them.

    Servers fill OpenAI's details with zeros and tell the cache in a place of their own, so the most that the prompt can
    hold is taken; where that is nothing and something else was said too, it is kept, so that nobody takes it for none.
    """
    details = [dict(found) for name in DETAILS if isinstance(found := said.get(name), Mapping)]
    known = next((found for found in details if found.get(CACHED) is not None), details[0] if details else {})
    places = [*(found.get(CACHED) for found in details), *(said.get(name) for name in CACHED_ELSEWHERE)]
    told = [cached for cached in places if cached is not None]
    counts = [counted for cached in told if (counted := count_in(cached)) is not None and counted <= prompt]
    most = max(counts, default=0)
    odd = [cached for cached in told if (counted := count_in(cached)) is None or counted > prompt]
    cached = odd[0] if odd and not most else most
    return known | {CACHED: cached} if told else known or None
