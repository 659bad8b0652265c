"""The billed parts of the production stage, read from its synthesized template.

A kind of resource, a schedule, an alarm or an option that has no price here is refused instead of left out.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.billing.model import HOURS, Index

STAGE = "prod"
FREE = {
    "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route", "AWS::CDK::Metadata",
    "AWS::Events::EventBus", "AWS::IAM::Policy", "AWS::IAM::Role", "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::LayerVersion", "AWS::Lambda::Permission", "AWS::S3::BucketPolicy", "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy",
    "AWS::SNS::Topic",  # messages cost, and it has none while no alarm rings
    "AWS::SQS::Queue", "AWS::S3::Bucket",  # by what is done with them
}  # fmt: skip
COUNTED = {
    "AWS::ApiGatewayV2::Stage", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::DynamoDB::Table",
    "AWS::Events::Rule", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Function", "AWS::Logs::LogGroup",
}  # fmt: skip
TABLE = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
MINUTES = re.compile(r"rate\((\d+) minutes?\)")
ONCE_A_MONTH = re.compile(r"cron\(\d+ \d+ \d+ \* \? \*\)")
ONCE_A_DAY = re.compile(r"cron\(\d+ \d+ \* \* \? \*\)")


@dataclass(frozen=True)
class Poller:
    """One event source mapping of a queue: the function, and the batches in which it gets messages."""

    function: str
    batch_size: int
    window_s: int


@dataclass(frozen=True)
class StackTemplate:
    """The parts of a stage that a bill counts."""

    memory_mb: dict[str, int]  # by function
    schedules: dict[str, float]  # `function schedule` -> times a month
    pollers: tuple[Poller, ...]
    table: dict[str, Any]  # the parameters with which DynamoDB makes it
    alarm_metrics: int
    dashboards: int
    access_log_format: str
    log_retention_days: int

    @property
    def indexes(self) -> list[Index]:
        """The key attributes of the table's indexes."""
        return [_keys(index) for index in self.table["GlobalSecondaryIndexes"]]


def synthesize() -> dict[str, Any]:
    """The template of the production stage; it starts the CDK's JavaScript runtime, which takes seconds."""
    from aws_cdk import App  # noqa: PLC0415 - see above

    from infra.app import build  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=folder, context={"stage": STAGE})
        build(app)
        body: dict[str, Any] = app.synth().get_stack_by_name(f"tuneloop-{STAGE}").template
        return body


def read_template(body: dict[str, Any]) -> StackTemplate:
    """The billed parts of a template; ValueError for what has no price."""
    resources: dict[str, Any] = body["Resources"]
    if unknown := {resource["Type"] for resource in resources.values()} - FREE - COUNTED:
        raise ValueError(f"no price for {', '.join(sorted(unknown))}")
    names = {
        key: str(resource["Properties"]["FunctionName"]).removeprefix(f"tuneloop-{STAGE}-")
        for key, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    [table], [api] = _properties_of(body, "AWS::DynamoDB::Table"), _properties_of(body, "AWS::ApiGatewayV2::Stage")
    return StackTemplate(
        memory_mb={name: _memory_mb(resources[key]["Properties"]) for key, name in names.items()},
        schedules=dict(_schedules(body, names)),
        pollers=tuple(_pollers(body, names)),
        table={name: table[name] for name in TABLE},
        alarm_metrics=sum(map(_metrics, _properties_of(body, "AWS::CloudWatch::Alarm"))),
        dashboards=len(_properties_of(body, "AWS::CloudWatch::Dashboard")),
        access_log_format=api["AccessLogSettings"]["Format"],
        log_retention_days=max(group["RetentionInDays"] for group in _properties_of(body, "AWS::Logs::LogGroup")),
    )


def _properties_of(body: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in body["Resources"].values() if resource["Type"] == kind]


def _memory_mb(function: dict[str, Any]) -> int:
    if function.get("TracingConfig", {}).get("Mode") == "Active":
        raise ValueError("no price for the traces of X-Ray")
    return int(function["MemorySize"])


def _metrics(alarm: dict[str, Any]) -> int:
    """The number of metrics that an alarm watches; CloudWatch does not bill its expressions."""
    watched = [alarm] if "MetricName" in alarm else [q["MetricStat"] for q in alarm["Metrics"] if "MetricStat" in q]
    if any(metric["Period"] < 60 for metric in watched):
        raise ValueError("no price for an alarm of high resolution")
    return len(watched)


def _keys(index: dict[str, Any]) -> Index:
    if index["Projection"]["ProjectionType"] != "ALL":
        raise ValueError("an index that holds a part of its rows is not counted yet")
    first, second = (part["AttributeName"] for part in index["KeySchema"])
    return first, second


def _schedules(body: dict[str, Any], names: dict[str, str]) -> Iterator[tuple[str, float]]:
    for rule in _properties_of(body, "AWS::Events::Rule"):
        if "ScheduleExpression" in rule:
            function = names[rule["Targets"][0]["Arn"]["Fn::GetAtt"][0]]
            schedule = rule["Name"].removeprefix(f"tuneloop-{STAGE}-{function}-")
            yield f"{function} {schedule}", times_a_month(rule["ScheduleExpression"])


def times_a_month(expression: str) -> float:
    """How often a schedule fires in 730 hours."""
    if rate := MINUTES.fullmatch(expression):
        return HOURS * 60 / int(rate[1])
    if ONCE_A_MONTH.fullmatch(expression):
        return 1.0
    if ONCE_A_DAY.fullmatch(expression):
        return HOURS / 24
    raise ValueError(f"no way to count {expression}")


def _pollers(body: dict[str, Any], names: dict[str, str]) -> Iterator[Poller]:
    for mapping in _properties_of(body, "AWS::Lambda::EventSourceMapping"):
        if "StartingPosition" in mapping:
            continue  # the table's stream, whose reads by Lambda are not billed
        if "MaximumConcurrency" not in mapping.get("ScalingConfig", {}):
            raise ValueError("the pollers of a queue without a maximum concurrency are not counted yet")
        function = names[mapping["FunctionName"]["Ref"]]
        yield Poller(function, mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"])
