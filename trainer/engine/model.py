"""Models: the port by which conversations are answered, and a trained model's artifact on disk.

An artifact is a folder of `model.json` (n-grams and replies) and `arrays.npz` (numbers). Loading it runs no code.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from trainer.engine.examples import Reply
from trainer.engine.text import Turn
from trainer.engine.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Artifact:
    """The parts of a trained model; `kind` names the model's class."""

    kind: str
    vocabulary: Vocabulary
    replies: Sequence[Reply]
    arrays: Mapping[str, NDArray[np.generic]]

    def save(self, folder: Path) -> None:
        """Write the artifact to a folder, which is complete or not there at all: it is renamed once it is complete."""
        unfinished = folder.with_name(f".{folder.name}.unfinished")
        for leftover in (unfinished, folder):
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished.mkdir(parents=True)
        description = {
            "kind": self.kind,
            "grams": self.vocabulary.grams,
            "replies": [(reply.content, reply.calls) for reply in self.replies],
        }
        (unfinished / "model.json").write_bytes(orjson.dumps(description))
        np.savez_compressed(unfinished / "arrays.npz", allow_pickle=False, idf=self.vocabulary.idf, **self.arrays)
        os.replace(unfinished, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the artifact in a folder."""
        description: dict[str, Any] = orjson.loads((folder / "model.json").read_bytes())
        with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        vocabulary = Vocabulary(description["grams"], arrays.pop("idf"))
        return cls(
            description["kind"],
            vocabulary,
            [Reply(content, calls) for content, calls in description["replies"]],
            arrays,
        )


class AnsweringModel(Protocol):
    """A model that answers conversations; equal conversations get equal replies."""

    def answer(self, turns: Sequence[Turn]) -> Reply:
        """Return the reply to a conversation."""


class TrainedModel(AnsweringModel, Protocol):
    """A model that can be stored on disk."""

    def artifact(self) -> Artifact:
        """Return the parts that the model consists of."""
