"""What a run has learnt, kept on disk from the end of one epoch to the end of the next."""

import os
from pathlib import Path

import numpy as np

from trainer.engine.training import Learner

_EPOCHS_DONE = "epochs_done"


def keep(path: Path, learner: Learner, *, epochs_done: int) -> None:
    """Write what was learnt to a file that is either whole or as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **{**learner.state(), _EPOCHS_DONE: np.array(epochs_done)})
    os.replace(unfinished, path)


def restore(path: Path, learner: Learner) -> int:
    """Let a learner go on from a file, and return how many epochs were done: 0 where there is no file."""
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as kept:
        learner.restore({name: kept[name] for name in kept.files if name != _EPOCHS_DONE})
        return int(kept[_EPOCHS_DONE])
