"""Preference pairs: a question, the reply that was preferred, and one that was not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.engine.examples import Reply
from trainer.engine.text import Question, Turn, question_in
from tuneloop.openai_wire.chat import text_of


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """A question with its preferred and its rejected reply."""

    question: Question
    preferred: Reply
    rejected: Reply


def pair_in(line: Mapping[str, Any]) -> PreferencePair:
    """Read one (valid) preference line; of several messages in an output the last is the reply."""
    turns = [Turn(message["role"], text_of(message.get("content"))) for message in line["input"]["messages"]]
    preferred, rejected = line["preferred_output"][-1], line["non_preferred_output"][-1]
    return PreferencePair(question_in(turns), Reply.of(preferred), Reply.of(rejected))
