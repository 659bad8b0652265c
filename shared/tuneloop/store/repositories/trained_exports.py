"""The exports that versions were trained on or validated with, by their marks.

An export is marked in the transaction that makes a version of it, or a version that it validated. Versions of older
releases left no mark; their exports are found by the versions of the dataset's own model. Apart from the exports' rows,
which most functions read: fingerprints bring libraries that `check-status`, for one, should not load.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.domain.training.trained_exports import SeenExport, SeenRows, TrainedExport, merge_exports
from tuneloop.observability import logger
from tuneloop.store import keys
from tuneloop.store.dynamodb import Table
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import Fingerprints
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.fingerprint_backfill import FingerprintBackfill
from tuneloop.store.repositories.models import Models


class TrainedExports:
    """The exports of each dataset that versions have seen, in training or in validation."""

    def __init__(
        self, table: Table, exports: Exports, models: Models, backfill: FingerprintBackfill, objects: Objects
    ) -> None:
        self._table, self._exports, self._models = table, exports, models
        self._backfill, self._fingerprints = backfill, Fingerprints(objects)

    def exports(self, dataset: Dataset) -> list[SeenExport]:
        """The exports of a dataset that versions have seen, each with the splits that they saw."""
        partition = keys.trained_export(dataset.tenant, dataset.id, "").pk
        marked = [SeenExport(dataset.id, mark.id, mark.splits) for mark in self._table.all(partition, TrainedExport)]
        return merge_exports([*marked, *self._unmarked(dataset)])

    def _unmarked(self, dataset: Dataset) -> list[SeenExport]:
        """The exports that made versions of the dataset's own model, whether they are marked or not."""
        versions = self._models.all_versions(dataset.tenant, dataset.model)
        return [
            SeenExport(dataset.id, version.export)
            for version in versions
            if version.export and version.dataset == dataset.id
        ]

    def seen_rows(self, dataset: Dataset) -> SeenRows:
        """The exports of a dataset that versions have seen, and an iterator of the fingerprints that they saw.

        Fingerprints are read while the iterator is used and not held in memory. Missing ones are made before, as that
        takes memory of its own. An export whose row or objects are gone is left out and logged. Both this call and the
        iterator raise Stale where an erasure has just moved an export's objects: call again.
        """
        exports, readable = self.exports(dataset), list[tuple[Export, SeenExport]]()
        for seen in exports:
            if (export := self._exports.find(dataset.tenant, dataset.id, seen.export)) is None:
                _log_gone(seen.export)
                continue
            with self._skip_if_gone(export):
                self._backfill.backfill(export)
                readable.append((export, seen))
        return SeenRows(exports, self._rows(readable))

    def _rows(self, readable: Iterable[tuple[Export, SeenExport]]) -> Iterator[Fingerprint]:
        """The fingerprints in the folders that `seen_rows` read: where one was moved since, this must be noticed."""
        for export, seen in readable:
            with self._skip_if_gone(export):
                yield from self._fingerprints.rows(export, seen.splits)

    @contextmanager
    def _skip_if_gone(self, export: Export) -> Iterator[None]:
        """Log that an export's objects are gone and go on; raise Stale where an erasure has just moved them.

        Taking moved rows for unseen would let a test be drawn from what a version was trained on, for good.
        """
        try:
            yield
        except NotFound as error:
            current = self._exports.find(export.tenant, export.dataset, export.id)
            if current and current.folder != export.folder:
                raise Stale(f"Export {export.id} is being written without what was erased; try again.") from error
            _log_gone(export.id)


def _log_gone(export: str) -> None:
    logger.warning("what a version was trained on is gone: later tests may be drawn from it", extra={"export": export})
