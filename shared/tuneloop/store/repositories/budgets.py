"""Spending's rows: a tenant's budget, and what each month's runs have spent and reserved.

Sums are changed in the same transactions as the runs that they count.
"""

from decimal import Decimal

from tuneloop.domain.training.budgets import Budget, MonthlySpending, Spending, final_cost, month_of
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, Increment, Table


class Spendings:
    """The budgets of every tenant, and the spending that counts against them."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, tenant: str, month: str) -> tuple[MonthlySpending, Spending]:
        """A tenant's month (YYYY-MM) as it is now, and the row that a reservation has to find unchanged."""
        spending = self._table.get(keys.spending(tenant, month), Spending) or Spending()
        return MonthlySpending.of(month, self.budget(tenant), spending), spending

    def budget(self, tenant: str) -> Budget:
        """A tenant's monthly budget, one without a limit where none was set."""
        return self._table.get(keys.budget(tenant), Budget) or Budget()

    def set_budget(self, tenant: str, monthly_usd: Decimal | None) -> None:
        """Set a tenant's monthly budget in US dollars, None for no limit."""
        budget = self.budget(tenant).model_copy(update={"monthly_usd": monthly_usd})
        self._table.commit(ConditionalPut(keys.budget(tenant), budget))


def reservation(run: ControlledRun, spending: Spending) -> list[Increment]:
    """The write that reserves a run's estimated cost; Stale where anybody has spent or reserved in between."""
    if not run.reserved_usd or not run.reserved_month:
        return []
    key = keys.spending(run.tenant, run.reserved_month)
    return [Increment(key, {"seq": 1, "reserved_usd": run.reserved_usd}, after=spending.seq)]


def settlement(run: ControlledRun) -> list[Increment]:
    """The write that replaces a run's reservation by its final cost, in the month of the reservation."""
    cost, reserved = final_cost(run), run.reserved_usd or Decimal(0)
    return _spending_write(run, {"spent_usd": cost, "reserved_usd": -reserved})


def surcharge(run: ControlledRun, more_usd: Decimal) -> list[Increment]:
    """The write that counts a cost that came to light after a run's end."""
    return _spending_write(run, {"spent_usd": more_usd})


def _spending_write(run: ControlledRun, amounts: dict[str, Decimal]) -> list[Increment]:
    changed: dict[str, int | Decimal] = {name: amount for name, amount in amounts.items() if amount}
    month = run.reserved_month or month_of(run.finished_at or run.created_at)
    return [Increment(keys.spending(run.tenant, month), {"seq": 1, **changed})] if changed else []
