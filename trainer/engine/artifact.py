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
class Artefact:
    """Everything a trained model is made of; `kind` names the class that it makes."""

    kind: str
    vocabulary: Vocabulary
    replies: Sequence[Reply]
    arrays: Mapping[str, NDArray[np.generic]]

    def save(self, folder: Path) -> None:
        """Write the artefact so that the folder is either whole or not there."""
        unfinished = folder.with_name(f".{folder.name}.unfinished")
        for stale in (unfinished, folder):
            shutil.rmtree(stale, ignore_errors=True)
        unfinished.mkdir(parents=True)
        facts = {
            "kind": self.kind,
            "grams": self.vocabulary.grams,
            "replies": [(r.content, r.calls) for r in self.replies],
        }
        (unfinished / "model.json").write_bytes(orjson.dumps(facts))
        np.savez_compressed(unfinished / "arrays.npz", allow_pickle=False, idf=self.vocabulary.idf, **self.arrays)
        os.replace(unfinished, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read an artefact back."""
        facts: dict[str, Any] = orjson.loads((folder / "model.json").read_bytes())
        with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        vocabulary = Vocabulary(facts["grams"], arrays.pop("idf"))
        return cls(facts["kind"], vocabulary, [Reply(content, calls) for content, calls in facts["replies"]], arrays)
