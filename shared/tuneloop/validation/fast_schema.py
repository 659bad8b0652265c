"""The fast schema: strict types for what most valid lines look like, and the rules that types can't state.

The rules of a training line are told in three places. `domain.chat.rules` are the one truth: they alone say what is
wrong. This module is a copy of them for speed (a decoder that checks while it reads), and tests hold the two against
each other: what it accepts breaks no rule, and what it doesn't accept may still be valid, so the rules are asked. The
trainer has its own (`trainer/jobs/training_lines.py`), as it stands for a provider that knows nothing of ours.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from tuneloop.domain.chat.rules.conversations import FUNCTION_NAME, IMAGE_URL, MOST_IMAGES, NAME

Name = Annotated[str, Meta(pattern=NAME)]
FunctionName = Annotated[str, Meta(pattern=FUNCTION_NAME)]
Id = Annotated[str, Meta(min_length=1)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    pass


class TextPart(_Strict, frozen=True, tag_field="type", tag="text"):
    """A text part, where image parts may stand too."""

    text: str


class OnlyPart(_Strict, frozen=True):
    """A text part where nothing but text may stand. `type` is a field, as msgspec lets a lone type's tag be missing."""

    text: str
    type: Literal["text"]


class Image(_Strict, frozen=True):
    """The URL of an image, and the detail in which a model looks at it."""

    url: Annotated[str, Meta(pattern=IMAGE_URL)]
    detail: Literal["auto", "low", "high"] | UnsetType = UNSET


class ImagePart(_Strict, frozen=True, tag_field="type", tag="image_url"):
    """An image part."""

    image_url: Image


Text = str | Annotated[list[OnlyPart], Meta(min_length=1)]


class Called(_Strict, frozen=True):
    """The function of a call; its fields stand in the order of canonical JSON, as they are encoded for hashes."""

    arguments: str
    name: FunctionName


class ToolCall(_Strict, frozen=True):
    """A tool call; its fields stand in the order of canonical JSON, as they are encoded for hashes."""

    function: Called
    id: Id
    type: Literal["function"]


class System(_Strict, frozen=True, tag_field="role", tag="system"):
    """A system message."""

    content: Text
    name: Name | None = None


class Developer(_Strict, frozen=True, tag_field="role", tag="developer"):
    """A developer message: a system message by its newer name."""

    content: Text
    name: Name | None = None


class User(_Strict, frozen=True, tag_field="role", tag="user"):
    """A user message: text or images."""

    content: str | Annotated[list[TextPart | ImagePart], Meta(min_length=1)]
    name: Name | None = None


class Assistant(_Strict, frozen=True, tag_field="role", tag="assistant"):
    """An assistant message: text or tool calls."""

    content: Text | None = None
    name: Name | None = None
    weight: Literal[0, 1] | UnsetType = UNSET
    tool_calls: Annotated[list[ToolCall], Meta(min_length=1)] | None = None
    refusal: None = None
    audio: None = None
    function_call: None = None


class Nothing(_Strict, frozen=True):
    """An object that says nothing: empty, or with the null that LiteLLM writes."""

    refusal: None = None


class Dumped(Assistant, frozen=True, tag="assistant"):
    """An assistant message as clients dump it, with fields beside it that say nothing."""

    tool_calls: list[ToolCall] | None = None
    annotations: tuple[()] | None = None
    parsed: None = None
    reasoning_content: None = None
    reasoning: None = None
    provider_specific_fields: Nothing | None = None

    @property
    def plain(self) -> Assistant:
        """The message without the fields that say nothing."""
        return Assistant(self.content, self.name, self.weight, self.tool_calls or None)


class Tool(_Strict, frozen=True, tag_field="role", tag="tool"):
    """A tool message: what a function answered."""

    content: Text
    tool_call_id: Id
    name: Name | None = None


Message = System | Developer | User | Assistant | Tool
DumpedMessage = System | Developer | User | Dumped | Tool


class Output(_Strict, frozen=True):
    """An answer of a preference pair. `role` is a field, as msgspec lets a lone type's tag be missing."""

    role: Literal["assistant"]
    content: Text
    refusal: None = None
    annotations: tuple[()] | None = None
    audio: None = None
    function_call: None = None
    tool_calls: tuple[()] | None = None


class Bare(_Strict, frozen=True):
    """A supervised line without any field of ours."""

    messages: Annotated[list[Message], Meta(min_length=2)]
    tools: Raw = Raw()
    parallel_tool_calls: bool | None = None


class _OurFields(_Strict, frozen=True, kw_only=True):
    """The fields of a line that are ours: of any type, as the rules check them; by keyword, so they come last."""

    split: Any = UNSET
    subject: Any = UNSET
    group: Any = UNSET
    category: Any = UNSET
    source: Any = UNSET
    quality: Any = UNSET
    created_at: Any = UNSET


class ChatLine(_OurFields, frozen=True):
    """A supervised line as clients dump it, with fields of ours."""

    messages: Annotated[list[DumpedMessage], Meta(min_length=2)]
    tools: Raw = Raw()
    parallel_tool_calls: bool | None = None


class Input(_Strict, frozen=True):
    """The prompt of a preference pair."""

    messages: Annotated[list[DumpedMessage], Meta(min_length=1)]
    tools: Raw = Raw()
    parallel_tool_calls: bool | None = None


Outputs = Annotated[list[Output], Meta(min_length=1, max_length=1)]


class PreferenceLine(_OurFields, frozen=True):
    """A preference line, with fields of ours."""

    input: Input
    preferred_output: Outputs
    non_preferred_output: Outputs


def plain_messages(dumped: Sequence[DumpedMessage]) -> list[Message]:
    """Messages without the fields that say nothing."""
    return [message.plain if isinstance(message, Dumped) else message for message in dumped]


def typed_text(content: str | Sequence[TextPart | OnlyPart | ImagePart] | None) -> str:
    """The text of a message of the strict types, equal to `text_of` for the same message as JSON."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join("" if isinstance(part, ImagePart) else part.text for part in content)


def follows_rules(messages: Sequence[Message]) -> bool:
    """Whether each assistant message says or calls something, each call is answered, and images are few.

    For messages of the strict types this is all that `domain.chat.rules` ask beyond the types.
    """
    call_ids: set[str] = set()  # of the last assistant message
    unanswered: set[str] = set()
    images = 0
    for message in messages:
        if isinstance(message, Tool):
            if message.tool_call_id not in call_ids:
                return False
            unanswered.discard(message.tool_call_id)
            continue
        if unanswered:
            return False
        calls = (isinstance(message, Assistant) and message.tool_calls) or ()
        call_ids, unanswered = {call.id for call in calls}, {call.id for call in calls}
        if len(call_ids) < len(calls) or (isinstance(message, Assistant) and not calls and not says_something(message)):
            return False
        images += count_typed_images(message)
    return images <= MOST_IMAGES


def says_something(message: Message) -> bool:
    """Whether a message's text is more than white space."""
    text = typed_text(message.content)
    return bool(text) and not text.isspace()


def count_typed_images(message: Message) -> int:
    """How many images a message of the strict types shows."""
    if not isinstance(message, User) or isinstance(message.content, str):
        return 0
    return sum(isinstance(part, ImagePart) for part in message.content)


def is_trained_on(message: Message) -> bool:
    """Whether a message is an assistant's that the model is trained to write: its weight isn't 0."""
    return isinstance(message, Assistant) and message.weight != 0
