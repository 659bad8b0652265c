"""Trained: what versions have seen of a dataset in training and validation, worked out from its exports.

An export is marked in the write that makes a version of it, or one that it validated. Versions of before that have no
mark are found by the rows of the dataset's own model; the fingerprints of their exports are made once, where there are
none. Nothing of this is kept beside the fingerprints, which an erasure rewrites, so that what is erased is known to
nobody here.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.domain.training.trained_exports import SeenExport, SeenRows, TrainedExport, merge_exports
from tuneloop.store import keys
from tuneloop.store.dynamodb import Table
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_members import Membership
from tuneloop.store.objects.fingerprints import Fingerprints
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.fingerprint_backfill import backfill_fingerprints
from tuneloop.store.repositories.models import Models


class TrainedExports:
    """What versions have seen, by dataset."""

    def __init__(
        self,
        table: Table,
        exports: Exports,
        models: Models,
        contents: Contents,
        membership: Membership,
        objects: Objects,
    ) -> None:
        self._table, self._exports, self._models = table, exports, models
        self._contents, self._membership, self._objects = contents, membership, objects
        self._fingerprints = Fingerprints(objects)

    def exports(self, dataset: Dataset) -> list[SeenExport]:
        """The dataset's exports that versions have seen something of, in order."""
        partition = keys.trained_export(dataset.tenant, dataset.id, "").pk
        marked = [SeenExport(dataset.id, mark.id, mark.splits) for mark in self._table.all(partition, TrainedExport)]
        return merge_exports([*marked, *self._unmarked(dataset)])

    def _unmarked(self, dataset: Dataset) -> list[SeenExport]:
        """The exports that made versions of the dataset's own model, whether they are marked or not."""
        versions = self._models.all_versions(dataset.tenant, dataset.model)
        return [SeenExport(dataset.id, each.export) for each in versions if each.export and each.dataset == dataset.id]

    def seen_rows(self, dataset: Dataset) -> SeenRows:
        """What versions have seen of the dataset; its rows are read while somebody goes through them, and held by none.

        Fingerprints that are missing are made before, as that takes memory of its own.
        """
        exports = self.exports(dataset)
        for seen in exports:
            if export := self._exports.find(dataset.tenant, dataset.id, seen.export):
                with suppress(NotFound):
                    self._backfill(export)
        return SeenRows(exports, self._rows(dataset, exports))

    def _rows(self, dataset: Dataset, exports: Iterable[SeenExport]) -> Iterator[Fingerprint]:
        for seen in exports:
            if export := self._exports.find(dataset.tenant, dataset.id, seen.export):
                with suppress(NotFound):  # somebody deleted the export's objects, or an erasure moves them right now
                    yield from self._fingerprints.rows(export, seen.splits)

    def _backfill(self, export: Export) -> None:
        backfill_fingerprints(export, contents=self._contents, membership=self._membership, objects=self._objects)
