"""Trained: what versions of a dataset were trained on, worked out from the exports that made them.

An export is marked in the write that makes its version. Versions of before that have no mark are found by the model's
own rows; the fingerprints of their exports are made once, where there are none. Nothing of this is kept beside the
fingerprints, which an erasure rewrites, so that what is erased is known to nobody here.
"""

from contextlib import suppress

from tuneloop.domain.datasets import Dataset
from tuneloop.domain.errors import NotFound
from tuneloop.domain.examples import Split
from tuneloop.domain.exports import Export, TrainedExport
from tuneloop.domain.fingerprints import TrainedUnits
from tuneloop.store import keys
from tuneloop.store.contents import Contents
from tuneloop.store.exports import Exports
from tuneloop.store.fingerprint_backfill import backfill_fingerprints
from tuneloop.store.fingerprints import Fingerprints
from tuneloop.store.membership import Membership
from tuneloop.store.models import Models
from tuneloop.store.objects import Objects
from tuneloop.store.table import Table

PAGE = 100


class Trained:
    """What versions were trained on, by dataset."""

    def __init__(
        self,
        table: Table,
        *,
        exports: Exports,
        models: Models,
        contents: Contents,
        membership: Membership,
        objects: Objects,
    ) -> None:
        self._table, self._exports, self._models = table, exports, models
        self._contents, self._membership, self._objects = contents, membership, objects
        self._fingerprints = Fingerprints(objects)

    def exports(self, dataset: Dataset) -> list[str]:
        """The ids of the dataset's exports that versions were trained on, in order."""
        partition = keys.trained_export(dataset.tenant, dataset.id, "").pk
        marked = {found.id for found in self._table.all(partition, TrainedExport)}
        return sorted(marked | self._unmarked(dataset))

    def _unmarked(self, dataset: Dataset) -> set[str]:
        """The exports that made versions of the dataset's own model."""
        found: set[str] = set()
        cursor = None
        while True:
            page = self._models.versions(dataset.tenant, dataset.model, PAGE, cursor)
            found |= {each.export for each in page.data if each.export and each.dataset == dataset.id}
            if (cursor := page.cursor) is None:
                return found

    def units(self, dataset: Dataset) -> TrainedUnits:
        """The hashes of all that versions were trained on in exports of the dataset."""
        units = TrainedUnits(exports=self.exports(dataset))
        for identity in units.exports:
            if export := self._exports.find(dataset.tenant, dataset.id, identity):
                with suppress(NotFound):  # somebody deleted the export's objects, or an erasure moves them right now
                    self._add(export, units)
        return units

    def _add(self, export: Export, units: TrainedUnits) -> None:
        backfill_fingerprints(export, contents=self._contents, membership=self._membership, objects=self._objects)
        units.add(self._fingerprints.rows(export, (Split.TRAIN,)))
