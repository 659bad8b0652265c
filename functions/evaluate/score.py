"""Scores an evaluation at its end: each arm on the same rows, candidate against stable, and the gate's verdict."""

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
    ArmName,
    ArmResult,
    Evaluation,
    EvaluationError,
    EvaluationStatus,
    Intent,
    ScoredAnswer,
    arm_result,
    compare,
    is_right,
)
from tuneloop.domain.evaluation.gate import count_free_text, judge, often_refused_error, unproved_verdict
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

Answers = dict[ArmName, dict[int, ScoredAnswer]]
Versions = dict[int, Version]
Rows = dict[int, Example]


def score_evaluation(
    evaluation: Evaluation, export: Export, rows: Rows, versions: Versions, answers: Answers, *, now: datetime
) -> Evaluation:
    """The ended evaluation with figures and verdict, once every version has answered every row."""
    scored = {number: [answers[arm][row] for row in rows] for arm, number in evaluation.asked.items()}
    costs = {number: _cost(versions[number], answers[arm].values()) for arm, number in evaluation.asked.items()}
    results = {number: arm_result(number, scored[number], cost.usd, cost.unmetered) for number, cost in costs.items()}
    arms = {arm: results[number] for arm, number in evaluation.versions.items()}
    completed = _finish(
        evaluation,
        versions,
        answers,
        now,
        status=EvaluationStatus.COMPLETED,
        progress=1.0,
        examples=len(rows),
        free_text=count_free_text(expected_answers(rows.values())),
        arms=arms | {ArmName.MOST_FREQUENT: _most_frequent(export, list(rows.values()))},
        comparison=compare(scored[evaluation.candidate], scored[evaluation.stable], evaluation.look),
        error=often_refused_error(arms),
    )
    return completed.model_copy(update={"verdict": judge(completed)})


def refuse_unasked(
    evaluation: Evaluation, rows: Rows, versions: Versions, answers: Answers, now: datetime
) -> Evaluation:
    """The ended evaluation where the rows outside the overlap could prove nothing, so that no row is asked.

    There are answers only where an older release of this function had asked rows before it searched the overlap.
    """
    with_free_text = evaluation.model_copy(update={"free_text": count_free_text(expected_answers(rows.values()))})
    figures = {"status": EvaluationStatus.COMPLETED, "progress": 1.0, "verdict": judge(with_free_text)}
    cost = {} if any(answers.values()) else {"cost_usd": Decimal(0)}  # zero even where nobody knows the price
    return _finish(with_free_text, versions, answers, now, **figures, **cost)


def fail_evaluation(
    evaluation: Evaluation, versions: Versions, answers: Answers, error: EvaluationError, now: datetime
) -> Evaluation:
    """The evaluation failed by an error before every row was asked."""
    status, verdict = EvaluationStatus.FAILED, unproved_verdict(error)
    return _finish(evaluation, versions, answers, now, status=status, verdict=verdict, error=error)


def _finish(evaluation: Evaluation, versions: Versions, answers: Answers, now: datetime, **figures: Any) -> Evaluation:
    """The ended evaluation with its cost and these figures; `figures` win over the cost that is computed here."""
    costs = [_cost(versions[number], answers[arm].values()) for arm, number in evaluation.asked.items()]
    known_costs = [cost.usd for cost in costs if cost.usd is not None]
    cost = {
        "cost_usd": sum(known_costs) if len(known_costs) == len(costs) else None,
        "cost_is_upper_bound": any(cost.is_upper_bound for cost in costs),
        "unmetered": sum(cost.unmetered for cost in costs),
    }
    end = {"finished_at": now, "lease": None, "waiting_for": None, **cost}
    return evaluation.model_copy(update=end | figures)


def _cost(version: Version, answers: Iterable[ScoredAnswer]) -> Bill:
    """The bill of all of a version's answers, also of those that aren't scored."""
    price = price_of(version.provider, version.base_model)
    return bill(price, (answer.tokens for answer in answers), is_finetuned=version.is_finetuned)


def expected_answers(rows: Iterable[Example]) -> list[str]:
    """The answers that the rows expect."""
    return [answer_of(example.messages[-1]) for example in rows]


def _most_frequent(export: Export, rows: list[Example]) -> ArmResult:
    """The baseline arm: how often the most frequent answer of the training data is right, whatever is asked.

    An export stores no long text but "" in its place. Then the most frequent answer of the rows themselves is taken, if
    any comes twice: it is right at least as often, so no version passes the gate that would fail by the text itself.
    """
    expected = expected_answers(rows)
    constant = export.most_frequent_answer
    if not constant:
        [(most_frequent, times)] = Counter(expected).most_common(1) or [("", 0)]
        constant = most_frequent if times > 1 else ""
    scores = [ScoredAnswer(row=row, right=is_right(constant, answer)) for row, answer in enumerate(expected)]
    return arm_result(None, scores, Decimal(0))


def close_evaluation(
    evaluation: Evaluation, evaluations: Evaluations, now: datetime, late: datetime | None = None
) -> Evaluation:
    """Store an ended evaluation; unless it only reports, in one write with the event that carries its verdict.

    `late` is the time of an announcement after the first.
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
