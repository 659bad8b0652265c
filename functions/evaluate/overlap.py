"""Overlap: the test rows that the compared versions have seen in training, searched before any row is asked.

A version has seen the rows that its export trained and validated on, and also those of each version of ours that its
provider model was trained from, or is under another number. A row that either version has seen is asked of neither.
Where the overlap can't be known, because training data is gone or too much of it is erased, no row may be asked at all.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound, Stale, TuneloopError
from tuneloop.domain.evaluation.evaluations import MOST_REMOVED_SHARE
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.fingerprints import Overlap
from tuneloop.domain.serving.models import Version
from tuneloop.domain.training.trained_exports import seen_exports
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import Fingerprints
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.fingerprint_backfill import FingerprintBackfill
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.runs import Runs

TEST = (Split.TEST,)  # as the argument of functions that take several splits


class UnknownOverlap(TuneloopError):
    """Raised where nobody can know which test rows a version has seen; its code and message end the evaluation."""


class OverlappingRows(NamedTuple):
    """The numbers of the test rows that a version has seen, and by kind of hash how many rows share it."""

    rows: "array[int]"
    kinds: dict[str, int]


@dataclass(frozen=True)
class OverlapSearch:
    """Finds test rows that versions have seen; stores only the fingerprints of exports that have none yet."""

    models: Models
    runs: Runs
    exports: Exports
    backfill: FingerprintBackfill
    objects: Objects

    def find(
        self, export: Export, candidate: Version, versions: Iterable[Version], renew_lease: Callable[[], None]
    ) -> OverlappingRows:
        """The export's test rows that any of these versions has seen; UnknownOverlap where that can't be known.

        `renew_lease` is called between the longer steps.
        """
        trained = self._trained_versions(export.tenant)
        self._require_unerased(export, candidate, trained)
        fingerprints, counts, rows = Fingerprints(self.objects), Counter[str](), array("Q")
        with self._raise_if_gone(export, missing_test_data(export)):
            self.backfill.backfill(export)
            renew_lease()
            overlap = Overlap(fingerprints.rows(export, TEST))
        for seen, splits in self._exports_seen(export.tenant, versions, trained):
            with self._raise_if_gone(seen, missing_training_data(seen.dataset, seen.id)):
                self.backfill.backfill(seen)
                renew_lease()
                overlap.add(fingerprints.rows(seen, splits))
            renew_lease()
        with self._raise_if_gone(export, missing_test_data(export)):
            for row, test in enumerate(fingerprints.rows(export, TEST)):
                if kinds := overlap.kinds(test):
                    rows.append(row)
                    counts.update(kinds)
        return OverlappingRows(rows, dict(counts))

    def _require_unerased(self, export: Export, candidate: Version, trained: Collection[Version]) -> None:
        """Raise UnknownOverlap where too much of the candidate's training data is erased.

        The export under test is exempt: when it was frozen, its test rows shared nothing with its training rows, erased
        ones included. The other version is exempt too: a test row that it has seen could only have helped it.
        """
        for seen, splits in self._exports_seen(export.tenant, [candidate], trained):
            if seen.id != export.id and seen.share_erased(splits) > MOST_REMOVED_SHARE:
                raise UnknownOverlap(
                    f"More than {MOST_REMOVED_SHARE:.0%} of what version {candidate.number} was trained on (export "
                    f"{seen.id} of dataset {seen.dataset}) has been erased, too much to tell what it has seen. Train "
                    "anew, or activate the version by hand if you trust it.",
                    code="training_data_erased",
                )

    @contextmanager
    def _raise_if_gone(self, export: Export, error_if_gone: UnknownOverlap) -> Iterator[None]:
        """Raise `error_if_gone` where an export's objects are gone, Stale where an erasure has just moved them."""
        try:
            yield
        except NotFound as error:
            current = self.exports.find(export.tenant, export.dataset, export.id)
            if current and current.folder != export.folder:
                raise Stale(f"Export {export.id} is being written without what was erased; try again.") from error
            raise error_if_gone from error

    def _exports_seen(
        self, tenant: str, versions: Iterable[Version], trained: Collection[Version]
    ) -> list[tuple[Export, Collection[Split]]]:
        """The exports that these versions were trained on, each with the splits that trained or validated them."""
        splits: dict[tuple[str, str, str], set[Split]] = {}
        for version in versions:
            for source in sources_of(version, trained):
                run = self.runs.find(source.tenant, source.run) if source.run else None
                for seen in seen_exports(source.dataset or "", source.export or "", run):
                    splits.setdefault((tenant, seen.dataset, seen.export), set()).update(seen.splits)
        return [(self._export(*place), seen_splits) for place, seen_splits in splits.items()]

    def _export(self, tenant: str, dataset: str, export: str) -> Export:
        if (row := self.exports.find(tenant, dataset, export)) is None:
            raise missing_training_data(dataset, export)
        return row

    def _trained_versions(self, tenant: str) -> list[Version]:
        models = self.models.all(tenant)
        versions = (version for model in models for version in self.models.all_versions(tenant, model.id))
        return [version for version in versions if is_trained(version)]


def missing_training_data(dataset: str, export: str) -> UnknownOverlap:
    """The error for a version that was trained on an export whose files are gone."""
    message = (
        f"The files of export {export} of dataset {dataset}, which a version of this comparison was trained on, are "
        "gone, so nobody can tell which test rows it has seen. Train anew, or activate the version by hand if you "
        "trust it."
    )
    return UnknownOverlap(message, code="training_data_gone")


def missing_test_data(export: Export) -> UnknownOverlap:
    """The error for an evaluation whose test rows themselves are gone."""
    message = (
        f"The files of export {export.id} of dataset {export.dataset}, whose test rows were to be asked, are gone. "
        "Name another export, or activate the version by hand if you trust it."
    )
    return UnknownOverlap(message, code="test_data_gone")


def is_trained(version: Version) -> bool:
    """Whether one of our runs made a version, so that its training data is known."""
    return bool(version.is_finetuned and version.dataset and version.export)


def sources_of(version: Version, trained: Collection[Version]) -> list[Version]:
    """The trained versions whose training data a version has seen.

    These are the version itself, other versions of the same provider model, and those that it was trained from, back to
    the first. A provider model is recognised by its id, by the id of its deployment, and by the ids of its checkpoints,
    which begin with its own: at whatever provider, since one account may be registered under several names.
    """
    sources = [version] if is_trained(version) else []
    names = {name for name in (version.provider_model, version.base_model, version.deployment) if name}
    while more_sources := [
        other for other in trained if _is_not_among(other, sources) and _is_named(other, names, version.provider)
    ]:
        sources += more_sources
        names |= {source.base_model for source in more_sources}
    return sources


def _is_not_among(version: Version, others: Collection[Version]) -> bool:
    return (version.model, version.number) not in {(other.model, other.number) for other in others}


def _is_named(trained: Version, names: Collection[str], provider: str) -> bool:
    """Whether one of these names, which are `provider`'s, means a trained version's model or a checkpoint of it."""
    model = trained.provider_model
    if trained.provider != provider and model == trained.base_model:
        return False  # its server gives trained models no ids of their own: elsewhere the id means the base model
    return model in names or trained.deployment in names or any(name.startswith(f"{model}:ckpt") for name in names)
