"""The smoke test's command, `make smoke STAGE=prod`: the whole loop on a deployed stage, for a price stated first.

A tenant of its own goes round the loop by the public routes; then every function's log is read for failures, and the
bill is printed. The test costs what the stage's provider asks for training on a few dozen short lines and for the
answers; it does not begin where that may come to more than the cap.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self

from botocore.exceptions import BotoCoreError, ClientError
from openai import OpenAIError

from infra.stage import BEDROCK, read_settings, stage_named
from ops.console import CommandRefused, confirm, say
from ops.smoke.journey import LoopError
from ops.smoke.log_check import failure_lines
from ops.smoke.plan import SmokePlan, plan_smoke_test
from ops.smoke.report import describe_bill, describe_interrupted, describe_leftovers
from ops.smoke.steps import SmokeTest
from ops.stage_access import DeployedStage, key_parameter_type
from tuneloop.domain.core.errors import TuneloopError
from tuneloop.domain.core.numbers import parse_decimal
from tuneloop.providers.catalog import price_of

# A day. A training job that takes longer is followed by its run, not by a terminal that has to stay open.
MAX_WAIT_MINUTES = 1440


@dataclass(frozen=True)
class SmokeOptions:
    """The options of a smoke test: the most that it may cost in USD, and how long it waits for its training run."""

    cap: Decimal
    timeout_minutes: float
    unpriced: bool
    yes: bool

    @classmethod
    def of(cls, *, cap: str, timeout: str, unpriced: bool, yes: bool) -> Self:
        """The options from what was typed; CommandRefused for an amount that is no number or out of its bounds."""
        return cls(_dollars(cap), _minutes(timeout), unpriced, yes)


def _dollars(text: str) -> Decimal:
    value = parse_decimal(text)
    if value is None or value < 0:
        raise CommandRefused(f"CAP={text} is no amount of dollars, like 1.00. Nothing was made.")
    return value


def _minutes(text: str) -> float:
    value = parse_decimal(text)
    if value is None or not 0 < value <= MAX_WAIT_MINUTES:
        raise CommandRefused(
            f"TIMEOUT={text}: it has to be minutes, above 0 and at most {MAX_WAIT_MINUTES}. Nothing was made."
        )
    return float(value)


def run_smoke_test(stage_name: str, options: SmokeOptions) -> None:
    """State the price, go round the loop, read the logs, and print the bill; CommandRefused where anything fails."""
    stage = stage_named(stage_name, read_settings(stage_name))
    deployed = DeployedStage(stage)
    plan = state_price(deployed, options.cap, unpriced=options.unpriced)
    if not confirm("Go on?", yes=options.yes):
        raise CommandRefused("Nothing was made.")
    started = datetime.now(UTC)
    name = f"smoke-{started:%Y%m%d-%H%M%S}"
    smoke = SmokeTest(
        stack=deployed,
        dataset=name,
        tenant=name,
        plan=plan,
        cap=options.cap,
        timeout_minutes=options.timeout_minutes,
        unseen_after_s=stage.unseen_after_s,
    )
    try:
        smoke.close_loop()
        findings = smoke.check_logs(stage, started)
        smoke.check_removal()
    except (KeyboardInterrupt, LoopError, TuneloopError, OpenAIError, BotoCoreError, ClientError) as error:
        why = "Interrupted." if isinstance(error, KeyboardInterrupt) else str(getattr(error, "message", error))
        failures = failure_lines(deployed, started)
        raise CommandRefused("\n".join([why, *failures, describe_interrupted(smoke, stage)])) from None
    finally:
        smoke.revoke_key()
    say(f"\n{describe_bill(smoke)}")
    say(describe_leftovers(smoke))
    if not all(finding.is_good for finding in findings):
        raise CommandRefused("The loop closed, but not every function could do its work: see the table.")
    say(f"\nStage {stage.name} works.", style="bold green")


def state_price(deployed: DeployedStage, cap: Decimal, *, unpriced: bool = False) -> SmokePlan:
    """Print what the test will do and cost at most, and return its plan.

    CommandRefused where the cost is above the cap, or not known and not accepted by `unpriced`.
    """
    stage, outputs = deployed.stage, deployed.outputs
    provider, base_model = deployed.output("Provider"), outputs["BaseModel"]
    if provider != BEDROCK and key_parameter_type(stage) is None:
        raise CommandRefused(f"The provider's key is missing: make provider-key STAGE={stage.name}")
    plan = plan_smoke_test(price_of(provider, base_model))
    say(f"Smoke test of stage {stage.name} at {deployed.base_url}", style="bold")
    say(f"  trains {base_model} at {provider} on {len(plan.train)} short lines, proves it on {len(plan.test)}")
    if plan.total_usd is None:
        say(f"  The price of {base_model} at {provider} is not known: no cap can be promised.", style="yellow")
        if not unpriced:
            raise CommandRefused(
                "Add it with date and source to shared/tuneloop/providers/catalog.json and deploy, "
                f"or take what comes: make smoke STAGE={stage.name} UNPRICED=1"
            )
        return plan
    say(f"  costs at most ${plan.total_usd} there; the cap is ${cap}. AWS's share is under a cent (make bill).")
    for note in plan.notes:
        say(f"  {note}")
    if plan.total_usd > cap:
        raise CommandRefused(f"  That is above the cap: make smoke STAGE={stage.name} CAP={plan.total_usd}")
    return plan
