"""`make smoke STAGE=prod`: the whole loop on the stage's own account and provider, for a price that is stated first.

A tenant of its own goes round by the front doors; then every function's log is asked whether it could do its work, and
the bill is printed. It costs what its provider asks for training on a few dozen short lines and for their answers; the
cap holds the training, whose price is known before it starts.
"""

import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from openai import OpenAIError
from rich.live import Live
from rich.padding import Padding
from rich.table import Table

from infra.stage import BEDROCK, Stage, read_settings, stage_named
from ops.console import CommandRefused, agreed, say, spoken
from ops.smoke.cleanup import how_to_retire, is_hosted, is_removed, retire, what_is_there
from ops.smoke.journey import Journey, LoopError, split_of
from ops.smoke.log_check import Testimony, log_group, testimonies, wake
from ops.smoke.options import smoke_arguments
from ops.smoke.plan import SmokePlan, plan, question_in
from ops.smoke.progress_view import Show
from ops.stage_access import Deployed, has_key
from tuneloop.cli.runs import RunProgress
from tuneloop.domain.core.errors import TuneloopError
from tuneloop.providers.catalog import price_of

COLLECT_S = 120
# A new bucket sends no events for about five minutes (S3's guide, Enabling Amazon EventBridge, read 2026-11). Only the
# sweep finds such a file, at a turn of its five-minute rule once the file is `unseen_after_s` old.
SWEEP_S = 300
LATE = "S3 told nobody of the files, as in the first minutes of a bucket: the sweep finds them within {:.0f} minutes."
REQUEST_S = 300
DEPLOY_S = 1800  # minutes, says Bedrock of its deployments
EVALUATE_S = 900
COUNT_S = 120
LOGS_S = 90  # CloudWatch shows a line some seconds after it was written
USER = "smoke-user"


@dataclass(kw_only=True)
class Smoke(Journey):
    """One smoke test: what it made, and what that cost."""

    plan: SmokePlan
    cap: Decimal
    minutes: float
    unseen_after_s: int
    show: Show = field(default_factory=Show)
    key_id: str = ""
    run: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    usage: list[dict[str, Any]] = field(default_factory=list)
    version: dict[str, Any] = field(default_factory=dict)
    is_removed: bool = False

    @property
    def collect_s(self) -> int:
        """The seconds within which a dropped file is collected even if S3 never tells of it."""
        return self.unseen_after_s + SWEEP_S + COLLECT_S


def main() -> None:
    """Run the smoke test."""
    arguments = smoke_arguments()
    stage = stage_named(arguments.stage, read_settings(arguments.stage))
    deployed = Deployed(stage)
    made = planned(deployed, arguments.cap, unpriced=arguments.unpriced)
    if not agreed("Go on?", yes=arguments.yes):
        raise CommandRefused("Nothing was made.")
    started = datetime.now(UTC)
    name = f"smoke-{started:%Y%m%d-%H%M%S}"
    smoke = Smoke(
        stack=deployed,
        dataset=name,
        tenant=name,
        plan=made,
        cap=arguments.cap,
        minutes=arguments.timeout,
        unseen_after_s=stage.unseen_after_s,
    )
    try:
        loop(smoke)
        heard = functions(smoke, stage, started)
        smoke.is_removed = is_hosted(smoke.version) and is_removed(smoke, smoke.run["version"])
    except (KeyboardInterrupt, LoopError, TuneloopError, OpenAIError, BotoCoreError, ClientError) as error:
        why = "Interrupted." if isinstance(error, KeyboardInterrupt) else str(getattr(error, "message", error))
        raise CommandRefused("\n".join([why, *suspects(smoke, stage, started), left_behind(smoke, stage)])) from None
    finally:
        clean_up(smoke)
    say(f"\n{bill(smoke)}")
    say(what_stays(smoke))
    if not all(testimony.is_good for testimony in heard):
        raise CommandRefused("The loop closed, but not every function could do its work: see the table.")
    say(f"\nStage {stage.name} works.", style="bold green")


def planned(deployed: Deployed, cap: Decimal, *, unpriced: bool = False) -> SmokePlan:
    """State what will be done and what it costs at most; Refusal where that is above the cap or not known."""
    stage, outputs = deployed.stage, deployed.outputs
    provider, base_model = deployed.output("Provider"), outputs["BaseModel"]
    if provider != BEDROCK and has_key(stage) is None:
        raise CommandRefused(f"The provider's key is missing: make provider-key STAGE={stage.name}")
    made = plan(price_of(provider, base_model))
    say(f"Smoke test of stage {stage.name} at {deployed.base_url}", style="bold")
    say(f"  trains {base_model} at {provider} on {len(made.train)} short lines, proves it on {len(made.test)}")
    if made.total_usd is None:
        say(f"  The price of {base_model} at {provider} is not known: no cap can be promised.", style="yellow")
        if not unpriced:
            raise CommandRefused(
                "Add it with date and source to shared/tuneloop/providers/catalog.json and deploy, "
                f"or take what comes: make smoke STAGE={stage.name} UNPRICED=1"
            )
        return made
    say(f"  costs at most ${made.total_usd} there; the cap is ${cap}. AWS's share is under a cent (make bill).")
    for note in made.notes:
        say(f"  {note}")
    if made.total_usd > cap:
        raise CommandRefused(f"  That is above the cap: make smoke STAGE={stage.name} CAP={made.total_usd}")
    return made


def loop(smoke: Smoke) -> None:
    """Go round the loop once."""
    with smoke.show.step("Make a tenant and an API key"):
        smoke.key_id = smoke.make_key()
        smoke.show.say(f"tenant {smoke.tenant}, key {smoke.key_id}")
    with smoke.show.step("Drop training data into S3"):
        _drop(smoke)
    with smoke.show.step("Freeze an export and train on it"):
        _train(smoke)
    with smoke.show.step("Compare on held-out examples"):
        with smoke.show.evaluating() as view:
            smoke.evaluation = smoke.evaluated(view, EVALUATE_S)
        smoke.show.arms(smoke.evaluation)
        smoke.show.say(f"the gate: {smoke.decision(REQUEST_S)['reason']}")
        smoke.show.say("so few lines say nothing about your data: whatever the gate says, the test activates it")
    with smoke.show.step("Activate, ask, rate, account"):
        _serve(smoke)
    if is_hosted(smoke.version):
        with smoke.show.step("Retire what was trained"):
            retire(smoke, smoke.run["version"])
            smoke.show.say("the base model serves again; the next turn of check-status removes deployment and model")


def functions(smoke: Smoke, stage: Stage, since: datetime) -> list[Testimony]:
    """Wake what only a clock wakes, then ask every function's log; printed as one table."""
    with smoke.show.step("Ask every function's log"):
        errors = wake(stage, smoke.stack.client("lambda"))
        deadline = time.monotonic() + LOGS_S
        found = _heard(smoke, stage, since, errors)
        while not all(one.finished for one in found) and time.monotonic() < deadline:
            time.sleep(1)
            found = _heard(smoke, stage, since, errors)
        table = Table("function", "finished", "", box=None, padding=(0, 2))
        for one in found:
            colour = "green" if one.is_good else "red"
            table.add_row(one.function, str(one.finished), f"[{colour}]{one.says}[/]")
        smoke.show.console.print(table)
    return found


def suspects(smoke: Smoke, stage: Stage, since: datetime) -> list[str]:
    """The functions whose log tells of a failure, for the one who has to find out why the loop didn't close."""
    try:
        heard = testimonies(stage, smoke.stack.client("logs"), since)
    except (BotoCoreError, ClientError) as error:
        return [f"The functions' logs can't be read: {error}"]
    return [
        f"Function {one.function} {one.says} (log group {log_group(stage, one.function)})"
        for one in heard
        if one.failures
    ]


def bill(smoke: Smoke) -> str:
    """What it cost, part by part."""
    training = smoke.run.get("training_cost_usd")
    parts = {
        "training": training,
        "evaluation": smoke.evaluation.get("cost_usd"),
        "answers": sum(row["cost_usd"] for row in smoke.usage),
    }
    lines = [f"  {name:<12}{'unknown' if usd is None else f'${usd:.4f}'}" for name, usd in parts.items()]
    total = sum(usd for usd in parts.values() if usd is not None)
    return "\n".join(["The bill", *lines, "  AWS         under a cent: see make bill", f"  total       ${total:.4f}"])


def what_stays(smoke: Smoke) -> str:
    """What the test leaves behind."""
    there = what_is_there(smoke.run, is_hosted=is_hosted(smoke.version), is_removed=smoke.is_removed)
    return (
        f"\nKey {smoke.key_id} is revoked. What stays: tenant {smoke.tenant} with its rows and files (some kilobytes), "
        f"and {there}."
    )


def left_behind(smoke: Smoke, stage: Stage) -> str:
    """What an interrupted test leaves, and how to see to it."""
    if not smoke.run:
        return f"No run was asked for. What stays: tenant {smoke.tenant}, its key revoked."
    hint = f"\n{how_to_retire(smoke.run, smoke.dataset)}" if smoke.plan.storage_usd_per_month else ""
    return (
        f"Run {smoke.run['id']} of tenant {smoke.tenant} was {smoke.run['status']} when last seen. If it is on its way "
        f"it goes on, costs at most {_price(smoke)}, and can be looked after:\n"
        f"  export TUNELOOP_BASE_URL={smoke.stack.base_url}\n"
        f"  export TUNELOOP_API_KEY=$(.venv/bin/tuneloop keys create {smoke.tenant} --stage {stage.name})\n"
        f"  .venv/bin/tuneloop runs watch {smoke.run['id']}{hint}"
    )


def clean_up(smoke: Smoke) -> None:
    """Revoke the key, whatever became of the test."""
    if smoke.key_id:
        smoke.tenants.revoke_key(smoke.tenant, smoke.key_id, datetime.now(UTC))


def _drop(smoke: Smoke) -> None:
    smoke.api.post("/datasets", {"id": smoke.dataset, "on_drop": "collect", "max_run_usd": float(smoke.cap)})
    with tempfile.TemporaryDirectory() as folder:
        for name, lines, split in (("train", smoke.plan.train, ""), ("test", smoke.plan.test, "test/")):
            file = Path(folder) / f"{name}.jsonl"
            file.write_bytes(b"\n".join(lines) + b"\n")
            smoke.show.say(f"s3://…/{smoke.drop(file, split)}")
    with smoke.show.if_late(COLLECT_S, LATE.format(smoke.collect_s / 60)):
        drops = smoke.collected(2, smoke.collect_s)
    for found in drops:
        smoke.show.say(f"{found['examples']} examples from {found['object'].rpartition('/')[2]}")
    smoke.show.say(smoke.eligibility())


def _train(smoke: Smoke) -> None:
    smoke.run = smoke.api.post("/training-runs", {"dataset": smoke.dataset})
    progress = RunProgress()
    seen = ""
    with Live(Padding(progress, (0, 0, 0, 2)), console=smoke.show.console, refresh_per_second=4, transient=True):
        for run, events in smoke.follow(smoke.run["id"], smoke.minutes * 60):
            smoke.run = run
            progress.update(run, events)
            if run["status"] == "awaiting_confirmation" and smoke.plan.total_usd is None:
                smoke.api.post(f"/training-runs/{run['id']}/confirm", {})
            elif run["status"] == "awaiting_confirmation":
                raise LoopError(f"The run waits for {run['waiting_for']} It costs nothing as long as nobody confirms.")
            if run["status"] != seen:
                seen = run["status"]
                smoke.show.say(f"{datetime.now(UTC):%H:%M:%S} {seen}")
    if seen != "succeeded":
        raise LoopError(f"The run ended as {seen}: {(smoke.run.get('error') or {}).get('message')}")
    smoke.show.say(split_of(smoke.api.get(f"/datasets/{smoke.dataset}/exports/{smoke.run['export']}")))
    smoke.version = smoke.served(smoke.run, DEPLOY_S)
    if is_hosted(smoke.version):
        smoke.show.say(f"deployed as {smoke.version['deployment']}")
    smoke.show.say(f"version {smoke.run['version']} is ready: {smoke.run['fine_tuned_model']}")


def _serve(smoke: Smoke) -> None:
    version = smoke.run["version"]
    smoke.api.post(f"/models/{smoke.dataset}/activate", {"version": version, "reason": "the smoke test"})
    with smoke.openai() as client:
        answer = smoke.ask(client, question_in(smoke.plan.test[0]), USER)
    if answer.version != version:
        raise LoopError(f"Version {version} should have answered, not {answer.version}.")
    smoke.show.say(f"version {version} answers {answer.text}")
    smoke.api.post("/feedback", {"inference_id": answer.id, "rating": 5})
    smoke.wait_for("Counting the rating", lambda: sum(row["ratings"] for row in _usage(smoke)) == 1, COUNT_S)
    smoke.usage = smoke.counted(COUNT_S)
    smoke.show.usage(smoke.usage)


def _price(smoke: Smoke) -> str:
    return "what its provider asks" if smoke.plan.total_usd is None else f"${smoke.plan.total_usd}"


def _usage(smoke: Smoke) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = smoke.api.get("/usage", model=smoke.dataset)["data"]
    return rows


def _heard(smoke: Smoke, stage: Stage, since: datetime, errors: dict[str, str]) -> list[Testimony]:
    found = testimonies(stage, smoke.stack.client("logs"), since)
    for one in found:
        if one.function in errors and not one.failures:  # it never came to write a line
            one.failures[errors[one.function]] += 1
    return found


if __name__ == "__main__":
    sys.exit(spoken(main))
