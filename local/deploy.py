"""`cdk deploy` of the real stack to MiniStack: the same app, template and assets as for AWS, in the local stage."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from local.ministack import ACCOUNT, REGION, Aws
from local.process import Child

ROOT = Path(__file__).resolve().parent.parent
CDK = ROOT / "node_modules" / ".bin" / "cdk"
STACK = "tuneloop-local"
# All that the CDK's bootstrap stack is needed for here: a bucket for code. Its roles don't work under MiniStack's IAM.
ASSETS_BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
TIMEOUT_S = 300


def deploy(aws: Aws, directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Deploy with the local stage's `settings` overridden and return the stack's outputs by name."""
    aws.client("s3").create_bucket(Bucket=ASSETS_BUCKET)
    outputs = directory / "outputs.json"
    cdk = Child(
        "cdk deploy",
        [str(CDK), "deploy", STACK, *_options(directory, outputs, {"stage": "local", **settings})],
        log=directory / "logs" / "deploy.log",
        env=_environment(aws),
        cwd=ROOT,
    )
    try:
        cdk.wait(TIMEOUT_S)
    finally:
        cdk.stop()
    found: dict[str, str] = json.loads(outputs.read_text())[STACK]
    return found


def _options(directory: Path, outputs: Path, context: Mapping[str, str]) -> list[str]:
    settings = [part for key, value in context.items() for part in ("--context", f"{key}={value}")]
    return [
        *(
            "--app",
            f"{shlex.quote(sys.executable)} -m infra.app",
        ),  # the interpreter that is running, not whatever cdk.json names
        *("--output", str(directory / "cdk.out")),
        *("--outputs-file", str(outputs)),
        *("--method", "direct"),  # there is nobody to review a change set
        *("--require-approval", "never"),
        *("--progress", "events"),
        "--no-notices",
        *settings,
    ]


def _environment(aws: Aws) -> dict[str, str]:
    ours = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {**ours, **aws.environment(), "NO_PROXY": "127.0.0.1", "CDK_DISABLE_CLI_TELEMETRY": "true"}
