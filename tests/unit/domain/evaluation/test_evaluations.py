"""Evaluations: what is right, who is compared with whom, and what the gate lets through."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.evaluations import judged, table
from tests.unit.factories import JSON, NOW, SECOND, an_evaluation, scores
from tuneloop.domain.chat.messages import CALLS_PREFIX
from tuneloop.domain.core.leases import Lease
from tuneloop.domain.evaluation.evaluations import (
    ArmName,
    Comparison,
    EvaluationStatus,
    ScoredAnswer,
    all_refused_error,
    arm_result,
    compare,
    format_p_value,
    is_contaminated,
    is_right,
)
from tuneloop.domain.evaluation.gate import judge, often_refused_error, unproved_verdict


@given(JSON)
def test_json_answers_are_equal_however_they_are_written(value: Any) -> None:
    compact, spread = json.dumps(value), json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)

    assert is_right(spread, compact)
    assert is_right(compact, spread)


@given(JSON, JSON)
def test_json_answers_are_right_only_if_they_say_the_same(one: Any, other: Any) -> None:
    assert is_right(json.dumps(one), json.dumps(other)) == is_right(json.dumps(other), json.dumps(one))
    assert not is_right(json.dumps({"a": one}), json.dumps({"b": one}))
    assert not is_right(json.dumps([one]), json.dumps([one, other]))


@given(st.text(), st.text(alphabet=" \n\t", min_size=1))
def test_white_space_around_words_makes_no_answer_wrong(text: str, space: str) -> None:
    assert is_right(text, text)
    assert is_right(space.join(["", *text.split(), ""]), text)


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        ("refund", "refund", True),
        (" refund\n", "refund", True),
        ("Refund", "refund", False),
        ("refund.", "refund", False),
        ("re fund", "refund", False),
        ("", "refund", False),
        ("", "", True),
        ("1", "1.0", True),
        ("1e2", "100", True),
        ("12345678901234567", "12345678901234568", False),
        ("true", "1", False),
        ("false", "0", False),
        ('{"done": true}', '{"done": 1}', False),
        ('{"a": 1, "b": [2, 3]}', '{"b":[2,3],"a":1}', True),
        ("[2, 3]", "[3, 2]", False),
        ('"refund"', "refund", False),
        ("null", "null", True),
        ("null", "false", False),
        ("null", "none", False),
        ("NaN", "NaN", True),
        ("Infinity", "-Infinity", False),
        ("[NaN]", "[ NaN ]", False),
        ("007", "7", False),
        ("9" * 5000, "9" * 5000, True),
        ("[" * 100_000, "refund", False),
        ("[" * 100_000, "[" * 100_000, True),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_answer_is_right_or_wrong(answer: str, expected: str, right: bool) -> None:
    assert is_right(answer, expected) is right


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        (
            '[{"arguments":{"n":1,"all":true},"name":"refund"}]',
            '[{"arguments":{"all":true,"n":1.0},"name":"refund"}]',
            True,
        ),
        ('[{"arguments":{"n":1},"name":"refund"}]', '[{"arguments":{"n":true},"name":"refund"}]', False),
        (
            '[{"arguments":{},"name":"a"},{"arguments":{},"name":"b"}]',
            '[{"arguments":{},"name":"b"},{"arguments":{},"name":"a"}]',
            False,
        ),
        ('[{"arguments":{},"name":"a"}]', '[{"arguments":{},"name":"a"},{"arguments":{},"name":"a"}]', False),
    ],
    ids=["written otherwise", "another value", "another order", "one of two"],
)
def test_tool_calls_are_judged_by_names_and_arguments_in_order(answer: str, expected: str, right: bool) -> None:
    assert is_right(CALLS_PREFIX + answer, CALLS_PREFIX + expected) is right


def test_a_text_is_never_answered_by_a_tool_call_nor_a_tool_call_by_a_text() -> None:
    call = '[{"arguments":{},"name":"refund"}]'

    assert not is_right(CALLS_PREFIX + call, call)
    assert not is_right(call, CALLS_PREFIX + call)
    assert not is_right("", CALLS_PREFIX + call)


def test_an_arm_counts_its_errors_as_wrong() -> None:
    answers = [*scores(right=6, wrong=2), ScoredAnswer(row=8, right=False, error="provider_refused")]

    result = arm_result(2, answers, Decimal("0.04"))

    assert (result.examples, result.correct, result.errors, result.cost_usd) == (9, 6, 1, Decimal("0.04"))
    assert result.accuracy == pytest.approx(6 / 9)
    assert result.interval[0] < result.accuracy < result.interval[1]


def test_an_arm_without_rows_knows_nothing_but_what_it_cost() -> None:
    result = arm_result(2, [], Decimal("0.04"))

    assert (result.accuracy, result.interval, result.cost_usd) == (0.0, (0.0, 1.0), Decimal("0.04"))


@given(*[st.integers(0, 40)] * 4, st.integers(1, 14))
def test_a_comparison_is_of_the_same_rows(both: int, gained: int, lost: int, neither: int, look: int) -> None:
    candidate, stable = table(both, gained, lost, neither)

    found = judged(candidate, stable, look=look).comparison

    if found is None:
        assert not candidate
    else:
        assert (found.only_candidate_right, found.only_stable_right) == (gained, lost)
        assert found.difference == pytest.approx((gained - lost) / len(candidate))
        assert -1 <= found.interval[0] <= found.difference <= found.interval[1] <= 1
        assert (found.p_value < 0.49) == (gained > lost)
        assert 0 < found.smallest_provable_improvement <= 1


def test_rows_that_don_t_pair_up_are_never_compared() -> None:
    with pytest.raises(ValueError, match="two scores"):
        compare(scores(right=3, wrong=0), scores(right=2, wrong=0), 1)


@given(st.integers(0, 5000), st.integers(-1, 1))
def test_a_test_set_is_contaminated_by_more_than_a_fifth_of_it(rows: int, more: int) -> None:
    removed = max(0, rows // 5 + more)

    assert is_contaminated(rows, removed) == (removed * 5 > rows)


def test_twenty_rows_must_be_left_and_fewer_are_not_called_contaminated() -> None:
    enough, too_few = judge(judged(*table(0, 20, 0, 0))), judge(judged(*table(0, 19, 0, 0), removed=2))

    assert enough.promote
    assert not too_few.promote
    assert too_few.reason.startswith("19 test rows are too few to prove anything; that takes 20.")
    assert "training" not in too_few.reason


def test_the_gate_lets_a_better_version_through_and_says_by_how_much() -> None:
    verdict = judge(judged(*table(60, 30, 5, 5), baseline=10))

    assert verdict.promote
    assert verdict.reason.startswith(
        "Better than what serves today: 90.0% right against 65.0% on 100 held-out examples"
    )
    assert "gain +25.0 points, 94% interval" in verdict.reason


@pytest.mark.parametrize(
    ("gained", "lost"), [(0, 0), (5, 5), (1, 0), (5, 30), (12, 9)], ids=["same", "even", "one", "worse", "by chance"]
)
def test_the_gate_refuses_what_may_be_chance(gained: int, lost: int) -> None:
    verdict = judge(judged(*table(60, gained, lost, 10)))

    assert not verdict.promote
    assert verdict.reason.startswith("Not proved better: ")
    assert "This test set can show a gain of" in verdict.reason


@given(*[st.integers(0, 60)] * 4, st.integers(1, 14), st.integers(0, 60))
def test_nothing_passes_that_is_not_better(a: int, b: int, c: int, d: int, look: int, baseline: int) -> None:
    evaluation = judged(*table(a, b, c, d), look=look, baseline=min(baseline, a + b + c + d))
    verdict, found = judge(evaluation), evaluation.comparison

    if verdict.promote:
        assert found is not None
        assert b > c
        assert found.p_value <= found.alpha <= 0.05
        assert a + b > baseline
        assert a + b + c + d >= 20


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 11))
def test_a_later_look_never_lets_through_what_an_earlier_one_refused(gained: int, lost: int, look: int) -> None:
    earlier, later = (judge(judged(*table(30, gained, lost, 10), look=each)).promote for each in (look, look + 1))

    assert earlier >= later


def test_a_report_whose_looks_are_spent_says_so_in_place_of_figures() -> None:
    verdict = judge(judged(*table(60, 30, 5, 5), look=13))

    assert (verdict.promote, verdict.code) == (False, "unproved")
    assert verdict.reason.startswith("90.0% right against 65.0%, but that proves nothing. These test rows were looked")


def test_after_the_last_look_at_a_test_set_it_proves_nothing() -> None:
    evaluation = judged(*table(0, 1500, 0, 0), look=13)

    assert evaluation.comparison is not None
    assert evaluation.comparison.p_value == 0.0
    assert not judge(evaluation).promote


@pytest.mark.parametrize(
    ("p_value", "text"),
    [(0.0, "p < 0.0001"), (1e-300, "p < 0.0001"), (0.00012, "p = 0.00012"), (0.031, "p = 0.031"), (0.5, "p = 0.5")],
)
def test_a_p_value_is_told_as_people_read_it(p_value: float, text: str) -> None:
    assert format_p_value(p_value) == text


def test_a_version_that_always_says_the_commonest_is_refused() -> None:
    verdict = judge(judged(*table(10, 60, 0, 30), baseline=70))

    assert not verdict.promote
    assert verdict.reason == "Always giving the commonest answer is right as often (70.0%)."


@pytest.mark.parametrize("removed", [24, 10**6])
def test_a_test_set_that_was_trained_on_proves_nothing(removed: int) -> None:
    verdict = judge(judged(*table(30, 60, 0, 0), removed=removed))

    assert not verdict.promote
    assert f"{removed} of {90 + removed} test rows were in training data, or share" in verdict.reason
    assert "and 90 are left" in verdict.reason
    assert "too few" not in verdict.reason


def refused(answers: list[bool], errors: int) -> list[ScoredAnswer]:
    """The last wrong ones of these answers were never given: the provider refused."""
    wrong = [row for row, right in enumerate(answers) if not right][-errors:] if errors else []
    return [
        ScoredAnswer(row=row, right=right, error="Refused: 400 content_filter." if row in wrong else None)
        for row, right in enumerate(answers)
    ]


@pytest.mark.parametrize("errors", [0, 5, 6, 30])
@pytest.mark.parametrize("arm", [ArmName.CANDIDATE, ArmName.STABLE])
def test_a_side_that_the_provider_refused_too_often_proves_nothing(arm: ArmName, errors: int) -> None:
    candidate, stable = table(30, 40, 0, 30)
    evaluation = judged(candidate, stable)
    sides = {ArmName.CANDIDATE: candidate, ArmName.STABLE: stable}
    evaluation.arms[arm] = arm_result(evaluation.versions[arm], refused(sides[arm], errors))

    found, verdict = often_refused_error(evaluation.arms), judge(evaluation)

    assert (found is None) == verdict.promote == (errors <= 5)
    if found:
        refusal = f"The provider refused {errors} of 100 questions to version {evaluation.versions[arm]}"
        assert (found.code, found.message) == ("too_many_refused", f"{refusal}; at most 5% may be.")
        assert found.message in verdict.reason


@pytest.mark.parametrize(
    ("asked", "refusals", "rows", "dead"),
    [
        (20, 20, 500, True),
        (19, 19, 500, False),
        (250, 249, 500, False),
        (5, 5, 5, True),
        (4, 4, 5, False),
        (0, 0, 0, False),
    ],
)
def test_a_version_that_answers_none_of_enough_questions_can_t_answer(
    asked: int, refusals: int, rows: int, dead: bool
) -> None:
    gone = "The provider refused the call: 404 model_not_found."
    answers = [ScoredAnswer(row=row, right=False, error=gone if row < refusals else None) for row in range(asked)]

    found = all_refused_error(7, answers, rows)

    assert (found is not None) == dead
    if found:
        assert found.message == f"Version 7 answered none of {asked} questions: {gone}"
        assert found.message in unproved_verdict(found).reason


def test_without_rows_nothing_is_proved() -> None:
    assert not judge(judged([], [])).promote


def test_the_smallest_p_value_keeps_its_comparison_readable() -> None:
    found = judged(*table(0, 900, 0, 0)).comparison

    assert found is not None
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_an_evaluation_is_free_while_it_is_open_and_nobody_holds_it() -> None:
    held = an_evaluation(lease=Lease(owner="w1", until=NOW + 60 * SECOND))

    assert an_evaluation().is_free(NOW)
    assert not held.is_free(NOW)
    assert held.is_free(NOW + 60 * SECOND)
    assert not an_evaluation(status=EvaluationStatus.COMPLETED).is_free(NOW)
    assert not an_evaluation(status=EvaluationStatus.FAILED).is_open


@pytest.mark.parametrize(
    ("candidate", "stable", "asked"),
    [
        (2, 1, {ArmName.CANDIDATE: 2, ArmName.STABLE: 1, ArmName.BASE: 0}),
        (1, 0, {ArmName.CANDIDATE: 1, ArmName.STABLE: 0}),
        (0, 1, {ArmName.CANDIDATE: 0, ArmName.STABLE: 1}),
    ],
)
def test_each_version_is_asked_once_for_all_its_arms(candidate: int, stable: int, asked: dict[ArmName, int]) -> None:
    evaluation = an_evaluation(candidate=candidate, stable=stable)

    assert evaluation.asked == asked
    assert set(evaluation.versions.values()) == set(evaluation.asked.values())
