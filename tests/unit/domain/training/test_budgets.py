"""Spending: what fits into a month's budget, and what a run is counted at when it has ended."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import NOW, a_run, an_export
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.training.budgets import Budget, MonthlySpending, Spending, final_cost, month_of, usd, with_cost
from tuneloop.domain.training.costs import evaluation_cost, total_cost
from tuneloop.domain.training.jobs import OtherJob
from tuneloop.domain.training.model_offers import Offer
from tuneloop.domain.training.runs import RunStatus

DOLLARS = st.decimals(0, 1000, places=6)
PRICE = Offer(
    training_per_1m=Decimal(3),
    input_per_1m=Decimal(2),
    output_per_1m=Decimal(10),
    base_input_per_1m=Decimal(1),
    base_output_per_1m=Decimal(5),
    price_date=NOW.date(),
    price_source="a test",
)


def month(limit: Decimal | None, spent: Decimal, reserved: Decimal) -> MonthlySpending:
    return MonthlySpending.of(
        "2026-07", Budget(monthly_usd=limit), Spending(spent_usd=spent, reserved_usd=reserved, seq=1)
    )


@given(DOLLARS, DOLLARS, DOLLARS, DOLLARS)
def test_a_run_waits_exactly_where_it_costs_something_that_is_not_left(
    limit: Decimal, spent: Decimal, reserved: Decimal, asked: Decimal
) -> None:
    refusal = month(limit, spent, reserved).refusal(asked)

    assert bool(refusal) == (asked > 0 and spent + reserved + asked > limit)


def test_without_a_budget_nothing_waits_for_one() -> None:
    assert month(None, Decimal(10**6), Decimal(0)).refusal(Decimal(10**6)) is None


def test_the_refusal_says_budget_spent_left_and_estimate() -> None:
    assert month(Decimal(50), Decimal("42.1"), Decimal(5)).refusal(Decimal(9)) == (
        "A confirmation: of the budget of $50.00 for 2026-07 $42.10 is spent and $5.00 reserved, so $2.90 is left, "
        "and the estimate is $9.00."
    )


def test_a_month_is_that_of_utc() -> None:
    assert month_of(NOW) == "2026-07"


def test_what_is_beyond_the_budget_is_told_with_its_sign() -> None:
    assert [usd(Decimal(each)) for each in ("0", "0.5", "-3", "-0.25", "12.345")] == [
        "$0.00",
        "$0.5000",
        "-$3.00",
        "-$0.2500",
        "$12.34",
    ]


def test_an_unknown_training_price_hides_the_whole_an_evaluation_s_itself() -> None:
    assert total_cost(None, Decimal(1)) is None
    assert total_cost(Decimal(1), None) == 1
    assert total_cost(Decimal("0.00000001"), Decimal(1)) == Decimal("1.000001")


def test_an_evaluation_asks_the_version_its_base_and_what_serves() -> None:
    files = {**an_export().files}
    files[Split.TEST] = files[Split.TEST].model_copy(update={"examples": 100, "tokens": 10_000})
    export = an_export(files=files, answer_tokens=20.0)
    tuned, base = (2 * 80 + 10 * 20) / 1e6, (80 + 5 * 20) / 1e6

    first, later = (evaluation_cost(export, PRICE, is_first=is_first) for is_first in (True, False))

    assert float(first or 0) == pytest.approx(100 * (tuned + base))
    assert float(later or 0) == pytest.approx(100 * (2 * tuned + base))
    assert evaluation_cost(export, None, is_first=True) is None


def test_too_few_test_rows_are_not_asked() -> None:
    files = {**an_export().files}
    files[Split.TEST] = files[Split.TEST].model_copy(update={"examples": 0})

    assert evaluation_cost(an_export(files=files), None, is_first=True) == 0


def test_a_run_is_counted_at_what_it_cost_however_it_ended() -> None:
    others = [OtherJob(id="job-2", status="cancelled", cost_usd=Decimal(3)), OtherJob(id="job-3", status="running")]
    run = a_run(training_cost_usd=Decimal(2), estimated_evaluation_usd=Decimal(5), trained_tokens=9, other_jobs=others)

    assert final_cost(run.model_copy(update={"status": RunStatus.SUCCEEDED})) == 10
    assert final_cost(run.model_copy(update={"status": RunStatus.CANCELLED})) == 5
    assert final_cost(a_run(status=RunStatus.FAILED, estimated_cost_usd=Decimal(7))) == 0


def test_a_success_whose_tokens_are_not_told_stays_at_its_estimate() -> None:
    assert final_cost(a_run(status=RunStatus.SUCCEEDED, estimated_cost_usd=Decimal(7))) == 7


def test_a_stopped_run_of_unknown_tokens_stays_at_its_estimate_and_says_so() -> None:
    stopped = a_run(status=RunStatus.CANCELLED, estimated_cost_usd=Decimal(7), estimated_evaluation_usd=Decimal(5))
    trained = stopped.model_copy(update={"started_at": NOW})

    assert final_cost(stopped) == 0
    assert with_cost(stopped, PRICE).notes == []
    assert final_cost(trained) == 7
    assert "at its estimate" in with_cost(trained, PRICE).notes[0]

    told = with_cost(trained.model_copy(update={"trained_tokens": 1_000_000}), PRICE)

    assert told.notes == []
    assert final_cost(told) == PRICE.training_per_1m
