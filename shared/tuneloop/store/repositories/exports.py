"""Exports' rows, which only an erasure changes, and the marks of exports that versions were trained on.

An export is marked in the transaction that makes a version of it, or a version that it validated. Versions of older
releases left no mark; their exports are found by the versions of the dataset's own model.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.events import AnyEvent
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.domain.training.trained_exports import SeenExport, SeenRows, TrainedExport, merge_exports
from tuneloop.observability import logger
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Listing, Table
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import Fingerprints
from tuneloop.store.repositories.fingerprint_backfill import FingerprintBackfill
from tuneloop.store.repositories.models import Models


class Exports:
    """The exports of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, dataset: str, export: str) -> Export | None:
        """The export, if it is frozen already."""
        return self._table.get(keys.export(tenant, dataset, export), Export)

    def get(self, tenant: str, dataset: str, export: str) -> Export:
        """The export, or NotFound."""
        if (stored := self.find(tenant, dataset, export)) is None:
            raise NotFound(f"Dataset {dataset} has no export {export}.", param="export")
        return stored

    def add(self, export: Export, dataset: Dataset, event: AnyEvent, now: datetime) -> None:
        """Store an export and its dataset's progress, with the event that announces the export."""
        dataset_write = ConditionalPut(keys.dataset(dataset.tenant, dataset.id), dataset)
        self._table.commit(_export_write(export), dataset_write, EmitEvent(event, 1, now))

    def all(self, tenant: str, dataset: str) -> list[Export]:
        """Every export of a dataset, by id."""
        return list(self._table.all(keys.export(tenant, dataset, "").pk, Export))

    def rewrite(self, export: Export) -> None:
        """Store an export whose files were rewritten by an erasure; Stale where somebody else has stored it since."""
        self._table.commit(_export_write(export))

    def page(self, tenant: str, dataset: str, limit: int, cursor: str | None) -> Listing[Export]:
        """A page of a dataset's exports, newest first."""
        return self._table.newest(keys.export(tenant, dataset, "").pk, Export, limit, cursor)


def _export_write(export: Export) -> ConditionalPut:
    key = keys.export(export.tenant, export.dataset, export.id)
    return ConditionalPut(key, export, keys.by_time(key.pk, export.created_at, export.id))


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
