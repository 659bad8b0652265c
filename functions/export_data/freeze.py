"""Freezing: the examples of one revision become train, validation and test files that never change again.

Two passes over the contents, which come sorted by id: the first gathers what the selection needs, the second writes
each example once into its split. Files are named by the export's id and by what they were made of, and written whole:
a repetition writes the same bytes again, one after an erasure writes beside them, and the row is added once. A damaged
segment ends it, with a note for whoever waits for the export.
"""

from datetime import datetime
from typing import Any

from export_data.failure import note_failure
from export_data.write_export import write_export
from tuneloop.domain.core.errors import Conflict, Corrupt, Stale
from tuneloop.domain.datasets.datasets import Dataset, HeldOut
from tuneloop.domain.datasets.policy import FIRST_RULES
from tuneloop.domain.events import ExportCreated
from tuneloop.domain.exports.exports import Export, export_id
from tuneloop.domain.training.trained_exports import UNSEEN
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.trained import TrainedExports

TRIES = 10


def freeze(
    tenant: str,
    name: str,
    revision: int,
    *,
    datasets: Datasets,
    contents: Contents,
    exports: Exports,
    objects: Objects,
    trained: TrainedExports,
    now: datetime,
) -> Export:
    """The export of a dataset's revision, made if it isn't there yet."""
    for _ in range(TRIES):
        dataset = datasets.get(tenant, name)
        policy = dataset.policy_at(revision)
        identity = export_id(tenant, name, revision, policy)
        if found := exports.find(tenant, name, identity):
            return found
        if not 0 < revision <= dataset.revision:
            raise Conflict(f"Dataset {name} has no revision {revision}; its latest is {dataset.revision}.")
        # By the first rules what versions have seen could be drawn for a test: what they froze stays as it was.
        seen = trained.seen(dataset) if dataset.rules_at(revision) > FIRST_RULES else UNSEEN
        try:
            export = write_export(dataset, revision, policy, seen, contents=contents, objects=objects, now=now)
        except Corrupt as error:
            note_failure(dataset, identity, error, datasets=datasets, now=now)
            raise
        is_new = seen is not UNSEEN and trained.exports(dataset) != seen.exports
        if not is_new and (added := _added(export, dataset, datasets=datasets, exports=exports, now=now)):
            return added  # else a version was made meanwhile, or what `_added` says
    raise Stale(f"Dataset {name} is changing too fast to record its export; try again.")


def _added(export: Export, before: Dataset, *, datasets: Datasets, exports: Exports, now: datetime) -> Export | None:
    """The export as it was added; None where it has to be made anew.

    That is where another one has taken prompts for its test meanwhile, or something was erased that it may hold.
    """
    examples = sum(file.examples for file in export.files.values())
    event = ExportCreated(
        tenant=export.tenant, dataset=export.dataset, export=export.id, revision=export.revision, examples=examples
    )
    for _ in range(TRIES):
        dataset = datasets.get(export.tenant, export.dataset)
        if dataset.held_out != before.held_out or dataset.erasures > export.without:
            return None
        try:
            exports.add(export, _progressed(dataset, export), event, now)
        except Stale:  # the dataset grew meanwhile, or the same export was added by somebody else
            if found := exports.find(export.tenant, export.dataset, export.id):
                return found
        else:
            return export
    raise Stale(f"Dataset {export.dataset} is changing too fast to record its export; try again.")


def _progressed(dataset: Dataset, export: Export) -> Dataset:
    progress: dict[str, Any] = {"exported_revision": max(dataset.exported_revision, export.revision)}
    if export.held_out:
        progress["held_out"] = HeldOut(revision=export.revision, key=export.held_out)
    if dataset.export_failure and dataset.export_failure.export == export.id:
        progress["export_failure"] = None
    return dataset.model_copy(update=progress)
