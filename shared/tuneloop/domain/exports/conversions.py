"""Conversions of examples into the file formats of other providers and methods, with counts of the losses.

Fields that only describe an example are dropped and counted under `lost`. An example that would teach something else
without a part that the format can't hold is left out as a whole and counted under `left_out`. Bedrock's conversation
format is `bedrock-conversation-2024` (Bedrock's documentation, read 2026-11): turns of text that alternate between user
and assistant. Bedrock's older format has one turn, a prompt with its completion; a system prompt is put above the
question.
"""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from tuneloop.domain.chat.examples import OTHER_ANSWER
from tuneloop.domain.chat.messages import PROMPT_ROLES, JsonObject
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.datasets.policy import ExampleKind

BEDROCK_SCHEMA = "bedrock-conversation-2024"
TOOL_CALL_FIELDS = ("tool_calls", "function_call", "tool_call_id")
DESCRIPTIVE_FIELDS = ("weight", "name")
# The reasons why an example is left out, as users read them.
LEFT_OUT_REASONS = {
    "empty_message": "Each message must say something.",
    "images_and_other_parts": "The format has a place for texts only.",
    "more_than_one_turn": "The format has a place for one question and its answer.",
    "not_a_pair": "A supervised example has no answer that wasn't preferred.",
    "starts_with_the_assistant": "The user must say the first word.",
    "tool_calls": "The format has no place for calls of tools.",
    "weight_0": "The format would teach an answer that is not to be learnt.",
}


class Format(StrEnum):
    """The file formats that an export can be converted to."""

    OPENAI_SFT = "openai-sft"
    OPENAI_PREFERENCE = "openai-preference"
    BEDROCK_CONVERSATION = "bedrock-conversation"
    BEDROCK_PROMPT = "bedrock-prompt"


BEDROCK_FORMATS = frozenset({Format.BEDROCK_CONVERSATION, Format.BEDROCK_PROMPT})
OWN_FORMAT = {ExampleKind.SUPERVISED: Format.OPENAI_SFT, ExampleKind.PREFERENCE: Format.OPENAI_PREFERENCE}


class Conversion:
    """Converts examples into a format; counts lost fields by name, and examples that are left out by reason."""

    def __init__(self, to: Format) -> None:
        self.to = to
        self.lost: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def convert(self, content: JsonObject) -> JsonObject | None:
        """The example's line in the format; None if the example is left out."""
        is_pair = "preferred_output" in content
        if self.to == Format.OPENAI_PREFERENCE:
            self.left_out.update(() if is_pair else ("not_a_pair",))
            return content if is_pair else None
        chat = {name: value for name, value in stored_form(content).items() if name != OTHER_ANSWER}
        if reason := _left_out_reason(chat, self.to) if self.to in BEDROCK_FORMATS else None:
            self.left_out[reason] += 1
            return None
        if is_pair:
            self.lost[OTHER_ANSWER] += 1
        if self.to == Format.OPENAI_SFT:
            return chat
        conversation = self._conversation(chat)
        return conversation if self.to == Format.BEDROCK_CONVERSATION else self._prompt(conversation)

    def _conversation(self, chat: JsonObject) -> JsonObject:
        for field in ("tools", "parallel_tool_calls"):
            self.lost[field] += field in chat
        system: list[JsonObject] = []
        turns: list[JsonObject] = []
        for message in chat["messages"]:
            for field in DESCRIPTIVE_FIELDS:
                self.lost[field] += message.get(field) is not None
            blocks = [{"text": text} for text in _texts(message) if text.strip()]
            if message["role"] in PROMPT_ROLES:
                self.lost["place_of_system_message"] += bool(turns)
                system += blocks
            elif turns and turns[-1]["role"] == message["role"]:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": message["role"], "content": blocks})
        self.lost = +self.lost  # drops the zeros
        return {"schemaVersion": BEDROCK_SCHEMA, **({"system": system} if system else {}), "messages": turns}

    def _prompt(self, conversation: JsonObject) -> JsonObject:
        system = conversation.get("system", [])
        self.lost["role_of_system_message"] += bool(system)
        self.lost = +self.lost
        question, answer = (turn["content"] for turn in conversation["messages"])
        return {"prompt": _join_texts([*system, *question]), "completion": _join_texts(answer)}


def openai_pair(content: JsonObject) -> JsonObject:
    """A stored preference pair in OpenAI's preference format."""
    messages = content["messages"]
    input_fields = {name: value for name, value in content.items() if name not in ("messages", OTHER_ANSWER)}
    return {
        "input": {**input_fields, "messages": messages[:-1]},
        "preferred_output": messages[-1:],
        OTHER_ANSWER: content[OTHER_ANSWER],
    }


def stored_form(line: JsonObject) -> JsonObject:
    """The stored content of an export's line: `openai_pair` reversed for a preference pair, else the line itself."""
    if "preferred_output" not in line:
        return line
    messages = [*line["input"]["messages"], *line["preferred_output"]]
    return {**line["input"], "messages": messages, OTHER_ANSWER: line[OTHER_ANSWER]}


def check_kind(kind: ExampleKind, to: Format) -> None:
    """Raise Conflict if no example of this kind can be converted to the format."""
    if to == Format.OPENAI_PREFERENCE and kind != ExampleKind.PREFERENCE:
        message = "This export is supervised: its examples have no answer that wasn't preferred. Ask for openai-sft."
        raise Conflict(message, param="format", code="not_a_preference_export")


def _join_texts(blocks: list[JsonObject]) -> str:
    return "\n\n".join(block["text"] for block in blocks)


def _left_out_reason(chat: JsonObject, to: Format) -> str | None:
    turns = [message for message in chat["messages"] if message["role"] not in PROMPT_ROLES]
    if any(message["role"] not in ("user", "assistant") or _has_tool_call(message) for message in turns):
        return "tool_calls"
    if any(part["type"] != "text" for message in chat["messages"] for part in _parts(message)):
        return "images_and_other_parts"
    if any(message.get("weight") == 0 for message in turns):
        return "weight_0"
    if turns[0]["role"] != "user":
        return "starts_with_the_assistant"
    if to == Format.BEDROCK_PROMPT and [message["role"] for message in turns] != ["user", "assistant"]:
        return "more_than_one_turn"
    return None if all(any(text.strip() for text in _texts(message)) for message in turns) else "empty_message"


def _has_tool_call(message: JsonObject) -> bool:
    return any(message.get(field) for field in TOOL_CALL_FIELDS)


def _parts(message: JsonObject) -> list[JsonObject]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _texts(message: JsonObject) -> Iterator[str]:
    if parts := _parts(message):
        yield from (part.get("text") or "" for part in parts)
    else:
        yield message.get("content") or ""
