"""The checks before a deploy makes anything, each in a sentence that says what to do if it fails."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.stage import BEDROCK, PYTHON, Stage, settings_file
from ops.cdk import CDK
from ops.console import aws_error_text
from ops.stage_access import DeployedStage, caller_identity, has_key
from tuneloop.domain.core.addresses import without_user
from tuneloop.providers.bedrock.base_models import capabilities_on_bedrock
from tuneloop.providers.catalog import price_of

BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
OLDEST_BOOTSTRAP = 6
OLDEST_NODE = 20
SUPPORTED_NODE = 22  # Node 20 reached its end of life in 2026, says the CDK
LAMBDA_PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")  # Lambda's list, read 2026-11
FEW_AT_ONCE = 50  # a new account has 10 concurrent executions in all; 1,000 are usual
PROVIDER = ("provider", "provider_base_url", "base_model")  # a file sets all three or none

# Of the deploy that made the stack; of a later one CloudFormation says UPDATE_ROLLBACK_...
NEVER_UP = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}


class CheckMark(Enum):
    """The outcome of a check: fine, worth knowing, or a reason not to go on; as its symbol and colour."""

    FINE = ("✓", "green")
    NOTE = ("!", "yellow")
    STOP = ("✗", "red")


@dataclass(frozen=True)
class Check:
    """One check's outcome, and the sentence about it."""

    mark: CheckMark
    says: str


def checks(stage: Stage, deployed: DeployedStage) -> Iterator[Check]:
    """Run all checks, in the order in which their troubles are best mended; without an account the rest is moot."""
    yield _python()
    yield _node()
    try:
        account = _account()
    except (BotoCoreError, ClientError) as error:
        yield Check(CheckMark.STOP, aws_error_text(error))
        return
    yield Check(CheckMark.FINE, account)
    yield _bootstrap(stage)
    yield concurrency_check(_most_at_once())
    if blocks_deploy(deployed):
        yield _failed_stack(deployed)
    yield from _settings(stage, deployed)
    yield _key(stage)
    yield from bedrock_checks(stage, str(boto3.Session().region_name))
    yield from closing_checks(stage, date.today())  # noqa: DTZ011 - a provider's closing date has no time zone either


def _python() -> Check:
    if PYTHON in LAMBDA_PYTHONS:
        return Check(CheckMark.FINE, f"Python {sys.version.split()[0]}: the functions will run on Lambda's {PYTHON}")
    return Check(
        CheckMark.STOP, f"Lambda has no {PYTHON}: make the environment anew with one of {', '.join(LAMBDA_PYTHONS)}"
    )


def _node() -> Check:
    node = shutil.which("node")
    asked = [node, "--version"] if node else []
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() if asked else "missing"  # noqa: S603 - a version
    major = version.removeprefix("v").split(".")[0]
    if not major.isdecimal() or int(major) < OLDEST_NODE:
        return Check(
            CheckMark.STOP, f"Node is {version}; the CDK needs Node {OLDEST_NODE} or newer: https://nodejs.org"
        )
    if not CDK.exists():
        return Check(CheckMark.STOP, "The CDK is not installed: make setup")
    if int(major) < SUPPORTED_NODE:
        return Check(
            CheckMark.NOTE, f"Node {version} works, but is past its end of life: use Node {SUPPORTED_NODE} or newer"
        )
    return Check(CheckMark.FINE, f"Node {version}")


def _account() -> str:
    caller = caller_identity()
    return f"AWS account {caller['Account']}, region {boto3.Session().region_name}, as {caller['Arn']}"


def _bootstrap(stage: Stage) -> Check:
    account, region = caller_identity()["Account"], boto3.Session().region_name
    mend = "make bootstrap"
    if not stage.uses_bootstrap_roles:
        bucket = f"cdk-hnb659fds-assets-{account}-{region}"
        return _assets(bucket)
    try:
        version = int(boto3.client("ssm").get_parameter(Name=BOOTSTRAP)["Parameter"].get("Value", "0"))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return Check(
            CheckMark.STOP, f"The CDK has not been bootstrapped in this account and region, which is done once: {mend}"
        )
    if version < OLDEST_BOOTSTRAP:
        return Check(
            CheckMark.STOP, f"The CDK's bootstrap stack is version {version}; {OLDEST_BOOTSTRAP} is needed: {mend}"
        )
    return Check(CheckMark.FINE, f"The CDK is bootstrapped (version {version})")


def _assets(bucket: str) -> Check:
    try:
        boto3.client("s3").head_bucket(Bucket=bucket)
    except ClientError:
        says = "Without bootstrap roles the CDK still needs a bucket for code"
        return Check(CheckMark.STOP, f"{says}: aws s3 mb s3://{bucket} --region {boto3.Session().region_name}")
    return Check(CheckMark.FINE, f"The CDK acts with your own credentials, its code in {bucket}")


def _most_at_once() -> int | None:
    try:
        limit = boto3.client("lambda").get_account_settings()["AccountLimit"]
    except ClientError:  # a right that a deploy doesn't need
        return None
    return limit.get("ConcurrentExecutions")


def concurrency_check(limit: int | None) -> Check:
    """Check how many functions may run at once in the account; `limit` is None where that can't be read."""
    if limit is None:
        return Check(CheckMark.FINE, "How many functions may run at once in this account could not be read")
    if limit < FEW_AT_ONCE:
        says = f"Lambda runs at most {limit} functions at once in this account and region, and answers 503 above that"
        ask = "ask for more in Service Quotas (Lambda, Concurrent executions) before users come"
        return Check(CheckMark.NOTE, f"{says}: {ask}")
    return Check(CheckMark.FINE, f"Lambda runs up to {limit:,} functions at once in this account and region")


def blocks_deploy(deployed: DeployedStage) -> bool:
    """Say whether what a failed first deploy left has to be removed by hand before the next one.

    CloudFormation takes no update of a stack that never came up, and can't delete one that is protected.
    """
    stack = deployed.stack or {}
    protected = deployed.stage.keeps_data or bool(stack.get("EnableTerminationProtection"))
    return protected and stack.get("StackStatus") in NEVER_UP


def removal_commands(deployed: DeployedStage) -> str:
    """Return the commands that remove a failed stack and what it left, in their order.

    Its table and bucket stay behind by design, empty, under names that only this stack knows; a bucket with anything in
    it stays.
    """
    name = deployed.stage.stack_name
    lines = [
        f"aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {name}",
        f"aws cloudformation delete-stack --stack-name {name}",
        f"aws cloudformation wait stack-delete-complete --stack-name {name}",
    ]
    for table in deployed.resources("AWS::DynamoDB::Table"):
        lines.append(f"aws dynamodb update-table --no-deletion-protection-enabled --table-name {table}")
        lines.append(f"aws dynamodb delete-table --table-name {table}")
    lines += [f"aws s3api delete-bucket --bucket {bucket}" for bucket in deployed.resources("AWS::S3::Bucket")]
    return "".join(f"\n      {line}" for line in lines)


def _failed_stack(deployed: DeployedStage) -> Check:
    status = (deployed.stack or {}).get("StackStatus")
    says = f"{deployed.stage.stack_name} is {status}: its first deploy failed, and what is left of it is protected"
    return Check(
        CheckMark.STOP, f"{says}. Nothing of yours is in it; remove it, then deploy again:{removal_commands(deployed)}"
    )


def _settings(stage: Stage, deployed: DeployedStage) -> Iterator[Check]:
    """Check what provider and settings the stage will use, and what it used so far where that differs."""
    wanted, had = json.loads(stage.settings), json.loads(deployed.outputs.get("Settings", "{}"))
    before = {name: value for name, value in had.items() if name in wanted and value != wanted[name]}
    file = settings_file(stage.name)
    if not before:
        where = stage.provider_base_url or "this account and region"
        yield Check(CheckMark.FINE, f"Provider {stage.provider} at {where}, base model {stage.base_model}")
        return
    changes = ", ".join(f"{name} {_shown(value)} -> {_shown(wanted[name])}" for name, value in before.items())
    if file.is_file():
        yield Check(CheckMark.NOTE, f"{file.name} changes the deployed stage: {changes}")
    else:
        whole = {name: had[name] for name in had if name in before or (name in PROVIDER and "provider" in before)}
        whole |= {name: without_user(value) for name, value in whole.items() if isinstance(value, str)}
        says = f"The deployed stage has settings that this deploy would lose: {changes}"
        yield Check(CheckMark.STOP, f"{says}. Keep them in {file}: {json.dumps(whole)}")


def _shown(value: object) -> str:
    return without_user(value) if isinstance(value, str) and value else json.dumps(value)


def _key(stage: Stage) -> Check:
    if not stage.needs_key:
        return Check(CheckMark.FINE, "Bedrock goes by the account's own roles: no key is needed")
    kind = has_key(stage)
    if kind == "SecureString":
        return Check(CheckMark.FINE, f"The provider's key is in {stage.key_parameter}")
    what = "is missing" if kind is None else f"is a {kind}, not a SecureString"
    return Check(
        CheckMark.NOTE, f"The provider's key {what} ({stage.key_parameter}): make provider-key STAGE={stage.name}"
    )


def bedrock_checks(stage: Stage, region: str) -> Iterator[Check]:
    """Check that Bedrock trains the stage's base model in the region that the stage is deployed to, and serves it."""
    if stage.provider != BEDROCK:
        return
    can = capabilities_on_bedrock(stage.base_model)
    if can.regions and region not in can.regions and not can.why_not:
        says = f"Bedrock trains {stage.base_model} in {' or '.join(can.regions)}, and this deploy goes to {region}"
        instead = f"or choose another provider in {settings_file(stage.name)} (docs/deploy.md, step 0)"
        yield Check(CheckMark.STOP, f"{says}: export AWS_REGION={can.regions[0]}, {instead}")
    elif refusal := can.refusal(can.methods[0], {}, region):
        yield Check(CheckMark.STOP, f"{stage.base_model} can't be trained here: {refusal.message}")
    else:
        yield Check(CheckMark.FINE, f"Bedrock trains {stage.base_model} in {region} and serves it by the token")


def closing_checks(stage: Stage, today: date) -> Iterator[Check]:
    """Check what the provider has announced to end, and whether its price is known."""
    price = price_of(stage.provider, stage.base_model)
    last = price and price.training_ends
    if last and today >= last:
        says = f"{stage.provider} has closed fine-tuning: since {last} it takes no jobs from anybody"
        yield Check(
            CheckMark.STOP, f"{says}. Choose another provider in {settings_file(stage.name)} (docs/deploy.md, step 0)"
        )
    elif last:
        says = (
            f"{stage.provider} is closing fine-tuning: from {last} it takes no jobs from anybody, and already none from"
        )
        yield Check(CheckMark.NOTE, f"{says} accounts that never fine-tuned there (docs/deploy.md, Providers)")
    if price is None:
        says = f"No price is known for {stage.base_model} at {stage.provider}: every run will wait for a confirmation"
        yield Check(CheckMark.NOTE, says)
    elif price.shutdown_date:
        yield Check(CheckMark.NOTE, f"{stage.base_model} and what is trained on it shut down on {price.shutdown_date}")
