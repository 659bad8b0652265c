"""`tuneloop redrive`: dead letters of all three writers go back to where they failed, whatever interrupts it.

The letters have the formats of AWS's guides: Lambda's "Capturing records of Lambda asynchronous invocations" and
"Retain discarded batch records for a DynamoDB event source", EventBridge's "Using dead-letter queues".
"""

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from tuneloop.app import App
from tuneloop.cli.redrive import DeadLetter, DeadLetterQueue, QueueName, Redelivery, read_failure, redrive

ACCOUNT = "arn:aws:lambda:us-east-1:123456789012:function:"
SECRET = "the customer's own words"
DROP = {"source": "aws.s3", "detail-type": "Object Created", "detail": {"object": {"key": SECRET}}}
FINISHED = {"source": "tuneloop", "detail-type": "TrainingRunFinished", "detail": {"run": SECRET}}
TURN = {"schedule": "every-5-minutes"}


class Calls(list[tuple[str, Any]]):
    """Functions as they were called; the first `down` calls fail."""

    down = 0

    def __call__(self, function: str, payload: str) -> None:
        if self.down:
            self.down -= 1
            raise ConnectionError
        self.append((function, json.loads(payload)))


def of_call(event: dict[str, Any], function: str = "tuneloop-test-collect-examples", error: str = "Stale") -> str:
    return json.dumps({
        "version": "1.0",
        "timestamp": "2026-11-21T18:16:05.568Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-4a6c-8880-a18cdf61200e",
            "functionArn": f"{ACCOUNT}{function}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "FunctionFailed", "errorMessage": error, "stackTrace": []},
    })  # fmt: skip


OF_STREAM = json.dumps({
    "requestContext": {
        "requestId": "12a8a0fa-f8d2-4d42-a6e3-72bae7d1e2f9",
        "functionArn": f"{ACCOUNT}tuneloop-test-relay-events",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 6,
    },
    "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    "version": "1.0",
    "timestamp": "2026-11-21T18:22:26.479Z",
    "DDBStreamBatchInfo": {
        "shardId": "shardId-00000001573689847184-864758bb",
        "startSequenceNumber": "800000000003126276362",
        "endSequenceNumber": "800000000003126276362",
        "approximateArrivalOfFirstRecord": "2026-11-21T18:21:49Z",
        "approximateArrivalOfLastRecord": "2026-11-21T18:21:49Z",
        "batchSize": 1,
        "streamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-11-01T13:37:16.991",
    },
})  # fmt: skip


def of_rule(rule: str, function: str = "tuneloop-test-collect-examples") -> dict[str, Any]:
    """The attributes that EventBridge writes beside an event it could not deliver."""
    found = {
        "RULE_ARN": f"arn:aws:events:us-east-1:123456789012:rule/{rule}",
        "TARGET_ARN": f"{ACCOUNT}{function}",
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": "Access denied",
        "RETRY_ATTEMPTS": "0",
    }
    return {name: {"DataType": "String", "StringValue": value} for name, value in found.items()}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto has one server: there are no others to wait for."""
    monkeypatch.setattr("tuneloop.cli.redrive.WAIT_S", 0)


@pytest.fixture
def failures(stage: App) -> str:
    assert stage.settings.stage == "test"
    return made("failures")


@pytest.fixture
def calls() -> Calls:
    return Calls()


def made(name: str) -> str:
    return str(boto3.client("sqs").create_queue(QueueName=f"tuneloop-test-{name}")["QueueUrl"])


def write(url: str, *bodies: str, attributes: Any = None) -> None:
    for body in bodies:
        boto3.client("sqs").send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes or {})


def left(url: str) -> int:
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer: Any = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(count) for count in answer.values())


def back(name: QueueName, calls: Calls) -> list[DeadLetter]:
    return DeadLetterQueue("test", name, calls).send_back()


def test_a_failed_call_is_made_again_with_its_very_payload(failures: str, calls: Calls) -> None:
    write(failures, of_call(DROP), of_call(FINISHED))

    letters = back(QueueName.FAILURES, calls)

    assert sorted(event["source"] for _, event in calls) == ["aws.s3", "tuneloop"]
    assert all(call in calls for call in [("tuneloop-test-collect-examples", event) for event in (DROP, FINISHED)])
    assert {(letter.function, letter.trigger, letter.reason) for letter in letters} == {
        ("collect-examples", "drop", "Stale"),
        ("collect-examples", "TrainingRunFinished", "Stale"),
    }
    assert left(failures) == 0


def test_a_call_that_aws_refused_says_which_and_why(failures: str, calls: Calls) -> None:
    kind = "ClientError:TransactWriteItems:ProvisionedThroughputExceededException"
    write(failures, of_call(DROP, error=kind))

    [letter] = back(QueueName.FAILURES, calls)

    assert letter.reason == kind


def test_one_turn_of_a_schedule_makes_up_for_all_that_failed(failures: str, calls: Calls) -> None:
    write(failures, *[of_call(TURN, "tuneloop-test-evaluate")] * 3, of_call(TURN, "tuneloop-test-check-status"))

    letters = back(QueueName.FAILURES, calls)

    assert sorted(calls) == [("tuneloop-test-check-status", TURN), ("tuneloop-test-evaluate", TURN)]
    assert (len(letters), left(failures)) == (4, 0)


def test_an_event_that_was_not_delivered_goes_to_its_rule_s_function(failures: str, calls: Calls) -> None:
    boto3.client("events").put_rule(Name="drops", EventPattern='{"source":["aws.s3"]}')
    write(failures, json.dumps(DROP), attributes=of_rule("drops"))

    [letter] = back(QueueName.FAILURES, calls)

    assert calls == [("tuneloop-test-collect-examples", DROP)]
    assert (letter.trigger, letter.reason) == ("drop", "NO_PERMISSIONS")


def test_an_event_of_our_own_bus_is_looked_up_there(failures: str, calls: Calls) -> None:
    events = boto3.client("events")
    events.put_rule(Name="ours", EventBusName="tuneloop-test", EventPattern='{"source":["tuneloop"]}')
    write(failures, json.dumps(FINISHED), attributes=of_rule("tuneloop-test/ours"))

    back(QueueName.FAILURES, calls)

    assert calls == [("tuneloop-test-collect-examples", FINISHED)]


def test_a_schedule_that_was_not_delivered_sends_what_its_rule_sends(failures: str, calls: Calls) -> None:
    """EventBridge keeps its own event, of which the function would know nothing."""
    events, name = boto3.client("events"), "tuneloop-test-evaluate"
    events.put_rule(Name="clock", ScheduleExpression="rate(5 minutes)")
    events.put_targets(Rule="clock", Targets=[{"Id": "function", "Arn": ACCOUNT + name, "Input": json.dumps(TURN)}])
    scheduled = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    write(failures, json.dumps(scheduled), attributes=of_rule("clock", name))

    [letter] = back(QueueName.FAILURES, calls)

    assert calls == [(name, TURN)]
    assert letter.trigger == "every-5-minutes"


def test_a_place_in_the_stream_is_dropped_as_the_sweep_sent_its_events(failures: str, calls: Calls) -> None:
    write(failures, OF_STREAM)

    [letter] = back(QueueName.FAILURES, calls)

    assert (letter.redelivery, letter.function, letter.reason) == (
        Redelivery.NONE,
        "relay-events",
        "RetryAttemptsExhausted",
    )
    assert (calls, left(failures)) == ([], 0)


@pytest.mark.parametrize(
    "strange", ["not JSON", "[]", "{}", of_call(DROP, "somebody-else"), of_call(DROP, "tuneloop-prod-evaluate")]
)
def test_what_nobody_of_ours_wrote_is_neither_called_nor_lost(failures: str, calls: Calls, strange: str) -> None:
    write(failures, strange)

    [letter] = back(QueueName.FAILURES, calls)

    assert (letter.redelivery, calls, left(failures)) == (Redelivery.UNKNOWN, [], 1)


def test_messages_go_back_into_their_work_queue(stage: App, calls: Calls) -> None:
    assert stage.settings.stage == "test"
    work, dead = made("usage"), made("usage-dead")
    write(dead, *(f"batch {number}" for number in range(25)))

    letters = back(QueueName.USAGE, calls)

    assert (len(letters), left(dead), left(work)) == (25, 0, 25)
    assert {(letter.function, letter.trigger) for letter in letters} == {("record-usage", "queue")}


def test_an_interruption_loses_nothing(failures: str, calls: Calls) -> None:
    write(failures, of_call(DROP))
    calls.down = 1

    with pytest.raises(ConnectionError):
        back(QueueName.FAILURES, calls)

    assert (calls, left(failures)) == ([], 1)


def test_what_comes_meanwhile_is_left_for_the_next_time(failures: str, calls: Calls) -> None:
    """Else a call that fails again at once would be made for ever."""

    def failing(function: str, payload: str) -> None:
        calls(function, payload)
        write(failures, of_call(json.loads(payload)))

    write(failures, of_call(DROP))

    letters = DeadLetterQueue("test", QueueName.FAILURES, failing).send_back()

    assert (len(letters), len(calls), left(failures)) == (1, 1, 1)
    assert len(back(QueueName.FAILURES, calls)) == 1  # it can be taken at once


def test_a_dry_run_shows_kinds_and_ages_and_no_content_and_changes_nothing(
    failures: str, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    write(failures, *[of_call(DROP)] * 2, of_call(FINISHED, error=SECRET))

    redrive([QueueName.FAILURES], dry_run=True, stage="test")

    told = capsys.readouterr().out
    assert "3 dead letters found; nothing was sent" in told
    assert f"{datetime.now(UTC):%Y-%m-%d}" in told
    assert [word for line in told.splitlines() if "Stale" in line for word in line.split()][:5] == [
        "failures", "2", "collect-examples", "drop", "Stale",
    ]  # fmt: skip
    assert SECRET not in told
    assert len(back(QueueName.FAILURES, calls)) == 3  # they can be taken at once


def test_no_dead_letters_is_said(stage: App, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.settings.stage == "test"
    for name in ("failures", "examples-dead", "usage-dead"):
        made(name)

    redrive(stage="test")

    assert capsys.readouterr().out == "No dead letters.\n"


def test_a_call_that_ran_out_of_time_says_so_in_aws_s_words() -> None:
    body = json.loads(of_call(DROP))
    body["responsePayload"] = {"errorType": "Sandbox.Timedout", "errorMessage": SECRET}
    message: Any = {"Body": json.dumps(body), "Attributes": {"SentTimestamp": "1795284000000"}}

    letter = read_failure(message, "tuneloop-test-", lambda _: None)

    assert letter.reason == "Sandbox.Timedout"
    assert letter.sent_at == datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
