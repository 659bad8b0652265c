"""Chat completions as OpenAI writes them: what an app sends and what it gets back.

Requests keep every field they came with, known or not, so that they can be passed on untouched. Answers are parsed
leniently: a provider may leave fields out or add some, and an odd value in any field but the answer's own text counts
as absent, since the answer is paid for. Our own answers have every field.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tuneloop.openai_wire.shape import LARGEST_COUNT, Metadata, Shape, or_default

PROMPT_NAMES = ("prompt_tokens", "input_tokens", "inputTokens")
COMPLETION_NAMES = ("completion_tokens", "output_tokens", "outputTokens")
TOTAL_NAMES = ("total_tokens", "totalTokens")
# Anthropic and Bedrock leave these out of the tokens of the prompt; they were read from a cache, or written to it.
CACHE_FIELDS = {
    "input_tokens": ("cache_read_input_tokens", "cache_creation_input_tokens"),
    "inputTokens": ("cacheReadInputTokens", "cacheWriteInputTokens"),
}
DETAILS_NAMES = ("prompt_tokens_details", "input_tokens_details")
CACHED_TOKENS = "cached_tokens"
# Where servers without OpenAI's details say how much of a prompt was cached: DeepSeek, Anthropic, Bedrock, Moonshot.
OTHER_CACHED_TOKENS = ("prompt_cache_hit_tokens", "cache_read_input_tokens", "cacheReadInputTokens", CACHED_TOKENS)

Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]


class CompletionUsage(Shape):
    """Tokens read and written by one call; null where the provider reports none."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_tokens_details: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _in_openai_names(cls, usage: Any) -> Any:
        return _normalize_usage(usage) if isinstance(usage, Mapping) else usage

    @property
    def is_complete(self) -> bool:
        """Whether the tokens of both the prompt and the answer are known."""
        return self.prompt_tokens is not None and self.completion_tokens is not None

    @property
    def cached_tokens(self) -> int | None:
        """Tokens of the prompt that came from the provider's cache; None if the reported count makes no sense."""
        reported = (self.prompt_tokens_details or {}).get(CACHED_TOKENS)
        if reported is None:
            return 0
        cached = parse_count(reported)
        return None if cached is None or cached > (self.prompt_tokens or 0) else cached


def parse_count(value: object) -> int | None:
    """A count of tokens, also if written as a float without a fraction or as a text of digits; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(LARGEST_COUNT)):
        value = int(value)
    if isinstance(value, int | float) and 0 <= value <= LARGEST_COUNT and value == int(value):
        return int(value)
    return None


def _normalize_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The usage with its counts under OpenAI's names, and every other field as it came.

    A missing count is worked out from the total and the other count. If the total is above the sum of both, the rest
    counts as prompt if it equals the cached tokens (which Anthropic counts apart), else as completion.
    """
    prompt, completion, total = (
        _prompt_count(usage),
        _first_count(usage, COMPLETION_NAMES),
        _first_count(usage, TOTAL_NAMES),
    )
    if total is not None and prompt is None and completion is not None:
        prompt = total - completion if total > completion else None
    if total is not None and completion is None and prompt is not None:
        completion = total - prompt if total >= prompt else None
    if prompt is not None and completion is not None:
        total = prompt + completion if total is None else total
        if (rest := total - prompt - completion) > 0:
            was_read = rest == sum(parse_count(usage.get(name)) or 0 for name in CACHE_FIELDS["input_tokens"])
            prompt, completion = (prompt + rest, completion) if was_read else (prompt, completion + rest)
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return {**usage, **counts, DETAILS_NAMES[0]: _prompt_details(usage, prompt or 0)}


def _prompt_count(usage: Mapping[str, Any]) -> int | None:
    """The tokens of the prompt, cached ones included, from the first name that has a count above zero."""
    for name in PROMPT_NAMES:
        if (counted := parse_count(usage.get(name))) is not None:
            uncounted = sum(parse_count(usage.get(other)) or 0 for other in CACHE_FIELDS.get(name, ()))
            if counted + uncounted:
                return counted + uncounted
    return None


def _first_count(usage: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """The first count above zero under one of these names, else zero if a name has it, else None."""
    counts = [counted for name in names if (counted := parse_count(usage.get(name))) is not None]
    return next(filter(None, counts), counts[0] if counts else None)


def _prompt_details(usage: Mapping[str, Any], prompt: int) -> dict[str, Any] | None:
    """The details of the prompt's tokens, with the count of cached tokens if the server reports it anywhere.

    Some servers fill OpenAI's details with zeros and report the cache in a field of their own, so the largest count
    that isn't above the prompt's is taken. If that is zero and an impossible count was reported too, the impossible one
    is kept, so that nobody reads it as "none cached".
    """
    all_details = [dict(part) for name in DETAILS_NAMES if isinstance(part := usage.get(name), Mapping)]
    with_cached = (part for part in all_details if part.get(CACHED_TOKENS) is not None)
    details = next(with_cached, all_details[0] if all_details else {})
    values = [*(part.get(CACHED_TOKENS) for part in all_details), *(usage.get(name) for name in OTHER_CACHED_TOKENS)]
    reported = [value for value in values if value is not None]
    counts = [count for value in reported if (count := parse_count(value)) is not None and count <= prompt]
    most = max(counts, default=0)
    impossible = [value for value in reported if (count := parse_count(value)) is None or count > prompt]
    cached = impossible[0] if impossible and not most else most
    return details | {CACHED_TOKENS: cached} if reported else details or None


# OpenAI's bounds (its OpenAPI document, read 2026-11). A value of a near type, such as `true` or "5" for a number, is
# refused here with the field's name, as servers read such values in different ways and some answer 500.
StrictFlag = Annotated[bool, Field(strict=True)]
Penalty = Annotated[float, Field(ge=-2, le=2, strict=True)]
Tokens = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1, strict=True)]
Stops = Annotated[list[str], Field(max_length=4)]
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]


def content_text(content: str | list[dict[str, Any]] | None) -> str:
    """The text of a message's content: the string itself, or its parts of type `text` joined by new lines."""
    if isinstance(content, list):
        return "\n".join(str(part["text"]) for part in content if part.get("type") == "text" and "text" in part)
    return content or ""


class ChatMessage(Shape):
    """One turn of a conversation; `content` may be null only where an assistant calls tools or refuses."""

    role: Role
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        more = self.model_extra or {}
        stands_in = self.tool_calls or any(more.get(name) is not None for name in ("function_call", "refusal"))
        if self.content is None and not (self.role == "assistant" and stands_in):
            raise ValueError(f"content of a message with role '{self.role}' is missing")
        return self

    @property
    def text(self) -> str:
        """The message's text, its parts joined by newlines."""
        return content_text(self.content)


class StreamOptions(Shape):
    """How a streamed answer is sent; `include_usage` asks for a last chunk with the token counts."""

    include_usage: StrictFlag | None = None


def _require_whole(value: object) -> object:
    """The value itself; ValueError where it equals a whole number and isn't one, as `true` and 1.0 equal 1."""
    if isinstance(value, bool | float):
        raise ValueError("must be 1, as a whole number")
    return value


class ChatRequest(Shape):
    """The body of `POST /v1/chat/completions`; one answer per call (`n` is 1), and null counts as an absent field."""

    model: str = Field(min_length=1, max_length=300)
    messages: list[ChatMessage] = Field(min_length=1)
    user: str | None = None
    safety_identifier: str | None = None
    stream: StrictFlag | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2, strict=True)
    top_p: float | None = Field(default=None, ge=0, le=1, strict=True)
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    stop: str | Stops | None = None
    seed: Seed | None = None
    logprobs: StrictFlag | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20, strict=True)
    parallel_tool_calls: StrictFlag | None = None
    n: Annotated[Literal[1], BeforeValidator(_require_whole)] | None = None
    response_format: dict[str, Any] | None = None
    metadata: Metadata | None = None

    @property
    def user_key(self) -> str | None:
        """The user of the call, for sticky routing: `safety_identifier`, else `user`."""
        return self.safety_identifier or self.user

    @property
    def includes_usage(self) -> bool:
        """Whether a streamed answer must end with a usage chunk."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def answer_token_limit(self) -> int | None:
        """The longest answer asked for, in tokens."""
        return self.max_completion_tokens or self.max_tokens

    def provider_fields(self) -> dict[str, Any]:
        """Return the request as it was sent, unknown fields included and nothing added."""
        return self.model_dump(exclude_unset=True)


def _drop_fraction(value: object) -> object:
    """Seconds or tokens without their fraction, which some servers write."""
    return int(value) if isinstance(value, float) and abs(value) <= LARGEST_COUNT else value


WholeCount = Annotated[int, Field(ge=0, le=LARGEST_COUNT), BeforeValidator(_drop_fraction)]


class AnswerMessage(Shape):
    """The message of the model; tool calls and annotations are kept as extra fields."""

    role: str = "assistant"
    content: str | None = None
    refusal: str | None = None

    _forgiven = field_validator("role", "refusal", mode="wrap")(or_default)


class Choice(Shape):
    """One answer and why it ended (`stop`, `length`, `tool_calls`, `content_filter`)."""

    index: int = 0
    message: AnswerMessage = Field(default_factory=AnswerMessage)
    logprobs: dict[str, Any] | None = None
    finish_reason: str | None = None

    _forgiven = field_validator("index", "logprobs", "finish_reason", mode="wrap")(or_default)


class ChatCompletion(Shape):
    """A whole answer; `created` in seconds since 1970."""

    id: str = ""
    object: Literal["chat.completion"] = "chat.completion"
    created: WholeCount = 0
    model: str = ""
    choices: list[Choice] = Field(default_factory=list)
    usage: CompletionUsage | None = None

    _forgiven = field_validator("id", "object", "created", "model", "usage", mode="wrap")(or_default)

    @property
    def text(self) -> str:
        """The first choice's text, empty where it has none."""
        return (self.choices[0].message.content or "") if self.choices else ""


class ChunkChoice(Shape):
    """One piece of an answer: `delta` holds the fields of the message that this piece adds."""

    index: int = 0
    delta: dict[str, Any] = Field(default_factory=dict)
    logprobs: dict[str, Any] | None = None
    finish_reason: str | None = None


class ChatChunk(Shape):
    """One event of a streamed answer; the usage chunk is the one without choices."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int = 0
    model: str = ""
    choices: list[ChunkChoice] = Field(default_factory=list)
    usage: CompletionUsage | None = None

    _forgiven = field_validator("usage", mode="wrap")(or_default)


_PIECES = re.compile(r"\s*\S+|\s+$")


def _deltas(message: AnswerMessage) -> Iterator[dict[str, Any]]:
    """Cut a message into the deltas of its chunks: the role and all fields but the text first, then word by word."""
    opening = message.model_dump(exclude_none=True) | {"content": "" if message.content is not None else None}
    if calls := opening.get("tool_calls"):
        opening["tool_calls"] = [{"index": index} | call for index, call in enumerate(calls)]
    yield opening
    for piece in _PIECES.findall(message.content or ""):
        yield {"content": piece}


def chunks_of(completion: ChatCompletion, *, include_usage: bool = False) -> Iterator[ChatChunk]:
    """Cut a whole answer into the chunks of a stream: the message, its end, and the usage if it is wanted and known."""
    head = {"id": completion.id, "created": completion.created, "model": completion.model}
    head |= completion.model_dump(exclude=set(ChatCompletion.model_fields))
    for choice in completion.choices:
        for delta in _deltas(choice.message):
            yield ChatChunk(**head, choices=[ChunkChoice(index=choice.index, delta=delta)])
        yield ChatChunk(**head, choices=[ChunkChoice(index=choice.index, finish_reason=choice.finish_reason)])
    if include_usage and completion.usage and completion.usage.is_complete:
        yield ChatChunk(**head, usage=completion.usage)
