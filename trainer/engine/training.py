"""Training: the port of learners, the loop over epochs and steps, and a learner's checkpoint on disk.

The order of examples follows from the seed and the epoch's number, so a job that continues from a checkpoint takes the
steps that it would have taken without the interruption.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.engine.model import TrainedModel

Rows = NDArray[np.intp]
Arrays = Mapping[str, NDArray[np.generic]]
# The names of accuracies in OpenAI's reports, of supervised and of preference jobs.
MEAN_ACCURACY = "mean_token_accuracy"
PREFERENCE_ACCURACY = "preference_accuracy"
_EPOCHS_DONE = "epochs_done"


class Score(NamedTuple):
    """How well a model answers examples: the mean log loss in nats, and the accuracy from 0 to 1."""

    loss: float
    accuracy: float


class Learner(Protocol):
    """A model in training, with its training and validation examples; its state is a few arrays."""

    auto_epochs: int
    """Epochs of a job that leaves their number to the trainer."""
    rate: float
    """The learning rate of the first step, before any multiplier."""
    accuracy_name: str
    """The name of the accuracy in reports."""

    @property
    def rows_per_epoch(self) -> int:
        """The number of training examples that an epoch uses."""

    @property
    def held_out_rows(self) -> int:
        """The number of validation examples."""

    def step(self, rows: Rows, rate: float) -> Score:
        """Learn from these training examples, and return how they scored just before it."""

    def score_held_out(self, rows: Rows | None = None) -> Score:
        """Score these validation examples, or all."""

    def state(self) -> Arrays:
        """Return the parameters that have been learned so far."""

    def restore(self, state: Arrays) -> None:
        """Replace the parameters by those of a stored state."""

    def current_model(self) -> TrainedModel:
        """Return the model as it is now."""


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """The schedule of a training: epochs, examples per step, learning rate multiplier, seed, and warm-up steps."""

    epochs: int
    batch_size: int
    rate_multiplier: float
    seed: int
    warmup_steps: int = 0

    def steps_per_epoch(self, learner: Learner) -> int:
        """Return the number of steps in one epoch, of which the last may have fewer examples."""
        return -(-learner.rows_per_epoch // self.batch_size)


class TrainingStep(NamedTuple):
    """A step that was taken: its number and epoch, both from 1, and the score of its examples."""

    number: int
    epoch: int
    score: Score
    ends_epoch: bool


def train_steps(learner: Learner, plan: EpochPlan, *, epochs_done: int = 0) -> Iterator[TrainingStep]:
    """Take the steps of the remaining epochs.

    The learning rate falls linearly to 0 over the whole plan; over the first `warmup_steps` it is also ramped up
    linearly.
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


def save_checkpoint(path: Path, learner: Learner, *, epochs_done: int) -> None:
    """Write a learner's state to a file, which is complete or as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **{**learner.state(), _EPOCHS_DONE: np.array(epochs_done)})
    os.replace(unfinished, path)


def restore_checkpoint(path: Path, learner: Learner) -> int:
    """Load a learner's state from a file, and return how many epochs it has done; 0 if there is no file."""
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as stored:
        learner.restore({name: stored[name] for name in stored.files if name != _EPOCHS_DONE})
        return int(stored[_EPOCHS_DONE])
