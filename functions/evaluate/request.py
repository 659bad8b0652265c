"""Requesting an evaluation: one per candidate, what serves today, and export."""

from datetime import datetime
from itertools import count

from tuneloop.domain.errors import Conflict, Stale
from tuneloop.domain.evaluation import FEWEST_ROWS, Evaluation, EvaluationStatus, Verdict
from tuneloop.domain.events import EvaluationCompleted, EvaluationRequested
from tuneloop.domain.exports import Export
from tuneloop.domain.ids import derived_id
from tuneloop.domain.registry import Version
from tuneloop.domain.splitting import LARGEST_TEST_SHARE
from tuneloop.store.evaluations import Evaluations

NO_TEST = (
    f"No examples were kept to prove it on: at most {LARGEST_TEST_SHARE:.0%} of the unmarked prompts can be, and fewer "
    f"than {FEWEST_ROWS} would prove nothing. Add examples or a test file, or activate it by hand if you trust it."
)


def request_evaluation(
    version: Version,
    stable: int,
    export: Export,
    *,
    evaluations: Evaluations,
    now: datetime,
    again: bool = False,
    late: datetime | None = None,
) -> Evaluation:
    """The evaluation of a version against the stable one on an export's test rows; asking twice gives the same one.

    With `again`, one that ended in an error is followed by another attempt, which takes no look of its own: the one
    before could not have let anything through. Asked because a verdict came `late`, one that had ended by then has its
    verdict announced again: it is about what serves now, and the decisions so far were about what served then.
    """
    if version.number == stable:
        raise Conflict(f"Version {stable} is stable: there is nothing to compare it with.", param="version")
    tenant, model = version.tenant, version.model
    repeated = None
    for attempt in count(1):
        identity = derived_id("eval", tenant, model, version.number, stable, export.id, attempt)
        if (found := evaluations.find(tenant, identity)) is None:
            break
        if not (again and found.error):
            is_over = late is not None and found.finished_at is not None and found.finished_at <= late
            return complete(found, evaluations, now, late=late) if is_over else found
        repeated = found
    evaluation = Evaluation(
        tenant=tenant,
        id=identity,
        model=model,
        candidate=version.number,
        stable=stable,
        dataset=export.dataset,
        export=export.id,
        look=repeated.look if repeated else 0,
        attempt=attempt,
        created_at=now,
    )
    try:
        return _stored(evaluation, export, evaluations, now)
    except Stale:  # asked for by somebody else at the same time
        return evaluations.get(tenant, identity)


def complete(
    evaluation: Evaluation, evaluations: Evaluations, now: datetime, late: datetime | None = None
) -> Evaluation:
    """Store an ended evaluation with the event that carries its verdict; `late` if that is announced once more."""
    event = EvaluationCompleted(
        tenant=evaluation.tenant,
        evaluation=evaluation.id,
        model=evaluation.model,
        candidate=evaluation.candidate,
        stable=evaluation.stable,
        verdict=evaluation.verdict or Verdict(promote=False, reason=NO_TEST),
        late=late,
    )
    return evaluations.save(evaluation, event=event, now=now)


def _stored(evaluation: Evaluation, export: Export, evaluations: Evaluations, now: datetime) -> Evaluation:
    event = EvaluationRequested(tenant=evaluation.tenant, evaluation=evaluation.id)
    if export.has_test and evaluation.look:
        return evaluations.save(evaluation, event=event, now=now)
    if export.has_test:
        return evaluations.add(evaluation, event, now)
    ended = {"status": EvaluationStatus.COMPLETED, "too_few": True, "finished_at": now, "progress": 1.0}
    verdict = Verdict(promote=False, reason=NO_TEST)
    return complete(evaluation.model_copy(update={**ended, "verdict": verdict}), evaluations, now)
