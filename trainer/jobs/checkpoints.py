"""Checkpoints: a learner's state, stored at the end of every epoch so that a run that is broken off can go on."""

import os
from pathlib import Path

import numpy as np

from trainer.engine.training import Learner

_EPOCHS_DONE = "epochs_done"


def save(path: Path, learner: Learner, *, epochs_done: int) -> None:
    """Write a learner's state to a file that is either whole or as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **{**learner.state(), _EPOCHS_DONE: np.array(epochs_done)})
    os.replace(unfinished, path)


def restore(path: Path, learner: Learner) -> int:
    """Load a learner's state from a file, and return how many epochs were done: 0 where there is no file."""
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as stored:
        learner.restore({name: stored[name] for name in stored.files if name != _EPOCHS_DONE})
        return int(stored[_EPOCHS_DONE])
