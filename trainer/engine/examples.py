"""The engine's examples: questions with their right reply, and preference pairs with a preferred and a rejected one.

Each assistant message of a training line is one example, unless its weight is 0; the messages before it are its
conversation. A preference line is one pair.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from trainer.engine.text import Question, Turn, question_in
from tuneloop.openai_wire.chat import content_text


@dataclass(frozen=True, slots=True)
class Reply:
    """An assistant's reply: its text, and the functions it calls as JSON with sorted keys (`calls`, "" for none)."""

    content: str | None
    calls: str = ""

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """Read an assistant message; the ids of its calls are dropped, so that equal replies compare equal."""
        functions = [call["function"] for call in message.get("tool_calls") or ()]
        if legacy := message.get("function_call"):
            functions.append(legacy)
        content = message.get("content")
        calls = orjson.dumps(functions, option=orjson.OPT_SORT_KEYS).decode() if functions else ""
        return cls(None if content is None else content_text(content), calls)

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The functions that the reply calls, each as `{"name", "arguments"}`."""
        return list(orjson.loads(self.calls)) if self.calls else []


def number_replies(replies: Iterable[Reply]) -> dict[Reply, int]:
    """Return the distinct replies in order of appearance, each with its number from 0."""
    return {reply: number for number, reply in enumerate(dict.fromkeys(replies))}


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A question and its right reply."""

    question: Question
    reply: Reply


def read_examples(line: Mapping[str, Any]) -> Iterator[TrainingExample]:
    """Read the examples of one training line, which must be valid."""
    turns = [Turn(message["role"], content_text(message.get("content"))) for message in line["messages"]]
    for position, message in enumerate(line["messages"]):
        if message["role"] == "assistant" and message.get("weight") != 0:  # null is as good as no weight
            yield TrainingExample(question_in(turns[:position]), Reply.of(message))


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """A question with its preferred and its rejected reply."""

    question: Question
    preferred: Reply
    rejected: Reply


def read_pair(line: Mapping[str, Any]) -> PreferencePair:
    """Read one preference line, which must be valid; the last message of an output is its reply."""
    turns = [Turn(message["role"], content_text(message.get("content"))) for message in line["input"]["messages"]]
    preferred, rejected = line["preferred_output"][-1], line["non_preferred_output"][-1]
    return PreferencePair(question_in(turns), Reply.of(preferred), Reply.of(rejected))
