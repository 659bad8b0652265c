"""Trained exports: which splits of which exports a version has seen in training, so that it is never measured on them.

This one definition decides which files a run sends, which exports are marked so that no later test is drawn from them,
and which test rows an evaluation leaves out.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.ids import Name
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.domain.training.runs import TrainingRun

# The splits of a run's own export that go to the provider. Validation counts as seen: checkpoints are chosen by its
# loss.
SEEN_SPLITS = (Split.TRAIN, Split.VALIDATION)
# Where another dataset validates a run, that dataset's train split is sent as the validation file.
VALIDATING_SPLIT = Split.TRAIN


class SeenExport(NamedTuple):
    """The splits of a dataset's export that a version has seen, sorted by name."""

    dataset: str
    export: str
    splits: tuple[Split, ...] = SEEN_SPLITS

    @property
    def name(self) -> str:
        """Export and splits as one text, which no other seen export of the dataset has."""
        return ":".join((self.export, *self.splits))


class SeenRows(NamedTuple):
    """What versions have seen of a dataset: the exports, and their rows' fingerprints as a stream to be read once."""

    exports: Sequence[SeenExport]
    rows: Iterable[Fingerprint]


UNSEEN = SeenRows((), ())


class TrainedExport(BaseModel):
    """The mark of an export that a version was trained on: no test is drawn from these splits any more.

    Marks of former releases have no `splits`; they are of the versions' own exports.
    """

    id: Name
    splits: tuple[Split, ...] = SEEN_SPLITS


def seen_exports(dataset: str, export: str, run: TrainingRun | None) -> list[SeenExport]:
    """The exports that the version trained on this export has seen; `run` made it, None where the run's row is gone."""
    seen = [SeenExport(dataset, export)]
    if run and run.validation_dataset and run.validation_export:
        seen.append(SeenExport(run.validation_dataset, run.validation_export, (VALIDATING_SPLIT,)))
    return seen


def merge_exports(exports: list[SeenExport]) -> list[SeenExport]:
    """Seen exports in order, each once, with all splits that were seen of it."""
    splits: dict[tuple[str, str], set[Split]] = {}
    for seen in exports:
        splits.setdefault((seen.dataset, seen.export), set()).update(seen.splits)
    return [SeenExport(*location, tuple(sorted(splits[location]))) for location in sorted(splits)]
