"""The base model, zero-shot: it answers with the one of the answers named in its prompt that the message resembles.

Each named answer's words make one row over the same n-grams that training uses, rare ones counting more; the answer
whose row is most similar to the message is given. Where nothing is named, the model says so.
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
    """The answers that a prompt names, searched by the words of a question."""

    def __init__(self, named: Sequence[NamedAnswer]) -> None:
        questions = [Question(answer.words) for answer in named]
        self._vocabulary = Vocabulary.fit(questions)
        self._rows: Floats = np.ascontiguousarray(self._vocabulary.matrix(questions).toarray().T)
        self._replies = [Reply(answer.answer) for answer in named]

    def reply(self, question: Question) -> Reply:
        """Return the most similar answer, the first one where nothing is similar."""
        columns, values = self._vocabulary.vector(question)
        return self._replies[int((values @ self._rows[columns]).argmax())]


class ZeroShotModel:
    """The base model, which answers any conversation, the same way each time."""

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the named answer that the question resembles most, or say that none is named."""
        index = _index_of(instructions_in(turns))
        return index.reply(question_in(turns)) if index else Reply(NOTHING_NAMED)


# An evaluation asks thousands of questions under one prompt, whose index takes longer to make than to ask.
@lru_cache(maxsize=64)
def _index_of(prompt: str) -> NamedAnswerIndex | None:
    named = named_answers(prompt)
    return NamedAnswerIndex(named) if named else None
