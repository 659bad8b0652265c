"""Clearing: what is erased goes out of all that a dataset's rows name: exports, reviews, segments, in this order.

Segments come last, since they say what is to go: whoever dies before that is followed by somebody who finds the same.
Every step ends in the same state however often it is done, and fails where somebody else does it at the same time.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from erase_examples.evaluation_rows import freed, held_back
from erase_examples.exports import holding, rewritten
from erase_examples.search import ErasedLines, search
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.datasets import Dataset, Segment
from tuneloop.domain.datasets.erasures import Erased, Erasure, HeldExport, TrainedVersion, remaining_after
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_members import Membership
from tuneloop.store.objects.fingerprints import Fingerprints
from tuneloop.store.objects.segments import Writing, blocks_of, folder_of
from tuneloop.store.objects.stored_lines import tokens_in
from tuneloop.store.repositories.contents import without
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.generations import Generations
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.reviews import Reviews
from tuneloop.store.repositories.runs import Runs

TRIES = 20
NOT_BEGUN = (RunStatus.REQUESTED, RunStatus.AWAITING_CONFIRMATION)


@dataclass
class Clearing:
    """What clearing needs; `owner` takes the leases."""

    datasets: Datasets
    generations: Generations
    reviews: Reviews
    exports: Exports
    evaluations: Evaluations
    models: Models
    runs: Runs
    erasures: Erasures
    objects: Objects
    owner: str
    now: datetime

    def clear(self, dataset: Dataset) -> None:
        """Take out of a dataset all that it knows to be erased."""
        place = dataset.tenant, dataset.id
        if dataset.cleared == dataset.erasures:
            return
        erased = self.erasures.after(*place, dataset.cleared, dataset.erasures)
        found = search(*place, erased, generations=self.generations, objects=self.objects)
        if found.segments:
            self._clear_exports(dataset, erased, found)
            self.reviews.remove(*place, set(found.examples), erased)
            self._clear_segments(dataset, erased, found)
        self._note(dataset)

    def _clear_exports(self, dataset: Dataset, erased: Erased, found: ErasedLines) -> None:
        membership = Membership(self.objects)
        exports = self.exports.all(dataset.tenant, dataset.id)
        holders = [(export, gone) for export in exports if (gone := holding(export, found.examples, membership))]
        for number, identity in erased.erasures.items():
            examples = sum(number in numbers for numbers in found.examples.values())
            held = [
                HeldExport(dataset=dataset.id, export=export.id, examples=count)
                for export, gone in holders
                if (count := sum(number in numbers for numbers in gone.values()))
            ]
            if examples:
                self._report(self.erasures.get(dataset.tenant, identity), dataset.id, examples, held)
        for export, gone in holders:
            self._rewrite(export, set(gone), dataset.erasures, membership)
        for export in self.exports.all(dataset.tenant, dataset.id):
            Fingerprints(self.objects).forget_subjects(export, found.subjects)

    def _rewrite(self, export: Export, gone: set[bytes], number: int, membership: Membership) -> None:
        """An evaluation that is at it must begin anew: its answers go by the number of their row."""
        changed = rewritten(export, gone, number, membership=membership, objects=self.objects)
        asked = [each for each in self.evaluations.all(export.tenant) if each.export == export.id]
        held = [held_back(each, self.owner, self.evaluations, self.now) for each in asked]
        self._prompt_anew(changed)
        self.exports.rewrite(changed)
        for each in held:
            freed(each, self.evaluations, self.now)

    def _prompt_anew(self, export: Export) -> None:
        """A base model that names the export's answers names those that are left."""
        model = self.datasets.get(export.tenant, export.dataset).model
        base = self.models.version(export.tenant, model, 0)
        if base.export == export.id and base.prompt != export.base_prompt:
            self.models.prompted_anew(base, export.base_prompt)

    def _report(self, erasure: Erasure, dataset: str, examples: int, held: list[HeldExport]) -> None:
        """Note what held it before it goes from there; what was noted by one who died stays noted."""
        known = {(each.dataset, each.export) for each in erasure.exports}
        exports = [*erasure.exports, *(each for each in held if (each.dataset, each.export) not in known)]
        found = {**erasure.found, dataset: max(examples, erasure.found.get(dataset, 0))}
        reported = erasure.model_copy(update={"exports": exports, "found": found, "examples": sum(found.values())})
        self.erasures.save(with_runs(reported, self.runs, None))

    def _clear_segments(self, dataset: Dataset, erased: Erased, found: ErasedLines) -> None:
        segments = self.generations.segments(dataset.tenant, dataset.id)
        new = {each.key: self._cleared(dataset, each, erased) for each in segments if each.key in found.segments}
        self.generations.replace(dataset.tenant, dataset.id, new)

    def _cleared(self, dataset: Dataset, segment: Segment, erased: Erased) -> Segment | None:
        writing = Writing()
        for block in without(erased, partial(blocks_of, segment, self.objects))():
            writing.add(block, tokens_in(block))
        if not writing.examples:
            return None
        ours = {"revision": segment.revision, "without": dataset.erasures}
        return writing.end(folder_of(dataset.tenant, dataset.id), self.objects, **ours, now=segment.created_at)

    def _note(self, cleared: Dataset) -> None:
        for _ in range(TRIES):
            dataset = self.datasets.get(cleared.tenant, cleared.id)
            if dataset.cleared >= cleared.erasures:
                return
            try:
                self.datasets.save(dataset.model_copy(update={"cleared": cleared.erasures}))
            except Stale:  # the dataset grew meanwhile, by what is without it anyway
                continue
            return
        raise Stale(f"Dataset {cleared.id} is changing too fast; try again.")


def with_runs(erasure: Erasure, runs: Runs, until: datetime | None) -> Erasure:
    """The erasure with the runs that trained on its exports, begun by a time if one is given, and their versions."""
    exports = {each.export for each in erasure.exports}
    trained = [
        run for run in runs.all(erasure.tenant) if exports & {run.export, run.validation_export} and _began(run, until)
    ]
    versions = {(run.model, run.version) for run in trained if run.version is not None}
    known = {(each.model, each.version) for each in erasure.versions}
    update = {
        "runs": sorted({*erasure.runs, *(run.id for run in trained)}),
        "versions": [TrainedVersion(model=model, version=version) for model, version in sorted(versions | known)],
    }
    changed = erasure.model_copy(update=update)
    return changed.model_copy(
        update={"remaining": remaining_after(changed, erasure.excluded_at or erasure.requested_at)}
    )


def _began(run: ControlledRun, until: datetime | None) -> bool:
    began = run.create_sent_at or run.created_at
    return run.status not in NOT_BEGUN and (until is None or began <= until)
