"""Overlap: the test rows that the compared versions have seen in training, found before anything is asked.

A version has seen what its export trained and validated on; if its provider's model came from another one of ours, or
is one of ours under another number, it has seen what that one has too. Rows that any side has seen are asked of none.
Where that can't be told, because training data is gone or too much of it is erased, nothing may be asked at all.
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

TEST = (Split.TEST,)


class UntoldOverlap(TuneloopError):
    """Which test rows a version has seen can't be told; the error's code and message end the evaluation."""


class Removed(NamedTuple):
    """The places in the test file of rows that a version has seen, and how many rows share each kind of hash."""

    rows: "array[int]"
    kinds: dict[str, int]


@dataclass(frozen=True)
class OverlapSearch:
    """Finds test rows that versions have seen; it writes nothing but the fingerprints of exports that have none yet."""

    models: Models
    runs: Runs
    exports: Exports
    backfill: FingerprintBackfill
    objects: Objects

    def find(
        self, export: Export, candidate: Version, versions: Iterable[Version], renew: Callable[[], None]
    ) -> Removed:
        """The export's test rows that any of these versions has seen; UntoldOverlap where that can't be told.

        `renew` is called between the longer steps.
        """
        trained = self._trained(export.tenant)
        self._require_kept(export, candidate, trained)
        prints, counts, rows = Fingerprints(self.objects), Counter[str](), array("Q")
        with self._reading(export, missing_test_data(export)):
            self.backfill.backfill(export)
            renew()
            overlap = Overlap(prints.rows(export, TEST))
        for seen, splits in self._seen_by(export.tenant, versions, trained):
            with self._reading(seen, missing_training_data(seen.dataset, seen.id)):
                self.backfill.backfill(seen)
                renew()
                overlap.add(prints.rows(seen, splits))
            renew()
        with self._reading(export, missing_test_data(export)):
            for row, test in enumerate(prints.rows(export, TEST)):
                if kinds := overlap.kinds(test):
                    rows.append(row)
                    counts.update(kinds)
        return Removed(rows, dict(counts))

    def _require_kept(self, export: Export, candidate: Version, trained: Collection[Version]) -> None:
        """Refuse where too much of what the candidate has seen is erased to know its test rows by the rest.

        The candidate's own export is no trouble: no test row shared anything with what is gone when it was frozen. What
        is gone of the other version's data could only have been in its favour.
        """
        for seen, splits in self._seen_by(export.tenant, [candidate], trained):
            if seen.id != export.id and seen.share_erased(splits) > MOST_REMOVED_SHARE:
                raise UntoldOverlap(
                    f"More than {MOST_REMOVED_SHARE:.0%} of what version {candidate.number} was trained on (export "
                    f"{seen.id} of dataset {seen.dataset}) has been erased, too much to tell what it has seen. Train "
                    "anew, or activate the version by hand if you trust it.",
                    code="training_data_erased",
                )

    @contextmanager
    def _reading(self, export: Export, gone: UntoldOverlap) -> Iterator[None]:
        """Read an export's objects; raises `gone` where they are, Stale where an erasure has just moved them."""
        try:
            yield
        except NotFound as error:
            current = self.exports.find(export.tenant, export.dataset, export.id)
            if current and current.folder != export.folder:
                raise Stale(f"Export {export.id} is being written without what was erased; try again.") from error
            raise gone from error

    def _seen_by(
        self, tenant: str, versions: Iterable[Version], trained: Collection[Version]
    ) -> list[tuple[Export, Collection[Split]]]:
        """The exports that went into these versions, each with its splits that did."""
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

    def _trained(self, tenant: str) -> list[Version]:
        models = self.models.all(tenant)
        versions = (version for model in models for version in self.models.all_versions(tenant, model.id))
        return [version for version in versions if is_trained(version)]


def missing_training_data(dataset: str, export: str) -> UntoldOverlap:
    """The error where a version was trained on an export whose files are gone."""
    message = (
        f"The files of export {export} of dataset {dataset}, which a version of this comparison was trained on, are "
        "gone, so nobody can tell which test rows it has seen. Train anew, or activate the version by hand if you "
        "trust it."
    )
    return UntoldOverlap(message, code="training_data_gone")


def missing_test_data(export: Export) -> UntoldOverlap:
    """The error where the test rows themselves are gone."""
    message = (
        f"The files of export {export.id} of dataset {export.dataset}, whose test rows were to be asked, are gone. "
        "Name another export, or activate the version by hand if you trust it."
    )
    return UntoldOverlap(message, code="test_data_gone")


def is_trained(version: Version) -> bool:
    """Whether a version came out of one of our runs, so that it is known what went into it."""
    return bool(version.is_finetuned and version.dataset and version.export)


def sources_of(version: Version, trained: Collection[Version]) -> list[Version]:
    """The trained versions whose training is in a version: itself, the same model by another name, what it came from.

    A model is known by its provider's id, by that of its deployment, and as one of its checkpoints, whose ids begin
    with its own: at whatever provider, since one account may be registered under several names.
    """
    sources = [version] if is_trained(version) else []
    names = {name for name in (version.provider_model, version.base_model, version.deployment) if name}
    while more := [
        other for other in trained if _is_another(other, sources) and _is_one_of(other, names, version.provider)
    ]:
        sources += more
        names |= {source.base_model for source in more}
    return sources


def _is_another(version: Version, others: Collection[Version]) -> bool:
    return (version.model, version.number) not in {(other.model, other.number) for other in others}


def _is_one_of(trained: Version, names: Collection[str], provider: str) -> bool:
    own = trained.provider_model
    if trained.provider != provider and own == trained.base_model:
        return False  # a server that gives what it trained no id of its own: elsewhere the base model is called so too
    return own in names or trained.deployment in names or any(name.startswith(f"{own}:ckpt") for name in names)
