"""Budgets: what a tenant's runs of a month cost or are expected to cost, and how much the monthly budget leaves.

A run is counted in the month in which it is launched: first at its estimate and that of its evaluation, and once it has
ended at its real cost. An unknown price can't be counted, which is why a run without a price waits for a confirmation.
"""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel

from tuneloop.domain.core.pricing import Price, Usd, training_cost
from tuneloop.domain.training.runs import ControlledRun, RunStatus

ZERO = Decimal(0)
UNREPORTED_TOKENS = (
    "Its provider doesn't tell how far a stopped job came: the month's budget counts it at its estimate, the most that "
    "it can have cost."
)
UNBUDGETED = "The price of training this base model is not known, so this run is not counted in the month's budget."


class Budget(BaseModel):
    """What a tenant may spend on training in a month, in USD; None is unlimited."""

    monthly_usd: Usd | None = None
    seq: int = 0


class Spending(BaseModel):
    """What a month's ended runs cost, and what is reserved for its open ones, in USD."""

    spent_usd: Usd = ZERO
    reserved_usd: Usd = ZERO
    seq: int = 0


class MonthlySpending(BaseModel):
    """A tenant's month (YYYY-MM): its budget, what of it is spent, reserved and left; None where it is unlimited."""

    month: str
    limit_usd: Usd | None
    spent_usd: Usd
    reserved_usd: Usd
    left_usd: Usd | None

    @classmethod
    def of(cls, month: str, budget: Budget, spending: Spending) -> "MonthlySpending":
        """A month's spending as users read it, from the stored rows of the budget and of the spending."""
        used = spending.spent_usd + spending.reserved_usd
        left = None if budget.monthly_usd is None else budget.monthly_usd - used
        return cls(
            month=month,
            limit_usd=budget.monthly_usd,
            spent_usd=spending.spent_usd,
            reserved_usd=spending.reserved_usd,
            left_usd=left,
        )

    def refusal(self, estimate: Decimal) -> str | None:
        """Why a run of this estimate (USD) has to be confirmed; None where the budget allows it, or it is free."""
        if not estimate or self.left_usd is None or self.limit_usd is None or estimate <= self.left_usd:
            return None
        used = f"{usd(self.spent_usd)} is spent and {usd(self.reserved_usd)} reserved, so {usd(self.left_usd)} is left"
        return (
            f"A confirmation: of the budget of {usd(self.limit_usd)} for {self.month} {used}, "
            f"and the estimate is {usd(estimate)}."
        )


def month_of(at: datetime) -> str:
    """The month (YYYY-MM, UTC) that a moment lies in."""
    return f"{at:%Y-%m}"


def usd(amount: Decimal) -> str:
    """Dollars as text, amounts below $1 to a hundredth of a cent."""
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):.2f}" if abs(amount) >= 1 or not amount else f"{sign}${abs(amount):.4f}"


def with_cost(run: ControlledRun, price: Price | None) -> ControlledRun:
    """An ended run with the cost of its trained tokens; a cancelled run without a count gets a note instead."""
    if run.trained_tokens is not None:
        return run.model_copy(update={"training_cost_usd": training_cost(price, run.trained_tokens)})
    return run.with_note(UNREPORTED_TOKENS) if run.status == RunStatus.CANCELLED and _unreported_cost(run) else run


def final_cost(run: ControlledRun) -> Decimal:
    """USD that an ended run is counted at: its training, its evaluation's estimate, and its other jobs.

    A run that has trained stays at its estimate where the provider reports no tokens; a failed run counts at what the
    provider reports.
    """
    others = sum((other.cost_usd or ZERO for other in run.other_jobs), ZERO)
    training = _unreported_cost(run) if run.training_cost_usd is None else run.training_cost_usd
    evaluation = run.estimated_evaluation_usd if run.status == RunStatus.SUCCEEDED else None
    return (training or ZERO) + (evaluation or ZERO) + others


def _unreported_cost(run: ControlledRun) -> Decimal | None:
    """The estimate of a run that has trained though its provider reports no tokens; None for any other run."""
    has_trained = run.status == RunStatus.SUCCEEDED or (run.status == RunStatus.CANCELLED and run.started_at)
    return run.estimated_cost_usd if has_trained and run.trained_tokens is None else None
