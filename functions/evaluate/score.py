"""Scores of an evaluation: arms on the same rows, candidate compared with stable, and the gate's verdict at its end."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from tuneloop.domain.chat.examples import Example
from tuneloop.domain.chat.messages import answer_of
from tuneloop.domain.core.pricing import Bill, bill
from tuneloop.domain.evaluation.evaluations import (
    FEWEST_ROWS,
    Answered,
    ArmName,
    ArmResult,
    Evaluation,
    EvaluationError,
    EvaluationStatus,
    Intent,
    arm_result,
    compare,
    is_right,
)
from tuneloop.domain.evaluation.gate import count_free_text, judge, refused_often, unproved_verdict
from tuneloop.domain.evaluation.verdicts import Verdict, VerdictCode
from tuneloop.domain.events import EvaluationCompleted
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.exports.splits import LARGEST_TEST_SHARE
from tuneloop.domain.serving.models import Version
from tuneloop.providers.catalog import price_of
from tuneloop.store.repositories.evaluations import Evaluations

NO_TEST = (
    f"No examples were kept to prove it on: at most {LARGEST_TEST_SHARE:.0%} of the unmarked prompts can be, and fewer "
    f"than {FEWEST_ROWS} would prove nothing. Add examples or a test file, or activate it by hand if you trust it."
)

Answers = dict[ArmName, dict[int, Answered]]
Versions = dict[int, Version]
Rows = dict[int, Example]


def score_evaluation(
    evaluation: Evaluation, export: Export, rows: Rows, versions: Versions, answers: Answers, *, now: datetime
) -> Evaluation:
    """The evaluation at its end with figures and verdict, once every version has answered every row."""
    kept = {number: [answers[arm][row] for row in rows] for arm, number in evaluation.asked.items()}
    costs = {number: _cost(versions[number], answers[arm].values()) for arm, number in evaluation.asked.items()}
    results = {number: arm_result(number, kept[number], cost.usd, cost.unmetered) for number, cost in costs.items()}
    arms = {arm: results[number] for arm, number in evaluation.versions.items()}
    counted = _finish(
        evaluation,
        versions,
        answers,
        now,
        status=EvaluationStatus.COMPLETED,
        progress=1.0,
        examples=len(rows),
        free_text=count_free_text(expected_answers(rows.values())),
        arms=arms | {ArmName.MOST_FREQUENT: _most_frequent(export, list(rows.values()))},
        comparison=compare(kept[evaluation.candidate], kept[evaluation.stable], evaluation.look),
        error=refused_often(arms),
    )
    return counted.model_copy(update={"verdict": judge(counted)})


def refuse_unasked(
    evaluation: Evaluation, rows: Rows, versions: Versions, answers: Answers, now: datetime
) -> Evaluation:
    """The evaluation at its end where the rows that are left could prove nothing, so that none is asked.

    There are answers only where an older version of the function had asked before it looked.
    """
    counted = evaluation.model_copy(update={"free_text": count_free_text(expected_answers(rows.values()))})
    ended = {"status": EvaluationStatus.COMPLETED, "progress": 1.0, "verdict": judge(counted)}
    free = {} if any(answers.values()) else {"cost_usd": Decimal(0)}  # even where nobody knows the price
    return _finish(counted, versions, answers, now, **ended, **free)


def fail_evaluation(
    evaluation: Evaluation, versions: Versions, answers: Answers, error: EvaluationError, now: datetime
) -> Evaluation:
    """The evaluation at its end before every row was asked, and why."""
    status, verdict = EvaluationStatus.FAILED, unproved_verdict(error)
    return _finish(evaluation, versions, answers, now, status=status, verdict=verdict, error=error)


def _finish(evaluation: Evaluation, versions: Versions, answers: Answers, now: datetime, **figures: Any) -> Evaluation:
    costs = [_cost(versions[number], answers[arm].values()) for arm, number in evaluation.asked.items()]
    known = [cost.usd for cost in costs if cost.usd is not None]
    cost = {
        "cost_usd": sum(known) if len(known) == len(costs) else None,
        "cost_is_upper_bound": any(cost.is_upper_bound for cost in costs),
        "unmetered": sum(cost.unmetered for cost in costs),
    }
    ended = {"finished_at": now, "lease": None, "waiting_for": None, **cost}
    return evaluation.model_copy(update=ended | figures)


def _cost(version: Version, answers: Iterable[Answered]) -> Bill:
    """What a version's answers cost, those to rows that don't count too."""
    price = price_of(version.provider, version.base_model)
    return bill(price, (answer.tokens for answer in answers), is_finetuned=version.is_finetuned)


def expected_answers(rows: Iterable[Example]) -> list[str]:
    """The answers that the rows expect."""
    return [answer_of(example.messages[-1]) for example in rows]


def _most_frequent(export: Export, rows: list[Example]) -> ArmResult:
    """How often the commonest answer of the training data is right, whatever is asked.

    An export keeps no long text: "" stands for one. There the commonest answer of the rows themselves is taken, if any
    comes twice, which is at least as often right; nothing passes the gate that would not have by the text itself.
    """
    expected = expected_answers(rows)
    always = export.most_frequent_answer
    if not always:
        [(commonest, times)] = Counter(expected).most_common(1) or [("", 0)]
        always = commonest if times > 1 else ""
    scores = [Answered(row=row, right=is_right(always, answer)) for row, answer in enumerate(expected)]
    return arm_result(None, scores, Decimal(0))


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
