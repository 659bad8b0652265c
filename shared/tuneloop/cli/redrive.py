"""`tuneloop redrive`: what failed for good is shown, by function and trigger, and sent back to where it failed.

A letter is deleted only after it was sent, so whatever interrupts this loses nothing; what is sent twice does no harm,
as every function takes repetitions. Letters that come while it works are left for the next time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import boto3
import typer
from rich.table import Table

from tuneloop.cli.letters import Letter, Way, read_failure, sent
from tuneloop.cli.screen import screen
from tuneloop.cli.stage import StageOption

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef

CONSUMERS = {"examples": "collect-posts", "usage": "record-usage"}
HIDDEN_S = 120  # how long a letter in hand is kept from others
WAIT_S = 1  # a wait makes SQS ask all its servers
BATCH = 10
UNKNOWN_KEPT = "{count} could not be read and stay in the queue: look at them in the SQS console."


Call = Callable[[str, str], None]


class QueueName(StrEnum):
    """The queues whose dead letters can be sent back."""

    EXAMPLES = "examples"
    USAGE = "usage"
    FAILURES = "failures"


class Held(NamedTuple):
    """A letter in hand, by the receipt that deletes it."""

    letter: Letter
    receipt: str


QueueOption = Annotated[list[QueueName] | None, typer.Option("--queue", help="Only this queue; all if not given.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Show them and send nothing.")]


def redrive(queue: QueueOption = None, dry_run: DryOption = False, stage: StageOption = "prod") -> None:
    """Send back what failed for good, once its cause is mended."""
    console, found = screen(), 0
    for name in queue or list(QueueName):
        dead = DeadLetters(stage, name, _call)
        letters = dead.show() if dry_run else dead.send_back()
        found += len(letters)
        if letters:
            console.print(_table(name, letters))
        if unknown := sum(letter.way == Way.UNKNOWN for letter in letters):
            console.print(UNKNOWN_KEPT.format(count=unknown))
    done = "found; nothing was sent" if dry_run else "dealt with"
    console.print(f"{found} dead letters {done}." if found else "No dead letters.")


class DeadLetters:
    """The dead letters of one queue of a stage; `call` wakes a function by its name with a payload, unheard."""

    def __init__(self, stage: str, name: QueueName, call: Call) -> None:
        self._sqs, self._events, self._call = boto3.client("sqs"), boto3.client("events"), call
        self._prefix, self._name = f"tuneloop-{stage}-", name
        self._dead = self._url("failures" if name == QueueName.FAILURES else f"{name}-dead")

    def show(self) -> list[Letter]:
        """What lies there, given back to the queue at once."""
        held = list(self._take())
        for each in held:
            self._give_back(each.receipt)
        return [each.letter for each in held]

    def send_back(self) -> list[Letter]:
        """Send each letter back and delete it; one turn of a schedule stands for all turns of it."""
        done: list[Letter] = []
        turns: set[tuple[str, str]] = set()
        for letter, receipt in self._take():
            turn = (letter.function, letter.payload)
            if turn not in turns:
                self._send(letter)
            if letter.is_schedule:
                turns.add(turn)
            if letter.way != Way.UNKNOWN:
                self._sqs.delete_message(QueueUrl=self._dead, ReceiptHandle=receipt)
            done.append(letter)
        return done

    def _take(self) -> Iterator[Held]:
        """Each letter that lay there when this began, once, even if it comes up again while it is in hand."""
        began, seen = datetime.now(UTC), set[str]()
        while messages := self._receive():
            new = {message["MessageId"] for message in messages} - seen
            for message in messages:
                if message["MessageId"] in new and sent(message) <= began:
                    yield Held(self._read(message), message["ReceiptHandle"])
                else:
                    self._give_back(message["ReceiptHandle"])
            if not new:
                return
            seen |= new

    def _give_back(self, receipt: str) -> None:
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

    def _read(self, message: "MessageTypeDef") -> Letter:
        if self._name == QueueName.FAILURES:
            return read_failure(message, self._prefix, self._input_of)
        return Letter(Way.QUEUE, CONSUMERS[self._name], "queue", "-", sent(message), message["Body"])

    def _input_of(self, rule_arn: str) -> str | None:
        """The constant that a rule sends in place of the event, as schedules do."""
        *bus, rule = rule_arn.split(":rule/", 1)[-1].split("/")
        where = {"EventBusName": bus[0]} if bus else {}
        targets = self._events.list_targets_by_rule(Rule=rule, **where)["Targets"]  # type: ignore[arg-type]
        return next((target["Input"] for target in targets if "Input" in target), None)

    def _send(self, letter: Letter) -> None:
        if letter.way == Way.CALL:
            self._call(self._prefix + letter.function, letter.payload)
        elif letter.way == Way.QUEUE:
            self._sqs.send_message(QueueUrl=self._url(self._name), MessageBody=letter.payload)

    def _url(self, name: str) -> str:
        return self._sqs.get_queue_url(QueueName=self._prefix + name)["QueueUrl"]


def _call(function: str, payload: str) -> None:
    boto3.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload.encode())


def _table(name: QueueName, letters: list[Letter]) -> Table:
    table = Table("queue", "letters", "function", "trigger", "why", "oldest", "sent back", box=None)
    kinds = Counter((letter.function, letter.trigger, letter.why, letter.way) for letter in letters)
    for (function, trigger, why, way), count in kinds.most_common():
        same = (
            letter for letter in letters if (letter.function, letter.trigger, letter.why) == (function, trigger, why)
        )
        oldest = min(letter.sent_at for letter in same)
        table.add_row(name, str(count), function, trigger, why, f"{oldest:%Y-%m-%d %H:%M}", HOW[way])
    return table


HOW = {
    Way.CALL: "by calling it",
    Way.QUEUE: "into the queue",
    Way.NONE: "not needed: the sweep relays from the rows",
    Way.UNKNOWN: "no",
}
