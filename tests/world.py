"""The whole loop in one process: moto behind real boto3, the real handlers, and a bus that delivers when told to.

Tests drive it as the outside does: drops, HTTP events, queue messages, schedules. `settle` relays the outbox and the
queues until nothing moves any more, through the functions that `infra/functions.py` subscribes.
"""

import importlib
import json
import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from infra.functions import FUNCTIONS
from tests.fast_moto import is_empty
from tuneloop.app import App, app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.store.repositories.api_keys import create_key

TABLE, BUCKET, BUS = "tuneloop-test", "tuneloop-test-data", "tuneloop-test"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "TUNELOOP_STAGE": "test",
    "TUNELOOP_TABLE": TABLE,
    "TUNELOOP_BUCKET": BUCKET,
    "TUNELOOP_BUS": BUS,
    "TUNELOOP_PROVIDER": "trainer",
    "TUNELOOP_PROVIDER_BASE_URL": "http://127.0.0.1:9/v1",
    "TUNELOOP_PROVIDER_KEY_PARAMETER": "/tuneloop/test/providers/trainer/key",
    "TUNELOOP_BASE_MODEL": "tuneloop-linear-1",
    "TUNELOOP_SETTLE_S": "0",
    "TUNELOOP_REFRESH_AFTER_S": "0",
    "POWERTOOLS_METRICS_DISABLED": "true",
}
FORM = "multipart/form-data; boundary=form"
kept_client: Any = cache(boto3.client)
making_clients: Any = App.client
kept_by_functions: Any = cache(App.client)  # each is asked for with a configuration of its own, which is never the same


class Context:
    """What Lambda tells an invocation about itself."""

    function_name = "test"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:test"

    def __init__(self) -> None:
        self.aws_request_id = str(uuid4())

    def get_remaining_time_in_millis(self) -> int:
        return 890_000


@dataclass
class Answer:
    """An HTTP answer, its body parsed where it is JSON."""

    status: int
    text: str
    headers: dict[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def invoke(function: str, event: dict[str, Any]) -> Any:
    """Call a function's real entry point."""
    package = function.replace("-", "_")
    return importlib.import_module(f"{package}.handler").handler(event, Context())


class World:
    """A stage without AWS: one tenant with a key that may do everything."""

    def __init__(self, tenant: str = "acme") -> None:
        self.tenant = tenant
        self.sqs = boto3.client("sqs")
        self.s3 = boto3.client("s3")
        self.dynamodb = boto3.client("dynamodb")
        self.ssm = boto3.client("ssm")
        app.tenants.ensure(tenant, utc_now())
        self.key = self.new_key(*Scope)
        self.delivered: list[str] = []
        self.events: list[dict[str, Any]] = []

    def new_key(self, *scopes: Scope, tenant: str | None = None) -> str:
        """Another key of the tenant, or of another one."""
        owner = tenant or self.tenant
        app.tenants.ensure(owner, utc_now())
        return create_key(owner, frozenset(scopes), tenants=app.tenants, now=utc_now()).secret

    def call(self, route: str, path: str, body: Any = None, *, key: str | None = "", **query: str) -> Answer:
        """Send an HTTP request to the function that the table routes it to; `key=None` sends no key."""
        secret = self.key if key == "" else key
        return self.send(route, http_event(route, path, body, secret, query))

    def call_with(self, headers: dict[str, str], route: str, path: str, body: Any = None) -> Answer:
        """Send an HTTP request with more headers, their names in lower case, as an HTTP API hands them over."""
        event = http_event(route, path, body, self.key, {})
        return self.send(route, event | {"headers": event["headers"] | headers})

    def send(self, route: str, event: dict[str, Any]) -> Answer:
        """Send an HTTP event to the function that the table routes it to."""
        spec = next(s for s in FUNCTIONS if tuple(route.split()) in s.endpoints)
        answer = invoke(spec.name, event)
        return Answer(answer["statusCode"], answer["body"], answer.get("headers", {}))

    def drop(self, dataset: str, lines: list[Any] | bytes, name: str = "examples.jsonl") -> str:
        """Put a file into the bucket and deliver the event that S3 sends; gives its key."""
        content = lines if isinstance(lines, bytes) else "\n".join(json.dumps(line) for line in lines).encode()
        key = f"incoming/{self.tenant}/{dataset}/{name}"
        etag = self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)["ETag"].strip('"')
        self.s3_event(key, etag)
        return key

    def s3_event(self, key: str, etag: str, version: str | None = None) -> None:
        """Deliver S3's event for an object, or for one version of it."""
        found = {"key": key, "etag": etag, "size": 1} | ({"version-id": version} if version else {})
        detail = {"bucket": {"name": BUCKET}, "object": found}
        event = {"id": str(uuid4()), "source": "aws.s3", "detail-type": "Object Created", "detail": detail}
        invoke("collect-examples", event)

    def schedule(self, function: str, name: str = "every-5-minutes") -> None:
        """Let a schedule fire."""
        invoke(function, {"schedule": name})

    def settle(self, rounds: int = 30) -> None:
        """Relay events and queue messages until nothing is left to deliver."""
        for _ in range(rounds):
            if not (self._relay() + self._messages("examples") + self._messages("usage")):
                return
        raise AssertionError(f"still busy after {rounds} rounds: {self.delivered[-10:]}")

    def _relay(self) -> int:
        rows = list(app.outbox.backlog(utc_now()))
        for row in rows:
            app.outbox.mark_relayed(row)
            event = {
                "id": str(uuid4()),
                "source": "tuneloop",
                "detail-type": row.event_type,
                "detail": json.loads(row.detail),
            }
            self.delivered.append(row.event_type)
            self.events.append(event)
            for spec in FUNCTIONS:
                if row.event_type in spec.events:
                    invoke(spec.name, event)
        return len(rows)

    def _messages(self, queue: str) -> int:
        function = next(spec.name for spec in FUNCTIONS if spec.queue == queue)
        url = os.environ[f"TUNELOOP_{queue.upper()}_QUEUE_URL"]
        if is_empty(url):
            return 0
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            answer = invoke(function, sqs_event(queue, message["Body"], message["MessageId"]))
            assert answer == {"batchItemFailures": []}, answer
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)


def http_event(route: str, path: str, body: Any, secret: str | None, query: dict[str, str]) -> dict[str, Any]:
    """An HTTP API event, payload 2.0; a body of bytes is a form with the boundary `form`."""
    method, pattern = route.split()
    request = {"http": {"method": method, "path": path}, "requestId": str(uuid4()), "stage": "$default"}
    is_form = isinstance(body, bytes)
    headers = {"content-type": FORM if is_form else "application/json"}
    text = b64encode(body).decode() if isinstance(body, bytes) else body
    return {
        "version": "2.0",
        "routeKey": f"{method} {pattern}",
        "rawPath": path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in query.items()),
        "queryStringParameters": query,
        "headers": headers | ({"authorization": f"Bearer {secret}"} if secret else {}),
        "requestContext": request,
        "body": text if isinstance(text, str) or text is None else json.dumps(text),
        "isBase64Encoded": is_form,
    }


def sqs_event(queue: str, body: str, message_id: str = "m1", tries: int = 1) -> dict[str, Any]:
    """An SQS event with one message, which is delivered for the so manieth time."""
    arn = f"arn:aws:sqs:us-east-1:123456789012:tuneloop-test-{queue}"
    told = {"attributes": {"ApproximateReceiveCount": str(tries)}, "messageAttributes": {}}
    record = {"messageId": message_id, "receiptHandle": "r", "body": body, **told}
    return {"Records": [{**record, "eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": "us-east-1"}]}


@contextmanager
def staged(monkeypatch: pytest.MonkeyPatch, tenant: str = "acme") -> Iterator[World]:
    """A world on a stage of its own, gone when its test is over but for boto3's clients, which the next one uses."""
    monkeypatch.setattr(boto3, "client", kept_client)
    monkeypatch.setattr(App, "client", kept_by_functions)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    app.__dict__.clear()
    with mock_aws():
        for name, url in build_stage().items():
            monkeypatch.setenv(name, url)
        yield World(tenant)
    app.__dict__.clear()


def build_table() -> None:
    """Make the table in moto."""
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_schema("pk", "sk"),
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in ("pk", "sk", "sweep_pk", "sweep_sk", "list_pk", "list_sk")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "sweep",
                "KeySchema": _schema("sweep_pk", "sweep_sk"),
                "Projection": {"ProjectionType": "ALL"},
            },
            {
                "IndexName": "by_time",
                "KeySchema": _schema("list_pk", "list_sk"),
                "Projection": {"ProjectionType": "ALL"},
            },
        ],
    )


def build_stage() -> dict[str, str]:
    """Make table, bucket, bus, queues and the provider's key in moto; gives the queues' variables."""
    build_table()
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    boto3.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    boto3.client("events").create_event_bus(Name=BUS)
    name = ENVIRONMENT["TUNELOOP_PROVIDER_KEY_PARAMETER"]
    boto3.client("ssm").put_parameter(Name=name, Value="test-key", Type="SecureString")
    sqs = boto3.client("sqs")
    return {
        f"TUNELOOP_{queue.upper()}_QUEUE_URL": sqs.create_queue(QueueName=f"tuneloop-test-{queue}")["QueueUrl"]
        for queue in ("examples", "usage")
    }


def _schema(pk: str, sk: str) -> list[Any]:
    return [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]
