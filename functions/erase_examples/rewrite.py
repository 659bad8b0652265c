"""Rewriting: what is erased goes out of all that a dataset's rows name: exports, reviews, segments, in this order.

Segments come last, since they say what is to go: whoever dies before that is followed by somebody who finds the same.
Every step ends in the same state however often it is done, and fails where somebody else does it at the same time.
While an export's rows are renumbered, nobody may answer the rows of its evaluations: an open evaluation is held by a
lease meanwhile, and begins anew; one that has ended keeps its figures.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from erase_examples.rewrite_export import RewriteExport
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.datasets.datasets import Dataset, Segment
from tuneloop.domain.datasets.erasures import Erased, Erasure, HeldExport, TrainedVersion, remaining_copies
from tuneloop.domain.evaluation.evaluations import Evaluation, EvaluationStatus
from tuneloop.domain.exports.columns import name_number
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_columns import Fingerprints, Membership
from tuneloop.store.objects.segments import SegmentBuilder, blocks_of, folder_of, heads_of, tokens_in
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures, exclude_erased
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.generations import Generations
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.reviews import Reviews
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.retry import retry_stale

# Beyond the function's time-out of 900 s, so that it never runs out while somebody still rewrites rows.
LEASE = timedelta(seconds=960)
NOT_BEGUN = (RunStatus.REQUESTED, RunStatus.AWAITING_CONFIRMATION)


@dataclass
class ErasedLines:
    """Examples of which nothing is left, with the numbers of the marks that cover them; keys of segments to rewrite.

    `subjects` are the erased ones by their numbers: what they sent stays where somebody else sent it too.
    """

    examples: dict[str, set[int]] = field(default_factory=dict)
    subjects: set[int] = field(default_factory=set)
    segments: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class RewriteDataset:
    """Rewrites all that is kept of a dataset without what is erased; `owner` takes the leases."""

    datasets: Datasets
    generations: Generations
    reviews: Reviews
    exports: Exports
    evaluations: Evaluations
    models: Models
    runs: Runs
    erasures: Erasures
    membership: Membership
    objects: Objects
    owner: str

    def rewrite(self, dataset: Dataset, now: datetime) -> None:
        """Take out of a dataset all that it knows to be erased; Stale while somebody works on an evaluation of it."""
        place = dataset.tenant, dataset.id
        if dataset.cleared == dataset.erasures:
            return
        erased = self.erasures.after(*place, dataset.cleared, dataset.erasures)
        lines = self._search(*place, erased)
        if lines.segments:
            self._rewrite_exports(dataset, erased, lines, now)
            self.reviews.remove(*place, set(lines.examples), erased)
            self._rewrite_segments(dataset, erased, lines)
        self._note(dataset)

    def _search(self, tenant: str, dataset: str, erased: Erased) -> ErasedLines:
        """What of a dataset is erased, in all that any revision of it is read from.

        What one subject sent and another one too is the other's still: such an example is not among those that are
        gone.
        """
        lines = ErasedLines()
        segments = self.generations.segments(tenant, dataset) if erased else []
        for segment in segments:
            for block in blocks_of(segment, self.objects):
                for head in heads_of(block):
                    if numbers := erased.numbers(head.id, head.subject):
                        lines.examples.setdefault(head.id, set()).update(numbers)
                        lines.segments.add(segment.key)
                        if erased.covers("", head.subject):  # by its subject, whatever its id
                            lines.subjects.add(name_number(head.subject))
        if lines.examples and erased.has_subjects:
            self._leave_to_others(lines, segments, erased)
        return lines

    def _leave_to_others(self, lines: ErasedLines, segments: Iterable[Segment], erased: Erased) -> None:
        """Take back the examples of which another subject's line is left."""
        for segment in segments:
            for block in blocks_of(segment, self.objects):
                for head in heads_of(block):
                    if head.id in lines.examples and not erased.covers(head.id, head.subject):
                        del lines.examples[head.id]

    def _rewrite_exports(self, dataset: Dataset, erased: Erased, lines: ErasedLines, now: datetime) -> None:
        rewriting = RewriteExport(self.membership, self.objects)
        exports = self.exports.all(dataset.tenant, dataset.id)
        holders = [(export, gone) for export in exports if (gone := rewriting.find_members(export, lines.examples))]
        for number, identity in erased.erasures.items():
            examples = sum(number in numbers for numbers in lines.examples.values())
            held = [
                HeldExport(dataset=dataset.id, export=export.id, examples=count)
                for export, gone in holders
                if (count := sum(number in numbers for numbers in gone.values()))
            ]
            if examples:
                self._report(self.erasures.get(dataset.tenant, identity), dataset.id, examples, held)
        for export, gone in holders:
            self._replace_export(rewriting.rewrite(export, set(gone), dataset.erasures), now)
        for export in self.exports.all(dataset.tenant, dataset.id):
            Fingerprints(self.objects).forget_subjects(export, lines.subjects)

    def _report(self, erasure: Erasure, dataset: str, examples: int, held: list[HeldExport]) -> None:
        """Note what held an erasure's examples before they go; what was noted by one who died stays noted."""
        noted = {(export.dataset, export.export) for export in erasure.exports}
        exports = [*erasure.exports, *(export for export in held if (export.dataset, export.export) not in noted)]
        found = {**erasure.found, dataset: max(examples, erasure.found.get(dataset, 0))}
        reported = erasure.model_copy(update={"exports": exports, "found": found, "examples": sum(found.values())})
        self.erasures.save(with_runs(reported, self.runs.all(erasure.tenant), None))

    def _replace_export(self, rewritten: Export, now: datetime) -> None:
        """Make the new files an export's own, and restart its open evaluations: answers are keyed by row number."""
        evaluations = list(self.evaluations.all(rewritten.tenant))
        held = [self._hold(evaluation, now) for evaluation in evaluations if evaluation.export == rewritten.id]
        self._replace_base_prompt(rewritten)
        self.exports.rewrite(rewritten)
        for evaluation in held:
            if evaluation.is_open:  # free for others to work on again
                self.evaluations.save(evaluation.model_copy(update={"lease": None}), now=now)

    def _hold(self, evaluation: Evaluation, now: datetime) -> Evaluation:
        """Store the evaluation with no answers, and a lease where it is open; Stale while somebody else works on it."""
        if evaluation.is_open and not evaluation.is_free(now):
            raise Stale(f"Evaluation {evaluation.id} is being worked on; its rows are erased when it is free.")
        anew: dict[str, Any] = {"parts": {}}
        if evaluation.is_open:
            lease_now = Lease(owner=self.owner, until=now + LEASE)
            anew |= {"status": EvaluationStatus.REQUESTED, "progress": 0.0, "lease": lease_now}
        return self.evaluations.save(evaluation.model_copy(update=anew), now=now)

    def _replace_base_prompt(self, export: Export) -> None:
        """Let a base model that names the export's answers name those that are left."""
        model = self.datasets.get(export.tenant, export.dataset).model
        base = self.models.version(export.tenant, model, 0)
        if base.export == export.id and base.prompt != export.base_prompt:
            self.models.replace_prompt(base, export.base_prompt)

    def _rewrite_segments(self, dataset: Dataset, erased: Erased, lines: ErasedLines) -> None:
        segments = self.generations.segments(dataset.tenant, dataset.id)
        old = [segment for segment in segments if segment.key in lines.segments]
        new = {segment.key: self._rewrite_segment(dataset, segment, erased) for segment in old}
        self.generations.replace(dataset.tenant, dataset.id, new)

    def _rewrite_segment(self, dataset: Dataset, segment: Segment, erased: Erased) -> Segment | None:
        """The segment without its erased lines, written; None where none is left."""
        builder = SegmentBuilder()
        for block in exclude_erased(erased, partial(blocks_of, segment, self.objects))():
            builder.add(block, tokens_in(block))
        if not builder.examples:
            return None
        ours = {"revision": segment.revision, "without": dataset.erasures}
        return builder.write(folder_of(dataset.tenant, dataset.id), self.objects, **ours, now=segment.created_at)

    def _note(self, rewritten: Dataset) -> None:
        """Store up to which erasure a dataset is rewritten."""

        def save() -> None:
            """One try; again where the dataset grew meanwhile, by what is without the erased anyway."""
            dataset = self.datasets.get(rewritten.tenant, rewritten.id)
            if dataset.cleared < rewritten.erasures:
                self.datasets.save(dataset.model_copy(update={"cleared": rewritten.erasures}))

        retry_stale(save, f"Dataset {rewritten.id}")


def with_runs(erasure: Erasure, runs: Iterable[ControlledRun], until: datetime | None) -> Erasure:
    """The erasure with the runs that trained on its exports, begun by a time if one is given, and their versions."""
    exports = {held.export for held in erasure.exports}
    trained = [run for run in runs if exports & {run.export, run.validation_export} and _has_begun(run, until)]
    versions = {(run.model, run.version) for run in trained if run.version is not None}
    noted = {(trained.model, trained.version) for trained in erasure.versions}
    update = {
        "runs": sorted({*erasure.runs, *(run.id for run in trained)}),
        "versions": [TrainedVersion(model=model, version=version) for model, version in sorted(versions | noted)],
    }
    changed = erasure.model_copy(update=update)
    remaining = remaining_copies(changed, erasure.excluded_at or erasure.requested_at)
    return changed.model_copy(update={"remaining": remaining})


def _has_begun(run: ControlledRun, until: datetime | None) -> bool:
    begun_at = run.create_sent_at or run.created_at
    return run.status not in NOT_BEGUN and (until is None or begun_at <= until)
