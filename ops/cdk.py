"""The CDK's command line, as every stage is deployed and destroyed with it, on AWS and on this machine."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import boto3

from infra.stage import ROOT
from ops.console import run_process, say
from ops.stage_access import caller_identity

CDK = ROOT / "node_modules" / ".bin" / "cdk"


def cdk_command(verb: str, stack: str, output: Path, context: Mapping[str, str]) -> list[str]:
    """The command for one stack, with its cloud assembly in `output` and the app's `context`."""
    return [
        *(str(CDK), verb, stack),
        *("--app", f"{shlex.quote(sys.executable)} -m infra.app"),  # this interpreter, not whatever cdk.json names
        *("--output", str(output)),
        "--no-notices",
        *(part for key, value in context.items() for part in ("--context", f"{key}={value}")),
    ]


def bootstrap() -> None:
    """Bootstrap the account and region that the operator is signed in to, once before its first deploy."""
    account, region = caller_identity()["Account"], boto3.Session().region_name
    command = bootstrap_command(f"aws://{account}/{region}")
    say(" ".join(part or '""' for part in command))
    run_process(command, "cdk bootstrap failed", env=region_environment())


def bootstrap_command(environment: str) -> list[str]:
    """The command that makes what the CDK needs in `aws://{account}/{region}`.

    Without an app: the CDK would run the one of cdk.json first, which wants to know the stage.
    """
    return [str(CDK), "bootstrap", "--app", "", "--no-notices", environment]


def region_environment() -> dict[str, str]:
    """Our environment with the region that boto3 takes, so that the CDK can't choose another."""
    region = boto3.Session().region_name
    return quiet_environment({**os.environ, "AWS_REGION": region} if region else os.environ)


def quiet_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """An environment in which the CDK doesn't report home, nor warn of a Node that our own check has spoken of."""
    return {**environment, "CDK_DISABLE_CLI_TELEMETRY": "true", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
