"""What an operator does on the deployed stack: an alarm that is heard, and dead letters that go back."""

import json
import time
from collections.abc import Callable
from typing import Any

from infra.functions import FUNCTIONS
from infra.stage import LOCAL
from local.stack import LocalStack
from ops.pause import is_halted, running_parts, start_stage, stop_stage
from ops.stage_access import DeployedStage
from tests.e2e.conftest import Command

WITHIN_S = 180
NOT_YET_THERE = {
    "source": "tuneloop",
    "detail-type": "ExportCreated",
    "detail": {"tenant": "operations", "dataset": "late", "export": "exp-none", "revision": 1, "examples": 1},
}


def within(seconds: float, happens: Callable[[], Any]) -> Any:
    """What `happens` gives once it gives anything."""
    deadline = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return found


def test_every_alarm_reaches_whoever_listens(stack: LocalStack) -> None:
    sqs, sns, cloudwatch = stack.client("sqs"), stack.client("sns"), stack.client("cloudwatch")
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=LOCAL.name_of(""))["MetricAlarms"]
    [topic] = {action for alarm in alarms for action in alarm["AlarmActions"]}
    url = sqs.create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
    statement = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": statement})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    for alarm in alarms:
        cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="a drill")

    told: set[str] = set()
    while len(told) < len(alarms):
        messages = within(WITHIN_S, lambda: sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"))
        told |= {json.loads(json.loads(message["Body"])["Message"])["AlarmName"] for message in messages}
    assert told == {alarm["AlarmName"] for alarm in alarms}
    assert len(told) == 10


def test_what_failed_for_good_is_shown_and_sent_back_once_mended(stack: LocalStack, command: Command) -> None:
    command.key = command.ok("keys", "create", "operations").strip()
    name, payload = LOCAL.name_of("launch-finetune"), json.dumps(NOT_YET_THERE)
    stack.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload)

    shown = within(
        WITHIN_S, lambda: letters(command.ok("redrive", "--queue", "failures", "--dry-run"), "ExportCreated")
    )
    command.api.post("/datasets", {"id": "late"})
    finished = done(stack)
    command.ok("redrive", "--queue", "failures")

    assert shown[:4] == ["failures", "1", "launch-finetune", "ExportCreated"]
    within(WITHIN_S, lambda: done(stack) > finished)
    assert not letters(command.ok("redrive", "--queue", "failures", "--dry-run"), "ExportCreated")


def test_a_message_goes_back_into_its_work_queue_and_is_done(stack: LocalStack, command: Command) -> None:
    sqs = stack.client("sqs")
    dead = sqs.get_queue_url(QueueName=LOCAL.name_of("usage-dead"))["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody=json.dumps({"id": "again", "tenant": "operations", "records": []}))
    command.key = command.ok("keys", "create", "operations").strip()
    counted = stack.function_log("record-usage").count('"message":"done"')

    told = command.ok("redrive", "--queue", "usage")

    assert letters(told, "record-usage")[:4] == ["usage", "1", "record-usage", "queue"]
    within(WITHIN_S, lambda: stack.function_log("record-usage").count('"message":"done"') > counted)
    assert "No dead letters" in command.ok("redrive", "--queue", "usage")


class Here(DeployedStage):
    """The deployed stack of this machine."""

    def __init__(self, stack: LocalStack) -> None:
        super().__init__(LOCAL)
        self._stack = stack

    def client(self, service: str) -> Any:
        return self._stack.client(service)


def test_a_stage_that_is_stopped_answers_nobody_and_goes_on_where_it_was(stack: LocalStack, command: Command) -> None:
    here = Here(stack)
    command.key = command.ok("keys", "create", "operations").strip()
    before = running_parts(here)
    try:
        stop_stage(here)
        stopped = command.run("runs", "list")
        still = running_parts(here)
    finally:
        start_stage(here)

    assert before.rules
    assert len(before.readers) == 3
    assert len(before.functions) == len(FUNCTIONS)
    assert is_halted(still)
    assert stopped.returncode != 0
    command.ok("runs", "list")
    assert running_parts(here) == before


def letters(told: str, word: str) -> list[str]:
    """The row of the table in which a word stands."""
    return next((line.split() for line in told.splitlines() if word in line), [])


def done(stack: LocalStack) -> int:
    return stack.function_log("launch-finetune").count('"trigger":"ExportCreated"')
