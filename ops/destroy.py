"""`make destroy STAGE=try`: takes a throw-away stage down, with all that is in it; a stage that keeps data is refused.

It can be broken off and begun again anywhere: what is gone already is passed over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from infra.stage import ROOT, Stage
from ops.bedrock_leftovers import describe_leftovers
from ops.cdk import cdk_command, region_environment
from ops.console import MOST_COUNTED, CommandRefused, ask, count_of, run_process, say
from ops.pause import forget_halted
from ops.stage_access import DeployedStage, has_key

AT_ONCE = 1000  # what S3 deletes in one call
TRIES = 3  # a function that was still at work may put an object into the bucket that has just been emptied
BY_HAND = """Stage {stage} keeps its data, so this command does not take it down. By hand, if you are sure:
  1. aws dynamodb update-table --no-deletion-protection-enabled --table-name {table}
  2. aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {stack}
  3. aws cloudformation delete-stack --stack-name {stack}
  Table and bucket are left standing, with everything in them; they cost what they store. To lose them for good:
  4. aws dynamodb delete-table --table-name {table}
  5. empty and delete the bucket {bucket} in the S3 console"""
BY_HAND_KEY = "  6. aws ssm delete-parameter --name {key}"


def destroy_stage(stage: Stage, *, confirm: str, with_key: bool) -> None:
    """Show what will be lost, have the stage's name typed, then remove it and what its stack doesn't own."""
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
        _remove(deployed)
        say(f"Stack {stage.stack_name} is gone, with its functions, queues, table, bucket and logs.")
    for line in _leftovers(stage, with_key=with_key):
        say(line)


def refuse_to_lose_data(deployed: DeployedStage) -> None:
    """Refusal for a stage that keeps data, or a stack that is protected, with how it is done by hand."""
    stage, found = deployed.stage, deployed.stack
    if not stage.keeps_data and not (found or {}).get("EnableTerminationProtection"):
        return
    if found is None:
        raise CommandRefused(f"There is no stack {stage.stack_name} in this account and region: nothing to take down.")
    # By the stack's own list: one that failed has no outputs, and what it keeps stands in the list all the same.
    kinds = ("AWS::DynamoDB::Table", "AWS::S3::Bucket")
    table, bucket = (next(iter(deployed.resources(kind)), "(there is none)") for kind in kinds)
    lines = [BY_HAND.format(stage=stage.name, stack=stage.stack_name, table=table, bucket=bucket)]
    if stage.needs_key:
        lines.append(BY_HAND_KEY.format(key=stage.key_parameter))
    raise CommandRefused("\n".join([*lines, *(f"  {line}" for line in describe_leftovers(deployed))]))


def describe_losses(deployed: DeployedStage) -> Iterator[str]:
    """What stands in the stage's tables and buckets, those of a half-removed stack too."""
    for table in deployed.resources("AWS::DynamoDB::Table"):
        yield f"{count_of(count_rows(deployed.client('dynamodb'), table), 'row')} in table {table}"
    for bucket in deployed.resources("AWS::S3::Bucket"):
        number = 0
        for more in version_counts(deployed.client("s3"), bucket):
            if (number := number + more) >= MOST_COUNTED:
                break
        yield f"{count_of(number, 'object version')} in bucket {bucket}"


def count_rows(dynamodb: Any, table: str) -> int:
    """The rows of a table, counted to a limit; none if it is gone."""
    found = 0
    try:
        for page in dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT"):
            found += page["Count"]
            if found >= MOST_COUNTED:
                break
    except dynamodb.exceptions.ResourceNotFoundException:
        return 0
    return found


def version_counts(s3: Any, bucket: str) -> Iterator[int]:
    """How many versions and delete markers a bucket has, page by page; nothing if the bucket is gone."""
    with _unless_gone():
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, MaxKeys=AT_ONCE):
            yield len(_listed(page))


def empty_bucket(s3: Any, bucket: str) -> int:
    """Delete every version and delete marker; gives their number. Begun again, it goes on with what is left."""
    gone = 0
    with _unless_gone():
        while batch := _listed(s3.list_object_versions(Bucket=bucket, MaxKeys=AT_ONCE)):
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
            if errors := answer.get("Errors"):
                raise CommandRefused(
                    f"{len(errors)} objects of {bucket} can't be deleted: {errors[0]['Code']}. Run it again."
                )
            gone += len(batch)
    return gone


def _listed(page: dict[str, Any]) -> list[dict[str, str]]:
    items = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in items]


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise


def _remove(deployed: DeployedStage) -> None:
    stage = deployed.stage
    command = cdk_command("destroy", stage.stack_name, ROOT / "build" / "cdk.out" / stage.name, {"stage": stage.name})
    for attempt in range(1, TRIES + 1):
        for bucket in deployed.resources("AWS::S3::Bucket"):
            say(f"Emptied bucket {bucket}: {count_of(empty_bucket(deployed.client('s3'), bucket), 'object version')}")
        try:
            run_process([*command, "--force"], "cdk destroy failed", env=region_environment())
        except CommandRefused:
            if attempt == TRIES:
                raise
            say("Once more, as something was put into the bucket meanwhile or was not let go yet.")
        else:
            return


def _leftovers(stage: Stage, *, with_key: bool) -> Iterator[str]:
    """What the stack doesn't own: removed if asked for, named if not."""
    forget_halted(DeployedStage(stage))
    yield from describe_leftovers(DeployedStage(stage))
    if has_key(stage) is None:
        return
    if with_key:
        DeployedStage(stage).client("ssm").delete_parameter(Name=stage.key_parameter)
        yield f"The provider's key {stage.key_parameter} is gone too."
    else:
        yield f"The provider's key stays: make destroy STAGE={stage.name} KEY=1 removes {stage.key_parameter} too."
    yield "Models and files at the provider are the provider's: remove them there."
