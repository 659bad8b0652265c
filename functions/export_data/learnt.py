"""Learnt: what the training examples of an export say, seen while they are written."""

from collections.abc import Iterable
from functools import partial

import orjson

from tuneloop.domain.examples import JsonObject
from tuneloop.domain.exports import Answers
from tuneloop.tokens import PER_EXAMPLE, count_messages

ANSWERS_COUNTED = 1_000  # the first by id, which is a hash: as good a sample as any


class Learnt:
    """The answers and shared prompt of what trains, and how many tokens an answer has."""

    def __init__(self) -> None:
        self.answers = Answers()
        self._counted = self._tokens = 0

    @property
    def answer_tokens(self) -> float:
        """The tokens of an answer, on average."""
        return round(self._tokens / self._counted, 1) if self._counted else 0.0

    def add(self, answers: Iterable[int], contents: list[bytes]) -> None:
        """Take in training examples by the hashes of their answers."""
        for answer, content in zip(answers, contents, strict=True):
            self.answers.add(answer, content, partial(_messages, content))
        for content in contents[: ANSWERS_COUNTED - self._counted]:
            self._tokens += count_messages(_messages(content)[-1:]) - PER_EXAMPLE
            self._counted += 1


def _messages(content: bytes) -> list[JsonObject]:
    found: list[JsonObject] = orjson.loads(content)["messages"]
    return found
