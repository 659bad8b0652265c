"""Rewriting: erased examples are removed from a dataset's exports, reviews and segments, in this order.

Segments come last, since the erased examples are found in them: after a crash the next try finds the same ones again.
Every step is idempotent, and fails as Stale if another process does it at the same time. While an export's rows are
renumbered, no row of its evaluations may be answered: an open evaluation is held by a lease and starts again; one that
has ended keeps its figures.
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
from tuneloop.domain.datasets.erasures import Erasure, ErasureMarks, HeldExport, TrainedVersion, remaining_copies
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

# Longer than the function's time-out of 900 s, so that the lease never expires while its owner still rewrites rows.
LEASE = timedelta(seconds=960)
NOT_SUBMITTED = (RunStatus.REQUESTED, RunStatus.AWAITING_CONFIRMATION)


@dataclass
class ErasedLines:
    """A dataset's erased examples, each with the numbers of the erasures that cover it, and the segments to rewrite.

    `subjects` are the numbers of the erased subjects. An example that another subject sent too isn't among `examples`.
    """

    examples: dict[str, set[int]] = field(default_factory=dict)
    subjects: set[int] = field(default_factory=set)
    segments: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class RewriteDataset:
    """Removes erased examples from all that is stored of a dataset; `owner` is the process that takes the leases."""

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
        """Remove the examples of all erasures noted in a dataset; Stale while an evaluation of it is being answered."""
        place = dataset.tenant, dataset.id
        if dataset.cleared == dataset.erasures:
            return
        erased = self.erasures.after(*place, dataset.cleared, dataset.erasures)
        lines = self._search(*place, erased)
        if lines.segments:
            self._rewrite_exports(dataset, erased, lines, now)
            self.reviews.remove(*place, set(lines.examples), erased)
            self._rewrite_segments(dataset, erased, lines)
        self._mark_rewritten(dataset)

    def _search(self, tenant: str, dataset: str, erased: ErasureMarks) -> ErasedLines:
        """The erased lines in all segments of a dataset, also in those that only earlier revisions are read from.

        An example that another subject sent too still belongs to that subject, and is left out of the result.
        """
        lines = ErasedLines()
        segments = self.generations.segments(tenant, dataset) if erased else []
        for segment in segments:
            for block in blocks_of(segment, self.objects):
                for head in heads_of(block):
                    if numbers := erased.numbers(head.id, head.subject):
                        lines.examples.setdefault(head.id, set()).update(numbers)
                        lines.segments.add(segment.key)
                        if erased.covers("", head.subject):  # whether the subject is erased, whatever the example's id
                            lines.subjects.add(name_number(head.subject))
        if lines.examples and erased.has_subjects:
            self._drop_shared_examples(lines, segments, erased)
        return lines

    def _drop_shared_examples(self, lines: ErasedLines, segments: Iterable[Segment], erased: ErasureMarks) -> None:
        """Remove from `lines` the examples that another subject, who isn't erased, sent too."""
        for segment in segments:
            for block in blocks_of(segment, self.objects):
                for head in heads_of(block):
                    if head.id in lines.examples and not erased.covers(head.id, head.subject):
                        del lines.examples[head.id]

    def _rewrite_exports(self, dataset: Dataset, erased: ErasureMarks, lines: ErasedLines, now: datetime) -> None:
        """Record in each erasure which exports hold its examples, then rewrite those exports.

        The records come first, as a rewritten export no longer tells.
        """
        rewrite_export = RewriteExport(self.membership, self.objects)
        exports = self.exports.all(dataset.tenant, dataset.id)
        holders = [
            (export, erased_members)
            for export in exports
            if (erased_members := rewrite_export.find_members(export, lines.examples))
        ]
        for number, identity in erased.erasures.items():
            examples = sum(number in numbers for numbers in lines.examples.values())
            held_exports = [
                HeldExport(dataset=dataset.id, export=export.id, examples=count)
                for export, erased_members in holders
                if (count := sum(number in numbers for numbers in erased_members.values()))
            ]
            if examples:
                self._record_holders(self.erasures.get(dataset.tenant, identity), dataset.id, examples, held_exports)
        for export, erased_members in holders:
            self._replace_export(rewrite_export.rewrite(export, set(erased_members), dataset.erasures), now)
        for export in self.exports.all(dataset.tenant, dataset.id):
            Fingerprints(self.objects).forget_subjects(export, lines.subjects)

    def _record_holders(self, erasure: Erasure, dataset: str, examples: int, held_exports: list[HeldExport]) -> None:
        """Store in an erasure which exports held its examples, before those go; notes of a try that died are kept."""
        noted = {(export.dataset, export.export) for export in erasure.exports}
        exports = [
            *erasure.exports,
            *(export for export in held_exports if (export.dataset, export.export) not in noted),
        ]
        counts = {**erasure.found, dataset: max(examples, erasure.found.get(dataset, 0))}
        updated = erasure.model_copy(update={"exports": exports, "found": counts, "examples": sum(counts.values())})
        self.erasures.save(with_runs(updated, self.runs.all(erasure.tenant), None))

    def _replace_export(self, rewritten: Export, now: datetime) -> None:
        """Point an export's row to its new files, and restart its open evaluations: answers are keyed by row number."""
        evaluations = list(self.evaluations.all(rewritten.tenant))
        restarted = [
            self._restart_evaluation(evaluation, now) for evaluation in evaluations if evaluation.export == rewritten.id
        ]
        self._replace_base_prompt(rewritten)
        self.exports.rewrite(rewritten)
        for evaluation in restarted:
            if evaluation.is_open:  # its lease is given back, so that evaluate can work on it again
                self.evaluations.save(evaluation.model_copy(update={"lease": None}), now=now)

    def _restart_evaluation(self, evaluation: Evaluation, now: datetime) -> Evaluation:
        """Store an evaluation without answers, and if it is open with a lease; Stale while another process has one."""
        if evaluation.is_open and not evaluation.is_free(now):
            raise Stale(f"Evaluation {evaluation.id} is being worked on; its rows are erased when it is free.")
        update: dict[str, Any] = {"parts": {}}
        if evaluation.is_open:
            lease = Lease(owner=self.owner, until=now + LEASE)
            update |= {"status": EvaluationStatus.REQUESTED, "progress": 0.0, "lease": lease}
        return self.evaluations.save(evaluation.model_copy(update=update), now=now)

    def _replace_base_prompt(self, export: Export) -> None:
        """Give the base version the export's new prompt if it has the old one, which may name an erased answer."""
        model = self.datasets.get(export.tenant, export.dataset).model
        base = self.models.version(export.tenant, model, 0)
        if base.export == export.id and base.prompt != export.base_prompt:
            self.models.replace_prompt(base, export.base_prompt)

    def _rewrite_segments(self, dataset: Dataset, erased: ErasureMarks, lines: ErasedLines) -> None:
        segments = self.generations.segments(dataset.tenant, dataset.id)
        old = [segment for segment in segments if segment.key in lines.segments]
        new = {segment.key: self._rewrite_segment(dataset, segment, erased) for segment in old}
        self.generations.replace(dataset.tenant, dataset.id, new)

    def _rewrite_segment(self, dataset: Dataset, segment: Segment, erased: ErasureMarks) -> Segment | None:
        """Write a segment without its erased lines; returns the new segment, None if no line is left."""
        builder = SegmentBuilder()
        for block in exclude_erased(erased, partial(blocks_of, segment, self.objects))():
            builder.add(block, tokens_in(block))
        if not builder.examples:
            return None
        numbers = {"revision": segment.revision, "without": dataset.erasures}
        return builder.write(folder_of(dataset.tenant, dataset.id), self.objects, **numbers, now=segment.created_at)

    def _mark_rewritten(self, rewritten: Dataset) -> None:
        """Store the number of the latest erasure whose examples were removed from a dataset."""

        def save() -> None:
            """Update the dataset as stored; Stale if it grows in between, which can't add erased examples again."""
            dataset = self.datasets.get(rewritten.tenant, rewritten.id)
            if dataset.cleared < rewritten.erasures:
                self.datasets.save(dataset.model_copy(update={"cleared": rewritten.erasures}))

        retry_stale(save, f"Dataset {rewritten.id}")


def with_runs(erasure: Erasure, runs: Iterable[ControlledRun], until: datetime | None) -> Erasure:
    """The erasure with the runs that trained on its exports, and their versions; `until` leaves out later runs."""
    exports = {held_export.export for held_export in erasure.exports}
    trained = [run for run in runs if exports & {run.export, run.validation_export} and _has_begun(run, until)]
    versions = {(run.model, run.version) for run in trained if run.version is not None}
    noted = {(version.model, version.version) for version in erasure.versions}
    update = {
        "runs": sorted({*erasure.runs, *(run.id for run in trained)}),
        "versions": [TrainedVersion(model=model, version=version) for model, version in sorted(versions | noted)],
    }
    changed = erasure.model_copy(update=update)
    remaining = remaining_copies(changed, erasure.excluded_at or erasure.requested_at)
    return changed.model_copy(update={"remaining": remaining})


def _has_begun(run: ControlledRun, until: datetime | None) -> bool:
    begun_at = run.create_sent_at or run.created_at
    return run.status not in NOT_SUBMITTED and (until is None or begun_at <= until)
