"""The nearest-neighbour model and its training, for open answers: the reply that was right for the nearest questions.

A conversation gets the reply with the highest probability. The probability of a neighbour's reply is the softmax of
`sharpness` times the neighbour's cosine similarity: the sharper, the less several fairly similar questions weigh
against the most similar one. The sharpness is the only number that training learns; all questions are stored.

The loss of an example is -ln of the probability of replies like the right one, each weighted by its word overlap with
it (F1), the example itself left out. The accuracy is the overlap of the reply that the model would give.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trainer.engine.examples import Reply, TrainingExample, number_replies
from trainer.engine.model import Artifact
from trainer.engine.text import Turn, question_in, tokens_of
from trainer.engine.training import MEAN_ACCURACY, Arrays, Rows, Score
from trainer.engine.vocabulary import Floats, Vocabulary

NEIGHBOURS = 16  # the nearest questions that have a vote, which bounds the cost of an answer
FIRST_SHARPNESS = 10.0  # where training starts
# Of an epoch and of a validation. There is one number to learn, and each row is compared with all examples: more rows
# would take longer without changing it much.
MAX_ROWS_PER_EPOCH = 2_000
# Bounds the log loss of an example whose neighbours' replies share no word with the right one.
LEAST_PROBABILITY = 1e-3
_TINY = 1e-9  # keeps a division by zero out where nothing is similar


class Neighbours(NamedTuple):
    """The stored questions nearest to a question, as row numbers, and the cosine similarity of each."""

    rows: NDArray[np.intp]
    similarity: Floats


class NeighbourModel:
    """Stored questions, as rows of `features`, and the number in `replies` of each one's reply (`reply_of`)."""

    kind = "neighbours"

    def __init__(
        self, vocabulary: Vocabulary, replies: Sequence[Reply], features: sp.csr_array, reply_of: NDArray[np.intp]
    ) -> None:
        self.vocabulary = vocabulary
        self.replies = list(replies)
        self.features = features
        self.reply_of = reply_of
        self.sharpness = FIRST_SHARPNESS
        self._by_gram = features.T.tocsr()
        self._lengths = _lengths(features)

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the reply with the highest probability for the conversation's question."""
        columns, values = self.vocabulary.vector(question_in(turns))
        row = sp.csr_array((values, columns, [0, len(columns)]), shape=(1, len(self.vocabulary)))
        return self.replies[self.pick(self.nearest(row))]

    def nearest(self, question: sp.csr_array, *, without: int = -1) -> Neighbours:
        """Return the stored questions nearest to one question (a matrix of one row), leaving out row `without`."""
        products = question @ self._by_gram
        similarity = products.data / (self._lengths[products.indices] * _lengths(question))
        similarity[products.indices == without] = -1
        best = np.arange(len(similarity))
        if len(best) > NEIGHBOURS:
            best = np.argpartition(-similarity, NEIGHBOURS)[:NEIGHBOURS]
        best = best[np.argsort(-similarity[best], kind="stable")]
        best = best[similarity[best] > 0]
        return Neighbours(products.indices[best], similarity[best])

    def probabilities(self, near: Neighbours) -> Floats:
        """Return the probability of each neighbour's reply."""
        powers = np.exp(self.sharpness * (near.similarity - near.similarity.max(initial=0)))
        probabilities: Floats = powers / max(float(powers.sum()), _TINY)
        return probabilities

    def pick(self, near: Neighbours) -> int:
        """Return the number of the most probable reply, or of the first reply where there is no neighbour."""
        totals: dict[int, float] = defaultdict(float)
        for row, probability in zip(near.rows, self.probabilities(near), strict=True):
            totals[int(self.reply_of[row])] += float(probability)
        return max(totals, key=totals.__getitem__, default=0)

    def artifact(self) -> Artifact:
        """Return the model's artifact, the questions as a sparse matrix in half precision."""
        arrays = {
            "data": self.features.data.astype(np.float16),
            "indices": self.features.indices,
            "indptr": self.features.indptr,
            "reply_of": self.reply_of,
            "sharpness": np.float64(self.sharpness),
        }
        return Artifact(self.kind, self.vocabulary, self.replies, arrays)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> "NeighbourModel":
        """Rebuild a model from its artifact."""
        arrays = artifact.arrays
        parts = (arrays["data"].astype(np.float32), arrays["indices"], arrays["indptr"])
        reply_of = arrays["reply_of"].astype(np.intp)
        features = sp.csr_array(parts, shape=(len(reply_of), len(artifact.vocabulary)))
        model = cls(artifact.vocabulary, artifact.replies, features, reply_of)
        model.sharpness = float(arrays["sharpness"])
        return model


def _lengths(rows: sp.csr_array) -> Floats:
    """Return the Euclidean length of each row, slightly above 0 for an empty one."""
    lengths: Floats = np.sqrt(rows.multiply(rows).sum(axis=1)) + np.float32(_TINY)
    return lengths


class NeighbourLearner:
    """Trains a nearest-neighbour model on examples whose replies are mostly different."""

    auto_epochs = 3
    accuracy_name = MEAN_ACCURACY
    rate = 0.5

    def __init__(self, examples: Sequence[TrainingExample], held_out: Sequence[TrainingExample] = ()) -> None:
        numbers = number_replies(example.reply for example in examples)
        questions = [example.question for example in examples]
        vocabulary = Vocabulary.of_training(questions)
        reply_of = np.array([numbers[example.reply] for example in examples], dtype=np.intp)
        self._model = NeighbourModel(vocabulary, list(numbers), vocabulary.matrix(questions), reply_of)
        self._words = [_words(reply) for reply in numbers]
        self._held_out = vocabulary.matrix(example.question for example in held_out)
        self._held_out_words = [_words(example.reply) for example in held_out]

    @property
    def rows_per_epoch(self) -> int:
        """The number of training examples that an epoch uses: all of them, up to `MAX_ROWS_PER_EPOCH`."""
        return min(len(self._model.reply_of), MAX_ROWS_PER_EPOCH)

    @property
    def held_out_rows(self) -> int:
        """The number of validation examples."""
        return len(self._held_out_words)

    def step(self, rows: Rows, rate: float) -> Score:
        """Take a gradient step of ln(sharpness) on these examples' loss, and return how they scored just before it."""
        losses, accuracies, slopes = [], [], []
        for row in rows:
            near = self._model.nearest(self._model.features[[row]], without=int(row))
            score, slope = self._measure(near, self._words[self._model.reply_of[row]])
            losses.append(score.loss)
            accuracies.append(score.accuracy)
            slopes.append(slope)
        self._model.sharpness *= float(np.exp(-rate * np.mean(slopes)))
        return Score(float(np.mean(losses)), float(np.mean(accuracies)))

    def score_held_out(self, rows: Rows | None = None) -> Score:
        """Score these validation examples, or the first `MAX_ROWS_PER_EPOCH`, against all training examples."""
        selected = range(self.held_out_rows)[:MAX_ROWS_PER_EPOCH] if rows is None else rows
        scores = [
            self._measure(self._model.nearest(self._held_out[[int(row)]]), self._held_out_words[row])[0]
            for row in selected
        ]
        return Score(*(float(mean) for mean in np.mean(scores, axis=0)))

    def state(self) -> Arrays:
        """Return the sharpness."""
        return {"sharpness": np.array(self._model.sharpness)}

    def restore(self, state: Arrays) -> None:
        """Replace the sharpness by that of a stored state."""
        self._model.sharpness = float(state["sharpness"])

    def current_model(self) -> NeighbourModel:
        """Return the model as it is now."""
        return self._model

    def _measure(self, near: Neighbours, right: frozenset[str]) -> tuple[Score, float]:
        """Return the score of a question whose reply has the words `right`, and its loss's slope by ln(sharpness)."""
        probabilities = self._model.probabilities(near)
        overlaps = np.array([_overlap(self._words[self._model.reply_of[row]], right) for row in near.rows])
        expected = min(1.0, max(LEAST_PROBABILITY, float(probabilities @ overlaps)))
        spread = near.similarity - float(probabilities @ near.similarity)
        slope = -self._model.sharpness * float((probabilities * overlaps) @ spread) / expected
        accuracy = _overlap(self._words[self._model.pick(near)], right)
        return Score(-math.log(expected), accuracy), slope


def _words(reply: Reply) -> frozenset[str]:
    return frozenset(tokens_of(f"{reply.content or ''} {reply.calls}"))


def _overlap(answer: frozenset[str], right: frozenset[str]) -> float:
    """Return the F1 score of two sets of words, from 0 to 1."""
    if not answer and not right:
        return 1.0
    return 2 * len(answer & right) / (len(answer) + len(right))
