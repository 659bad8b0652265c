"""Freezes a revision of a dataset: its examples become train, validation and test files that never change again.

The keys of files are made from the export's id and a digest of what the files are made of. So a repeated freeze writes
equal bytes to equal keys, a freeze after an erasure writes under other keys, and the export's row is added once. A
damaged segment ends the freeze, and the dataset's row keeps the reason for those who wait for the export.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from export_data.write_export import WriteExport
from tuneloop.domain.core.errors import Conflict, Corrupt, Stale, TuneloopError
from tuneloop.domain.datasets.datasets import Dataset, ExportFailure, HeldOut
from tuneloop.domain.datasets.policy import FIRST_RULES
from tuneloop.domain.events import ExportCreated
from tuneloop.domain.exports.exports import Export, export_id
from tuneloop.domain.training.trained_exports import UNSEEN
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.trained_exports import TrainedExports
from tuneloop.store.retry import retry_stale

# How often the files are written before a freeze gives up. They are written anew only where a version was made,
# something was erased, or another export took its test meanwhile, all of which are rare while one export is written.
TRIES = 10


@dataclass(frozen=True)
class FreezeDataset:
    """Freezes revisions of datasets into exports."""

    datasets: Datasets
    contents: Contents
    exports: Exports
    objects: Objects
    trained: TrainedExports

    def freeze(self, tenant: str, name: str, revision: int, now: datetime) -> Export:
        """Return the export of a dataset's revision; write it if there is none yet.

        Conflict for a revision that the dataset doesn't have, Corrupt for a damaged segment.
        """
        for _ in range(TRIES):
            dataset = self.datasets.get(tenant, name)
            policy = dataset.policy_at(revision)
            identity = export_id(tenant, name, revision, policy)
            if export := self.exports.find(tenant, name, identity):
                return export
            if not 0 < revision <= dataset.revision:
                raise Conflict(f"Dataset {name} has no revision {revision}; its latest is {dataset.revision}.")
            # By the first rules a test could be drawn from what versions have seen: such exports stay as they were.
            rules = dataset.rules_at(revision)
            try:
                seen = self.trained.seen_rows(dataset) if rules > FIRST_RULES else UNSEEN
                export = WriteExport(self.contents, self.objects).write(dataset, revision, policy, seen, now=now)
            except Stale:  # an erasure has just moved the objects of what versions have seen
                continue
            except Corrupt as error:
                self._note_failure(dataset, identity, error, now)
                raise
            is_overtaken = seen is not UNSEEN and self.trained.exports(dataset) != seen.exports  # a version was made
            if not is_overtaken and (added := self._add(export, dataset, now)):
                return added
        raise Stale(f"Dataset {name} is changing too fast to record its export; try again.")

    def _add(self, export: Export, before: Dataset, now: datetime) -> Export | None:
        """Add the export's row; None where the files have to be written anew.

        They have to where another export took prompts for its test meanwhile, or where something was erased that the
        files may hold. `before` is the dataset from which the files were written.
        """
        examples = sum(file.examples for file in export.files.values())
        event = ExportCreated(
            tenant=export.tenant, dataset=export.dataset, export=export.id, revision=export.revision, examples=examples
        )

        def attempt() -> Export | None:
            """Add the export, or return the one that is there already; None where it has to be written anew."""
            dataset = self.datasets.get(export.tenant, export.dataset)
            if dataset.held_out != before.held_out or dataset.erasures > export.without:
                return None
            try:
                self.exports.add(export, _with_export(dataset, export), event, now)
            except Stale:  # the dataset grew meanwhile, or somebody else added the same export
                if existing := self.exports.find(export.tenant, export.dataset, export.id):
                    return existing
                raise
            return export

        return retry_stale(attempt, f"Dataset {export.dataset}")

    def _note_failure(self, dataset: Dataset, export: str, error: TuneloopError, now: datetime) -> None:
        """Store why an export could not be made with its dataset; the caller raises the error, for the operator."""
        failure = ExportFailure(export=export, code=error.code, message=error.message, at=now)

        def attempt() -> None:
            """Store the failure with the dataset as it is now; Stale if the dataset changes meanwhile."""
            current = self.datasets.get(dataset.tenant, dataset.id)
            self.datasets.save(current.model_copy(update={"export_failure": failure}))

        with suppress(Stale):  # the reason is lost rather than the error itself, which the caller raises
            retry_stale(attempt, f"Dataset {dataset.id}")


def _with_export(dataset: Dataset, export: Export) -> Dataset:
    """The dataset with the export counted in: how far it is frozen, and which prompts are held out from now on."""
    progress: dict[str, Any] = {"exported_revision": max(dataset.exported_revision, export.revision)}
    if export.held_out:
        progress["held_out"] = HeldOut(revision=export.revision, key=export.held_out)
    if dataset.export_failure and dataset.export_failure.export == export.id:
        progress["export_failure"] = None
    return dataset.model_copy(update=progress)
