"""The deploy command, `make deploy STAGE=prod`: check, build the code, deploy, and say what comes next."""

from infra.stage import ROOT, Stage, read_settings, stage_named
from ops.cdk import cdk_command, region_environment
from ops.console import CommandRefused, confirm, run_process, say
from ops.deploy_checks import Check, CheckMark, checks
from ops.layer import build, describe_sizes
from ops.stage_access import DeployedStage, key_parameter_type


def deploy(stage: Stage, *, yes: bool) -> None:
    """Check, build the code, deploy, and print what comes next; `yes` answers every question beforehand."""
    say(f"Stage {stage.name}: before anything is made", style="bold")
    results = run_checks(stage)
    if any(check.mark == CheckMark.NOTE for check in results) and not confirm("Go on with these notes?", yes=yes):
        raise CommandRefused("Nothing was made.")
    say("\nThe code", style="bold")
    say(f"  {describe_sizes(build(stage.architecture))}")
    say(f"\ncdk deploy {stage.stack_name}", style="bold")
    command = cdk_command("deploy", stage.stack_name, ROOT / "build" / "cdk.out" / stage.name, {"stage": stage.name})
    approval = "never" if yes else "broadening"
    run_process(
        [*command, "--require-approval", approval, "--progress", "events"],
        "cdk deploy failed",
        env=region_environment(),
    )
    say(f"\n{next_steps(DeployedStage(stage))}")


def stage_on_aws(name: str) -> Stage:
    """The stage of this name with the settings of its file; CommandRefused without a name, or for `local`."""
    if not name:
        raise CommandRefused("Which stage? STAGE=prod, or any short name for a throw-away stage, like STAGE=try.")
    if name == "local":
        raise CommandRefused("The local stage lives on this machine: `make local` brings it up, Ctrl-C takes it down.")
    return stage_named(name, read_settings(name))


def run_checks(stage: Stage) -> list[Check]:
    """Run and print every check; CommandRefused where one of them says that a deploy can't work."""
    results = []
    for check in checks(stage, DeployedStage(stage)):
        symbol, style = check.mark.value
        say(f"  {symbol} {check.sentence}", style=style if check.mark != CheckMark.FINE else None)
        results.append(check)
    if any(check.mark == CheckMark.STOP for check in results):
        raise CommandRefused("Nothing was made: fix what is marked with ✗ first.")
    return results


def next_steps(deployed: DeployedStage) -> str:
    """What to do next with a deployed stage, as commands to paste."""
    name = deployed.stage.name
    lacks_key = deployed.stage.needs_key and key_parameter_type(deployed.stage) != "SecureString"
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
