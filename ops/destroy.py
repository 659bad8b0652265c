"""The command that takes a throw-away stage down with all its data: `make destroy STAGE=try`.

A stage that keeps its data is refused. The command can be interrupted and run again anywhere: it skips what is gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from infra.stage import ROOT, Stage
from ops.bedrock_leftovers import describe_leftovers
from ops.cdk import cdk_command, region_environment
from ops.console import COUNT_LIMIT, CommandRefused, ask, count_of, run_process, say
from ops.pause import forget_halted
from ops.stage_access import DeployedStage, key_parameter_type

DELETE_BATCH = 1000  # the most objects that S3 lists or deletes in one call
# CloudFormation deletes empty buckets only, and a function that was still at work may have put an object into the
# bucket after it was emptied. A second attempt deletes the rest, as the functions are gone by then; the third is for
# a resource that AWS had not released yet.
ATTEMPTS = 3
BY_HAND = """Stage {stage} keeps its data, so this command does not take it down. By hand, if you are sure:
  1. aws dynamodb update-table --no-deletion-protection-enabled --table-name {table}
  2. aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {stack}
  3. aws cloudformation delete-stack --stack-name {stack}
  Table and bucket are left standing, with everything in them; they cost what they store. To lose them for good:
  4. aws dynamodb delete-table --table-name {table}
  5. empty and delete the bucket {bucket} in the S3 console"""
BY_HAND_KEY = "  6. aws ssm delete-parameter --name {key}"


def destroy_stage(stage: Stage, *, confirm: str, with_key: bool) -> None:
    """Show what will be lost, ask for the stage's name, then remove the stack and what the stage has outside of it.

    CommandRefused where the stage keeps its data, or its name was not typed or given as `confirm`.
    """
    deployed = DeployedStage(stage)
    refuse_to_lose_data(deployed)
    if deployed.stack is None:
        say(f"There is no stack {stage.stack_name} in this account and region.")
    else:
        say(f"Stage {stage.name} will be gone for good, with:", style="bold")
        for line in describe_losses(deployed):
            say(f"  {line}")
        if (confirm or ask(f"Type {stage.name} to go on:")) != stage.name:
            raise CommandRefused("Nothing was removed: the stage's name was not typed (or given as CONFIRM=name).")
        _remove_stack(deployed)
        say(f"Stack {stage.stack_name} is gone, with its functions, queues, table, bucket and logs.")
    for line in _clear_leftovers(stage, with_key=with_key):
        say(line)


def refuse_to_lose_data(deployed: DeployedStage) -> None:
    """Raise CommandRefused, with the commands to do it by hand, for a stage that keeps data or a protected stack."""
    stage, stack = deployed.stage, deployed.stack
    if not stage.keeps_data and not (stack or {}).get("EnableTerminationProtection"):
        return
    if stack is None:
        raise CommandRefused(f"There is no stack {stage.stack_name} in this account and region: nothing to take down.")
    # The names come from the stack's resources and not from its outputs, which a stack that failed does not have.
    kinds = ("AWS::DynamoDB::Table", "AWS::S3::Bucket")
    table, bucket = (next(iter(deployed.resources(kind)), "(there is none)") for kind in kinds)
    lines = [BY_HAND.format(stage=stage.name, stack=stage.stack_name, table=table, bucket=bucket)]
    if stage.needs_key:
        lines.append(BY_HAND_KEY.format(key=stage.key_parameter))
    raise CommandRefused("\n".join([*lines, *(f"  {line}" for line in describe_leftovers(deployed))]))


def describe_losses(deployed: DeployedStage) -> Iterator[str]:
    """Lines with the number of rows and object versions in the stage's tables and buckets; 0 for those already gone."""
    for table in deployed.resources("AWS::DynamoDB::Table"):
        yield f"{count_of(count_rows(deployed.client('dynamodb'), table), 'row')} in table {table}"
    for bucket in deployed.resources("AWS::S3::Bucket"):
        yield f"{count_of(count_versions(deployed.client('s3'), bucket), 'object version')} in bucket {bucket}"


def count_rows(dynamodb: Any, table: str) -> int:
    """The number of a table's rows, counted until `COUNT_LIMIT` is reached; 0 if the table is gone."""
    number = 0
    try:
        for page in dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT"):
            number += page["Count"]
            if number >= COUNT_LIMIT:
                break
    except dynamodb.exceptions.ResourceNotFoundException:
        return 0
    return number


def count_versions(s3: Any, bucket: str) -> int:
    """The number of a bucket's versions and delete markers, counted until `COUNT_LIMIT` is reached; 0 if it is gone."""
    number = 0
    with _ignore_missing_bucket():
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, MaxKeys=DELETE_BATCH):
            number += len(_version_ids(page))
            if number >= COUNT_LIMIT:
                break
    return number


def empty_bucket(s3: Any, bucket: str) -> int:
    """Delete every version and delete marker of a bucket, and return their number; an interrupted call can be repeated.

    CommandRefused where S3 refuses to delete some of them.
    """
    deleted = 0
    with _ignore_missing_bucket():
        while batch := _version_ids(s3.list_object_versions(Bucket=bucket, MaxKeys=DELETE_BATCH)):
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
            if errors := answer.get("Errors"):
                raise CommandRefused(
                    f"{len(errors)} objects of {bucket} can't be deleted: {errors[0]['Code']}. Run it again."
                )
            deleted += len(batch)
    return deleted


def _version_ids(page: dict[str, Any]) -> list[dict[str, str]]:
    """The versions and delete markers of a page of `list_object_versions`, as `delete_objects` takes them."""
    items = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in items]


@contextmanager
def _ignore_missing_bucket() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise


def _remove_stack(deployed: DeployedStage) -> None:
    """Empty the stage's buckets and delete its stack; CommandRefused if that fails in each of `ATTEMPTS`."""
    stage = deployed.stage
    command = cdk_command("destroy", stage.stack_name, ROOT / "build" / "cdk.out" / stage.name, {"stage": stage.name})
    # The CDK synthesizes what it destroys; checking that template takes half the time and is pointless by then.
    environment = {**region_environment(), "CDK_VALIDATION": "false"}
    for attempt in range(1, ATTEMPTS + 1):
        for bucket in deployed.resources("AWS::S3::Bucket"):
            say(f"Emptied bucket {bucket}: {count_of(empty_bucket(deployed.client('s3'), bucket), 'object version')}")
        try:
            run_process([*command, "--force"], "cdk destroy failed", env=environment)
        except CommandRefused:
            if attempt == ATTEMPTS:
                raise
            say("Trying again: something was put into the bucket meanwhile, or AWS has not released it yet.")
        else:
            return


def _clear_leftovers(stage: Stage, *, with_key: bool) -> Iterator[str]:
    """Remove the note of `make stop` and, with `with_key`, the provider's key; yields what is left or gone."""
    forget_halted(DeployedStage(stage))
    yield from describe_leftovers(DeployedStage(stage))
    if key_parameter_type(stage) is None:
        return
    if with_key:
        DeployedStage(stage).client("ssm").delete_parameter(Name=stage.key_parameter)
        yield f"The provider's key {stage.key_parameter} is gone too."
    else:
        yield f"The provider's key stays: make destroy STAGE={stage.name} KEY=1 removes {stage.key_parameter} too."
    yield "Models and files at the provider stay there: remove them at the provider."
