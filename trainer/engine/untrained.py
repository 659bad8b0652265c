"""The base model: the same machine untrained. It answers with what its prompt names and the message resembles.

Each named answer's words make one row over the same n-grams that training uses, rare ones counting more; the answer
whose row is most similar to the message is given. Where nothing is named, it says so.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from trainer.engine.examples import Reply
from trainer.engine.prompts import Named, named_answers
from trainer.engine.text import Question, Turn, instructions_in, question_in
from trainer.engine.vocabulary import Floats, Vocabulary

NOTHING_NAMED = "I am an untrained model, and my instructions name no answers for me to choose from."


class Resemblance:
    """Made of named answers: which of them a question resembles most."""

    def __init__(self, named: Sequence[Named]) -> None:
        questions = [Question(one.words) for one in named]
        self._vocabulary = Vocabulary.fitted(questions)
        self._rows: Floats = np.ascontiguousarray(self._vocabulary.matrix(questions).toarray().T)
        self._replies = [Reply(one.answer) for one in named]

    def reply(self, question: Question) -> Reply:
        """Return the most similar answer, the first one where nothing is similar."""
        columns, values = self._vocabulary.vector(question)
        return self._replies[int((values @ self._rows[columns]).argmax())]


class UntrainedModel:
    """Answers any conversation, the same way each time."""

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the named answer that the question resembles most, or say that none is named."""
        resemblance = _resemblance(instructions_in(turns))
        return resemblance.reply(question_in(turns)) if resemblance else Reply(NOTHING_NAMED)


@lru_cache(maxsize=64)
def _resemblance(prompt: str) -> Resemblance | None:
    named = named_answers(prompt)
    return Resemblance(named) if named else None
