"""Rows of evaluations: while their export's rows are renumbered nobody may answer them, and old answers are forgotten.

An evaluation that has ended keeps its figures. One that is open is held by a lease, begins anew, and is given free.
"""

from datetime import datetime
from typing import Any

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.core.leases import lease
from tuneloop.domain.evaluation.evaluations import Evaluation, EvaluationStatus
from tuneloop.store.repositories.evaluations import Evaluations

LEASE_S = 960  # beyond the function's time-out


def held_back(evaluation: Evaluation, owner: str, evaluations: Evaluations, now: datetime) -> Evaluation:
    """The evaluation with no answers, and nobody else at it; Stale while somebody is."""
    if evaluation.is_open and not evaluation.is_free(now):
        raise Stale(f"Evaluation {evaluation.id} is being worked on; its rows are erased when it is free.")
    anew: dict[str, Any] = {"parts": {}}
    if evaluation.is_open:
        anew |= {"status": EvaluationStatus.REQUESTED, "progress": 0.0, "lease": lease(owner, now, LEASE_S)}
    return evaluations.save(evaluation.model_copy(update=anew), now=now)


def freed(evaluation: Evaluation, evaluations: Evaluations, now: datetime) -> None:
    """Let others work on it again."""
    if evaluation.is_open:
        evaluations.save(evaluation.model_copy(update={"lease": None}), now=now)
