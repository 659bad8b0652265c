"""Spending's rows: a tenant's budget, and what each month's runs have spent and hold, counted in their own writes."""

from decimal import Decimal

from tuneloop.domain.training.budgets import Budget, MonthlySpending, Spending, final_cost, month_of
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, Increment, Table


class Spendings:
    """The budgets of every tenant, and what is used of them."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, tenant: str, month: str) -> tuple[MonthlySpending, Spending]:
        """A tenant's month as it is now, and the row that a reservation has to find unchanged."""
        spending = self._table.get(keys.spending(tenant, month), Spending) or Spending()
        return MonthlySpending.of(month, self.budget(tenant), spending), spending

    def budget(self, tenant: str) -> Budget:
        """What a tenant may spend in a month."""
        return self._table.get(keys.budget(tenant), Budget) or Budget()

    def set_budget(self, tenant: str, monthly_usd: Decimal | None) -> None:
        """Set what a tenant may spend in a month, None for no limit."""
        found = self.budget(tenant)
        self._table.commit(ConditionalPut(keys.budget(tenant), found.model_copy(update={"monthly_usd": monthly_usd})))


def reservation(run: ControlledRun, spending: Spending) -> list[Increment]:
    """The write that holds what a run is going to cost, if nobody has spent or reserved anything in between."""
    if not run.reserved_usd or not run.reserved_month:
        return []
    key = keys.spending(run.tenant, run.reserved_month)
    return [Increment(key, {"seq": 1, "reserved_usd": run.reserved_usd}, after=spending.seq)]


def settlement(run: ControlledRun) -> list[Increment]:
    """The write that counts a run which ends at what it cost, in the month in which it was reserved."""
    cost, reserved = final_cost(run), run.reserved_usd or Decimal(0)
    return _counted(run, {"spent_usd": cost, "reserved_usd": -reserved})


def surcharge(run: ControlledRun, more_usd: Decimal) -> list[Increment]:
    """The write that counts what came to light about a run after its end."""
    return _counted(run, {"spent_usd": more_usd})


def _counted(run: ControlledRun, amounts: dict[str, Decimal]) -> list[Increment]:
    changed: dict[str, int | Decimal] = {name: amount for name, amount in amounts.items() if amount}
    month = run.reserved_month or month_of(run.finished_at or run.created_at)
    return [Increment(keys.spending(run.tenant, month), {"seq": 1, **changed})] if changed else []
