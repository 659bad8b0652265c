"""`tuneloop redrive`: shows the dead letters by function and trigger, and sends them back to where they failed.

A letter is deleted only after it was sent back, so an interruption loses nothing, and sending one twice does no harm,
as every function is idempotent. Letters that arrive meanwhile are left for the next time.

Three writers share the queue `failures`, each with a format of its own (AWS's developer guides of Lambda and
EventBridge). Lambda writes a failed call with its payload. EventBridge writes an event that it couldn't deliver, with
rule and target as attributes. And Lambda writes a position in the table's stream, without the records. The content of a
letter is never shown.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import boto3
import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from tuneloop.cli.stage import StageOption
from tuneloop.cli.terminal import table_console

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef

CONSUMERS = {"examples": "collect-posts", "usage": "record-usage"}
# Seconds for which SQS hides a received letter, and so the letters of a command that was interrupted.
HIDDEN_S = 120
WAIT_S = 1  # with a wait, SQS asks all its servers, so that an empty answer means an empty queue
BATCH = 10  # the most that SQS hands out at once
UNKNOWN_KEPT = "{count} could not be read and stay in the queue: look at them in the SQS console."
# The name of an error or of a trigger. Anything else in its place may be content, and is shown as `?`.
WORD = re.compile(r"[\w.:-]{1,128}", re.ASCII)
IN_ATTRIBUTES = ("RULE_ARN", "TARGET_ARN", "ERROR_CODE")
InputOf = Callable[[str], str | None]
Call = Callable[[str, str], None]
_object = TypeAdapter(dict[str, Any])


class Redelivery(StrEnum):
    """How a dead letter is sent back."""

    CALL = "call"  # its function is called with the payload
    QUEUE = "queue"  # its body goes into the work queue again
    NONE = "none"  # the sweep has done its work already, so it is only deleted
    UNKNOWN = "unknown"  # not written by this stage: it stays in the queue


class DeadLetter(NamedTuple):
    """A dead letter: the function and trigger that it was for, why it failed, and how it is sent back."""

    redelivery: Redelivery
    function: str
    trigger: str
    reason: str
    sent_at: datetime
    payload: str = ""

    @property
    def is_schedule(self) -> bool:
        """Whether the letter is a run of a schedule; one run makes up for all that failed."""
        return self.redelivery == Redelivery.CALL and "schedule" in _parsed(self.payload)


class QueueName(StrEnum):
    """The queues whose dead letters can be sent back."""

    EXAMPLES = "examples"
    USAGE = "usage"
    FAILURES = "failures"


class ReceivedLetter(NamedTuple):
    """A letter that was received, and the receipt by which it is deleted or returned."""

    letter: DeadLetter
    receipt: str


QueueOption = Annotated[list[QueueName] | None, typer.Option("--queue", help="Only this queue; all by default.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Show the letters without sending any.")]


def redrive(queue: QueueOption = None, dry_run: DryOption = False, stage: StageOption = "prod") -> None:
    """Send dead letters back to where they failed, once the cause is fixed."""
    console, total = table_console(), 0
    for name in queue or list(QueueName):
        dead_letters = DeadLetterQueue(stage, name, _invoke)
        letters = dead_letters.show() if dry_run else dead_letters.send_back()
        total += len(letters)
        if letters:
            console.print(_table(name, letters))
        if unknown := sum(letter.redelivery == Redelivery.UNKNOWN for letter in letters):
            console.print(UNKNOWN_KEPT.format(count=unknown))
    outcome = "found; nothing was sent" if dry_run else "dealt with"
    console.print(f"{total} dead letters {outcome}." if total else "No dead letters.")


class DeadLetterQueue:
    """The dead letters of one queue of a stage; `call` invokes a function, by its name, with a payload."""

    def __init__(self, stage: str, name: QueueName, call: Call) -> None:
        self._sqs, self._events, self._call = boto3.client("sqs"), boto3.client("events"), call
        self._prefix, self._name = f"tuneloop-{stage}-", name
        self._dead = self._url("failures" if name == QueueName.FAILURES else f"{name}-dead")

    def show(self) -> list[DeadLetter]:
        """Return all letters, which stay in the queue."""
        received = list(self._take())
        for _, receipt in received:
            self._return(receipt)
        return [letter for letter, _ in received]

    def send_back(self) -> list[DeadLetter]:
        """Send each letter back and delete it; of a schedule, one run is sent for all that failed."""
        letters: list[DeadLetter] = []
        sent_schedules: set[tuple[str, str]] = set()
        for letter, receipt in self._take():
            call = (letter.function, letter.payload)
            if call not in sent_schedules:
                self._send(letter)
            if letter.is_schedule:
                sent_schedules.add(call)
            if letter.redelivery != Redelivery.UNKNOWN:
                self._sqs.delete_message(QueueUrl=self._dead, ReceiptHandle=receipt)
            letters.append(letter)
        return letters

    def _take(self) -> Iterator[ReceivedLetter]:
        """Yield each letter that was in the queue when the command started, once, even if SQS delivers it again."""
        started, seen = datetime.now(UTC), set[str]()
        while messages := self._receive():
            new = {message["MessageId"] for message in messages} - seen
            for message in messages:
                if message["MessageId"] in new and _time_sent(message) <= started:
                    yield ReceivedLetter(self._read(message), message["ReceiptHandle"])
                else:
                    self._return(message["ReceiptHandle"])
            if not new:
                return
            seen |= new

    def _return(self, receipt: str) -> None:
        self._sqs.change_message_visibility(QueueUrl=self._dead, ReceiptHandle=receipt, VisibilityTimeout=0)

    def _receive(self) -> "list[MessageTypeDef]":
        answer = self._sqs.receive_message(
            QueueUrl=self._dead,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=WAIT_S,
            VisibilityTimeout=HIDDEN_S,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        return answer.get("Messages", [])

    def _read(self, message: "MessageTypeDef") -> DeadLetter:
        if self._name == QueueName.FAILURES:
            return read_failure(message, self._prefix, self._input_of)
        return DeadLetter(Redelivery.QUEUE, CONSUMERS[self._name], "queue", "-", _time_sent(message), message["Body"])

    def _input_of(self, rule_arn: str) -> str | None:
        """The constant that a rule sends instead of the event, as schedules do; None if it has none."""
        *bus, rule = rule_arn.split(":rule/", 1)[-1].split("/")
        bus_argument = {"EventBusName": bus[0]} if bus else {}
        targets = self._events.list_targets_by_rule(Rule=rule, **bus_argument)["Targets"]  # type: ignore[arg-type]
        return next((target["Input"] for target in targets if "Input" in target), None)

    def _send(self, letter: DeadLetter) -> None:
        if letter.redelivery == Redelivery.CALL:
            self._call(self._prefix + letter.function, letter.payload)
        elif letter.redelivery == Redelivery.QUEUE:
            self._sqs.send_message(QueueUrl=self._url(self._name), MessageBody=letter.payload)

    def _url(self, name: str) -> str:
        return self._sqs.get_queue_url(QueueName=self._prefix + name)["QueueUrl"]


def _invoke(function: str, payload: str) -> None:
    boto3.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload.encode())


HOW = {
    Redelivery.CALL: "by calling it",
    Redelivery.QUEUE: "into the queue",
    Redelivery.NONE: "not needed: the sweep relays from the rows",
    Redelivery.UNKNOWN: "no",
}


def _table(name: QueueName, letters: list[DeadLetter]) -> Table:
    table = Table("queue", "letters", "function", "trigger", "why", "oldest", "sent back", box=None)
    kinds = Counter((letter.function, letter.trigger, letter.reason, letter.redelivery) for letter in letters)
    for (function, trigger, reason, redelivery), count in kinds.most_common():
        same_kind = (
            letter
            for letter in letters
            if (letter.function, letter.trigger, letter.reason) == (function, trigger, reason)
        )
        oldest = min(letter.sent_at for letter in same_kind)
        table.add_row(name, str(count), function, trigger, reason, f"{oldest:%Y-%m-%d %H:%M}", HOW[redelivery])
    return table


def read_failure(message: "MessageTypeDef", prefix: str, input_of: InputOf) -> DeadLetter:
    """Read a message in `failures` as a dead letter; UNKNOWN unless its function's name starts with `prefix`.

    `input_of` returns the constant that a rule, given by its ARN, sends instead of the event; None if it has none.
    """
    body, sent_at = _parsed(message["Body"]), _time_sent(message)
    attributes = {name: _attribute(message, name) for name in IN_ATTRIBUTES}
    match body:
        case {"DDBStreamBatchInfo": dict(), "requestContext": {"functionArn": str(arn), "condition": str(reason)}}:
            redelivery, trigger, payload = Redelivery.NONE, "stream", ""
        case {"requestContext": {"functionArn": str(arn)}, "requestPayload": dict(event)}:
            redelivery, trigger, payload, reason = Redelivery.CALL, _trigger(event), json.dumps(event), _reason(body)
        case _ if attributes["RULE_ARN"] and attributes["TARGET_ARN"]:
            arn, reason = attributes["TARGET_ARN"], attributes["ERROR_CODE"]
            payload = input_of(attributes["RULE_ARN"]) or message["Body"]
            redelivery, trigger = Redelivery.CALL, _trigger(_parsed(payload))
        case _:
            return DeadLetter(Redelivery.UNKNOWN, "?", "?", "?", sent_at)
    function = _function(arn)
    if not function.startswith(prefix):
        return DeadLetter(Redelivery.UNKNOWN, "?", trigger, _word(reason), sent_at)
    return DeadLetter(redelivery, function.removeprefix(prefix), trigger, _word(reason), sent_at, payload)


def _time_sent(message: "MessageTypeDef") -> datetime:
    return datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)


def _function(arn: str) -> str:
    """The name of a function in its ARN, which may have a qualifier."""
    parts = arn.split(":")
    return parts[6] if len(parts) > 6 else ""


def _trigger(event: dict[str, Any]) -> str:
    if event.get("source") == "aws.s3":
        return "drop"
    return _word(event.get("detail-type") or event.get("schedule") or "?")


def _reason(body: dict[str, Any]) -> str:
    """The kind of error that ended a call. Our functions name it in the message; other messages may hold content."""
    match body:
        case {"responsePayload": {"errorType": "FunctionFailed", "errorMessage": str(kind)}}:
            return kind
        case {"responsePayload": {"errorType": str(kind)}} | {"requestContext": {"condition": str(kind)}}:
            return kind
    return "?"


def _word(value: object) -> str:
    return value if isinstance(value, str) and WORD.fullmatch(value) else "?"


def _attribute(message: "MessageTypeDef", name: str) -> str:
    attributes = message.get("MessageAttributes", {})
    return attributes[name].get("StringValue", "") if name in attributes else ""


def _parsed(text: str) -> dict[str, Any]:
    try:
        return _object.validate_json(text)
    except ValidationError:
        return {}
