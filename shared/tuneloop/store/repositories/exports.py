"""Exports' rows, which only an erasure changes."""

from datetime import datetime

from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.events import AnyEvent
from tuneloop.domain.exports.exports import Export
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, EmitEvent, Listing, Table


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
