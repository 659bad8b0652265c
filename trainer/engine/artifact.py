"""A trained model on disk: `model.json` (words and replies) beside `arrays.npz` (numbers). Loading it runs no code."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from trainer.engine.examples import Reply
from trainer.engine.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Artifact:
    """A trained model's parts; `kind` names the class that they make."""

    kind: str
    vocabulary: Vocabulary
    replies: Sequence[Reply]
    arrays: Mapping[str, NDArray[np.generic]]

    def save(self, folder: Path) -> None:
        """Write the artifact so that the folder is either whole or not there."""
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
        """Read an artifact back."""
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
