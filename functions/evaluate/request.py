"""Requesting an evaluation: one per candidate, what serves today, and export."""

from datetime import datetime, timedelta

from tuneloop.domain.errors import Conflict, Stale
from tuneloop.domain.evaluation import Evaluation, EvaluationStatus, Verdict
from tuneloop.domain.events import EvaluationCompleted, EvaluationRequested
from tuneloop.domain.exports import Export
from tuneloop.domain.ids import derived_id
from tuneloop.domain.registry import Version
from tuneloop.store.evaluations import Evaluations

A_YEAR = timedelta(days=365)
NO_TEST = "No examples were kept to prove it on (that takes 40 different prompts): activate it by hand if you trust it."


def request_evaluation(
    version: Version, stable: int, export: Export, *, evaluations: Evaluations, now: datetime
) -> Evaluation:
    """The evaluation of a version against the stable one on an export's test rows; asking again gives the same one.

    Every evaluation of the dataset within a year is a look at its test rows and lowers the level of the next.
    """
    if version.number == stable:
        raise Conflict(f"Version {stable} is stable: there is nothing to compare it with.", param="version")
    tenant, model = version.tenant, version.model
    identity = derived_id("eval", tenant, model, version.number, stable, export.id)
    if found := evaluations.find(tenant, identity):
        return found
    looks = [old for old in evaluations.all(tenant) if old.dataset == export.dataset and now - old.created_at < A_YEAR]
    evaluation = Evaluation(
        tenant=tenant,
        id=identity,
        model=model,
        candidate=version.number,
        stable=stable,
        dataset=export.dataset,
        export=export.id,
        look=len(looks) + 1,
        created_at=now,
    )
    try:
        return _stored(evaluation, export, evaluations, now)
    except Stale:  # asked for by somebody else at the same time
        return evaluations.get(tenant, identity)


def complete(evaluation: Evaluation, evaluations: Evaluations, now: datetime) -> Evaluation:
    """Store a finished evaluation with the event that carries its verdict."""
    event = EvaluationCompleted(
        tenant=evaluation.tenant,
        evaluation=evaluation.id,
        model=evaluation.model,
        candidate=evaluation.candidate,
        stable=evaluation.stable,
        verdict=evaluation.verdict or Verdict(promote=False, reason=NO_TEST),
    )
    return evaluations.save(evaluation, event=event, now=now)


def _stored(evaluation: Evaluation, export: Export, evaluations: Evaluations, now: datetime) -> Evaluation:
    if export.has_test:
        event = EvaluationRequested(tenant=evaluation.tenant, evaluation=evaluation.id)
        return evaluations.save(evaluation, event=event, now=now)
    verdict = Verdict(promote=False, reason=NO_TEST)
    ended = {"status": EvaluationStatus.COMPLETED, "verdict": verdict, "finished_at": now, "progress": 1.0}
    return complete(evaluation.model_copy(update=ended), evaluations, now)
