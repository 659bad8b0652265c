"""Learnt: what the training examples of an export say, seen while they are written."""

from collections.abc import Iterable
from functools import partial

import orjson

from tuneloop.domain.chat.examples import JsonObject
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.exports.exports import TrainAnswers
from tuneloop.validation.tokens import PER_EXAMPLE, count_messages

ANSWERS_COUNTED = 1_000  # the first by id, which is a hash: as good a sample as any


class TrainSplitSummary:
    """The answers and shared prompt of what trains, how many tokens an answer has, and which template made it.

    That is the newest of the dataset's templates that each of the examples looked at could have come from: a version
    is asked for answers in the form that it has learnt, whatever the dataset's template is by now.
    """

    def __init__(self, templates: Iterable[Template] = ()) -> None:
        self.answers = TrainAnswers()
        self._templates = list(templates)
        self._counted = self._tokens = 0

    @property
    def template(self) -> Template | None:
        """The template that the examples came from, if they came from one."""
        return self._templates[0] if self._templates and self._counted else None

    @property
    def answer_tokens(self) -> float:
        """The tokens of an answer, on average."""
        return round(self._tokens / self._counted, 1) if self._counted else 0.0

    def add(self, answers: Iterable[int], contents: list[bytes]) -> None:
        """Take in training examples by the hashes of their answers."""
        for answer, content in zip(answers, contents, strict=True):
            self.answers.add(answer, content, partial(_messages, content))
        for content in contents[: ANSWERS_COUNTED - self._counted]:
            messages = _messages(content)
            self._tokens += count_messages(messages[-1:]) - PER_EXAMPLE
            self._templates = [each for each in self._templates if each.could_have_made(messages)]
            self._counted += 1


def _messages(content: bytes) -> list[JsonObject]:
    found: list[JsonObject] = orjson.loads(content)["messages"]
    return found
