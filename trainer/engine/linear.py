"""The linear classifier: multinomial logistic regression over n-grams, for answers that are a closed set.

Each step is plain stochastic gradient descent on the log loss. Feature vectors have a fixed length, so one learning
rate (1 per example, falling to 0) suits every data set, and only the weights that a batch touches are moved.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trainer.engine.artifact import Artifact
from trainer.engine.examples import Reply, TrainingExample
from trainer.engine.text import Question, Turn, question_in
from trainer.engine.training import MEAN_ACCURACY, Arrays, Rows, Score
from trainer.engine.vocabulary import Floats, Vocabulary

# Features times replies. Bounds a model to 80 MB in memory; with a thousand replies 20,000 features are left.
MAX_WEIGHTS = 20_000_000
# A bias moves with every example, a feature's weight with few: at the full rate biases would drown the features.
BIAS_RATE = 0.01
# A reply that was never seen has probability 0, whose log loss is infinite: one such row must not hide all others.
LEAST_PROBABILITY = 1e-6
_UNSEEN = -1  # the column of a reply that no training example has


class LinearModel:
    """A classifier: `weights` is features x replies, `bias` one number per reply (both float32)."""

    kind = "linear"

    def __init__(self, vocabulary: Vocabulary, replies: Sequence[Reply], weights: Floats, bias: Floats) -> None:
        self.vocabulary = vocabulary
        self.replies = list(replies)
        self.weights = weights
        self.bias = bias

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the reply with the highest score for the conversation's question."""
        return self.replies[int(self.scores(question_in(turns)).argmax())]

    def scores(self, question: Question) -> Floats:
        """Score every reply, in nats up to a constant."""
        columns, values = self.vocabulary.vector(question)
        scores: Floats = values @ self.weights[columns] + self.bias
        return scores

    def artifact(self) -> Artifact:
        """Store the weights in half precision, which changes no answer that was not a tie."""
        arrays: Arrays = {"weights": self.weights.astype(np.float16), "bias": self.bias}
        return Artifact(self.kind, self.vocabulary, self.replies, arrays)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> "LinearModel":
        """Make a model out of its artifact."""
        weights, bias = (artifact.arrays[name].astype(np.float32) for name in ("weights", "bias"))
        return cls(artifact.vocabulary, artifact.replies, weights, bias)


class LinearLearner:
    """Learns a linear classifier from examples whose replies repeat."""

    auto_epochs = 10
    accuracy_name = MEAN_ACCURACY
    rate = 1.0

    def __init__(self, examples: Sequence[TrainingExample], held_out: Sequence[TrainingExample] = ()) -> None:
        replies = list(dict.fromkeys(example.reply for example in examples))
        number = {reply: at for at, reply in enumerate(replies)}
        vocabulary = Vocabulary.fit(
            [example.question for example in examples],
            seen_at_least=1 if len(examples) < 2_000 else 2,
            limit=min(50_000, MAX_WEIGHTS // len(replies)),
        )
        self._features = vocabulary.matrix(example.question for example in examples)
        self._right = np.array([number[example.reply] for example in examples])
        self._held_out = vocabulary.matrix(example.question for example in held_out)
        self._held_out_right = np.array([number.get(example.reply, _UNSEEN) for example in held_out], dtype=np.intp)
        weights = np.zeros((len(vocabulary), len(replies)), np.float32)
        self._model = LinearModel(vocabulary, replies, weights, np.zeros(len(replies), np.float32))

    @property
    def rows_per_epoch(self) -> int:
        """Every example, once."""
        return len(self._right)

    @property
    def held_out_rows(self) -> int:
        """Every validation example."""
        return len(self._held_out_right)

    def step(self, rows: Rows, rate: float) -> Score:
        """Move the weights of the features that stand in these examples against the gradient of their log loss."""
        batch, touched = drop_empty_columns(self._features[rows])
        weights = self._model.weights[touched]
        probabilities = _softmax(batch @ weights + self._model.bias)
        right = self._right[rows]
        score = _score(probabilities, right)
        probabilities[np.arange(len(rows)), right] -= 1
        self._model.weights[touched] = weights - rate * (batch.T @ probabilities)
        self._model.bias -= BIAS_RATE * rate * probabilities.sum(axis=0)
        return score

    def score_held_out(self, rows: Rows | None = None) -> Score:
        """Score validation examples; a reply never seen in training counts as given the least probability."""
        chosen = slice(None) if rows is None else rows
        logits = self._held_out[chosen] @ self._model.weights + self._model.bias
        return _score(_softmax(logits), self._held_out_right[chosen])

    def state(self) -> Arrays:
        """Return weights and bias."""
        return {"weights": self._model.weights, "bias": self._model.bias}

    def restore(self, state: Arrays) -> None:
        """Go on from these weights and bias."""
        self._model.weights[:] = state["weights"]
        self._model.bias[:] = state["bias"]

    def current_model(self) -> LinearModel:
        """Return the classifier as it is now."""
        return self._model


def drop_empty_columns(batch: sp.csr_array) -> tuple[sp.csr_array, NDArray[np.intp]]:
    """Drop the columns that are empty in a batch, returning it and the columns kept."""
    touched, column = np.unique(batch.indices, return_inverse=True)
    return sp.csr_array((batch.data, column, batch.indptr), shape=(batch.shape[0], len(touched))), touched


def _softmax(logits: Floats) -> Floats:
    """Turn rows of scores into rows of probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _score(probabilities: Floats, right: NDArray[np.intp]) -> Score:
    given = np.where(right == _UNSEEN, 0, probabilities[np.arange(len(right)), right])
    hits = probabilities.argmax(axis=1) == right
    return Score(float(np.log(1 / np.maximum(given, LEAST_PROBABILITY)).mean()), float(hits.mean()))
