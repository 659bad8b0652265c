"""Conversions of an example into another provider's or method's format, and what of it can't come along.

What only describes an example is dropped and counted under `lost`; where a part is missing without which the example
would teach something else, the whole of it stays behind and is counted under `left_out`. Bedrock's format:
`bedrock-conversation-2024`, read 2026-11; it alternates between user and assistant and holds text. Its older one is a
prompt with its completion, one turn, in which a system prompt stands above the question.
"""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from tuneloop.domain.chat.examples import OTHER_ANSWER
from tuneloop.domain.chat.messages import PROMPT_ROLES, JsonObject
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.datasets.policy import ExampleKind

SCHEMA = "bedrock-conversation-2024"
CALLING = ("tool_calls", "function_call", "tool_call_id")
DESCRIBING = ("weight", "name")
# Why an example stays behind, as users read it.
WHY = {
    "empty_message": "Each message must say something.",
    "images_and_other_parts": "The format has a place for texts only.",
    "more_than_one_turn": "The format has a place for one question and its answer.",
    "not_a_pair": "A supervised example has no answer that wasn't preferred.",
    "starts_with_the_assistant": "The user must say the first word.",
    "tool_calls": "The format has no place for calls of tools.",
    "weight_0": "The format would teach an answer that is not to be learnt.",
}


class Format(StrEnum):
    """The formats that files come in."""

    OPENAI_SFT = "openai-sft"
    OPENAI_PREFERENCE = "openai-preference"
    BEDROCK_CONVERSATION = "bedrock-conversation"
    BEDROCK_PROMPT = "bedrock-prompt"


BEDROCK = frozenset({Format.BEDROCK_CONVERSATION, Format.BEDROCK_PROMPT})
OWN_FORMAT = {ExampleKind.SUPERVISED: Format.OPENAI_SFT, ExampleKind.PREFERENCE: Format.OPENAI_PREFERENCE}


class Conversion:
    """Converts examples into a format; counts what they lose, by field, and which stay behind, by reason."""

    def __init__(self, to: Format) -> None:
        self.to = to
        self.lost: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def convert(self, content: JsonObject) -> JsonObject | None:
        """An example's line in the format, or None where it stays behind."""
        is_pair = "preferred_output" in content
        if self.to == Format.OPENAI_PREFERENCE:
            self.left_out.update(() if is_pair else ("not_a_pair",))
            return content if is_pair else None
        chat = {name: value for name, value in stored_form(content).items() if name != OTHER_ANSWER}
        if why := _why_left_out(chat, self.to) if self.to in BEDROCK else None:
            self.left_out[why] += 1
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
            for field in DESCRIBING:
                self.lost[field] += message.get(field) is not None
            blocks = [{"text": text} for text in _texts(message) if text.strip()]
            if message["role"] in PROMPT_ROLES:
                self.lost["place_of_system_message"] += bool(turns)
                system += blocks
            elif turns and turns[-1]["role"] == message["role"]:
                turns[-1]["content"] += blocks
            else:
                turns.append({"role": message["role"], "content": blocks})
        self.lost = +self.lost
        return {"schemaVersion": SCHEMA, **({"system": system} if system else {}), "messages": turns}

    def _prompt(self, conversation: JsonObject) -> JsonObject:
        system = conversation.get("system", [])
        self.lost["role_of_system_message"] += bool(system)
        self.lost = +self.lost
        question, answer = (turn["content"] for turn in conversation["messages"])
        return {"prompt": _joined([*system, *question]), "completion": _joined(answer)}


def pair_of(content: JsonObject) -> JsonObject:
    """A preference pair, as it is stored, in OpenAI's format."""
    messages = content["messages"]
    given = {name: value for name, value in content.items() if name not in ("messages", OTHER_ANSWER)}
    return {
        "input": {**given, "messages": messages[:-1]},
        "preferred_output": messages[-1:],
        OTHER_ANSWER: content[OTHER_ANSWER],
    }


def stored_form(line: JsonObject) -> JsonObject:
    """The stored content of an export's line: the reverse of `pair_of` for a preference pair, else the line itself."""
    if "preferred_output" not in line:
        return line
    messages = [*line["input"]["messages"], *line["preferred_output"]]
    return {**line["input"], "messages": messages, OTHER_ANSWER: line[OTHER_ANSWER]}


def check_kind(kind: ExampleKind, to: Format) -> None:
    """Raise Conflict where no example of a kind can be had in a format."""
    if to == Format.OPENAI_PREFERENCE and kind != ExampleKind.PREFERENCE:
        message = "This export is supervised: its examples have no answer that wasn't preferred. Ask for openai-sft."
        raise Conflict(message, param="format", code="not_a_preference_export")


def _joined(blocks: list[JsonObject]) -> str:
    return "\n\n".join(block["text"] for block in blocks)


def _why_left_out(chat: JsonObject, to: Format) -> str | None:
    spoken = [message for message in chat["messages"] if message["role"] not in PROMPT_ROLES]
    if any(message["role"] not in ("user", "assistant") or _calls(message) for message in spoken):
        return "tool_calls"
    if any(part["type"] != "text" for message in chat["messages"] for part in _parts(message)):
        return "images_and_other_parts"
    if any(message.get("weight") == 0 for message in spoken):
        return "weight_0"
    if spoken[0]["role"] != "user":
        return "starts_with_the_assistant"
    if to == Format.BEDROCK_PROMPT and [message["role"] for message in spoken] != ["user", "assistant"]:
        return "more_than_one_turn"
    return None if all(any(text.strip() for text in _texts(message)) for message in spoken) else "empty_message"


def _calls(message: JsonObject) -> bool:
    return any(message.get(field) for field in CALLING)


def _parts(message: JsonObject) -> list[JsonObject]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _texts(message: JsonObject) -> Iterator[str]:
    if parts := _parts(message):
        yield from (part.get("text") or "" for part in parts)
    else:
        yield message.get("content") or ""
