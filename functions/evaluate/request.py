"""Requesting an evaluation: one per candidate, what serves today, and export."""

from datetime import datetime
from itertools import count

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.ids import derived_id
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS, Evaluation, EvaluationStatus, Intent
from tuneloop.domain.evaluation.verdicts import Verdict, VerdictCode
from tuneloop.domain.events import EvaluationCompleted, EvaluationRequested, announcement
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.splits import LARGEST_TEST_SHARE
from tuneloop.domain.serving.models import Version
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.models import Models

# A worker writes to its row about every 45 s, and few people raise an evaluation at once: after some tries it is none
# of these.
TRIES = 5
NO_TEST = (
    f"No examples were kept to prove it on: at most {LARGEST_TEST_SHARE:.0%} of the unmarked prompts can be, and fewer "
    f"than {FEWEST_ROWS} would prove nothing. Add examples or a test file, or activate it by hand if you trust it."
)


def request_evaluation(
    version: Version,
    stable: int,
    export: Export,
    *,
    intent: Intent,
    evaluations: Evaluations,
    models: Models,
    now: datetime,
    again: bool = False,
    late: datetime | None = None,
) -> Evaluation:
    """The evaluation of a version against the stable one on an export's test rows; asking twice gives the same one.

    Its intent rises to the one that is asked for, and never falls. It takes its look once rows are to be asked. Where a
    person asks `again`, or a report's error is to decide, one that ended in an error is followed by another attempt
    without a look of its own, as the one before let nothing through. Asked because a verdict came `late`, one that had
    ended is announced again, about what serves now; a verdict of before the overlap search is not: a new look is taken.
    """
    tenant, model, repeated = version.tenant, version.model, None
    for attempt in count(1):
        identity = derived_id("eval", tenant, model, version.number, stable, export.id, attempt)
        if (found := evaluations.find(tenant, identity)) is None:
            break
        rises = intent.rises_above(found.intent)
        if found.error and (again or rises):
            repeated = found
            continue
        when = announced_again_at(found, intent, by_person=again, late=late, models=models, now=now)
        if not rises and when is None:
            return found
        if _is_sound(found, export) and rises:
            return raise_intent(found, intent, evaluations, now)
        if _is_sound(found, export):
            return close_evaluation(found, evaluations, now, when)
        repeated = None  # its verdict may have let something through, so what follows takes a look of its own
    evaluation = Evaluation(
        tenant=tenant,
        id=identity,
        model=model,
        candidate=version.number,
        stable=stable,
        dataset=export.dataset,
        export=export.id,
        intent=intent,
        look=repeated.look if repeated else 0,
        attempt=attempt,
        created_at=now,
    )
    return _stored(evaluation, export, evaluations, now)


def _is_sound(evaluation: Evaluation, export: Export) -> bool:
    """Whether no verdict stands on test rows that nobody looked for in training data, as older releases' do."""
    return evaluation.is_open or evaluation.overlap_was_found or not export.has_test


def raise_intent(evaluation: Evaluation, intent: Intent, evaluations: Evaluations, now: datetime) -> Evaluation:
    """The evaluation with at least this intent; one that ended as a report has its verdict announced with the raise."""
    for _ in range(TRIES):
        if not intent.rises_above(evaluation.intent):
            return evaluation
        raised = evaluation.model_copy(update={"intent": intent})
        try:
            return evaluations.save(raised, now=now) if raised.is_open else close_evaluation(raised, evaluations, now)
        except Stale:  # its worker goes on, or somebody else has raised it
            evaluation = evaluations.get(evaluation.tenant, evaluation.id)
    raise Stale(f"Evaluation {evaluation.id} is changing too fast; try again.")


def announced_again_at(
    found: Evaluation, intent: Intent, *, by_person: bool, late: datetime | None, models: Models, now: datetime
) -> datetime | None:
    """When the verdict of an ended evaluation is announced once more, None if it isn't.

    Either it was found to be about what no longer served, or a person asks for a promotion again after what was
    decided on the last announcement: a hold may have refused it and be lifted since.
    """
    if intent is Intent.REPORT or found.finished_at is None:
        return None
    if late is not None:
        return late if found.finished_at <= late else None
    last = announcement(found.id, found.announced_again)
    would_promote = found.verdict is not None and found.verdict.promote
    return now if by_person and would_promote and models.is_decided(found.tenant, found.model, last) else None


def close_evaluation(
    evaluation: Evaluation, evaluations: Evaluations, now: datetime, late: datetime | None = None
) -> Evaluation:
    """Store an ended evaluation, if it is to promote with the event that carries its verdict.

    `late` is the time of an announcement that isn't the first.
    """
    if evaluation.intent is Intent.REPORT:
        return evaluations.save(evaluation, now=now)
    event = EvaluationCompleted(
        tenant=evaluation.tenant,
        evaluation=evaluation.id,
        model=evaluation.model,
        candidate=evaluation.candidate,
        stable=evaluation.stable,
        verdict=evaluation.verdict or Verdict(promote=False, reason=NO_TEST, code=VerdictCode.NO_TEST),
        late=late,
    )
    announced = evaluation.model_copy(update={"announced_again": late}) if late else evaluation
    return evaluations.save(announced, event=event, now=now)


def _stored(evaluation: Evaluation, export: Export, evaluations: Evaluations, now: datetime) -> Evaluation:
    try:
        return _begun(evaluation, export, evaluations, now)
    except Stale:  # asked for by somebody else at the same time, and maybe for less
        found = evaluations.get(evaluation.tenant, evaluation.id)
        return raise_intent(found, evaluation.intent, evaluations, now)


def _begun(evaluation: Evaluation, export: Export, evaluations: Evaluations, now: datetime) -> Evaluation:
    event = EvaluationRequested(tenant=evaluation.tenant, evaluation=evaluation.id)
    if export.has_test:
        return evaluations.save(evaluation, event=event, now=now)
    ended = {"status": EvaluationStatus.COMPLETED, "too_few": True, "finished_at": now, "progress": 1.0}
    verdict = Verdict(promote=False, reason=NO_TEST, code=VerdictCode.NO_TEST)
    return close_evaluation(evaluation.model_copy(update={**ended, "verdict": verdict}), evaluations, now)
