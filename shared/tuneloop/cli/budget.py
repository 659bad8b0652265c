"""`tuneloop budget`: a tenant's monthly budget for training; needs AWS credentials."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer

from tuneloop.cli.stage import StageOption, spendings, tenants
from tuneloop.domain.core.errors import InvalidInput, NotFound
from tuneloop.domain.core.limits import RUN_USD
from tuneloop.domain.core.numbers import parse_decimal
from tuneloop.domain.training.budgets import month_of, usd

CENT = Decimal("0.01")
TenantArgument = Annotated[str, typer.Argument(help="The tenant.")]
MonthlyOption = Annotated[
    str | None, typer.Option("--monthly-usd", metavar="N|none", help="The new budget in US dollars, or `none`.")
]


def budget(tenant: TenantArgument, monthly_usd: MonthlyOption = None, stage: StageOption = "prod") -> None:
    """Show what a tenant has spent on training this month; with --monthly-usd, set the monthly budget first."""
    if not tenants(stage).exists(tenant):
        raise NotFound(f"There is no tenant {tenant} in stage {stage}.")
    if monthly_usd is not None:
        spendings(stage).set_budget(tenant, _dollars(monthly_usd))
    month, _ = spendings(stage).of(tenant, month_of(datetime.now(UTC)))
    limit = "no budget" if month.limit_usd is None else f"a budget of {usd(month.limit_usd)}"
    left = "" if month.left_usd is None else f", {usd(month.left_usd)} left"
    spending = f"{usd(month.spent_usd)} spent, {usd(month.reserved_usd)} reserved{left}"
    typer.echo(f"{tenant} has {limit} in {month.month}: {spending}.")


def _dollars(text: str) -> Decimal | None:
    """The amount in `--monthly-usd`, None for `none`; InvalidInput for anything else."""
    if text == "none":
        return None
    amount = parse_decimal(text)
    if amount is None or not 0 <= amount <= RUN_USD or amount != amount.quantize(CENT):
        message = f"--monthly-usd must be an amount in dollars and whole cents, from 0 to {RUN_USD:,}, or `none`."
        raise InvalidInput(message, param="monthly-usd")
    return amount
