"""The entry point of a function: recognises the trigger of an invocation and calls the routine registered for it.

HTTP requests go to the function's `Api`; domain events, schedules, S3 drops, Bedrock's jobs, queues and the table's
stream each go to the one routine registered for them. Any error is raised again as its kind alone, since its text may
quote content; then the trigger's own retries and dead-letter queue apply.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from tuneloop.domain.events import SOURCE, parse_event
from tuneloop.observability import flush, kind_of, log_failure, logger

if TYPE_CHECKING:
    from tuneloop.api.router import Api  # takes 170 ms to import, which a function without routes doesn't need

Event = dict[str, Any]
Routine = Callable[..., Any]


class FunctionFailed(Exception):
    """Raised in place of any error of a function; names the error's kind, not its text, which may quote users."""


class Batch:
    """The messages of one delivery of a queue, by their ids, and which of them failed.

    `tries` counts the deliveries of each message, this one included. A message that fails in its last try
    (`limits.QUEUE_TRIES`) becomes a dead letter.
    """

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.bodies: dict[str, str] = {record["messageId"]: record["body"] for record in records}
        self.tries: dict[str, int] = {record["messageId"]: _deliveries_of(record) for record in records}
        self._failed: dict[str, None] = {}

    @contextmanager
    def attempt(self, *messages: str) -> Iterator[None]:
        """A context of work for some of the messages; an error in it is logged, and they are delivered again."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the entry point: nothing above may see the text
            log_failure(error)
            self._failed |= dict.fromkeys(messages)

    def has_failed(self, *messages: str) -> bool:
        """Whether an attempt for any of the messages failed."""
        return any(message in self._failed for message in messages)

    @property
    def answer(self) -> Event:
        """The partial-batch response that Lambda reads: which of the messages failed."""
        return {"batchItemFailures": [{"itemIdentifier": message} for message in self._failed]}


def _deliveries_of(record: dict[str, Any]) -> int:
    """How often SQS has delivered a message, this time included; 1 where a test or a replay gives no count."""
    return int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))


class Function:
    """One Lambda function: its routes and the routines of its other triggers."""

    def __init__(self, name: str, api: "Api | None" = None) -> None:
        self.name = name
        self.api = api
        self.routines: dict[str, Routine] = {}
        self.context: LambdaContext | None = None
        self._batch = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)

    def on(self, trigger: str) -> Callable[[Routine], Routine]:
        """Register for an event's type, a schedule, `drop`, `job`, `queue` (or `batch`: all at once) or `stream`."""

        def register(routine: Routine) -> Routine:
            """Register the routine that the trigger wakes."""
            self.routines[trigger] = routine
            return routine

        return register

    @property
    def owner(self) -> str:
        """The name under which this invocation takes leases."""
        return self.context.aws_request_id if self.context else self.name

    @property
    def remaining_s(self) -> float:
        """Seconds left before Lambda ends this invocation."""
        return self.context.get_remaining_time_in_millis() / 1000 if self.context else 0.0

    def __call__(self, event: Event, context: LambdaContext) -> Any:
        """The Lambda entry point."""
        self.context = context
        return _invoke(event, context, self._dispatch)

    def _dispatch(self, event: Event, context: LambdaContext) -> Any:
        if "routeKey" in event and self.api:
            logger.set_correlation_id(event["requestContext"].get("requestId"))
            answer = self.api.respond(event, context)
            logger.info("answered", extra={"route": event["routeKey"], "status": answer["statusCode"]})
            return answer
        logger.set_correlation_id(event.get("id") or context.aws_request_id)
        try:
            result = self._run(event, context)
        except Exception as error:  # noqa: BLE001 - the entry point: nothing above may see the text
            log_failure(error)
            raise FunctionFailed(kind_of(error)) from None
        logger.info("done", extra={"trigger": event.get("detail-type") or event.get("schedule") or "records"})
        return result

    def _run(self, event: Event, context: LambdaContext) -> Any:
        match event:
            case {"source": source, "detail-type": kind, "detail": detail} if source == SOURCE:
                return self.routines[kind](parse_event.validate_python({**detail, "type": kind}))
            case {"source": "aws.s3" | "aws.bedrock" as source, "detail": detail}:
                return self._on_aws_event(source, detail)
            case {"schedule": name}:
                return self.routines[name]()
            case {"Records": [{"eventSource": "aws:sqs"}, *_] as records}:
                return self._messages(records, context)
            case {"Records": [{"eventSource": "aws:dynamodb"}, *_] as records}:
                return self.routines["stream"](records)
        raise ValueError("this function has no trigger for such an event")

    def _on_aws_event(self, source: str, detail: Event) -> Any:
        """Handle an event of S3 or Bedrock from the default bus."""
        if source == "aws.bedrock":
            return self.routines["job"](detail["jobArn"])
        file = detail["object"]
        if file["key"].endswith("/") and file.get("size") == 0:
            return None  # a folder, as S3's console makes them
        return self.routines["drop"](key=file["key"], etag=file["etag"], version=file.get("version-id"))

    def _messages(self, records: list[Event], context: LambdaContext) -> Any:
        """Handle a queue's messages, all at once or one by one, as is registered."""
        if "batch" not in self.routines:
            return process_partial_response({"Records": records}, self._message, self._batch, context)
        self.routines["batch"](batch := Batch(records))
        return batch.answer

    def _message(self, record: SQSRecord) -> None:
        try:
            self.routines["queue"](record.body)
        except Exception as error:  # noqa: BLE001 - the entry point: nothing above may see the text
            log_failure(error)
            raise FunctionFailed(kind_of(error)) from None


@logger.inject_lambda_context(clear_state=True)
def _invoke(event: Event, context: LambdaContext, dispatch: Routine) -> Any:
    try:
        return dispatch(event, context)
    finally:
        flush()
