"""Purging: objects that no row names any more are deleted, in all of their versions.

Versions are listed before the rows are read, and only listed ones are deleted, and only if they are older than the
quiet time, which no process outlives. So an object that is written meanwhile, and named by a row a moment later, is
never deleted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tuneloop.domain.evaluation.evaluations import Evaluation
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import fingerprints_key, members_key
from tuneloop.store.objects.segments import folder_of
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.generations import Generations

OPEN_EVALUATION_FILES = ("versions.jsonl", "removed.bin")  # needed beside the answers until an evaluation has ended


@dataclass(frozen=True)
class PurgeSegments:
    """Deletes the segments of a dataset that no row names."""

    generations: Generations
    objects: Objects
    quiet: timedelta

    def purge(self, tenant: str, dataset: str, now: datetime) -> int:
        """Delete a dataset's unnamed segments that are older than the quiet time; return the number of versions."""
        folder = folder_of(tenant, dataset)
        return _purge(self.objects, folder, lambda: self._named_keys(tenant, dataset), now - self.quiet)

    def _named_keys(self, tenant: str, dataset: str) -> set[str]:
        return {segment.key for segment in self.generations.segments(tenant, dataset)}


@dataclass(frozen=True)
class PurgeExports:
    """Deletes the export files of a dataset that no row names, also those of exports that were never finished."""

    datasets: Datasets
    exports: Exports
    objects: Objects
    quiet: timedelta

    def purge(self, tenant: str, dataset: str, now: datetime) -> int:
        """Delete unnamed files that are older than the quiet time; return the number of versions."""
        prefix = f"exports/{tenant}/{dataset}/"
        return _purge(self.objects, prefix, lambda: self._named_keys(tenant, dataset), now - self.quiet)

    def _named_keys(self, tenant: str, dataset: str) -> set[str]:
        """The keys that the rows of a dataset's exports name, and the list of its held-out examples."""
        exports = self.exports.all(tenant, dataset)
        held_out = self.datasets.get(tenant, dataset).held_out
        return {
            *(file.key for export in exports for file in export.files.values()),
            *(members_key(export.folder) for export in exports),
            *(fingerprints_key(export.folder) for export in exports),
            *(f"{export.folder}/manifest.json" for export in exports),
            *(export.held_out for export in exports if export.held_out),
            *([held_out.key] if held_out else []),
        }


@dataclass(frozen=True)
class PurgeAnswers:
    """Deletes the answers of an evaluation that its row no longer names."""

    evaluations: Evaluations
    objects: Objects
    quiet: timedelta

    def purge(self, evaluation: Evaluation, now: datetime) -> int:
        """Delete unnamed answers, and once the evaluation has ended OPEN_EVALUATION_FILES; return the count."""
        prefix = f"evaluations/{evaluation.tenant}/{evaluation.id}/"
        return _purge(self.objects, prefix, lambda: self._named_keys(evaluation, prefix), now - self.quiet)

    def _named_keys(self, evaluation: Evaluation, prefix: str) -> set[str]:
        current = self.evaluations.get(evaluation.tenant, evaluation.id)
        parts = {f"{prefix}{arm}-{part:07d}.jsonl" for arm, count in current.parts.items() for part in range(count)}
        return parts | ({prefix + file for file in OPEN_EVALUATION_FILES} if current.is_open else set())


def _purge(objects: Objects, prefix: str, named_keys: Callable[[], set[str]], until: datetime) -> int:
    """Delete unnamed objects under a prefix that are older than `until`, and old versions of named ones."""
    old = [version for version in objects.all_versions(prefix) if version.modified_at <= until]
    keep = named_keys()  # read after the objects are listed: an object that a row names by now stays
    return objects.remove(version for version in old if version.key not in keep or not version.is_latest)
