"""Dead letters: what failed for good, told apart by who wrote it down, without a word of its content.

Three writers share the queue `failures`, each with a format of its own (AWS's developer guides of Lambda and
EventBridge): Lambda keeps a call that failed together with its payload; EventBridge keeps the event that it could not
deliver, with rule and target as attributes; and Lambda keeps a place in the table's stream, without the records.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageTypeDef

WORD = re.compile(r"[\w.:-]{1,128}", re.ASCII)
IN_ATTRIBUTES = ("RULE_ARN", "TARGET_ARN", "ERROR_CODE")
InputOf = Callable[[str], str | None]
_object = TypeAdapter(dict[str, Any])


class Way(StrEnum):
    """How a letter is sent back."""

    CALL = "call"  # its function is called with the payload
    QUEUE = "queue"  # its body goes into the work queue again
    NONE = "none"  # the sweep has done its work already, so that it is only thrown away
    UNKNOWN = "unknown"  # nobody of ours wrote it: it stays


class Letter(NamedTuple):
    """One dead letter: what it was for, why it died, and what sends it back."""

    way: Way
    function: str
    trigger: str
    why: str
    sent_at: datetime
    payload: str = ""

    @property
    def is_schedule(self) -> bool:
        """Whether it is a turn of a schedule, of which one makes up for all that failed."""
        return self.way == Way.CALL and "schedule" in _parsed(self.payload)


def read_failure(message: "MessageTypeDef", prefix: str, input_of: InputOf) -> Letter:
    """A letter in `failures`; `input_of` gives what a rule sends its target instead of the event, by the rule's ARN.

    Only functions whose name begins with `prefix` are ours.
    """
    body, sent_at = _parsed(message["Body"]), sent(message)
    attributes = {name: _attribute(message, name) for name in IN_ATTRIBUTES}
    match body:
        case {"DDBStreamBatchInfo": dict(), "requestContext": {"functionArn": str(arn), "condition": str(why)}}:
            way, trigger, payload = Way.NONE, "stream", ""
        case {"requestContext": {"functionArn": str(arn)}, "requestPayload": dict(event)}:
            way, trigger, payload, why = Way.CALL, _trigger(event), json.dumps(event), _why(body)
        case _ if attributes["RULE_ARN"] and attributes["TARGET_ARN"]:
            arn, why = attributes["TARGET_ARN"], attributes["ERROR_CODE"]
            payload = input_of(attributes["RULE_ARN"]) or message["Body"]
            way, trigger = Way.CALL, _trigger(_parsed(payload))
        case _:
            return Letter(Way.UNKNOWN, "?", "?", "?", sent_at)
    function = _function(arn)
    if not function.startswith(prefix):
        return Letter(Way.UNKNOWN, "?", trigger, _word(why), sent_at)
    return Letter(way, function.removeprefix(prefix), trigger, _word(why), sent_at, payload)


def sent(message: "MessageTypeDef") -> datetime:
    """When a message was sent."""
    return datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)


def _function(arn: str) -> str:
    """A function's name in its ARN, with or without a qualifier."""
    parts = arn.split(":")
    return parts[6] if len(parts) > 6 else ""


def _trigger(event: dict[str, Any]) -> str:
    if event.get("source") == "aws.s3":
        return "drop"
    return _word(event.get("detail-type") or event.get("schedule") or "?")


def _why(body: dict[str, Any]) -> str:
    """The kind of error that ended a call; ours name it in their message, whose text is otherwise not to be shown."""
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
