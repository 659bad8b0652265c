"""A first deploy that failed on a stage that keeps its data: what it left has to be removed before the next one.

CloudFormation takes no update of a stack that never came up, and can't delete one that is protected; the table and the
bucket that it made stay behind by design, empty, under names that only this stack knows.
"""

from ops.stage_access import Deployed

NEVER_UP = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}  # of the deploy that made it; of a later one they say UPDATE_…


def is_in_the_way(deployed: Deployed) -> bool:
    """Whether the stack never came up and neither the CDK nor CloudFormation can remove it by themselves."""
    found = deployed.found or {}
    protected = deployed.stage.keeps_data or bool(found.get("EnableTerminationProtection"))
    return protected and found.get("StackStatus") in NEVER_UP


def way_out(deployed: Deployed) -> str:
    """The commands that remove it and what it left, in their order; a bucket with anything in it stays."""
    stack = deployed.stage.stack_name
    lines = [
        f"aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {stack}",
        f"aws cloudformation delete-stack --stack-name {stack}",
        f"aws cloudformation wait stack-delete-complete --stack-name {stack}",
    ]
    for table in deployed.resources("AWS::DynamoDB::Table"):
        lines.append(f"aws dynamodb update-table --no-deletion-protection-enabled --table-name {table}")
        lines.append(f"aws dynamodb delete-table --table-name {table}")
    lines += [f"aws s3api delete-bucket --bucket {bucket}" for bucket in deployed.resources("AWS::S3::Bucket")]
    return "".join(f"\n      {line}" for line in lines)
