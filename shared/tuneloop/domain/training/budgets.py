"""Spending: what a tenant's runs of a month have cost or are reserved for, and how much of it his budget allows.

A run is counted when it is launched, in the month of that moment and at its estimate with that of its evaluation; when
it ends, at what it cost. A price that nobody knows can't be counted, which is why such a run waits for a confirmation.
"""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel

from tuneloop.domain.core.pricing import Price, Usd, training_cost
from tuneloop.domain.training.runs import ControlledRun, RunStatus

NOTHING = Decimal(0)
UNTOLD = (
    "Its provider doesn't tell how far a stopped job came: the month's budget counts it at its estimate, the most that "
    "it can have cost."
)
UNCOUNTED = "The price of training this base model is not known, so this run is not counted in the month's budget."


class Budget(BaseModel):
    """What a tenant may spend on training in a month; None is without end."""

    monthly_usd: Usd | None = None
    seq: int = 0


class Spending(BaseModel):
    """What a month's runs have cost, and what is held for those that go on."""

    spent_usd: Usd = NOTHING
    reserved_usd: Usd = NOTHING
    seq: int = 0


class MonthlySpending(BaseModel):
    """A tenant's month (YYYY-MM): its budget, what was spent and reserved of it, and what is left."""

    month: str
    limit_usd: Usd | None
    spent_usd: Usd
    reserved_usd: Usd
    left_usd: Usd | None

    @classmethod
    def of(cls, month: str, budget: Budget, spending: Spending) -> "MonthlySpending":
        """A month's spending as users read it, from the stored row."""
        used = spending.spent_usd + spending.reserved_usd
        left = None if budget.monthly_usd is None else budget.monthly_usd - used
        return cls(
            month=month,
            limit_usd=budget.monthly_usd,
            spent_usd=spending.spent_usd,
            reserved_usd=spending.reserved_usd,
            left_usd=left,
        )

    def refusal(self, asked: Decimal) -> str | None:
        """Why a run of that estimate has to be confirmed; None where it fits, or costs nothing."""
        if not asked or self.left_usd is None or self.limit_usd is None or asked <= self.left_usd:
            return None
        used = f"{usd(self.spent_usd)} is spent and {usd(self.reserved_usd)} reserved, so {usd(self.left_usd)} is left"
        return (
            f"A confirmation: of the budget of {usd(self.limit_usd)} for {self.month} {used}, "
            f"and the estimate is {usd(asked)}."
        )


def month_of(at: datetime) -> str:
    """The month (YYYY-MM, UTC) that a moment lies in."""
    return f"{at:%Y-%m}"


def usd(amount: Decimal) -> str:
    """Dollars in words, small ones to a hundredth of a cent."""
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):.2f}" if abs(amount) >= 1 or not amount else f"{sign}${abs(amount):.4f}"


def with_cost(run: ControlledRun, price: Price | None) -> ControlledRun:
    """A run that has ended with what its trained tokens cost, or a note where it was stopped and nobody tells them."""
    if run.trained_tokens is not None:
        return run.model_copy(update={"training_cost_usd": training_cost(price, run.trained_tokens)})
    return run.with_note(UNTOLD) if run.status == RunStatus.CANCELLED and _untold(run) else run


def final_cost(run: ControlledRun) -> Decimal:
    """What a run that has ended is counted at: its training, its evaluation's estimate, and its other jobs.

    One that has trained, and whose tokens its provider doesn't tell, stays at its estimate; one that failed costs
    what is told of it.
    """
    others = sum((other.cost_usd or NOTHING for other in run.other_jobs), NOTHING)
    training = _untold(run) if run.training_cost_usd is None else run.training_cost_usd
    evaluation = run.estimated_evaluation_usd if run.status == RunStatus.SUCCEEDED else None
    return (training or NOTHING) + (evaluation or NOTHING) + others


def _untold(run: ControlledRun) -> Decimal | None:
    """The estimate of a run that is paid for though nobody tells what was trained."""
    has_trained = run.status == RunStatus.SUCCEEDED or (run.status == RunStatus.CANCELLED and run.started_at)
    return run.estimated_cost_usd if has_trained and run.trained_tokens is None else None
