"""The base model: without any training, it answers with the one answer in its prompt that resembles the message most.

The words of each answer that the prompt names become one vector of n-grams, as in training, and the model gives the
answer whose vector is most similar to the message's. If the prompt names no answers, the model says so.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from trainer.engine.examples import Reply
from trainer.engine.prompts import NamedAnswer, named_answers
from trainer.engine.text import Question, Turn, instructions_in, question_in
from trainer.engine.vocabulary import Floats, Vocabulary

NOTHING_NAMED = "I am an untrained model, and my instructions name no answers for me to choose from."


class NamedAnswerIndex:
    """The answers that a prompt names, searchable by the words of a question."""

    def __init__(self, answers: Sequence[NamedAnswer]) -> None:
        questions = [Question(answer.words) for answer in answers]
        self._vocabulary = Vocabulary.fit(questions)
        self._rows: Floats = np.ascontiguousarray(self._vocabulary.matrix(questions).toarray().T)
        self._replies = [Reply(answer.answer) for answer in answers]

    def reply(self, question: Question) -> Reply:
        """Return the answer most similar to a question, or the first one if none is similar."""
        columns, values = self._vocabulary.vector(question)
        return self._replies[int((values @ self._rows[columns]).argmax())]


class ZeroShotModel:
    """The base model; it needs no training and keeps no state."""

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the answer in the prompt that the question resembles most, or a reply that the prompt names none."""
        index = _index_of(instructions_in(turns))
        return index.reply(question_in(turns)) if index else Reply(NOTHING_NAMED)


# An evaluation asks thousands of questions with one prompt, and building its index takes longer than searching it.
@lru_cache(maxsize=64)
def _index_of(prompt: str) -> NamedAnswerIndex | None:
    answers = named_answers(prompt)
    return NamedAnswerIndex(answers) if answers else None
