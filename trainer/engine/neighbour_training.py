"""Learning from open answers: remember every example, and find how sharply similarity should count.

The loss of an example is -ln of the probability on replies like the right one, each counted by its overlap of words
(F1), with the example itself left out; its accuracy is the overlap of the reply that would be given. The sharpness
follows the gradient of that loss.
"""

import math
from collections.abc import Sequence

import numpy as np

from trainer.engine.examples import Reply, TrainingExample
from trainer.engine.neighbours import NeighbourModel, Neighbours
from trainer.engine.text import tokens_of
from trainer.engine.training import MEAN_ACCURACY, Arrays, Rows, Score
from trainer.engine.vocabulary import Vocabulary

# There is one number to learn, and each row costs a search over all: more rows would only take longer.
MAX_ROWS_PER_EPOCH = 2_000
# Bounds the loss where none of the neighbours' replies shares a word with the right one.
LEAST_PROBABILITY = 1e-3


class NeighbourLearner:
    """Learns a nearest-neighbour model from examples whose replies are mostly different."""

    auto_epochs = 3
    accuracy_name = MEAN_ACCURACY
    rate = 0.5

    def __init__(self, examples: Sequence[TrainingExample], held_out: Sequence[TrainingExample] = ()) -> None:
        replies = list(dict.fromkeys(example.reply for example in examples))
        number = {reply: at for at, reply in enumerate(replies)}
        questions = [example.question for example in examples]
        vocabulary = Vocabulary.fit(questions, seen_at_least=1 if len(examples) < 2_000 else 2)
        reply_of = np.array([number[example.reply] for example in examples], dtype=np.intp)
        self._model = NeighbourModel(vocabulary, replies, vocabulary.matrix(questions), reply_of)
        self._words = [_words(reply) for reply in replies]
        self._held_out = vocabulary.matrix(example.question for example in held_out)
        self._held_out_words = [_words(example.reply) for example in held_out]

    @property
    def rows_per_epoch(self) -> int:
        """Every example, up to `MAX_ROWS_PER_EPOCH`."""
        return min(len(self._model.reply_of), MAX_ROWS_PER_EPOCH)

    @property
    def held_out_rows(self) -> int:
        """Every validation example."""
        return len(self._held_out_words)

    def step(self, rows: Rows, rate: float) -> Score:
        """Move the logarithm of the sharpness against the gradient of these examples' loss."""
        losses, accuracies, slopes = [], [], []
        for row in rows:
            near = self._model.nearest(self._model.features[[row]], but=int(row))
            score, slope = self._measure(near, self._words[self._model.reply_of[row]])
            losses.append(score.loss)
            accuracies.append(score.accuracy)
            slopes.append(slope)
        self._model.sharpness *= float(np.exp(-rate * np.mean(slopes)))
        return Score(float(np.mean(losses)), float(np.mean(accuracies)))

    def score_held_out(self, rows: Rows | None = None) -> Score:
        """Score validation examples against everything remembered."""
        chosen = range(self.held_out_rows)[:MAX_ROWS_PER_EPOCH] if rows is None else rows
        scores = [
            self._measure(self._model.nearest(self._held_out[[int(row)]]), self._held_out_words[row])[0]
            for row in chosen
        ]
        return Score(*(float(mean) for mean in np.mean(scores, axis=0)))

    def state(self) -> Arrays:
        """Return the sharpness."""
        return {"sharpness": np.array(self._model.sharpness)}

    def restore(self, state: Arrays) -> None:
        """Go on from this sharpness."""
        self._model.sharpness = float(state["sharpness"])

    def current_model(self) -> NeighbourModel:
        """Return the model as it is now."""
        return self._model

    def _measure(self, near: Neighbours, right: frozenset[str]) -> tuple[Score, float]:
        """Score one question, and take the slope of its loss over ln(sharpness)."""
        probabilities = self._model.probabilities(near)
        overlaps = np.array([_overlap(self._words[self._model.reply_of[row]], right) for row in near.rows])
        good = min(1.0, max(LEAST_PROBABILITY, float(probabilities @ overlaps)))
        spread = near.similarity - float(probabilities @ near.similarity)
        slope = -self._model.sharpness * float((probabilities * overlaps) @ spread) / good
        accuracy = _overlap(self._words[self._model.pick(near)], right)
        return Score(-math.log(good), accuracy), slope


def _words(reply: Reply) -> frozenset[str]:
    return frozenset(tokens_of(f"{reply.content or ''} {reply.calls}"))


def _overlap(given: frozenset[str], right: frozenset[str]) -> float:
    """Return the F1 of two sets of words, in [0, 1]."""
    if not given and not right:
        return 1.0
    return 2 * len(given & right) / (len(given) + len(right))
