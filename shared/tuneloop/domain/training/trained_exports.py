"""Seen exports: which splits of which exports a version has seen, so that it is never measured on them.

By this one definition a run's files are sent, its exports are marked so that no later test is drawn from them, and an
evaluation finds the test rows that it asks of nobody.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.ids import Name
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.domain.training.runs import TrainingRun

# What goes to the provider of a run's own export. Validation counts as seen: by its loss checkpoints are chosen.
SEEN_SPLITS = (Split.TRAIN, Split.VALIDATION)
# Where another dataset validates a run, what it would train on itself is sent as the validation file.
VALIDATING_SPLIT = Split.TRAIN


class SeenExport(NamedTuple):
    """The splits of a dataset's export that a version has seen, in the order of the alphabet."""

    dataset: str
    export: str
    splits: tuple[Split, ...] = SEEN_SPLITS

    @property
    def name(self) -> str:
        """What tells it apart from others of its dataset."""
        return ":".join((self.export, *self.splits))


class SeenRows(NamedTuple):
    """What versions have seen of a dataset: of which exports, and the rows' fingerprints, read once as they stream."""

    exports: Sequence[SeenExport]
    rows: Iterable[Fingerprint]


UNSEEN = SeenRows((), ())


class TrainedExport(BaseModel):
    """The mark of an export that a version was trained on: nothing of these splits is drawn for a test any more.

    Marks of before have no `splits`; they are of the versions' own exports.
    """

    id: Name
    splits: tuple[Split, ...] = SEEN_SPLITS


def seen_exports(dataset: str, export: str, run: TrainingRun | None) -> list[SeenExport]:
    """What the version has seen that a run made of an export, the run being None where its row is gone."""
    seen = [SeenExport(dataset, export)]
    if run and run.validation_dataset and run.validation_export:
        seen.append(SeenExport(run.validation_dataset, run.validation_export, (VALIDATING_SPLIT,)))
    return seen


def merge_exports(exports: list[SeenExport]) -> list[SeenExport]:
    """Seen exports in order, each of them once, with all splits of it that were seen."""
    splits: dict[tuple[str, str], set[Split]] = {}
    for seen in exports:
        splits.setdefault((seen.dataset, seen.export), set()).update(seen.splits)
    return [SeenExport(*place, tuple(sorted(splits[place]))) for place in sorted(splits)]
