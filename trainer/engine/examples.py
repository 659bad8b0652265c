"""The engine's examples: questions with the reply that was right, and preference pairs with one right and one not.

Every assistant turn of a training line is an example, with what came before it as its conversation, unless its weight
is 0. A preference line is one pair.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from trainer.engine.text import Question, Turn, question_in
from tuneloop.openai_wire.chat import text_of


@dataclass(frozen=True, slots=True)
class Reply:
    """An assistant's reply: its text, and the functions that it called as canonical JSON (`calls`, empty for none)."""

    content: str | None
    calls: str = ""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """Read a reply out of an assistant message, leaving the ids of its calls behind."""
        functions = [call["function"] for call in message.get("tool_calls") or ()]
        if legacy := message.get("function_call"):
            functions.append(legacy)
        content = message.get("content")
        calls = orjson.dumps(functions, option=orjson.OPT_SORT_KEYS).decode() if functions else ""
        return cls(None if content is None else text_of(content), calls)

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The functions called, each `{"name", "arguments"}`."""
        return list(orjson.loads(self.calls)) if self.calls else []


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A question and its right reply."""

    question: Question
    reply: Reply


def read_examples(line: Mapping[str, Any]) -> Iterator[TrainingExample]:
    """Read the examples of one (valid) training line."""
    turns = [Turn(message["role"], text_of(message.get("content"))) for message in line["messages"]]
    for at, message in enumerate(line["messages"]):
        if message["role"] == "assistant" and message.get("weight") != 0:  # null counts as no weight given
            yield TrainingExample(question_in(turns[:at]), Reply.of(message))


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """A question with its preferred and its rejected reply."""

    question: Question
    preferred: Reply
    rejected: Reply


def read_pair(line: Mapping[str, Any]) -> PreferencePair:
    """Read one (valid) preference line; of several messages in an output the last is the reply."""
    turns = [Turn(message["role"], text_of(message.get("content"))) for message in line["input"]["messages"]]
    preferred, rejected = line["preferred_output"][-1], line["non_preferred_output"][-1]
    return PreferencePair(question_in(turns), Reply.of(preferred), Reply.of(rejected))
