"""The CDK's command line, by which every stack is deployed and destroyed, on AWS and on this machine."""

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
    """The CDK command for one stack, which writes its cloud assembly to `output` and gives the app its `context`."""
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
    """The command that bootstraps `aws://{account}/{region}` for the CDK.

    `--app ""` keeps the CDK from running the app of cdk.json first, which fails as long as no stage is named.
    """
    return [str(CDK), "bootstrap", "--app", "", "--no-notices", environment]


def region_environment() -> dict[str, str]:
    """Our environment with boto3's region in AWS_REGION, so that the CDK deploys where our own calls look."""
    region = boto3.Session().region_name
    return quiet_environment({**os.environ, "AWS_REGION": region} if region else os.environ)


def quiet_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without the CDK's telemetry, and without its warning about Node, which our own check gives."""
    return {**environment, "CDK_DISABLE_CLI_TELEMETRY": "true", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
