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
from ops.stage_access import DeployedStage, caller_identity, key_parameter_type
from tuneloop.domain.core.addresses import without_user
from tuneloop.providers.bedrock.base_models import capabilities_on_bedrock
from tuneloop.providers.catalog import price_of

# `hnb659fds` is the CDK's default qualifier: it stands in the names of all that `cdk bootstrap` makes.
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
# The rule `CheckBootstrapVersion` of each template refuses older ones; it would do so after the code was uploaded.
OLDEST_BOOTSTRAP = 6
# The oldest Node that all of our commands were run with. It reached its end of life in 2026, as the CDK itself warns,
# so the next supported one is asked for.
OLDEST_NODE = 20
SUPPORTED_NODE = 22
LAMBDA_PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")  # Lambda's runtimes, read 2026-11
# A new account may run 10 functions at once, an older one usually 1,000: below this the limit is worth a note.
LOW_CONCURRENCY = 50
PROVIDER_SETTINGS = ("provider", "provider_base_url", "base_model")  # a stage's file sets all three or none

# How a stack ends whose first deploy failed; a later deploy that fails ends in UPDATE_ROLLBACK_...
FAILED_FIRST_DEPLOY = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}


class CheckMark(Enum):
    """The outcome of a check, as its symbol and colour: fine, worth a note, or a reason not to deploy."""

    FINE = ("✓", "green")
    NOTE = ("!", "yellow")
    STOP = ("✗", "red")


@dataclass(frozen=True)
class Check:
    """The outcome of one check, and the sentence that the operator reads."""

    mark: CheckMark
    sentence: str


def checks(stage: Stage, deployed: DeployedStage) -> Iterator[Check]:
    """Run all checks, in the order in which an operator would fix what they find; without an account they end there."""
    yield _python_check()
    yield _node_check()
    try:
        account = _describe_account()
    except (BotoCoreError, ClientError) as error:
        yield Check(CheckMark.STOP, aws_error_text(error))
        return
    yield Check(CheckMark.FINE, account)
    yield _bootstrap_check(stage)
    yield concurrency_check(_concurrency_limit())
    if blocks_deploy(deployed):
        yield _failed_stack_check(deployed)
    yield from _settings_checks(stage, deployed)
    yield _key_check(stage)
    yield from bedrock_checks(stage, str(boto3.Session().region_name))
    yield from closing_checks(stage, date.today())  # noqa: DTZ011 - a provider's closing date has no time zone either


def _python_check() -> Check:
    if PYTHON in LAMBDA_PYTHONS:
        return Check(CheckMark.FINE, f"Python {sys.version.split()[0]}: the functions will run on Lambda's {PYTHON}")
    return Check(
        CheckMark.STOP, f"Lambda has no {PYTHON}: make the environment anew with one of {', '.join(LAMBDA_PYTHONS)}"
    )


def _node_check() -> Check:
    version = _node_version()
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


def _node_version() -> str:
    node = shutil.which("node")
    if node is None:
        return "missing"
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - no input of anybody's


def _describe_account() -> str:
    caller = caller_identity()
    return f"AWS account {caller['Account']}, region {boto3.Session().region_name}, as {caller['Arn']}"


def _bootstrap_check(stage: Stage) -> Check:
    if not stage.uses_bootstrap_roles:
        return _assets_bucket_check()
    try:
        version = int(boto3.client("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"].get("Value", "0"))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return Check(
            CheckMark.STOP,
            "The CDK has not been bootstrapped in this account and region, which is done once: make bootstrap",
        )
    if version < OLDEST_BOOTSTRAP:
        return Check(
            CheckMark.STOP,
            f"The CDK's bootstrap stack is version {version}; {OLDEST_BOOTSTRAP} is needed: make bootstrap",
        )
    return Check(CheckMark.FINE, f"The CDK is bootstrapped (version {version})")


def _assets_bucket_check() -> Check:
    account, region = caller_identity()["Account"], boto3.Session().region_name
    bucket = f"cdk-hnb659fds-assets-{account}-{region}"
    try:
        boto3.client("s3").head_bucket(Bucket=bucket)
    except ClientError:
        lack = "Without bootstrap roles the CDK still needs a bucket for code"
        return Check(CheckMark.STOP, f"{lack}: aws s3 mb s3://{bucket} --region {region}")
    return Check(CheckMark.FINE, f"The CDK acts with your own credentials, its code in {bucket}")


def _concurrency_limit() -> int | None:
    """How many functions may run at once in the account; None where the operator may not read it, nor needs to."""
    try:
        limits = boto3.client("lambda").get_account_settings()["AccountLimit"]
    except ClientError:
        return None
    return limits.get("ConcurrentExecutions")


def concurrency_check(limit: int | None) -> Check:
    """Check how many functions may run at once in the account; `limit` is None where that can't be read."""
    if limit is None:
        return Check(CheckMark.FINE, "How many functions may run at once in this account could not be read")
    if limit < LOW_CONCURRENCY:
        bound = f"Lambda runs at most {limit} functions at once in this account and region, and answers 503 above that"
        remedy = "ask for more in Service Quotas (Lambda, Concurrent executions) before users come"
        return Check(CheckMark.NOTE, f"{bound}: {remedy}")
    return Check(CheckMark.FINE, f"Lambda runs up to {limit:,} functions at once in this account and region")


def blocks_deploy(deployed: DeployedStage) -> bool:
    """Whether a first deploy failed and left a protected stack, which has to be removed by hand before the next one.

    CloudFormation does not update a stack that never came up, and does not delete a protected one.
    """
    stack = deployed.stack or {}
    is_protected = deployed.stage.keeps_data or bool(stack.get("EnableTerminationProtection"))
    return is_protected and stack.get("StackStatus") in FAILED_FIRST_DEPLOY


def removal_commands(deployed: DeployedStage) -> str:
    """The commands that remove a failed stack, in their order, with the table and bucket that it leaves behind.

    Both are empty, and `delete-bucket` refuses a bucket that is not; their names stand in the stack alone.
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


def _failed_stack_check(deployed: DeployedStage) -> Check:
    status = (deployed.stack or {}).get("StackStatus")
    failure = f"{deployed.stage.stack_name} is {status}: its first deploy failed, and what is left of it is protected"
    return Check(
        CheckMark.STOP,
        f"{failure}. Nothing of yours is in it; remove it, then deploy again:{removal_commands(deployed)}",
    )


def _settings_checks(stage: Stage, deployed: DeployedStage) -> Iterator[Check]:
    """Name the provider that the stage will use, or each setting by which this deploy would change the deployed stage.

    A change that stands in the stage's file is a note. Without a file it stops the deploy, which would lose the setting
    (docs/decisions.md, "a stage's settings are a committed file").
    """
    new, old = json.loads(stage.settings), json.loads(deployed.outputs.get("Settings", "{}"))
    changed = {name: value for name, value in old.items() if name in new and value != new[name]}
    file = settings_file(stage.name)
    if not changed:
        where = stage.provider_base_url or "this account and region"
        yield Check(CheckMark.FINE, f"Provider {stage.provider} at {where}, base model {stage.base_model}")
        return
    changes = ", ".join(
        f"{name} {_setting_text(value)} -> {_setting_text(new[name])}" for name, value in changed.items()
    )
    if file.is_file():
        yield Check(CheckMark.NOTE, f"{file.name} changes the deployed stage: {changes}")
    else:
        changes_provider = "provider" in changed
        kept = {name: old[name] for name in old if name in changed or (changes_provider and name in PROVIDER_SETTINGS)}
        kept |= {name: without_user(value) for name, value in kept.items() if isinstance(value, str)}
        loss = f"The deployed stage has settings that this deploy would lose: {changes}"
        yield Check(CheckMark.STOP, f"{loss}. Keep them in {file}: {json.dumps(kept)}")


def _setting_text(value: object) -> str:
    """A setting as the operator reads it; of an address without the user and password in it."""
    return without_user(value) if isinstance(value, str) and value else json.dumps(value)


def _key_check(stage: Stage) -> Check:
    if not stage.needs_key:
        return Check(CheckMark.FINE, "Bedrock uses the account's own roles: no key is needed")
    kind = key_parameter_type(stage)
    if kind == "SecureString":
        return Check(CheckMark.FINE, f"The provider's key is in {stage.key_parameter}")
    fault = "is missing" if kind is None else f"is a {kind}, not a SecureString"
    return Check(
        CheckMark.NOTE, f"The provider's key {fault} ({stage.key_parameter}): make provider-key STAGE={stage.name}"
    )


def bedrock_checks(stage: Stage, region: str) -> Iterator[Check]:
    """Check that Bedrock trains the stage's base model in the region that the stage is deployed to, and serves it."""
    if stage.provider != BEDROCK:
        return
    capabilities = capabilities_on_bedrock(stage.base_model)
    if capabilities.regions and region not in capabilities.regions and not capabilities.why_not:
        regions = " or ".join(capabilities.regions)
        mismatch = f"Bedrock trains {stage.base_model} in {regions}, and this deploy goes to {region}"
        instead = f"or choose another provider in {settings_file(stage.name)} (docs/deploy.md, step 0)"
        yield Check(CheckMark.STOP, f"{mismatch}: export AWS_REGION={capabilities.regions[0]}, {instead}")
    elif refusal := capabilities.refusal(capabilities.methods[0], {}, region):
        yield Check(CheckMark.STOP, f"{stage.base_model} can't be trained here: {refusal.message}")
    else:
        yield Check(CheckMark.FINE, f"Bedrock trains {stage.base_model} in {region} and serves it by the token")


def closing_checks(stage: Stage, today: date) -> Iterator[Check]:
    """Check what the provider has announced to end, and whether its price is known."""
    price = price_of(stage.provider, stage.base_model)
    end = price and price.training_ends
    if end and today >= end:
        yield Check(
            CheckMark.STOP,
            f"{stage.provider} has closed fine-tuning: since {end} it takes no jobs from anybody. "
            f"Choose another provider in {settings_file(stage.name)} (docs/deploy.md, step 0)",
        )
    elif end:
        yield Check(
            CheckMark.NOTE,
            f"{stage.provider} is closing fine-tuning: from {end} it takes no jobs from anybody, and already none from "
            "accounts that never fine-tuned there (docs/deploy.md, Providers)",
        )
    if price is None:
        yield Check(
            CheckMark.NOTE,
            f"No price is known for {stage.base_model} at {stage.provider}: every run will wait for a confirmation",
        )
    elif price.shutdown_date:
        yield Check(CheckMark.NOTE, f"{stage.base_model} and what is trained on it shut down on {price.shutdown_date}")
