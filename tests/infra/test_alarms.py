"""Alarms and the dashboard: few, explained, and watching what the code really counts."""

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from infra.functions import FUNCTIONS
from tests.infra.conftest import Synthesize
from tests.infra.rights import construct_of
from tests.infra.template import Template
from tuneloop.observability import METRICS, NAMESPACE, SERVICE

pytestmark = pytest.mark.xdist_group("infra")

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "operations.md"


def alarms_of(template: Template) -> dict[str, dict[str, Any]]:
    return {path.removeprefix("Alarms/"): alarm for path, alarm in template.of_type("AWS::CloudWatch::Alarm").items()}


def dimensions_of(template: Template, alarm: dict[str, Any]) -> dict[str, str]:
    return {dimension["Name"]: template.text(dimension["Value"]) for dimension in alarm["Dimensions"]}


def anchors(markdown: str) -> set[str]:
    """The anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def counted_in_code() -> set[str]:
    """The metrics that are named in the files that count; a name that is counted must be one of them."""
    named = set()
    for file in [*(ROOT / "functions").rglob("*.py"), *(ROOT / "shared" / "tuneloop").rglob("*.py")]:
        nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
        calls = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "count"]
        if calls and file.name != "observability.py":
            assert words(call.args[0] for call in calls) <= set(METRICS), file
            named |= words(nodes) & set(METRICS)
    return named


def words(nodes: Iterable[ast.AST]) -> set[str]:
    """The texts in code that could name a metric."""
    parts = (part for node in nodes for part in ast.walk(node))
    texts = {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return {text for text in texts if text[:1].isupper() and text.isalpha()}


def test_there_are_at_most_ten_alarms_which_watch_at_most_ten_metrics(template: Template) -> None:
    alarms = template.of_type("AWS::CloudWatch::Alarm").values()

    watched = [alarm.get("Metrics", [alarm.get("MetricName")]) for alarm in alarms]

    assert 0 < len(alarms) <= 10
    assert sum(len(metrics) for metrics in watched) <= 10


def test_an_alarm_says_what_it_means_and_where_the_guide_says_what_to_do(template: Template) -> None:
    known = anchors(GUIDE.read_text("utf-8"))

    for name, alarm in alarms_of(template).items():
        meaning, _, anchor = alarm["AlarmDescription"].partition(" What to do: docs/operations.md#")
        assert meaning.endswith("."), name
        assert anchor in known
        assert alarm["AlarmName"].endswith(f"-{anchor}")


def test_silence_is_no_alarm_and_every_change_is_told(template: Template) -> None:
    for alarm in template.of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert [template.text(action) for action in alarm["AlarmActions"]] == ["Alarms/Topic"]
        assert alarm["OKActions"] == alarm["AlarmActions"]


def test_dead_letters_late_messages_late_events_and_server_errors_ring(template: Template) -> None:
    watched = {
        name: (alarm["Namespace"], alarm["MetricName"], alarm["Threshold"], dimensions_of(template, alarm))
        for name, alarm in alarms_of(template).items()
        if alarm["Namespace"] != NAMESPACE
    }

    visible, age = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"
    assert watched == {
        "DeadExamples": ("AWS/SQS", visible, 1, {"QueueName": "Queues/ExamplesDead.QueueName"}),
        "DeadUsage": ("AWS/SQS", visible, 1, {"QueueName": "Queues/UsageDead.QueueName"}),
        "Failures": ("AWS/SQS", visible, 1, {"QueueName": "Queues/Failures.QueueName"}),
        "ExamplesLate": ("AWS/SQS", age, 900, {"QueueName": "Queues/Examples.QueueName"}),
        "UsageLate": ("AWS/SQS", age, 900, {"QueueName": "Queues/Usage.QueueName"}),
        "ApiErrors": ("AWS/ApiGateway", "5xx", 5, {"ApiId": "Api/Http"}),
        "EventsLate": ("AWS/Lambda", "IteratorAge", 300_000, {"FunctionName": "Functions/RelayEvents/Function"}),
    }


@pytest.mark.parametrize("name", ["Examples", "Usage"])
def test_a_failed_try_is_not_late_and_the_alarm_precedes_the_dead_letter(template: Template, name: str) -> None:
    queue = template.of_type("AWS::SQS::Queue")[f"Queues/{name}"]

    late = alarms_of(template)[f"{name}Late"]["Threshold"]

    tries = queue["RedrivePolicy"]["maxReceiveCount"]
    assert queue["VisibilityTimeout"] * 2 < late < queue["VisibilityTimeout"] * (tries + 1)


@pytest.mark.parametrize("stage", ["local", "prod"])
def test_what_the_functions_count_is_watched_for_their_stage(templates: dict[str, Template], stage: str) -> None:
    alarms = alarms_of(templates[stage])
    own = {name: alarm for name, alarm in alarms.items() if alarm["Namespace"] == NAMESPACE}

    assert {(name, alarm["MetricName"], alarm["DatapointsToAlarm"]) for name, alarm in own.items()} == {
        ("ProviderAway", "ProviderUnavailable", 6),
        ("DropsRefused", "DropsRefused", 1),
        ("RunsOverdue", "RunsOverdue", 2),
    }
    for alarm in own.values():
        assert dimensions_of(templates[stage], alarm) == {"stage": stage, "service": SERVICE}
        assert (alarm["Statistic"], alarm["Period"]) == ("Sum", 300)


def test_every_metric_is_explained_and_counted_by_the_code() -> None:
    assert counted_in_code() == set(METRICS)
    assert all(sentence.endswith(".") for sentence in METRICS.values())


def test_the_guide_explains_every_metric() -> None:
    guide = GUIDE.read_text("utf-8")

    assert {name for name in METRICS if f"`{name}`" not in guide} == set()


def test_only_this_stage_s_alarms_may_publish_and_only_over_tls(templates: dict[str, Template]) -> None:
    prod = templates["prod"]
    (policy,) = prod.of_type("AWS::SNS::TopicPolicy").values()

    by_effect = {statement["Effect"]: statement for statement in policy["PolicyDocument"]["Statement"]}

    assert by_effect["Deny"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    allowed = by_effect["Allow"]
    assert (allowed["Principal"], allowed["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    source = prod.text(allowed["Condition"]["ArnLike"]["aws:SourceArn"])
    assert source.startswith("arn:<AWS::Partition>:cloudwatch:<AWS::Region>:<AWS::AccountId>:alarm:tuneloop-prod-")


def test_the_topic_is_readable_for_alarms(template: Template) -> None:
    """CloudWatch can't publish to a topic under the AWS-managed key, and would say so in its history only."""
    (topic,) = template.of_type("AWS::SNS::Topic").values()

    assert "KmsMasterKeyId" not in topic


def test_nobody_is_written_to_unless_a_stage_names_an_address(
    templates: dict[str, Template], synthesize: Synthesize
) -> None:
    told = synthesize("try", alarm_email="oncall@example.com", dashboard="false")

    (subscription,) = told.of_type("AWS::SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "oncall@example.com")
    assert not any(template.of_type("AWS::SNS::Subscription") for template in templates.values())
    assert not told.of_type("AWS::CloudWatch::Dashboard")


def test_the_dashboard_shows_the_alarms_every_function_and_every_queue(template: Template) -> None:
    (dashboard,) = template.of_type("AWS::CloudWatch::Dashboard").values()

    body = template.text(dashboard["DashboardBody"])

    page = json.loads(body)
    assert page["widgets"][0]["type"] == "alarm"
    assert len(page["widgets"][0]["properties"]["alarms"]) == len(alarms_of(template))
    for spec in FUNCTIONS:
        assert f'"{construct_of(spec)}/Function"' in body
    for queue in template.of_type("AWS::SQS::Queue"):
        assert f'"{queue}.QueueName"' in body
    for statistic in ("p50", "p95"):
        assert f'"stat":"{statistic}"' in body


def test_the_same_stage_in_another_region_has_a_dashboard_of_its_own(templates: dict[str, Template]) -> None:
    (dashboard,) = templates["prod"].of_type("AWS::CloudWatch::Dashboard").values()

    assert templates["prod"].text(dashboard["DashboardName"]) == "tuneloop-prod-loop-<AWS::Region>"


def test_the_dashboard_shows_what_the_functions_count(template: Template) -> None:
    (dashboard,) = template.of_type("AWS::CloudWatch::Dashboard").values()

    shown = set(re.findall(rf'"{NAMESPACE}","(\w+)"', template.text(dashboard["DashboardBody"])))

    assert shown >= {"DropsCollected", "DropsRejected", "DropsRefused", "RunsStarted", "RunsSucceeded", "RunsFailed"}
    assert shown <= set(METRICS)
