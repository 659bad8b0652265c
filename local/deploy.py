"""`cdk deploy` of the real stack to MiniStack: the same app, template and assets as for AWS, in the local stage."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from local.ministack import ACCOUNT, REGION, Aws
from local.process import Child
from ops.cdk import cdk_command as command
from ops.cdk import quiet_environment

ROOT = Path(__file__).resolve().parent.parent
STACK = "tuneloop-local"
# All that the CDK's bootstrap stack is needed for here: a bucket for code. Its roles don't work under MiniStack's IAM.
ASSETS_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
TIMEOUT_S = 300


def deploy(aws: Aws, directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Deploy with the local stage's `settings` overridden and return the stack's outputs by name."""
    aws.client("s3").create_bucket(Bucket=ASSETS_BUCKET)
    outputs = directory / "outputs.json"
    cdk_command = Child(
        "cdk deploy",
        [*command("deploy", STACK, directory / "cdk.out", {"stage": "local", **settings}), *_options(outputs)],
        log=directory / "logs" / "deploy.log",
        env=_environment(aws),
        cwd=ROOT,
    )
    try:
        cdk_command.wait(TIMEOUT_S)
    finally:
        cdk_command.stop()
    found: dict[str, str] = json.loads(outputs.read_text())[STACK]
    return found


def _options(outputs: Path) -> list[str]:
    return [
        *("--outputs-file", str(outputs)),
        *("--method", "direct"),  # there is nobody to review a change set
        *("--require-approval", "never"),
        *("--progress", "events"),
    ]


def _environment(aws: Aws) -> dict[str, str]:
    ours = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return quiet_environment({**ours, **aws.environment(), "NO_PROXY": "127.0.0.1"})
