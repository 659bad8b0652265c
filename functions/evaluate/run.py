"""A run through an evaluation: find overlap, ask part by part, keep count in the row, hand over when time runs out.

What its versions have seen is worked out first. Where too little is left, or the year's looks are spent, the evaluation
ends there, with nothing asked and no look taken; else it takes its look in the write that says which rows it is going
to ask. A lease keeps a second delivery from paying for the same answers. A part takes as many rows as are answered in
its time, which is well within the lease and renews it; the evaluation of a worker that died is taken up by the sweep a
few minutes later at the part where it stopped.
"""

from collections.abc import Callable, Collection, Container
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from evaluate.ask import LONGEST_ANSWER_S, EvaluationObjects, ask
from evaluate.overlap import OverlapSearch, UntoldOverlap, missing_test_data
from evaluate.score import Answers, Rows, Versions, close_evaluation, fail_evaluation, refuse_unasked, score_evaluation
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound, ProviderUnavailable, Stale
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.core.limits import EVALUATION_ROWS
from tuneloop.domain.evaluation.evaluations import (
    Answered,
    ArmName,
    Evaluation,
    EvaluationError,
    EvaluationStatus,
    looks_spent,
    refused_throughout,
    without_overlap,
)
from tuneloop.domain.events import EvaluationRequested
from tuneloop.domain.exports.exports import Export
from tuneloop.providers.registry import Providers
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models

# A part is what a dead worker loses, and pays for again: this many answers, or what comes within this time.
ROWS_PER_PART = 250
PART_S = 45
LONGEST_PART_S = PART_S + LONGEST_ANSWER_S  # an answer that is begun in time is waited for
# The minute is for storing the part; a shorter lease would let two workers pay for one part.
LEASE = timedelta(seconds=LONGEST_PART_S + 60)
LONGEST_WAIT = timedelta(days=1)  # each look after a provider that is away costs an invocation, every five minutes


class LeasedEvaluation:
    """An evaluation that this invocation works on; `row` is always what was stored last.

    Its writes raise Stale once anybody else has written to the row, except for a raise of its intent: answers that are
    paid for would be lost if a raise made the worker give up.
    """

    def __init__(self, row: Evaluation, evaluations: Evaluations, owner: str, clock: Callable[[], datetime]) -> None:
        self.row = row
        self._evaluations = evaluations
        self._owner = owner
        self._clock = clock

    def save(self, **changes: object) -> None:
        """Store changes and renew the lease."""
        lease = Lease(owner=self._owner, until=self._clock() + LEASE)
        self._store(self.row.model_copy(update={"lease": lease, **changes}), self._saved)

    def begin(self, evaluation: Evaluation) -> None:
        """Store which rows are going to be asked, and take the look, in one write."""
        lease = Lease(owner=self._owner, until=self._clock() + LEASE)
        begun = evaluation.model_copy(update={"status": EvaluationStatus.RUNNING, "lease": lease})
        self._store(begun, lambda row: self._evaluations.begin(row, self._clock()))

    def hand_over(self) -> None:
        """Release the row with the event that wakes the next invocation."""
        event = EvaluationRequested(tenant=self.row.tenant, evaluation=self.row.id)
        released = self.row.model_copy(update={"lease": None})
        self._store(released, lambda row: self._evaluations.save(row, event=event, now=self._clock()))

    def wait(self, why: str) -> None:
        """Release the row until the sweep takes it up again, since the provider is away."""
        waits = {"waiting_for": why, "waiting_since": self.row.waiting_since or self._clock()}
        self._store(self.row.model_copy(update={"lease": None, **waits}), self._saved)

    def end(self, ended: Evaluation) -> None:
        """Store the evaluation at its end, with its verdict's event."""
        self._store(ended, lambda row: close_evaluation(row, self._evaluations, self._clock()))

    def _saved(self, row: Evaluation) -> Evaluation:
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
    """Works on evaluations as long as an invocation has time: `owner` names it in leases."""

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
        """Do as much of an evaluation as there is time for, unless somebody else is at it.

        Nothing more is done once somebody else has written to its row.
        """
        row = self.evaluations.get(tenant, evaluation)
        if row.is_free(self.clock()):
            with suppress(Stale):
                self._go_on(LeasedEvaluation(row, self.evaluations, self.owner, self.clock))

    def _go_on(self, leased: LeasedEvaluation) -> None:
        leased.save()
        row = leased.row
        export = self.exports.get(row.tenant, row.dataset, row.export)
        versions = self._versions(row)
        try:
            if row.overlap_is_known or self._look(leased, export, versions):
                self._ask_rows(leased, export, versions)
        except UntoldOverlap as error:
            why = EvaluationError(code=error.code, message=error.message)
            answers = self._answers(leased.row, range(export.files[Split.TEST].examples))
            leased.end(fail_evaluation(leased.row, versions, answers, why, self.clock()))

    def _ask_rows(self, leased: LeasedEvaluation, export: Export, versions: Versions) -> None:
        """Ask the arm that is furthest behind: one that can't answer is found before the others are paid for."""
        rows = self._test_rows(export, self.objects.read_removed(leased.row))
        answers = self._answers(leased.row, rows)
        leased.save(rows_asked=len(rows))  # reading thousands of parts takes its time
        while len(answers[arm := min(answers, key=lambda arm: len(answers[arm]))]) < len(rows):
            if not self._ask_part(leased, arm, rows, versions, answers):
                return
        leased.end(score_evaluation(leased.row, export, rows, versions, answers, now=self.clock()))

    def _look(self, leased: LeasedEvaluation, export: Export, versions: Versions) -> bool:
        """Find the rows that a version has seen, and take the look; False where asking could prove nothing.

        The look and what is going to be asked are one write: a worker that dies before it has asked nothing and taken
        no look.
        """
        removed = self.overlap.find(export, versions[leased.row.candidate], versions.values(), leased.save)
        leased.save()  # a worker that has lost the lease decides nothing
        available = export.files[Split.TEST].examples
        found = without_overlap(leased.row, available, len(removed.rows), removed.kinds, most=EVALUATION_ROWS)
        if found.contaminated or found.too_few:
            answers = self._answers(found, range(available))
            left = self._test_rows(export, removed.rows)
            leased.end(refuse_unasked(found, left, versions, answers, self.clock()))
            return False
        spent = None if found.look else looks_spent(found, self.evaluations.next_look(found, self.clock()))
        if spent:
            unasked = found.model_copy(update={"rows_asked": 0})
            no_answers: Answers = {arm: {} for arm in found.asked}
            leased.end(fail_evaluation(unasked, versions, no_answers, spent, self.clock()))
            return False
        self.objects.write_removed(found, removed.rows)
        leased.begin(found)
        return True

    def _test_rows(self, export: Export, removed: Collection[int]) -> Rows:
        try:
            return self.objects.test_rows(export, removed, EVALUATION_ROWS)
        except NotFound as error:
            raise missing_test_data(export) from error

    def _answers(self, row: Evaluation, rows: Container[int]) -> Answers:
        return {arm: self.objects.read_parts(row, arm, rows) for arm in row.asked}

    def _versions(self, row: Evaluation) -> Versions:
        """The versions as they were when the evaluation began: a prompt may change before it ends."""
        if row.status != EvaluationStatus.REQUESTED:
            return {version.number: version for version in self.objects.read_versions(row)}
        versions = {number: self.models.version(row.tenant, row.model, number) for number in row.asked.values()}
        self.objects.write_versions(row, versions.values())
        return versions

    def _ask_part(
        self, leased: LeasedEvaluation, arm: ArmName, rows: Rows, versions: Versions, answers: Answers
    ) -> bool:
        """Ask the next part of an arm and add to its answers; False where this invocation ends with it."""
        if self.remaining_s() < LONGEST_PART_S:
            leased.hand_over()
            return False
        left = [(row, example) for row, example in rows.items() if row not in answers[arm]]
        until = self.clock() + timedelta(seconds=PART_S)
        version = versions[leased.row.asked[arm]]
        provider = self.providers.get(version.provider)
        answered, away = ask(version, left[:ROWS_PER_PART], provider, lambda: self.clock() >= until)
        if answered:
            self._keep(leased, arm, answered, len(rows), answers)
        error = away and self._waited_too_long(leased.row, away)
        if version.number in (leased.row.candidate, leased.row.stable):
            error = error or refused_throughout(version.number, answers[arm].values(), len(rows))
        if error:
            leased.end(fail_evaluation(leased.row, versions, answers, error, self.clock()))
            return False
        if away and not answered:
            leased.wait(away.message)
            return False
        return True

    def _keep(
        self, leased: LeasedEvaluation, arm: ArmName, answered: list[Answered], rows: int, answers: Answers
    ) -> None:
        """Store the answers of a part, then count the part in the row; `rows` is how many are asked in all."""
        leased.save()  # a worker that has lost the lease writes no part
        self.objects.write_part(leased.row, arm, answered)
        answers[arm] |= {answer.row: answer for answer in answered}
        parts = {**leased.row.parts, arm: leased.row.parts.get(arm, 0) + 1}
        progress = sum(len(given) for given in answers.values()) / (rows * len(answers))
        leased.save(parts=parts, progress=progress, waiting_for=None, waiting_since=None)

    def _waited_too_long(self, row: Evaluation, away: ProviderUnavailable) -> EvaluationError | None:
        """Why to give up, once no answer came for a day."""
        if row.waiting_since is None or self.clock() - row.waiting_since < LONGEST_WAIT:
            return None
        return EvaluationError(code=away.code, message=f"No answer came for a day. {away.message}")
