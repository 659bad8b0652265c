"""The linear classifier and its training: multinomial logistic regression over n-grams, for a closed set of replies.

Training is stochastic gradient descent on the log loss, in batches. All feature vectors have the same length, so one
learning rate (1, falling to 0) suits every file, and a step changes only the weights of the features in its batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trainer.engine.examples import Reply, TrainingExample, number_replies
from trainer.engine.model import Artifact
from trainer.engine.text import Question, Turn, question_in
from trainer.engine.training import MEAN_ACCURACY, Arrays, Rows, Score
from trainer.engine.vocabulary import MAX_FEATURES, Floats, Vocabulary

# Features times replies. It bounds a model to 80 MB of memory (float32); 1,000 replies still get 20,000 features.
MAX_WEIGHTS = 20_000_000
# Share of the learning rate. Every example moves the biases but only a few features, so at the full rate the biases
# would drown the features.
BIAS_RATE = 0.01
# Bounds the log loss: a reply that training never saw has probability 0, whose loss is infinite, and a single such
# row would hide all others in the mean.
LEAST_PROBABILITY = 1e-6
UNSEEN = -1  # stands for the column of a reply that no training example has


class LinearModel:
    """A classifier: `weights` is a matrix of features x replies, `bias` has one number per reply (both float32)."""

    kind = "linear"

    def __init__(self, vocabulary: Vocabulary, replies: Sequence[Reply], weights: Floats, bias: Floats) -> None:
        self.vocabulary = vocabulary
        self.replies = list(replies)
        self.weights = weights
        self.bias = bias

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the reply that scores highest for the conversation's question."""
        return self.replies[int(self.scores(question_in(turns)).argmax())]

    def scores(self, question: Question) -> Floats:
        """Return a score per reply: its log-probability in nats, up to a constant."""
        columns, values = self.vocabulary.vector(question)
        scores: Floats = values @ self.weights[columns] + self.bias
        return scores

    def artifact(self) -> Artifact:
        """Return the model's artifact, its weights in half precision: that can change the answer only in a near tie."""
        arrays: Arrays = {"weights": self.weights.astype(np.float16), "bias": self.bias}
        return Artifact(self.kind, self.vocabulary, self.replies, arrays)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> "LinearModel":
        """Rebuild a model from its artifact."""
        weights, bias = (artifact.arrays[name].astype(np.float32) for name in ("weights", "bias"))
        return cls(artifact.vocabulary, artifact.replies, weights, bias)


class StepBatch(NamedTuple):
    """Examples of one step as features, without the columns that are empty in all of them, and the columns' weights."""

    features: sp.csr_array
    columns: NDArray[np.intp]
    weights: Floats


class ClassifierLearner:
    """Gradient descent on a linear model, which the supervised and the preference learner share."""

    def __init__(self, model: LinearModel) -> None:
        self.model = model

    def batch(self, features: sp.csr_array) -> StepBatch:
        """Return the rows of a step as a batch."""
        columns, positions = np.unique(features.indices, return_inverse=True)
        shape = (features.shape[0], len(columns))
        compact = sp.csr_array((features.data, positions, features.indptr), shape=shape)
        return StepBatch(compact, columns, self.model.weights[columns])

    def descend(self, batch: StepBatch, slopes: Floats, rate: float) -> None:
        """Move weights and biases against the gradient; `slopes` are the loss's derivatives by each row's scores."""
        self.model.weights[batch.columns] = batch.weights - rate * (batch.features.T @ slopes)
        self.model.bias -= BIAS_RATE * rate * slopes.sum(axis=0)

    def state(self) -> Arrays:
        """Return weights and biases."""
        return {"weights": self.model.weights, "bias": self.model.bias}

    def restore(self, state: Arrays) -> None:
        """Replace weights and biases by those of a stored state."""
        self.model.weights[:] = state["weights"]
        self.model.bias[:] = state["bias"]

    def current_model(self) -> LinearModel:
        """Return the classifier as it is now."""
        return self.model


class LinearLearner(ClassifierLearner):
    """Trains a linear classifier on examples whose replies repeat."""

    auto_epochs = 10
    accuracy_name = MEAN_ACCURACY
    rate = 1.0

    def __init__(self, examples: Sequence[TrainingExample], held_out: Sequence[TrainingExample] = ()) -> None:
        columns = number_replies(example.reply for example in examples)
        vocabulary = Vocabulary.of_training(
            [example.question for example in examples], limit=min(MAX_FEATURES, MAX_WEIGHTS // len(columns))
        )
        super().__init__(untrained_model(vocabulary, list(columns)))
        self._features = vocabulary.matrix(example.question for example in examples)
        self._right = np.array([columns[example.reply] for example in examples])
        self._held_out = vocabulary.matrix(example.question for example in held_out)
        self._held_out_right = np.array([columns.get(example.reply, UNSEEN) for example in held_out], dtype=np.intp)

    @property
    def rows_per_epoch(self) -> int:
        """The number of training examples: an epoch uses each of them once."""
        return len(self._right)

    @property
    def held_out_rows(self) -> int:
        """The number of validation examples."""
        return len(self._held_out_right)

    def step(self, rows: Rows, rate: float) -> Score:
        """Take a gradient step on the log loss of these examples, and return how they scored just before it."""
        batch, right = self.batch(self._features[rows]), self._right[rows]
        probabilities = _softmax(batch.features @ batch.weights + self.model.bias)
        score = _score(probabilities, right)
        probabilities[np.arange(len(rows)), right] -= 1  # the derivative of the log loss by each score
        self.descend(batch, probabilities, rate)
        return score

    def score_held_out(self, rows: Rows | None = None) -> Score:
        """Score these validation examples, or all; a reply that training never saw gets `LEAST_PROBABILITY`."""
        selected = slice(None) if rows is None else rows
        scores = self._held_out[selected] @ self.model.weights + self.model.bias
        return _score(_softmax(scores), self._held_out_right[selected])


def untrained_model(vocabulary: Vocabulary, replies: Sequence[Reply]) -> LinearModel:
    """Return a classifier of these replies whose weights and biases are all 0."""
    weights = np.zeros((len(vocabulary), len(replies)), np.float32)
    return LinearModel(vocabulary, replies, weights, np.zeros(len(replies), np.float32))


def _softmax(scores: Floats) -> Floats:
    """Turn rows of scores into rows of probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _score(probabilities: Floats, right: NDArray[np.intp]) -> Score:
    """Return the mean log loss, and the share of rows whose most probable reply is the right one."""
    right_probabilities = np.where(right == UNSEEN, 0, probabilities[np.arange(len(right)), right])
    hits = probabilities.argmax(axis=1) == right
    loss = np.log(1 / np.maximum(right_probabilities, LEAST_PROBABILITY)).mean()
    return Score(float(loss), float(hits.mean()))
