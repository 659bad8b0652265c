"""The permissions of each function's role: the actions that its row names, on exactly the resources that it names.

The CDK's `grant_*` helpers add rights that no row asks for (DescribeTable, GetQueueUrl, ListStreams on `*`), so none is
used. A SecureString under the AWS-managed key `aws/ssm` needs no KMS statement: that key lets every principal of the
account decrypt through SSM, so the right to the one parameter decides.
"""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from infra.bedrock import JobRole, rights_of
from infra.functions import FunctionSpec, OnBedrock, objects_at
from infra.queues import Queues
from infra.stage import Stage
from infra.state import State
from tuneloop.domain.training.providers import key_parameter, webhook_parameter

STREAM_READS = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
QUEUE_READS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
LOG_WRITES = ("logs:CreateLogStream", "logs:PutLogEvents")
TRACE_WRITES = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")


class Permissions:
    """The policies that follow from the rows of the table, on one stack's resources."""

    def __init__(
        self, stage: Stage, state: State, queues: Queues, bus: events.EventBus, jobs: JobRole | None = None
    ) -> None:
        self._stage, self._state, self._queues, self._bus, self._jobs = stage, state, queues, bus, jobs

    def of(self, spec: FunctionSpec, log_group: logs.LogGroup) -> iam.PolicyDocument:
        """The whole policy of a function's role."""
        statements = [*self._table(spec), *self._objects(spec), *self._triggers(spec), *self._outputs(spec)]
        # A log group's ARN ends in `:*` because rights on log streams are written that way.
        statements.append(_allow(LOG_WRITES, log_group.log_group_arn))
        statements += rights_of(self._bus, spec, self._jobs)
        if self._stage.traces:
            statements.append(_allow(TRACE_WRITES, "*"))  # X-Ray has no resources to name
        return iam.PolicyDocument(statements=statements)

    def _table(self, spec: FunctionSpec) -> list[iam.PolicyStatement]:
        table = self._state.table.table_arn
        statements = [_allow([f"dynamodb:{action}" for action in spec.table], table)]
        if spec.indexes:
            statements.append(_allow(["dynamodb:Query"], *(f"{table}/index/{index}" for index in spec.indexes)))
        return statements

    def _objects(self, spec: FunctionSpec) -> list[iam.PolicyStatement]:
        # A drop is read in the version that its event names, even if the object has been written again since.
        drops = (spec.drops,) if spec.drops else ()
        more = spec.bedrock if self._jobs else OnBedrock()
        rights = (
            ("s3:GetObject", (*spec.reads, *more.reads)),
            ("s3:GetObjectVersion", drops),
            ("s3:PutObject", (*spec.writes, *more.writes)),
            ("s3:DeleteObjectVersion", (*spec.deletes, *more.deletes)),
        )
        listed = (*spec.listed, *more.deletes)
        return [
            _allow([action], *(self._state.bucket.arn_for_objects(objects_at(place)) for place in places))
            for action, places in rights
            if places
        ] + ([self._listing(*listed)] if listed else [])

    def _listing(self, *prefixes: str) -> iam.PolicyStatement:
        # A listing is a right on the bucket; which of its prefixes may be listed is a condition on the request.
        places = [f"{prefix}*" for prefix in prefixes]
        below = {"StringLike": {"s3:prefix": places if len(places) > 1 else places[0]}}
        bucket = self._state.bucket.bucket_arn
        return iam.PolicyStatement(actions=["s3:ListBucketVersions"], resources=[bucket], conditions=below)

    def _triggers(self, spec: FunctionSpec) -> list[iam.PolicyStatement]:
        statements = []
        if spec.queue:
            statements.append(_allow(QUEUE_READS, self._queues.by_name[spec.queue].queue_arn))
        if spec.stream:
            # ListStreams is about all streams of the table, so a right on the one stream's ARN would not cover it.
            statements.append(_allow(STREAM_READS, f"{self._state.table.table_arn}/stream/*"))
        return statements

    def _outputs(self, spec: FunctionSpec) -> list[iam.PolicyStatement]:
        queues = [self._queues.by_name[name].queue_arn for name in spec.sends]
        if spec.is_asynchronous or spec.stream:
            queues.append(self._queues.failures.queue_arn)
        statements = [_allow(["sqs:SendMessage"], *queues)] if queues else []
        if spec.watches:
            watched = [self._queues.by_name[name].queue_arn for name in spec.watches]
            statements.append(_allow(["sqs:GetQueueAttributes"], *watched))
        if spec.publishes:
            statements.append(_allow(["events:PutEvents"], self._bus.event_bus_arn))
        if spec.provider_key:
            keys = key_parameter(self._stage.name, "*")  # providers are rows, which are added without a deploy
            statements.append(_allow(["ssm:GetParameter"], self._parameter_arn(keys)))
        if spec.webhook_secrets:
            secrets = webhook_parameter(self._stage.name, "*")
            statements.append(_allow(["ssm:GetParameter"], self._parameter_arn(secrets)))
        return statements

    def _parameter_arn(self, name: str) -> str:
        return Stack.of(self._bus).format_arn(
            service="ssm",
            resource="parameter",
            resource_name=name.removeprefix("/"),
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )


def _allow(actions: tuple[str, ...] | list[str], *resources: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=list(resources))
