"""Runs an evaluation: search the overlap, ask the rows part by part, hand over to the next invocation, score.

The overlap search comes first. Where it leaves too few rows, or the year's looks are spent, the evaluation ends with no
row asked and no look taken; else the look is taken in the write that stores which rows will be asked. A lease keeps a
second delivery of the event from paying for the same answers. A part is as many rows as are answered in its time, which
is well within the lease, and storing it renews the lease. Where a worker dies, the sweep goes on a few minutes later
with the part that was lost.
"""

from collections.abc import Callable, Collection, Container
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from evaluate.ask import LONGEST_ANSWER_S, EvaluationObjects, ask_rows
from evaluate.overlap import OverlapSearch, UnknownOverlap, missing_test_data
from evaluate.score import Answers, Rows, Versions, close_evaluation, fail_evaluation, refuse_unasked, score_evaluation
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound, ProviderUnavailable, Stale
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.core.limits import EVALUATION_ROWS
from tuneloop.domain.evaluation.evaluations import (
    ArmName,
    Evaluation,
    EvaluationError,
    EvaluationStatus,
    ScoredAnswer,
    all_refused_error,
    looks_spent_error,
    without_overlap,
)
from tuneloop.domain.events import EvaluationRequested
from tuneloop.domain.exports.exports import Export
from tuneloop.providers.registry import Providers
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models

# The most answers in a part, and the longest time in which its rows are begun: a worker that dies loses one part, and
# its answers are paid for again. A part of fixed size would outlast the lease at a slow provider.
ROWS_PER_PART = 250
PART_S = 45
LONGEST_PART_S = PART_S + LONGEST_ANSWER_S  # a row that is begun in time is waited for
# The minute is for storing the part; a shorter lease would let two workers pay for one part.
LEASE = timedelta(seconds=LONGEST_PART_S + 60)
# After so long without an answer an evaluation fails: each try at an unavailable provider costs an invocation, every
# five minutes.
LONGEST_OUTAGE = timedelta(days=1)


class LeasedEvaluation:
    """An evaluation that this invocation has the lease of; `row` is always as it was stored last.

    Writes raise Stale once anybody else has written to the row, unless that only raised the intent: if the worker gave
    up because of a raise, answers that are paid for would be lost.
    """

    def __init__(self, row: Evaluation, evaluations: Evaluations, owner: str, clock: Callable[[], datetime]) -> None:
        self.row = row
        self._evaluations = evaluations
        self._owner = owner
        self._clock = clock

    def save(self, **changes: object) -> None:
        """Store changes of the row and renew the lease."""
        lease = Lease(owner=self._owner, until=self._clock() + LEASE)
        self._store(self.row.model_copy(update={"lease": lease, **changes}), self._save_row)

    def begin(self, evaluation: Evaluation) -> None:
        """Store which rows will be asked, and take the look, in one write."""
        lease = Lease(owner=self._owner, until=self._clock() + LEASE)
        running = evaluation.model_copy(update={"status": EvaluationStatus.RUNNING, "lease": lease})
        self._store(running, lambda row: self._evaluations.begin(row, self._clock()))

    def hand_over(self) -> None:
        """Release the lease, in one write with the event that wakes the next invocation."""
        event = EvaluationRequested(tenant=self.row.tenant, evaluation=self.row.id)
        released = self.row.model_copy(update={"lease": None})
        self._store(released, lambda row: self._evaluations.save(row, event=event, now=self._clock()))

    def wait(self, reason: str) -> None:
        """Release the lease while the provider is unavailable; the sweep goes on with the evaluation."""
        waiting = {"waiting_for": reason, "waiting_since": self.row.waiting_since or self._clock()}
        self._store(self.row.model_copy(update={"lease": None, **waiting}), self._save_row)

    def end(self, ended: Evaluation) -> None:
        """Store the ended evaluation, with its verdict's event."""
        self._store(ended, lambda row: close_evaluation(row, self._evaluations, self._clock()))

    def _save_row(self, row: Evaluation) -> Evaluation:
        return self._evaluations.save(row, now=self._clock())

    def _store(self, changed: Evaluation, save: Callable[[Evaluation], Evaluation]) -> None:
        try:
            self.row = save(changed)
        except Stale:
            stored = self._evaluations.get(changed.tenant, changed.id)
            if not stored.is_raised_from(self.row):
                raise
            self.row = save(changed.model_copy(update={"intent": stored.intent, "seq": stored.seq}))


@dataclass(frozen=True)
class RunEvaluation:
    """Works on an evaluation as long as the invocation has time; `owner` is the invocation's name in leases."""

    evaluations: Evaluations
    exports: Exports
    models: Models
    objects: EvaluationObjects
    providers: Providers
    overlap: OverlapSearch
    owner: str
    clock: Callable[[], datetime]
    remaining_s: Callable[[], float]

    def run(self, tenant: str, evaluation: str) -> None:
        """Do as much of an evaluation as there is time for; nothing while another invocation has its lease.

        The work stops once somebody else has written to the evaluation's row.
        """
        row = self.evaluations.get(tenant, evaluation)
        if row.is_free(self.clock()):
            with suppress(Stale):
                self._run_leased(LeasedEvaluation(row, self.evaluations, self.owner, self.clock))

    def _run_leased(self, leased: LeasedEvaluation) -> None:
        leased.save()
        row = leased.row
        export = self.exports.get(row.tenant, row.dataset, row.export)
        versions = self._versions(row)
        try:
            if row.overlap_is_known or self._search_overlap(leased, export, versions):
                self._ask_rows(leased, export, versions)
        except UnknownOverlap as error:
            reason = EvaluationError(code=error.code, message=error.message)
            answers = self._answers(leased.row, range(export.files[Split.TEST].examples))
            leased.end(fail_evaluation(leased.row, versions, answers, reason, self.clock()))

    def _ask_rows(self, leased: LeasedEvaluation, export: Export, versions: Versions) -> None:
        """Ask all rows, always the arm with the fewest answers next, then score the evaluation.

        So an arm that can't answer ends the evaluation before all of the others' answers are paid for.
        """
        rows = self._test_rows(export, self.objects.read_removed(leased.row))
        answers = self._answers(leased.row, rows)
        leased.save(rows_asked=len(rows))  # renews the lease: reading thousands of parts takes long
        while len(answers[arm := min(answers, key=lambda arm: len(answers[arm]))]) < len(rows):
            if not self._ask_part(leased, arm, rows, versions, answers):
                return
        leased.end(score_evaluation(leased.row, export, rows, versions, answers, now=self.clock()))

    def _search_overlap(self, leased: LeasedEvaluation, export: Export, versions: Versions) -> bool:
        """Find the rows that a version has seen, and take the look; False where asking the rest could prove nothing.

        The look is taken in the write that stores which rows will be asked: a worker that dies before it has asked no
        row and taken no look.
        """
        removed = self.overlap.find(export, versions[leased.row.candidate], versions.values(), leased.save)
        leased.save()  # Stale if the lease was lost: then this worker may decide nothing
        available = export.files[Split.TEST].examples
        checked = without_overlap(leased.row, available, len(removed.rows), removed.kinds, most=EVALUATION_ROWS)
        if checked.contaminated or checked.too_few:
            answers = self._answers(checked, range(available))
            rows = self._test_rows(export, removed.rows)
            leased.end(refuse_unasked(checked, rows, versions, answers, self.clock()))
            return False
        error = None if checked.look else looks_spent_error(checked, self.evaluations.next_look(checked, self.clock()))
        if error:
            unasked = checked.model_copy(update={"rows_asked": 0})
            no_answers: Answers = {arm: {} for arm in checked.asked}
            leased.end(fail_evaluation(unasked, versions, no_answers, error, self.clock()))
            return False
        self.objects.write_removed(checked, removed.rows)
        leased.begin(checked)
        return True

    def _test_rows(self, export: Export, removed: Collection[int]) -> Rows:
        try:
            return self.objects.test_rows(export, removed, EVALUATION_ROWS)
        except NotFound as error:
            raise missing_test_data(export) from error

    def _answers(self, row: Evaluation, rows: Container[int]) -> Answers:
        return {arm: self.objects.read_parts(row, arm, rows) for arm in row.asked}

    def _versions(self, row: Evaluation) -> Versions:
        """The versions by number, as they were when the evaluation began: a prompt may change before it ends."""
        if row.status != EvaluationStatus.REQUESTED:
            return {version.number: version for version in self.objects.read_versions(row)}
        versions = {number: self.models.version(row.tenant, row.model, number) for number in row.asked.values()}
        self.objects.write_versions(row, versions.values())
        return versions

    def _ask_part(
        self, leased: LeasedEvaluation, arm: ArmName, rows: Rows, versions: Versions, answers: Answers
    ) -> bool:
        """Ask an arm its next part and add the answers to `answers`; False where this invocation has to stop."""
        if self.remaining_s() < LONGEST_PART_S:
            leased.hand_over()
            return False
        unanswered = [(row, example) for row, example in rows.items() if row not in answers[arm]]
        until = self.clock() + timedelta(seconds=PART_S)
        version = versions[leased.row.asked[arm]]
        provider = self.providers.get(version.provider)
        answered, outage = ask_rows(version, unanswered[:ROWS_PER_PART], provider, lambda: self.clock() >= until)
        if answered:
            self._store_part(leased, arm, answered, len(rows), answers)
        error = outage and self._long_outage(leased.row, outage)
        if version.number in (leased.row.candidate, leased.row.stable):
            error = error or all_refused_error(version.number, answers[arm].values(), len(rows))
        if error:
            leased.end(fail_evaluation(leased.row, versions, answers, error, self.clock()))
            return False
        if outage and not answered:
            leased.wait(outage.message)
            return False
        return True

    def _store_part(
        self, leased: LeasedEvaluation, arm: ArmName, answered: list[ScoredAnswer], row_count: int, answers: Answers
    ) -> None:
        """Store the answers of a part, then count the part in the row; `row_count` is how many rows an arm is asked."""
        leased.save()  # Stale if the lease was lost: then this worker may write no part
        self.objects.write_part(leased.row, arm, answered)
        answers[arm] |= {answer.row: answer for answer in answered}
        parts = {**leased.row.parts, arm: leased.row.parts.get(arm, 0) + 1}
        progress = sum(len(arm_answers) for arm_answers in answers.values()) / (row_count * len(answers))
        leased.save(parts=parts, progress=progress, waiting_for=None, waiting_since=None)

    def _long_outage(self, row: Evaluation, outage: ProviderUnavailable) -> EvaluationError | None:
        """The error that ends an evaluation once its provider has been unavailable for a day; None before."""
        if row.waiting_since is None or self.clock() - row.waiting_since < LONGEST_OUTAGE:
            return None
        return EvaluationError(code=outage.code, message=f"No answer came for a day. {outage.message}")
