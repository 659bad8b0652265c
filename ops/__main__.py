"""The operator's commands, `python -m ops COMMAND`, behind the targets of the Makefile.

A command's docstring is its help text. Each command imports its own code when it runs, so that building the layer does
not wait for the OpenAI client of the smoke test.
"""

import sys
from typing import Annotated

import typer

from infra.stage import ARCHITECTURES, Architecture
from ops.console import print_refusals

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)
StageName = Annotated[str, typer.Option("--stage", help="the stage's name, like prod or try")]
Yes = Annotated[bool, typer.Option("--yes", help="go on without asking, for scripts")]
Confirm = Annotated[str, typer.Option("--confirm", help="the stage's name, for scripts")]


@app.command("layer")
@print_refusals
def layer(
    architecture: Annotated[Architecture, typer.Option("--architecture")] = ARCHITECTURES[0],
) -> None:
    """Build the layers and functions."""
    from ops.console import say
    from ops.layer import build, describe_sizes

    say(describe_sizes(build(architecture)))


@app.command("bootstrap")
@print_refusals
def bootstrap() -> None:
    """Make what the CDK needs in the account and region that you are signed in to, once."""
    from ops.cdk import bootstrap

    bootstrap()


@app.command("deploy")
@print_refusals
def deploy(stage: StageName, *, yes: Yes = False) -> None:
    """Deploy a stage to AWS."""
    from ops.deploy import deploy, stage_on_aws

    deploy(stage_on_aws(stage), yes=yes)


@app.command("provider-key")
@print_refusals
def provider_key(stage: StageName) -> None:
    """Store the provider's API key, typed or piped in."""
    from ops.deploy import stage_on_aws
    from ops.provider_key import store_provider_key

    store_provider_key(stage_on_aws(stage))


@app.command("smoke")
@print_refusals
def smoke(
    stage: StageName,
    *,
    cap: Annotated[str, typer.Option("--cap", help="US dollars that it may cost at most")] = "1.00",
    timeout: Annotated[str, typer.Option("--timeout", help="minutes to wait for the training run")] = "120",
    unpriced: Annotated[
        bool, typer.Option("--unpriced", help="go on although the provider's price is not known")
    ] = False,
    yes: Yes = False,
) -> None:
    """Run the loop on a deployed stage."""
    from ops.smoke.command import SmokeOptions, run_smoke_test

    run_smoke_test(stage, SmokeOptions.of(cap=cap, timeout=timeout, unpriced=unpriced, yes=yes))


@app.command("destroy")
@print_refusals
def destroy(
    stage: StageName,
    *,
    confirm: Confirm = "",
    with_key: Annotated[bool, typer.Option("--with-key", help="remove the provider's key too")] = False,
) -> None:
    """Take a throw-away stage down."""
    from ops.deploy import stage_on_aws
    from ops.destroy import destroy_stage

    destroy_stage(stage_on_aws(stage), confirm=confirm, with_key=with_key)


@app.command("stop")
@print_refusals
def stop(stage: StageName) -> None:
    """Halt a stage, its API too, until it is started."""
    from ops.deploy import stage_on_aws
    from ops.pause import stop_stage
    from ops.stage_access import require_deployed

    stop_stage(require_deployed(stage_on_aws(stage)))


@app.command("start")
@print_refusals
def start(stage: StageName) -> None:
    """Let a stage go on that was stopped."""
    from ops.deploy import stage_on_aws
    from ops.pause import start_stage
    from ops.stage_access import require_deployed

    start_stage(require_deployed(stage_on_aws(stage)))


@app.command("restore")
@print_refusals
def restore(
    stage: StageName,
    *,
    source: Annotated[str, typer.Option("--from", help="the restored table")] = "",
    confirm: Confirm = "",
) -> None:
    """Set a stopped stage's table back."""
    from ops.deploy import stage_on_aws
    from ops.restore import restore_table
    from ops.stage_access import DeployedStage

    restore_table(DeployedStage(stage_on_aws(stage)), source, confirm=confirm)


@app.command("audit")
def audit() -> None:
    """Look the locked dependencies up in OSV, the database of known vulnerabilities."""
    from ops.audit import audit_dependencies

    lines, failed = audit_dependencies()
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    raise typer.Exit(int(failed))


if __name__ == "__main__":
    app()
