"""The fast schema: strict types that most valid lines fit, and the rules that types can't express.

The rules of a training line are stated in three places. `domain.chat.rules` is the authority, and the only one that
says what is wrong. This module is a copy for speed: a decoder that checks while it reads. What it accepts breaks no
rule, which tests verify; what it doesn't accept may still be valid, and is checked by the rules. The trainer has rules
of its own (`trainer/jobs/training_lines.py`), as it stands for a provider, which knows nothing about Tuneloop.
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
    """A text part in a message that may also have image parts."""

    text: str


class PlainTextPart(_Strict, frozen=True):
    """A text part in a message of text only. `type` is a field, as msgspec doesn't require the tag of a lone type."""

    text: str
    type: Literal["text"]


class Image(_Strict, frozen=True):
    """The URL of an image, and the detail at which a model reads it."""

    url: Annotated[str, Meta(pattern=IMAGE_URL)]
    detail: Literal["auto", "low", "high"] | UnsetType = UNSET


class ImagePart(_Strict, frozen=True, tag_field="type", tag="image_url"):
    """An image part."""

    image_url: Image


Text = str | Annotated[list[PlainTextPart], Meta(min_length=1)]


class CalledFunction(_Strict, frozen=True):
    """The function of a call; its fields have the order of canonical JSON, in which they are encoded for hashes."""

    arguments: str
    name: FunctionName


class ToolCall(_Strict, frozen=True):
    """A tool call; its fields have the order of canonical JSON, in which they are encoded for hashes."""

    function: CalledFunction
    id: Id
    type: Literal["function"]


class System(_Strict, frozen=True, tag_field="role", tag="system"):
    """A system message."""

    content: Text
    name: Name | None = None


class Developer(_Strict, frozen=True, tag_field="role", tag="developer"):
    """A developer message, the newer name of a system message."""

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


class EmptyObject(_Strict, frozen=True):
    """An object without content: empty, or with the null that LiteLLM writes."""

    refusal: None = None


class DumpedAssistant(Assistant, frozen=True, tag="assistant"):
    """An assistant message as clients dump it, with additional fields that are empty."""

    tool_calls: list[ToolCall] | None = None
    annotations: tuple[()] | None = None
    parsed: None = None
    reasoning_content: None = None
    reasoning: None = None
    provider_specific_fields: EmptyObject | None = None

    @property
    def plain(self) -> Assistant:
        """The message without the additional empty fields."""
        return Assistant(self.content, self.name, self.weight, self.tool_calls or None)


class Tool(_Strict, frozen=True, tag_field="role", tag="tool"):
    """A tool message: the result of a function."""

    content: Text
    tool_call_id: Id
    name: Name | None = None


Message = System | Developer | User | Assistant | Tool
DumpedMessage = System | Developer | User | DumpedAssistant | Tool


class PairOutput(_Strict, frozen=True):
    """An answer of a preference pair. `role` is a field, since msgspec doesn't require the tag of a lone type."""

    role: Literal["assistant"]
    content: Text
    refusal: None = None
    annotations: tuple[()] | None = None
    audio: None = None
    function_call: None = None
    tool_calls: tuple[()] | None = None


class BareLine(_Strict, frozen=True):
    """A supervised line without any of Tuneloop's own fields."""

    messages: Annotated[list[Message], Meta(min_length=2)]
    tools: Raw = Raw()
    parallel_tool_calls: bool | None = None


class _OwnFields(_Strict, frozen=True, kw_only=True):
    """Tuneloop's own fields of a line: of any type, as the rules check them; keyword-only, so that they come last."""

    split: Any = UNSET
    subject: Any = UNSET
    group: Any = UNSET
    category: Any = UNSET
    source: Any = UNSET
    quality: Any = UNSET
    created_at: Any = UNSET


class ChatLine(_OwnFields, frozen=True):
    """A supervised line as clients dump it, with Tuneloop's own fields."""

    messages: Annotated[list[DumpedMessage], Meta(min_length=2)]
    tools: Raw = Raw()
    parallel_tool_calls: bool | None = None


class PairInput(_Strict, frozen=True):
    """The prompt of a preference pair."""

    messages: Annotated[list[DumpedMessage], Meta(min_length=1)]
    tools: Raw = Raw()
    parallel_tool_calls: bool | None = None


PairOutputs = Annotated[list[PairOutput], Meta(min_length=1, max_length=1)]


class PreferenceLine(_OwnFields, frozen=True):
    """A preference line, with Tuneloop's own fields."""

    input: PairInput
    preferred_output: PairOutputs
    non_preferred_output: PairOutputs


def plain_messages(dumped: Sequence[DumpedMessage]) -> list[Message]:
    """Messages without the additional empty fields of dumped ones."""
    return [message.plain if isinstance(message, DumpedAssistant) else message for message in dumped]


def typed_text(content: str | Sequence[TextPart | PlainTextPart | ImagePart] | None) -> str:
    """The text of a strictly typed message's content, equal to `text_of` of the message as JSON."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join("" if isinstance(part, ImagePart) else part.text for part in content)


def follows_rules(messages: Sequence[Message]) -> bool:
    """Whether each assistant message has text or calls, each call has its result, and there are few enough images.

    For strictly typed messages, these are all rules of `domain.chat.rules` beyond the types.
    """
    call_ids: set[str] = set()  # of the latest assistant message
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
    """Whether a message has text other than white space."""
    text = typed_text(message.content)
    return bool(text) and not text.isspace()


def count_typed_images(message: Message) -> int:
    """The number of images in a strictly typed message."""
    if not isinstance(message, User) or isinstance(message.content, str):
        return 0
    return sum(isinstance(part, ImagePart) for part in message.content)


def is_trained_on(message: Message) -> bool:
    """Whether a message is an assistant's with a weight other than 0, which the model is trained to write."""
    return isinstance(message, Assistant) and message.weight != 0
