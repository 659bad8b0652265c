"""What the production template deploys that a bill counts, read from the synthesized template itself."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DAYS = 730 / 24  # AWS counts a month as 730 hours
FREE = {
    "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route", "AWS::CDK::Metadata",
    "AWS::Events::EventBus", "AWS::Events::EventBusPolicy", "AWS::IAM::Policy", "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::LayerVersion", "AWS::Lambda::Permission", "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy",
    "AWS::SNS::Topic",  # messages cost, and it has none while no alarm rings
    "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup",  # by what is done with them
}  # fmt: skip
COUNTED = {
    "AWS::ApiGatewayV2::Stage", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard", "AWS::Events::Rule", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Function",
}  # fmt: skip


@dataclass(frozen=True)
class Function:
    """One Lambda function as it is billed."""

    memory_mb: int
    traced: bool
    logs_platform: bool


@dataclass(frozen=True)
class Poller:
    """One event source mapping of a queue."""

    function: str
    batch_size: int
    window_s: int
    has_maximum: bool


@dataclass(frozen=True)
class Deployed:
    """The counted parts of a stage."""

    functions: dict[str, Function]
    schedules: dict[tuple[str, str], float]  # (function, schedule) -> times a month
    pollers: tuple[Poller, ...]
    stream_readers: int
    indexes: tuple[tuple[str, str], ...]
    alarm_metrics: int
    high_resolution_alarm_metrics: int
    composite_alarms: int
    dashboards: int
    access_log_format: str
    log_retention_days: int
    unpriced: tuple[str, ...]  # resource types that this module doesn't know


def synthesize(stage: str = "prod") -> dict[str, Any]:
    """The template of a stage; it starts the CDK's JavaScript runtime, which takes seconds."""
    from aws_cdk import App  # noqa: PLC0415 - see above

    from infra.app import build  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        app = App(outdir=folder, context={"stage": stage})
        build(app)
        body: dict[str, Any] = app.synth().get_stack_by_name(f"tuneloop-{stage}").template
        return body


def read_template(body: dict[str, Any], stage: str = "prod") -> Deployed:
    """The counted parts of a template."""
    resources: dict[str, Any] = body["Resources"]
    names = {
        key: str(found["Properties"]["FunctionName"]).removeprefix(f"tuneloop-{stage}-")
        for key, found in resources.items()
        if found["Type"] == "AWS::Lambda::Function"
    }
    alarms = Counter(period < 60 for alarm in _of(body, "AWS::CloudWatch::Alarm") for period in _metric_periods(alarm))
    [table] = _of(body, "AWS::DynamoDB::Table")
    return Deployed(
        functions={names[key]: _function(resources[key]["Properties"]) for key in names},
        schedules=dict(_schedules(body, names, stage)),
        pollers=tuple(_pollers(body, names, resources)),
        stream_readers=sum("StartingPosition" in found for found in _of(body, "AWS::Lambda::EventSourceMapping")),
        indexes=tuple(_keys(index) for index in table.get("GlobalSecondaryIndexes", [])),
        alarm_metrics=alarms[False],
        high_resolution_alarm_metrics=alarms[True],
        composite_alarms=len(_of(body, "AWS::CloudWatch::CompositeAlarm")),
        dashboards=len(_of(body, "AWS::CloudWatch::Dashboard")),
        access_log_format=_access_log_format(body),
        log_retention_days=max(group["RetentionInDays"] for group in _of(body, "AWS::Logs::LogGroup")),
        unpriced=tuple(sorted({found["Type"] for found in resources.values()} - FREE - COUNTED)),
    )


def _of(body: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [found.get("Properties", {}) for found in body["Resources"].values() if found["Type"] == kind]


def _function(properties: dict[str, Any]) -> Function:
    return Function(
        memory_mb=properties["MemorySize"],
        traced=properties.get("TracingConfig", {}).get("Mode") == "Active",
        logs_platform=properties.get("LoggingConfig", {}).get("SystemLogLevel", "INFO") != "WARN",
    )


def _metric_periods(alarm: dict[str, Any]) -> Iterator[int]:
    """The period of each metric that an alarm watches; its expressions cost nothing beside them."""
    if "MetricName" in alarm:
        yield alarm["Period"]
    for query in alarm.get("Metrics", []):
        if "MetricStat" in query:
            yield query["MetricStat"]["Period"]


def _keys(index: dict[str, Any]) -> tuple[str, str]:
    if index["Projection"]["ProjectionType"] != "ALL":
        raise ValueError("an index that holds a part of its rows is not counted yet")
    first, second = (part["AttributeName"] for part in index["KeySchema"])
    return first, second


def _schedules(body: dict[str, Any], names: dict[str, str], stage: str) -> Iterator[tuple[tuple[str, str], float]]:
    for rule in _of(body, "AWS::Events::Rule"):
        if "ScheduleExpression" in rule:
            function = names[rule["Targets"][0]["Arn"]["Fn::GetAtt"][0]]
            schedule = rule["Name"].removeprefix(f"tuneloop-{stage}-{function}-")
            yield (function, schedule), times_a_month(rule["ScheduleExpression"])


def times_a_month(expression: str) -> float:
    """How often a schedule fires in 730 hours: any rate, or a cron of one time a day, a week or a month."""
    kind, _, inside = expression.removesuffix(")").partition("(")
    if kind == "rate":
        number, unit = inside.split()
        return DAYS * {"minute": 1440, "hour": 24, "day": 1}[unit.removesuffix("s")] / int(number)
    minute, hour, day, _, weekday, _ = inside.split()
    if not (minute.isdigit() and hour.isdigit()):
        raise ValueError(f"no way to count {expression}")
    if day.isdigit():
        return 1.0
    return DAYS / 7 if weekday not in ("*", "?") else DAYS


def _pollers(body: dict[str, Any], names: dict[str, str], resources: dict[str, Any]) -> Iterator[Poller]:
    for mapping in _of(body, "AWS::Lambda::EventSourceMapping"):
        source = mapping["EventSourceArn"]["Fn::GetAtt"][0]
        if resources[source]["Type"] == "AWS::SQS::Queue":
            yield Poller(
                function=names[mapping["FunctionName"]["Ref"]],
                batch_size=mapping.get("BatchSize", 10),
                window_s=mapping.get("MaximumBatchingWindowInSeconds", 0),
                has_maximum="MaximumConcurrency" in mapping.get("ScalingConfig", {}),
            )


def _access_log_format(body: dict[str, Any]) -> str:
    [stage] = _of(body, "AWS::ApiGatewayV2::Stage")
    return str(stage.get("AccessLogSettings", {}).get("Format", ""))
