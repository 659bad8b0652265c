"""Training: the port that every learner fills, and the walk over its examples that is the same for all.

The order of an epoch follows from the seed and the epoch, so a job that starts again from an epoch's end takes the same
steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.engine.model import TrainedModel

Rows = NDArray[np.intp]
Arrays = Mapping[str, NDArray[np.generic]]
# What accuracies are called in OpenAI's reports: of supervised jobs, and of preference jobs.
MEAN_ACCURACY = "mean_token_accuracy"
PREFERENCE_ACCURACY = "preference_accuracy"


class Score(NamedTuple):
    """How well examples are answered: mean log loss in nats, and the share that is right, both per example."""

    loss: float
    accuracy: float


class Learner(Protocol):
    """A model under training: it learns from examples step by step, and its state is a few arrays."""

    auto_epochs: int
    rate: float
    accuracy_name: str
    """What its accuracy is called in reports."""

    @property
    def rows_per_epoch(self) -> int:
        """How many examples one epoch walks over."""

    @property
    def held_out_rows(self) -> int:
        """How many validation examples there are."""

    def step(self, rows: Rows, rate: float) -> Score:
        """Learn from these training examples and return how they were answered just before."""

    def score_held_out(self, rows: Rows | None = None) -> Score:
        """Score these validation examples, or all."""

    def state(self) -> Arrays:
        """Return what was learnt so far."""

    def restore(self, state: Arrays) -> None:
        """Go on from a state."""

    def current_model(self) -> TrainedModel:
        """Return the model as it is now."""


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """The schedule of a training: epochs, examples per step, factor on the learning rate, seed, and warm-up steps."""

    epochs: int
    batch_size: int
    rate_multiplier: float
    seed: int
    warmup_steps: int = 0

    def steps_per_epoch(self, learner: Learner) -> int:
        """Count the steps of one epoch."""
        return -(-learner.rows_per_epoch // self.batch_size)


class TrainingStep(NamedTuple):
    """One step taken: its number and epoch, both from 1, and how its examples were answered."""

    number: int
    epoch: int
    score: Score
    ends_epoch: bool


def train_steps(learner: Learner, plan: EpochPlan, *, epochs_done: int = 0) -> Iterator[TrainingStep]:
    """Take the steps of the remaining epochs, the learning rate falling linearly to nothing over the whole plan.

    Over the first `warmup_steps` it rises from little instead.
    """
    per_epoch = plan.steps_per_epoch(learner)
    total = per_epoch * plan.epochs
    number = per_epoch * epochs_done
    for epoch in range(epochs_done + 1, plan.epochs + 1):
        order = np.random.default_rng([plan.seed, epoch]).permutation(learner.rows_per_epoch)
        for start in range(0, len(order), plan.batch_size):
            ramp = min(1.0, (number + 1) / (plan.warmup_steps + 1))
            rate = learner.rate * plan.rate_multiplier * ramp * (1 - number / total)
            score = learner.step(order[start : start + plan.batch_size], rate)
            number += 1
            yield TrainingStep(number, epoch, score, ends_epoch=number == per_epoch * epoch)
