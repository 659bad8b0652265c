"""The deploy of the real stack to MiniStack: the app, template and assets that AWS gets, in the local stage."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from infra.stage import LOCAL, ROOT
from local.ministack import ACCOUNT, REGION, Aws
from local.process import Child
from ops.cdk import cdk_command, quiet_environment

# A bucket for code is all that is needed of the CDK's bootstrap stack here: its roles don't work under MiniStack's IAM.
ASSETS_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
# A deploy takes some seconds here; one that takes minutes hangs.
DEPLOY_TIMEOUT_S = 300


def deploy(aws: Aws, directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Deploy the local stage with `settings` overridden, and return the stack's outputs by name.

    ProcessError, with the end of the CDK's log, where that fails or takes too long.
    """
    aws.client("s3").create_bucket(Bucket=ASSETS_BUCKET)
    outputs_file = directory / "outputs.json"
    command = cdk_command("deploy", LOCAL.stack_name, directory / "cdk.out", {"stage": LOCAL.name, **settings})
    cdk = Child(
        "cdk deploy",
        [*command, *_options(outputs_file)],
        log=directory / "logs" / "deploy.log",
        env=_environment(aws),
        cwd=ROOT,
    )
    try:
        cdk.wait(DEPLOY_TIMEOUT_S)
    finally:
        cdk.stop()
    outputs: dict[str, str] = json.loads(outputs_file.read_text())[LOCAL.stack_name]
    return outputs


def _options(outputs_file: Path) -> list[str]:
    return [
        *("--outputs-file", str(outputs_file)),
        *("--method", "direct"),  # there is nobody to review a change set
        *("--require-approval", "never"),
        *("--progress", "events"),
    ]


def _environment(aws: Aws) -> dict[str, str]:
    """Our environment with MiniStack's address and credentials in place of any of the user's own."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    # The CDK's own check of the template, which only warns, takes half of a synthesis: 5 s in which nothing is learnt.
    return quiet_environment({**inherited, **aws.environment(), "NO_PROXY": "127.0.0.1", "CDK_VALIDATION": "false"})
