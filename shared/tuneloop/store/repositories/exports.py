"""Exports' rows: a frozen version of a dataset is stored once and never changed."""

from datetime import datetime

from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.events import AnyEvent
from tuneloop.domain.exports.exports import Export
from tuneloop.store import keys
from tuneloop.store.dynamodb import Listing, Table
from tuneloop.store.writes import ConditionalPut, EmitEvent


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
