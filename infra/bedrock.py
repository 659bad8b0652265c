"""A stage that trains on Bedrock: the role of its training jobs, and its functions' rights to call Bedrock.

Only Bedrock may assume the role, for jobs of this account and region. The role lists and reads training files and their
results, writes the results, and may do nothing else in the bucket (Bedrock's user guide, "Create a service role for
model customization"). The resources of each action are those of AWS's service authorization reference. Both were read
in 2026-11.
"""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.functions import BedrockAction, FunctionSpec
from infra.stage import Stage
from infra.state import State

TRAINING, OUTPUT = "training/", "training-output/"
JOB, MODEL, DEPLOYMENT = "model-customization-job", "custom-model", "custom-model-deployment"
BASE = "foundation-model"
# The kinds of resource that an action's permission has to name.
RESOURCE_KINDS: dict[BedrockAction, tuple[str, ...]] = {
    "CreateModelCustomizationJob": (BASE, MODEL, JOB),
    "GetModelCustomizationJob": (JOB,),
    "StopModelCustomizationJob": (JOB,),
    "TagResource": (JOB,),
    "ListTagsForResource": (JOB,),
    "ListModelCustomizationJobs": (),  # a list operation has no resource to name
    "ListFoundationModels": (),
    "CreateCustomModelDeployment": (MODEL, DEPLOYMENT),
    "GetCustomModelDeployment": (DEPLOYMENT,),
    "UpdateCustomModelDeployment": (MODEL, DEPLOYMENT),
    "DeleteCustomModelDeployment": (DEPLOYMENT,),
    "DeleteCustomModel": (MODEL,),
    "InvokeModel": (BASE, DEPLOYMENT),
}


class JobRole(Construct):
    """The role under which Bedrock reads a job's data and writes its results."""

    def __init__(self, scope: Construct, stage: Stage, state: State) -> None:
        super().__init__(scope, "Bedrock")
        account = Stack.of(self).account
        bedrock = iam.ServicePrincipal("bedrock.amazonaws.com").with_conditions(
            {
                "StringEquals": {"aws:SourceAccount": account},
                "ArnEquals": {"aws:SourceArn": resource_arn(self, JOB)},
            }
        )
        # Only AWS itself can act as Bedrock. On this machine the trainer stands in for it, as the account's root.
        trusted = iam.CompositePrincipal(bedrock, iam.AccountRootPrincipal()) if stage.is_local else bedrock
        rights = (("s3:GetObject", TRAINING), ("s3:GetObject", OUTPUT), ("s3:PutObject", OUTPUT))
        statements = [
            iam.PolicyStatement(actions=[action], resources=[state.bucket.arn_for_objects(f"{prefix}*")])
            for action, prefix in rights
        ]
        # Before Bedrock accepts a job, it checks that it may list the prefixes that the job names.
        below = {"StringLike": {"s3:prefix": [f"{TRAINING}*", f"{OUTPUT}*"]}}
        bucket = state.bucket.bucket_arn
        statements.append(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket], conditions=below))
        policy = iam.PolicyDocument(statements=statements)
        role = iam.Role(self, "JobRole", assumed_by=trusted, inline_policies={"data": policy})
        self.arn = role.role_arn


def rights_of(scope: Construct, spec: FunctionSpec, role: JobRole | None) -> list[iam.PolicyStatement]:
    """The statements by which a row's function may call Bedrock and pass the jobs' role on; none without that role."""
    if role is None:
        return []
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for action in spec.bedrock.actions:
        by_resources.setdefault(RESOURCE_KINDS[action], []).append(f"bedrock:{action}")
    statements = [
        iam.PolicyStatement(actions=actions, resources=[resource_arn(scope, kind) for kind in kinds] or ["*"])
        for kinds, actions in by_resources.items()
    ]
    if spec.bedrock.passes_role:
        to_bedrock = {"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}}
        statements.append(iam.PolicyStatement(actions=["iam:PassRole"], resources=[role.arn], conditions=to_bedrock))
    return statements


def resource_arn(scope: Construct, kind: str) -> str:
    """The ARN pattern of all resources of a kind in this region; base models belong to no account."""
    account = "" if kind == BASE else None
    return Stack.of(scope).format_arn(
        service="bedrock",
        account=account,
        resource=kind,
        resource_name="*",
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
