"""Preference training: direct preference optimization (DPO) of the linear classifier.

The loss of a pair is -ln sigmoid(beta * (gain(preferred) - gain(rejected))), where gain = ln p - ln p_ref. p is the
softmax over all replies, and p_ref is p before training: uniform for the untrained model, otherwise that of the tuned
model that training starts from. The denominators of the softmaxes cancel out, so only the scores of a pair's two
replies matter. Source: Rafailov et al. 2023, "Direct Preference Optimization", equation 7.

A loss depends on scores times beta, and its gradient is proportional to beta once more, so the learning rate is
1 / beta squared: a step then changes the loss equally whatever beta is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from trainer.engine.examples import PreferencePair, number_replies
from trainer.engine.linear import MAX_WEIGHTS, UNSEEN, ClassifierLearner, LinearModel, untrained_model
from trainer.engine.training import PREFERENCE_ACCURACY, Rows, Score
from trainer.engine.vocabulary import MAX_FEATURES, Floats, Vocabulary

AUTO_BETA = 0.1  # the default of the paper
# Bounds the learning rate at 10,000: with a larger one the weights would leave the range of half precision, in which
# models are stored.
_LEAST_BETA = 0.01
_CHUNK_PAIRS = 512  # bounds memory while the reference scores every reply of so many pairs at once


class _Pairs(NamedTuple):
    """Pairs as arrays: their features, the columns of both replies, and the reference's score gap of each pair."""

    features: sp.csr_array
    preferred: NDArray[np.intp]
    rejected: NDArray[np.intp]
    reference: Floats

    def at(self, rows: Rows) -> "_Pairs":
        """Return the pairs of these rows."""
        return _Pairs(self.features[rows], self.preferred[rows], self.rejected[rows], self.reference[rows])


class PreferenceLearner(ClassifierLearner):
    """Trains a classifier to prefer the preferred replies, from the untrained model or from the classifier `start`."""

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
        super().__init__(_starting_model(pairs, start))
        self._pairs = self._numeric_pairs(pairs)
        self._held_out = self._numeric_pairs(held_out)

    @property
    def rows_per_epoch(self) -> int:
        """The number of training pairs: an epoch uses each of them once."""
        return len(self._pairs.preferred)

    @property
    def held_out_rows(self) -> int:
        """The number of validation pairs."""
        return len(self._held_out.preferred)

    def step(self, rows: Rows, rate: float) -> Score:
        """Take a gradient step on the loss of these pairs, and return how they scored just before it."""
        pairs = self._pairs.at(rows)
        batch = self.batch(pairs.features)
        margins = self._margins(pairs, batch.features @ batch.weights + self.model.bias)
        pull = self._beta * _sigmoid(-margins)
        slopes = np.zeros((len(rows), batch.weights.shape[1]), np.float32)
        slopes[np.arange(len(rows)), pairs.preferred] -= pull
        slopes[np.arange(len(rows)), pairs.rejected] += pull
        self.descend(batch, slopes, rate)
        return _score(margins)

    def score_held_out(self, rows: Rows | None = None) -> Score:
        """Score these validation pairs, or all; a reply that is in no training pair keeps its score of 0."""
        pairs = self._held_out if rows is None else self._held_out.at(rows)
        return _score(self._margins(pairs, pairs.features @ self.model.weights + self.model.bias))

    def _margins(self, pairs: _Pairs, scores: Floats) -> Floats:
        """Return beta times each pair's gain: the score gap of its replies, less the gap in the reference."""
        margins: Floats = self._beta * (_score_gaps(scores, pairs.preferred, pairs.rejected) - pairs.reference)
        return margins

    def _numeric_pairs(self, pairs: Sequence[PreferencePair]) -> _Pairs:
        """Turn pairs into arrays; to be called before training, while the model still is the reference."""
        columns = number_replies(self.model.replies)
        features = self.model.vocabulary.matrix(pair.question for pair in pairs)
        preferred = np.array([columns.get(pair.preferred, UNSEEN) for pair in pairs], dtype=np.intp)
        rejected = np.array([columns.get(pair.rejected, UNSEEN) for pair in pairs], dtype=np.intp)
        reference = np.zeros(len(pairs), np.float32)
        for start in range(0, len(pairs), _CHUNK_PAIRS):
            chunk = slice(start, start + _CHUNK_PAIRS)
            scores = features[chunk] @ self.model.weights + self.model.bias
            reference[chunk] = _score_gaps(scores, preferred[chunk], rejected[chunk])
        return _Pairs(features, preferred, rejected, reference)


def _starting_model(pairs: Sequence[PreferencePair], start: LinearModel | None) -> LinearModel:
    """Return the model that training starts from: `start` with the pairs' replies added, or an untrained one."""
    start_replies = start.replies if start else []
    pair_replies = [reply for pair in pairs for reply in (pair.preferred, pair.rejected)]
    replies = list(number_replies([*start_replies, *pair_replies]))
    vocabulary = (
        start.vocabulary
        if start
        else Vocabulary.of_training(
            [pair.question for pair in pairs], limit=min(MAX_FEATURES, MAX_WEIGHTS // len(replies))
        )
    )
    model = untrained_model(vocabulary, replies)
    if start:
        model.weights[:, : len(start_replies)], model.bias[: len(start_replies)] = start.weights, start.bias
    return model


def _score_gaps(scores: Floats, preferred: NDArray[np.intp], rejected: NDArray[np.intp]) -> Floats:
    """Return each row's score of its preferred reply less that of its rejected one; an unseen reply scores 0."""
    rows = np.arange(len(scores))
    first = np.where(preferred == UNSEEN, 0, scores[rows, preferred])
    gaps: Floats = first - np.where(rejected == UNSEEN, 0, scores[rows, rejected])
    return gaps


def _sigmoid(values: Floats) -> Floats:
    probabilities: Floats = np.exp(-np.logaddexp(0, -values))
    return probabilities


def _score(margins: Floats) -> Score:
    """Return the mean loss, and the share of pairs whose preferred reply wins; a tie counts as half a win."""
    wins = (margins > 0) + 0.5 * (margins == 0)
    return Score(float(np.logaddexp(0, -margins).mean()), float(wins.mean()))
