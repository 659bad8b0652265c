"""Learning from preferences: direct preference optimisation of the linear classifier.

The loss of a pair is -ln sigmoid(beta * (gain(preferred) - gain(rejected))), where gain = ln p - ln p_ref, p being the
softmax over all replies and p_ref what it was at the start: the same for every reply where training starts from the
untrained model, a tuned model's own where it starts from that. The softmaxes' sums cancel, so only the scores of a
pair's two replies matter. Source: Rafailov et al. 2023, "Direct Preference Optimization", equation 7.

Scores must move by 1 / beta to change a loss by one step's worth, so the learning rate is 1 / beta squared.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trainer.engine.examples import PreferencePair
from trainer.engine.linear import BIAS_RATE, MAX_WEIGHTS, LinearModel, drop_empty_columns
from trainer.engine.training import PREFERENCE_ACCURACY, Arrays, Rows, Score
from trainer.engine.vocabulary import Floats, Vocabulary

AUTO_BETA = 0.1
# Below it a step would leave what the stored model's half precision holds.
_LEAST_BETA = 0.01
_UNSEEN = -1
_CHUNK = 512  # pairs whose scores for every reply are in memory at once


class _Pairs(NamedTuple):
    """Pairs as numbers: a row of features each, their replies' columns, and how the reference tells them apart."""

    features: sp.csr_array
    preferred: NDArray[np.intp]
    rejected: NDArray[np.intp]
    reference: Floats

    def at(self, rows: Rows) -> "_Pairs":
        """The pairs of some rows."""
        return _Pairs(self.features[rows], self.preferred[rows], self.rejected[rows], self.reference[rows])


class PreferenceLearner:
    """Learns which reply is preferred, from the untrained model or from the classifier `start`."""

    auto_epochs = 5
    accuracy_name = PREFERENCE_ACCURACY

    def __init__(
        self,
        pairs: Sequence[PreferencePair],
        held_out: Sequence[PreferencePair] = (),
        *,
        beta: float = AUTO_BETA,
        start: LinearModel | None = None,
    ) -> None:
        self._beta = beta
        self.rate = 1 / max(beta, _LEAST_BETA) ** 2
        self._model = _starting_model(pairs, start)
        self._pairs = self._numeric_pairs(pairs)
        self._held_out = self._numeric_pairs(held_out)

    @property
    def rows_per_epoch(self) -> int:
        """Every pair, once."""
        return len(self._pairs.preferred)

    @property
    def held_out_rows(self) -> int:
        """Every validation pair."""
        return len(self._held_out.preferred)

    def step(self, rows: Rows, rate: float) -> Score:
        """Move the weights of the features that stand in these pairs against the gradient of their loss."""
        pairs = self._pairs.at(rows)
        batch, touched = drop_empty_columns(pairs.features)
        weights = self._model.weights[touched]
        margins = self._margins(pairs, batch @ weights + self._model.bias)
        pull = self._beta * _sigmoid(-margins)
        slopes = np.zeros((len(rows), weights.shape[1]), np.float32)
        slopes[np.arange(len(rows)), pairs.preferred] -= pull
        slopes[np.arange(len(rows)), pairs.rejected] += pull
        self._model.weights[touched] = weights - rate * (batch.T @ slopes)
        self._model.bias -= BIAS_RATE * rate * slopes.sum(axis=0)
        return _score(margins)

    def score_held_out(self, rows: Rows | None = None) -> Score:
        """Score validation pairs; a reply that no training pair holds is as likely as it was at the start."""
        pairs = self._held_out if rows is None else self._held_out.at(rows)
        return _score(self._margins(pairs, pairs.features @ self._model.weights + self._model.bias))

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

    def _margins(self, pairs: _Pairs, scores: Floats) -> Floats:
        """Return how far preferred replies lie above rejected ones, less how far they did at the start, times beta."""
        margins: Floats = self._beta * (_score_gaps(scores, pairs.preferred, pairs.rejected) - pairs.reference)
        return margins

    def _numeric_pairs(self, pairs: Sequence[PreferencePair]) -> _Pairs:
        """Turn pairs into numbers; called before training, while the model is still the reference."""
        number = {reply: at for at, reply in enumerate(self._model.replies)}
        features = self._model.vocabulary.matrix(pair.question for pair in pairs)
        preferred = np.array([number.get(pair.preferred, _UNSEEN) for pair in pairs], dtype=np.intp)
        rejected = np.array([number.get(pair.rejected, _UNSEEN) for pair in pairs], dtype=np.intp)
        reference = np.zeros(len(pairs), np.float32)
        for start in range(0, len(pairs), _CHUNK):
            part = slice(start, start + _CHUNK)
            scores = features[part] @ self._model.weights + self._model.bias
            reference[part] = _score_gaps(scores, preferred[part], rejected[part])
        return _Pairs(features, preferred, rejected, reference)


def _starting_model(pairs: Sequence[PreferencePair], start: LinearModel | None) -> LinearModel:
    """Make the model that training starts from: `start` with the pairs' replies added, or one of zeros."""
    start_replies = start.replies if start else []
    pair_replies = [reply for pair in pairs for reply in (pair.preferred, pair.rejected)]
    replies = list(dict.fromkeys([*start_replies, *pair_replies]))
    vocabulary = start.vocabulary if start else _vocabulary_of(pairs, len(replies))
    weights, bias = np.zeros((len(vocabulary), len(replies)), np.float32), np.zeros(len(replies), np.float32)
    if start:
        weights[:, : len(start_replies)], bias[: len(start_replies)] = start.weights, start.bias
    return LinearModel(vocabulary, replies, weights, bias)


def _vocabulary_of(pairs: Sequence[PreferencePair], replies: int) -> Vocabulary:
    return Vocabulary.fit(
        [pair.question for pair in pairs],
        seen_at_least=1 if len(pairs) < 2_000 else 2,
        limit=min(50_000, MAX_WEIGHTS // replies),
    )


def _score_gaps(scores: Floats, preferred: NDArray[np.intp], rejected: NDArray[np.intp]) -> Floats:
    """Return the difference of two replies' scores in each row, an unseen reply's score being 0."""
    rows = np.arange(len(scores))
    first = np.where(preferred == _UNSEEN, 0, scores[rows, preferred])
    gaps: Floats = first - np.where(rejected == _UNSEEN, 0, scores[rows, rejected])
    return gaps


def _sigmoid(values: Floats) -> Floats:
    probabilities: Floats = np.exp(-np.logaddexp(0, -values))
    return probabilities


def _score(margins: Floats) -> Score:
    """Return the mean loss, and the share of pairs whose preferred reply wins; a tie is half a win."""
    wins = (margins > 0) + 0.5 * (margins == 0)
    return Score(float(np.logaddexp(0, -margins).mean()), float(wins.mean()))
