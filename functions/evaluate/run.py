"""Running an evaluation: look for overlap, ask part by part, keep count in the row, hand over when time runs out.

What its versions have seen is worked out first. Where too little is left, or the year's looks are spent, it ends there,
with nothing asked and no look taken; else it takes its look in the write that says which rows it is going to ask.
A lease keeps a second delivery from paying for the same answers. A part takes as many rows as are answered in its time,
which is well within the lease and renews it; a dead worker's evaluation is taken up by the sweep a few minutes later at
the part where it stopped.
"""

from collections.abc import Callable, Collection, Container
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from evaluate.answers import (
    questions,
    read_parts,
    read_removed,
    read_versions,
    write_part,
    write_removed,
    write_versions,
)
from evaluate.ask import LONGEST_ANSWER_S, ask
from evaluate.overlap import OverlapSearch, UntoldOverlap, missing_test_data
from evaluate.request import close_evaluation
from evaluate.score import Answers, Rows, Versions, failed, refused_unasked, score_evaluation
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound, ProviderUnavailable, Stale
from tuneloop.domain.core.leases import lease
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
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models

ROWS_PER_PART = 250
PART_S = 45
LONGEST_PART_S = PART_S + LONGEST_ANSWER_S
LEASE_S = LONGEST_PART_S + 60
LONGEST_WAIT = timedelta(days=1)


@dataclass
class EvaluationRunner:
    """One invocation's work on an evaluation; `evaluation` is always the row as it was last stored."""

    evaluation: Evaluation
    evaluations: Evaluations
    exports: Exports
    models: Models
    objects: Objects
    providers: Providers
    overlap: OverlapSearch
    owner: str
    clock: Callable[[], datetime]
    remaining_s: Callable[[], float]

    def run(self) -> Evaluation:
        """Do as much as there is time for; nothing more once somebody else has written to the row."""
        if self.evaluation.is_free(self.clock()):
            with suppress(Stale):
                self._go_on()
        return self.evaluation

    def _go_on(self) -> None:
        self._save()
        evaluation = self.evaluation
        export = self.exports.get(evaluation.tenant, evaluation.dataset, evaluation.export)
        versions = self._versions()
        try:
            if evaluation.overlap_is_known or self._look(export, versions):
                self._ask_rows(export, versions)
        except UntoldOverlap as error:
            why = EvaluationError(code=error.code, message=error.message)
            answers = self._answers(range(export.files[Split.TEST].examples))
            self._end(failed(self.evaluation, versions, answers, why, self.clock()))

    def _ask_rows(self, export: Export, versions: Versions) -> None:
        """Ask the arm that is furthest behind: one that can't answer is found before the others are paid for."""
        rows = self._questions(export, read_removed(self.evaluation, self.objects))
        answers = self._answers(rows)
        self._save(rows_asked=len(rows))  # reading thousands of parts takes its time
        while len(answers[arm := min(answers, key=lambda each: len(answers[each]))]) < len(rows):
            if not self._ask(arm, rows, versions, answers):
                return
        self._end(score_evaluation(self.evaluation, export, rows, versions, answers, now=self.clock()))

    def _look(self, export: Export, versions: Versions) -> bool:
        """Find the rows that a version has seen, and take the look; False where asking could prove nothing.

        The look and what is going to be asked are one write: who dies before it has asked nothing and taken none.
        """
        removed = self.overlap.find(export, versions[self.evaluation.candidate], versions.values(), self._save)
        self._save()  # who has lost the lease to somebody else decides nothing
        available = export.files[Split.TEST].examples
        found = without_overlap(self.evaluation, available, len(removed.rows), removed.kinds, most=EVALUATION_ROWS)
        if found.contaminated or found.too_few:
            answers = self._answers(range(available))
            left = self._questions(export, removed.rows)
            return self._end(refused_unasked(found, left, versions, answers, self.clock()))
        spent = None if found.look else looks_spent(found, self.evaluations.next_look(found, self.clock()))
        if spent:
            unasked = found.model_copy(update={"rows_asked": 0})
            return self._end(failed(unasked, versions, {arm: {} for arm in found.asked}, spent, self.clock()))
        write_removed(found, removed.rows, self.objects)
        begun = {"status": EvaluationStatus.RUNNING, "lease": lease(self.owner, self.clock(), LEASE_S)}
        self._store(found.model_copy(update=begun), lambda each: self.evaluations.begin(each, self.clock()))
        return True

    def _questions(self, export: Export, removed: Collection[int]) -> Rows:
        try:
            return questions(export, removed, EVALUATION_ROWS, self.objects)
        except NotFound as error:
            raise missing_test_data(export) from error

    def _answers(self, rows: Container[int]) -> Answers:
        return {arm: read_parts(self.evaluation, arm, rows, self.objects) for arm in self.evaluation.asked}

    def _versions(self) -> Versions:
        """The versions as they were when the evaluation began: a prompt may change before it ends."""
        if self.evaluation.status != EvaluationStatus.REQUESTED:
            return {version.number: version for version in read_versions(self.evaluation, self.objects)}
        tenant, model = self.evaluation.tenant, self.evaluation.model
        versions = {number: self.models.version(tenant, model, number) for number in self.evaluation.asked.values()}
        write_versions(self.evaluation, versions.values(), self.objects)
        return versions

    def _ask(self, arm: ArmName, rows: Rows, versions: Versions, answers: Answers) -> bool:
        """Ask the next part of an arm; False where this invocation ends with it."""
        if self.remaining_s() < LONGEST_PART_S:
            return self._hand_over()
        left = [(row, example) for row, example in rows.items() if row not in answers[arm]]
        until = self.clock() + timedelta(seconds=PART_S)
        version = versions[self.evaluation.asked[arm]]
        provider = self.providers.get(version.provider)
        answered, away = ask(version, left[:ROWS_PER_PART], provider, lambda: self.clock() >= until)
        if answered:
            self._keep(arm, answered, len(rows), answers)
        error = away and self._waited_too_long(away)
        if version.number in (self.evaluation.candidate, self.evaluation.stable):
            error = error or refused_throughout(version.number, answers[arm].values(), len(rows))
        if error:
            return self._end(failed(self.evaluation, versions, answers, error, self.clock()))
        return self._wait(away.message) if away and not answered else True

    def _keep(self, arm: ArmName, answered: list[Answered], rows: int, answers: Answers) -> None:
        self._save()  # who has lost the lease to somebody else writes no part
        write_part(self.evaluation, arm, answered, self.objects)
        answers[arm] |= {answer.row: answer for answer in answered}
        parts = {**self.evaluation.parts, arm: self.evaluation.parts.get(arm, 0) + 1}
        progress = sum(len(given) for given in answers.values()) / (rows * len(answers))
        self._save(parts=parts, progress=progress, waiting_for=None, waiting_since=None)

    def _end(self, ended: Evaluation) -> bool:
        self._store(ended, lambda evaluation: close_evaluation(evaluation, self.evaluations, self.clock()))
        return False

    def _hand_over(self) -> bool:
        event = EvaluationRequested(tenant=self.evaluation.tenant, evaluation=self.evaluation.id)
        released = self.evaluation.model_copy(update={"lease": None})
        self._store(released, lambda evaluation: self.evaluations.save(evaluation, event=event, now=self.clock()))
        return False

    def _wait(self, why: str) -> bool:
        now = self.clock()
        waits = {"waiting_for": why, "waiting_since": self.evaluation.waiting_since or now}
        self._store(self.evaluation.model_copy(update={"lease": None, **waits}), self._saved)
        return False

    def _waited_too_long(self, away: ProviderUnavailable) -> EvaluationError | None:
        """Why to give up, once no answer came for a day: looking after it every few minutes isn't free."""
        since = self.evaluation.waiting_since
        if since is None or self.clock() - since < LONGEST_WAIT:
            return None
        return EvaluationError(code=away.code, message=f"No answer came for a day. {away.message}")

    def _save(self, **changes: object) -> None:
        held = lease(self.owner, self.clock(), LEASE_S)
        self._store(self.evaluation.model_copy(update={"lease": held, **changes}), self._saved)

    def _saved(self, evaluation: Evaluation) -> Evaluation:
        return self.evaluations.save(evaluation, now=self.clock())

    def _store(self, changed: Evaluation, save: Callable[[Evaluation], Evaluation]) -> None:
        """Save the row, with the intent that somebody may have raised meanwhile; Stale if anything else happened to it.

        Answers that are paid for would be lost if a raise made the worker give up.
        """
        try:
            self.evaluation = save(changed)
        except Stale:
            found = self.evaluations.get(changed.tenant, changed.id)
            if not found.is_raised_from(self.evaluation):
                raise
            self.evaluation = save(changed.model_copy(update={"intent": found.intent, "seq": found.seq}))
