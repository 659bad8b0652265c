"""A stage in this process: the deployed table in moto, the real handlers under the meter, our trainer as provider.

The handlers get what AWS delivers, made from the payloads of `events/`, and domain events go the way they go on AWS:
through the table's stream and relay-events.
"""

import importlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import boto3
from moto import mock_aws

from bench.billing.meter import Meter
from bench.billing.model import Assumptions
from bench.billing.template import StackTemplate
from evaluate.ask import ROWS_AT_ONCE
from infra.functions import FUNCTIONS
from local.trainer import START_TIMEOUT_S, start_trainer
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.serving.usage import UsageBatch
from tuneloop.openai_wire.chat import ChatCompletion
from tuneloop.providers.openai.adapter import OpenAICompatible
from tuneloop.store.dynamodb import to_item
from tuneloop.store.repositories.api_keys import create_key
from tuneloop.store.repositories.usage import SHARDS

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "local" / "data" / "support.jsonl"
TENANT, DATASET = "acme", "support"
TABLE, BUCKET, BUS = "tuneloop-test", "tuneloop-test-data", "tuneloop-test"
KEY_PARAMETER = "/tuneloop/test/providers/trainer/key"
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "TUNELOOP_STAGE": "test",
    "TUNELOOP_TABLE": TABLE,
    "TUNELOOP_BUCKET": BUCKET,
    "TUNELOOP_BUS": BUS,
    "TUNELOOP_PROVIDER": "trainer",
    "TUNELOOP_PROVIDER_KEY_PARAMETER": KEY_PARAMETER,
    "TUNELOOP_BASE_MODEL": "tuneloop-linear-1",
    "TUNELOOP_SETTLE_S": "0",
    "TUNELOOP_REFRESH_AFTER_S": "0",
}
CONTEXT = {  # Lambda's context object; the remaining time is nearly that of the longest time-out
    "function_name": "test",
    "memory_limit_in_mb": 512,
    "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:test",
    "get_remaining_time_in_millis": lambda: 890_000,
}
TRAINING_TIMEOUT_S = 120  # training takes seconds; a trainer that hangs would keep the bill from ever being printed


class MeteredStage:
    """One tenant's stage; every invocation goes through the meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._s3, self._sqs = new_client("s3"), new_client("sqs")
        self.key = self.new_key()

    def new_key(self, tenant: str = TENANT) -> str:
        """A new key with every scope, of a tenant that is made if there is none."""
        return create_key(tenant, frozenset(Scope), tenants=app.tenants, now=utc_now()).secret

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Call a function's real entry point."""
        handler = importlib.import_module(f"{function.replace('-', '_')}.handler").handler
        context = SimpleNamespace(**CONTEXT, aws_request_id=str(uuid4()))
        return self._meter.invoke(function, partial(handler, event, context))

    def fire(self, schedule: str) -> None:
        """Let a schedule fire, named as `function schedule`."""
        function, name = schedule.split()
        self.invoke(function, {"schedule": name})

    def drop(self, lines: list[Any]) -> None:
        """Put a file into the bucket, and deliver S3's event and the reminder that the drop leaves."""
        key = f"incoming/{TENANT}/{DATASET}/examples.jsonl"
        content = "\n".join(json.dumps(line) for line in lines).encode()
        put = self._s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        event = payload("collect_examples.drop")
        event["detail"]["object"] |= {"key": key, "etag": put["ETag"].strip('"'), "version-id": put["VersionId"]}
        self.invoke("collect-examples", event)
        reminder = {"settle": {"tenant": TENANT, "dataset": DATASET}}
        self.invoke("collect-posts", messages([json.dumps(reminder)]))

    def train(self) -> None:
        """Play the dataset's run to its end, and everything that follows from it."""
        self._settle()
        deadline = time.monotonic() + TRAINING_TIMEOUT_S
        while next(app.providers.get(app.settings.provider).jobs()).status != "succeeded":
            if time.monotonic() > deadline:
                raise TimeoutError(f"the trainer did not end within {TRAINING_TIMEOUT_S} s")
            time.sleep(0.05)
        self.fire("check-status every-5-minutes")
        self._settle()

    def _settle(self) -> None:
        """Relay events, and deliver the messages that they lead to, until there are none."""
        while rows := list(app.outbox.backlog(utc_now())):
            for row in rows:
                record = payload("relay_events.stream")["Records"][0]
                record["dynamodb"]["NewImage"] = to_item(row.model_dump(mode="json"))
                self.invoke("relay-events", {"Records": [record]})
                event = {"id": f"{row.pk}/{row.sk}", "source": "tuneloop", "detail-type": row.event_type}
                for spec in FUNCTIONS:
                    if row.event_type in spec.events:
                        self.invoke(spec.name, event | {"detail": json.loads(row.detail)})
            for body in self._take_messages("examples"):
                self.invoke("collect-posts", messages([body]))

    def ask(self, assumed: Assumptions, key: str = "") -> Any:
        """Send a chat call of the assumed size, and return its answer."""
        text = "w" * assumed.prompt_tokens * assumed.bytes_per_token
        body = {"model": DATASET, "user": "user-1", "messages": [{"role": "user", "content": text}]}
        return self._post("complete-chat", "/v1/chat/completions", body, key)

    def rate(self, answer: Any) -> None:
        """Send a rating of an answer."""
        self._post("record-usage", "/v1/feedback", {"inference_id": answer["id"], "rating": 4})

    def add_tenant(self, name: str) -> None:
        """Make a further tenant with one dataset."""
        self._post("collect-examples", "/v1/datasets", {"id": DATASET}, self.new_key(name))

    def _post(self, function: str, path: str, body: Any, key: str = "") -> Any:
        event = payload("complete_chat.http") | {"routeKey": f"POST {path}", "rawPath": path, "body": json.dumps(body)}
        event["requestContext"]["http"]["path"] = path
        event["headers"]["authorization"] = f"Bearer {key or self.key}"
        answer = self.invoke(function, event)
        if answer["statusCode"] >= 400:  # a call that fails costs less than one that works
            raise RuntimeError(f"status {answer['statusCode']}: {answer['body']}")
        return json.loads(answer["body"])

    def count_usage(self) -> None:
        """Deliver the messages of the usage queue as one batch."""
        self.invoke("record-usage", messages(self._take_messages("usage")))

    def open_counters(self) -> None:
        """Count usage until the day has its row in every shard, so that no later call is measured as it makes one."""
        batch = UsageBatch.model_validate_json(self._take_messages("usage")[0])
        # A batch's id decides its shard, so twenty times as many batches as shards leave none out.
        for number in range(20 * SHARDS):
            app.usage.add(batch.model_copy(update={"id": f"earlier-{number}"}), utc_now())

    def _take_messages(self, queue: str) -> list[str]:
        """Remove all messages from a queue, and return their bodies."""
        url, bodies = environ[f"TUNELOOP_{queue.upper()}_QUEUE_URL"], []
        while batch := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in batch]
            for message in batch:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


def payload(name: str) -> Any:
    """An event as AWS delivers it, from `events/`."""
    return json.loads((ROOT / "events" / f"{name}.json").read_text("utf-8"))


def messages(bodies: list[str]) -> dict[str, Any]:
    """The event with which SQS delivers these bodies as one batch."""
    [record] = payload("record_usage.queue")["Records"]
    return {"Records": [record | {"messageId": f"m{place}", "body": body} for place, body in enumerate(bodies)]}


def examples(number: int) -> list[Any]:
    """This number of different examples, from the project's sample; repeated ones get an order number."""
    sample = SAMPLE.read_text("utf-8").splitlines()
    rows = [json.loads(sample[place % len(sample)]) for place in range(number)]
    for place, row in enumerate(rows[len(sample) :], start=len(sample)):
        row["messages"][-2]["content"] += f" (order {place})"
    return rows


@contextmanager
def meter_stage(deployed: StackTemplate, assumed: Assumptions) -> Iterator[tuple[MeteredStage, Meter]]:
    """A stage whose every invocation is counted."""
    for spec in FUNCTIONS:
        importlib.import_module(f"{spec.package}.handler")
    with TemporaryDirectory() as folder, patch.dict(environ, ENVIRONMENT), mock_aws():
        trainer, child = start_trainer(Path(folder))
        try:
            child.wait_until(trainer.is_ready, START_TIMEOUT_S)
            environ.update(_make_resources(deployed.table, trainer.api_key))
            environ["TUNELOOP_PROVIDER_BASE_URL"] = trainer.base_url
            meter, complete = Meter(deployed, assumed, new_client), OpenAICompatible.complete

            def complete_late(provider: OpenAICompatible, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
                """Answer by the trainer, and count the time that a real provider takes."""
                meter.wait(assumed.provider_wait_s / (ROWS_AT_ONCE if meter.function == "evaluate" else 1))
                return complete(provider, request, timeout_s)

            start_afresh()
            with (
                patch.object(boto3, "client", meter.client),
                patch.object(OpenAICompatible, "complete", complete_late),
            ):
                yield MeteredStage(meter), meter
        finally:
            start_afresh()
            child.stop()


def _make_resources(table: dict[str, Any], provider_key: str) -> dict[str, str]:
    """Make table, bucket, bus, queues and the provider's key in moto, and return the queues' environment variables."""
    new_client("dynamodb").create_table(TableName=TABLE, **table)
    new_client("s3").create_bucket(Bucket=BUCKET)
    new_client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    new_client("events").create_event_bus(Name=BUS)
    new_client("ssm").put_parameter(Name=KEY_PARAMETER, Value=provider_key, Type="SecureString")
    sqs = new_client("sqs")
    return {
        f"TUNELOOP_{queue.upper()}_QUEUE_URL": sqs.create_queue(QueueName=f"tuneloop-test-{queue}")["QueueUrl"]
        for queue in ("examples", "usage")
    }


def new_client(service: str, **options: Any) -> Any:
    """A client of a session of its own, so that no subscription to its events outlives the stage."""
    return boto3.session.Session().client(service, **options)  # type: ignore[call-overload]


def start_afresh() -> None:
    """Forget what an environment keeps between invocations and a new one lacks: clients, stores, the provider's key."""
    if "providers" in app.__dict__:
        app.providers.close()
    app.__dict__.clear()
