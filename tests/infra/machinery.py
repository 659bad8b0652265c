"""The rights in a role that no code of ours uses: Lambda itself does, as the function's role, before and after it runs.

MiniStack asks its own pollers and destinations for no rights (1.5.33, tried by `make test-grants`), so nothing here can
show that these are needed; each stands in the role because AWS's documentation says so (read 2026-11).
"""

from typing import NamedTuple

from infra.functions import FunctionSpec

POLICIES = "https://docs.aws.amazon.com/aws-managed-policy/latest/reference"
GUIDE = "https://docs.aws.amazon.com/lambda/latest/dg"


class Machinery(NamedTuple):
    """Rights that a part of Lambda needs, on what, and where that is written; `on` ends the resource's name."""

    part: str
    actions: tuple[str, ...]
    on: str
    source: str


QUEUE_POLLER = Machinery(
    "the poller of its queue",
    ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "",
    f"{POLICIES}/AWSLambdaSQSQueueExecutionRole.html",
)
STREAM_POLLER = Machinery(
    "the poller of the table's stream",
    ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    "/stream/*",
    f"{POLICIES}/AWSLambdaDynamoDBExecutionRole.html",
)
DESTINATION = Machinery(
    "the destination of what failed for good",
    ("sqs:SendMessage",),
    "failures",
    f"{GUIDE}/invocation-async-retain-records.html",
)
LOG_WRITER = Machinery(
    "the writer of its log",
    ("logs:CreateLogStream", "logs:PutLogEvents"),
    "",
    f"{GUIDE}/monitoring-cloudwatchlogs.html",
)
TRACER = Machinery(
    "the writer of its traces",
    ("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    "*",
    f"{POLICIES}/AWSXRayDaemonWriteAccess.html",
)
ALL = (QUEUE_POLLER, STREAM_POLLER, DESTINATION, LOG_WRITER, TRACER)


def machinery_of(spec: FunctionSpec) -> tuple[Machinery, ...]:
    """The parts of Lambda that work for a row of the table, where nothing is traced."""
    works = {
        QUEUE_POLLER: spec.queue,
        STREAM_POLLER: spec.stream,
        DESTINATION: spec.is_asynchronous or spec.stream,
        LOG_WRITER: True,
    }
    return tuple(part for part, does in works.items() if does)


def user_of(spec: FunctionSpec, action: str, resource: str) -> Machinery | None:
    """The part of Lambda that a right of a function is for, None where it is for our own code."""
    parts = (part for part in ALL if part != QUEUE_POLLER or spec.queue)  # else it asks a queue itself
    return next((part for part in parts if action in part.actions and resource.lower().endswith(part.on)), None)
