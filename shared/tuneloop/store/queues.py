"""SQS queues: work that is done after an answer was given, or after a delay."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

# The most that SQS delays a message (15 minutes): a longer wait ends early, so whoever gets the message checks what is
# due, and the sweeps do what is left.
LONGEST_DELAY_S = 900


class Queue:
    """One queue; a message is a short text that names what there is to do, and holds no content."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def send(self, body: str, delay_s: int = 0) -> None:
        """Send a message that is delivered at least once, after `delay_s` seconds (0-900)."""
        self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=min(delay_s, LONGEST_DELAY_S))

    def has_waiting(self) -> bool:
        """Whether messages wait to be delivered, as far as SQS knows at this moment."""
        response = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(response["Attributes"]["ApproximateNumberOfMessages"]) > 0
