"""Exports' rows, which are stored once and never changed, and the marks of exports that versions were trained on.

An export is marked in the write that makes a version of it, or one that it validated. Versions of before that have no
mark are found by the rows of the dataset's own model.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.events import AnyEvent
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.fingerprints import Fingerprint
from tuneloop.domain.training.trained_exports import SeenExport, SeenRows, TrainedExport, merge_exports
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Listing, Table
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import Fingerprints, Membership
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.fingerprint_backfill import backfill_fingerprints
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
        if (found := self.find(tenant, dataset, export)) is None:
            raise NotFound(f"Dataset {dataset} has no export {export}.", param="export")
        return found

    def add(self, export: Export, dataset: Dataset, event: AnyEvent, now: datetime) -> None:
        """Store an export and the dataset's last exported revision, with the event that announces it."""
        key = keys.export(export.tenant, export.dataset, export.id)
        self._table.commit(
            ConditionalPut(key, export, keys.by_time(key.pk, export.created_at, export.id)),
            ConditionalPut(keys.dataset(dataset.tenant, dataset.id), dataset),
            EmitEvent(event, 1, now),
        )

    def all(self, tenant: str, dataset: str) -> list[Export]:
        """A dataset's exports, all of them."""
        return list(self._table.all(keys.export(tenant, dataset, "").pk, Export))

    def rewrite(self, export: Export) -> None:
        """Store an export from whose files something was erased; Stale where somebody else did so too."""
        key = keys.export(export.tenant, export.dataset, export.id)
        self._table.commit(ConditionalPut(key, export, keys.by_time(key.pk, export.created_at, export.id)))

    def page(self, tenant: str, dataset: str, limit: int, cursor: str | None) -> Listing[Export]:
        """A page of a dataset's exports, newest first."""
        return self._table.newest(keys.export(tenant, dataset, "").pk, Export, limit, cursor)


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
