"""Evaluations whose figures are worked out, from the scores of their arms."""

from tests.unit.factories import an_evaluation, scores
from tuneloop.domain.evaluation.evaluations import (
    ArmName,
    Evaluation,
    ScoredAnswer,
    arm_result,
    compare,
    is_contaminated,
)


def judged(
    candidate: list[bool], stable: list[bool], *, look: int = 1, baseline: int = 0, removed: int = 0
) -> Evaluation:
    """An evaluation of version 2 against version 1 whose figures are worked out."""
    arms = [[ScoredAnswer(row=row, right=right) for row, right in enumerate(arm)] for arm in (candidate, stable)]
    n = len(candidate)
    return an_evaluation(
        look=look,
        rows_available=n + removed,
        rows_asked=n,
        examples=n,
        removed_overlap=removed,
        contaminated=is_contaminated(n + removed, removed),
        comparison=compare(arms[0], arms[1], look),
        arms={
            ArmName.CANDIDATE: arm_result(2, arms[0]),
            ArmName.STABLE: arm_result(1, arms[1]),
            ArmName.MOST_FREQUENT: arm_result(None, scores(right=baseline, wrong=n - baseline)),
        },
    )


def table(both: int, gained: int, lost: int, neither: int) -> tuple[list[bool], list[bool]]:
    """The scores of candidate and stable with so many rows of each kind."""
    candidate = [True] * (both + gained) + [False] * (lost + neither)
    stable = [True] * both + [False] * gained + [True] * lost + [False] * neither
    return candidate, stable
