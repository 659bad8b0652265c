"""The two work queues with their dead-letter queues, and the dead-letter queue of asynchronous invocations."""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.functions import FUNCTIONS, QueueName
from infra.stage import Stage
from tuneloop.domain.core.limits import QUEUE_TRIES


@dataclass(frozen=True)
class Batching:
    """The batches in which messages reach their function: at most `size`, after waiting at most `window_s` for more."""

    size: int
    window_s: int


# Messages that come together are one transaction and one segment, or one update of the counters, so waiting for a few
# seconds saves most of the writes.
BATCHING: dict[QueueName, Batching] = {
    "examples": Batching(size=100, window_s=2),
    "usage": Batching(size=100, window_s=5),
}
TWO_WEEKS = Duration.days(14)  # the longest that SQS keeps a message


class Queues(Construct):
    """The queues by name, the dead-letter queue of each, and `failures` for events and stream records that failed."""

    def __init__(self, scope: Construct, stage: Stage) -> None:
        super().__init__(scope, "Queues")
        self._stage = stage
        self.dead: dict[str, sqs.Queue] = {}  # the dead-letter queues by name
        self.failures = self._make_dead_letter_queue("failures")
        self.by_name: dict[QueueName, sqs.Queue] = {
            spec.queue: self._make_queue(spec.queue, consumer_timeout_s=spec.timeout_s)
            for spec in FUNCTIONS
            if spec.queue
        }

    def _make_queue(self, name: QueueName, *, consumer_timeout_s: int) -> sqs.Queue:
        dead = self._make_dead_letter_queue(f"{name}-dead")
        return sqs.Queue(
            self,
            name.capitalize(),
            queue_name=self._stage.name_of(name),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=self._stage.enforces_ssl,
            # Lambda's documentation advises six time-outs plus the window: room for retries while it is throttled.
            visibility_timeout=Duration.seconds(6 * consumer_timeout_s + BATCHING[name].window_s),
            retention_period=TWO_WEEKS,
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead, max_receive_count=QUEUE_TRIES),
        )

    def _make_dead_letter_queue(self, name: str) -> sqs.Queue:
        construct_id = name.title().replace("-", "")
        self.dead[name] = sqs.Queue(
            self,
            construct_id,
            queue_name=self._stage.name_of(name),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=self._stage.enforces_ssl,
            retention_period=TWO_WEEKS,
        )
        return self.dead[name]
