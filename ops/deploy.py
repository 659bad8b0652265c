"""`make deploy STAGE=prod`: looks before it makes anything, builds the code, deploys, and says what comes next."""

import argparse
import sys

from infra.stage import ROOT, Stage, read_settings, stage_named
from ops.cdk import cdk, in_region
from ops.console import CommandRefused, agreed, running, say, spoken
from ops.deploy_checks import Check, CheckMark, checks
from ops.layer import build, report
from ops.stage_access import Deployed, has_key


def main() -> None:
    """Deploy a stage."""
    parser = argparse.ArgumentParser(prog="python -m ops.deploy", description="Deploy a stage to AWS.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("--yes", action="store_true", help="go on without asking, for scripts")
    arguments = parser.parse_args()
    stage = stage_on_aws(arguments.stage)
    say(f"Stage {stage.name}: before anything is made", style="bold")
    notes = looked_at(stage)
    if any(check.mark == CheckMark.NOTE for check in notes) and not agreed(
        "Go on with these notes?", yes=arguments.yes
    ):
        raise CommandRefused("Nothing was made.")
    say("\nThe code", style="bold")
    say(f"  {report(build(stage.architecture))}")
    say(f"\ncdk deploy {stage.stack_name}", style="bold")
    command = cdk("deploy", stage.stack_name, ROOT / "build" / "cdk.out" / stage.name, {"stage": stage.name})
    approval = "never" if arguments.yes else "broadening"
    running([*command, "--require-approval", approval, "--progress", "events"], "cdk deploy failed", env=in_region())
    say(f"\n{whats_next(Deployed(stage))}")


def stage_on_aws(name: str) -> Stage:
    """The stage of that name with the settings of its file; Refusal for the local one."""
    if not name:
        raise CommandRefused("Which stage? STAGE=prod, or any short name for a throw-away stage, like STAGE=try.")
    if name == "local":
        raise CommandRefused("The local stage lives on this machine: `make local` brings it up, Ctrl-C takes it down.")
    return stage_named(name, read_settings(name))


def looked_at(stage: Stage) -> list[Check]:
    """Every check, printed; Refusal where one of them says that a deploy can't work."""
    seen = []
    for check in checks(stage, Deployed(stage)):
        symbol, style = check.mark.value
        say(f"  {symbol} {check.says}", style=style if check.mark != CheckMark.FINE else None)
        seen.append(check)
    if any(check.mark == CheckMark.STOP for check in seen):
        raise CommandRefused("Nothing was made: mend what is marked with ✗ first.")
    return seen


def whats_next(deployed: Deployed) -> str:
    """How to go on from a deployed stage."""
    name = deployed.stage.name
    lacks_key = deployed.stage.needs_key and has_key(deployed.stage) != "SecureString"
    steps = [("Give it the provider's key", f"make provider-key STAGE={name}")] if lacks_key else []
    steps += [
        ("See the whole loop work, for a stated price", f"make smoke STAGE={name}"),
        ("Make a tenant and its key", f".venv/bin/tuneloop keys create TENANT --stage {name}"),
        ("Call it", f"export TUNELOOP_BASE_URL={deployed.base_url} TUNELOOP_API_KEY=..."),
    ]
    if not deployed.stage.keeps_data:
        steps.append(("Take it down again", f"make destroy STAGE={name}"))
    lines = [f"  {what}:\n    {command}" for what, command in steps]
    return "\n".join([f"Stage {name} is up: {deployed.base_url}", *lines])


if __name__ == "__main__":
    sys.exit(spoken(main))
