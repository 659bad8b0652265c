"""Freezing: the examples of one revision become train, validation and test files that never change again.

Files are named by the export's id and by what they were made of, and written whole. A repeated freeze writes the same
bytes to the same keys, one after an erasure writes beside them, and the export's row is added once. A damaged segment
ends the freeze, and the dataset keeps the reason for whoever waits for the export.
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
from tuneloop.store.repositories.exports import Exports, TrainedExports
from tuneloop.store.retry import retry_stale

# How often the files are written before a freeze gives up: anew only where a version was made, something was erased, or
# another export took its test, all of them rare while one export is written.
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
        """Return the export of a dataset's revision, made if there is none yet.

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
            seen = self.trained.seen_rows(dataset) if dataset.rules_at(revision) > FIRST_RULES else UNSEEN
            try:
                export = WriteExport(self.contents, self.objects).write(dataset, revision, policy, seen, now=now)
            except Corrupt as error:
                self._note_failure(dataset, identity, error, now)
                raise
            is_overtaken = seen is not UNSEEN and self.trained.exports(dataset) != seen.exports  # a version was made
            if not is_overtaken and (added := self._add(export, dataset, now)):
                return added
        raise Stale(f"Dataset {name} is changing too fast to record its export; try again.")

    def _add(self, export: Export, before: Dataset, now: datetime) -> Export | None:
        """Add the export's row; None where the files have to be written anew.

        That is where another export has taken prompts for its test meanwhile, or something was erased that the files
        may hold. `before` is the dataset that they were written from.
        """
        examples = sum(file.examples for file in export.files.values())
        event = ExportCreated(
            tenant=export.tenant, dataset=export.dataset, export=export.id, revision=export.revision, examples=examples
        )

        def attempt() -> Export | None:
            """The export, added or found there already; None where it has to be written anew."""
            dataset = self.datasets.get(export.tenant, export.dataset)
            if dataset.held_out != before.held_out or dataset.erasures > export.without:
                return None
            try:
                self.exports.add(export, _progressed(dataset, export), event, now)
            except Stale:  # the dataset grew meanwhile, or somebody else added the same export
                if existing := self.exports.find(export.tenant, export.dataset, export.id):
                    return existing
                raise
            return export

        return retry_stale(attempt, f"Dataset {export.dataset}")

    def _note_failure(self, dataset: Dataset, export: str, error: TuneloopError, now: datetime) -> None:
        """Keep with the dataset why an export of it could not be made; the stage's operator learns it by the error."""
        failure = ExportFailure(export=export, code=error.code, message=error.message, at=now)

        def attempt() -> None:
            """Note the failure with the dataset as it is now."""
            current = self.datasets.get(dataset.tenant, dataset.id)
            self.datasets.save(current.model_copy(update={"export_failure": failure}))

        with suppress(Stale):  # the reason is lost rather than the error itself, which the caller raises
            retry_stale(attempt, f"Dataset {dataset.id}")


def _progressed(dataset: Dataset, export: Export) -> Dataset:
    """The dataset's row once the export is added: how far it is frozen, and what is held out from now on."""
    progress: dict[str, Any] = {"exported_revision": max(dataset.exported_revision, export.revision)}
    if export.held_out:
        progress["held_out"] = HeldOut(revision=export.revision, key=export.held_out)
    if dataset.export_failure and dataset.export_failure.export == export.id:
        progress["export_failure"] = None
    return dataset.model_copy(update=progress)
