"""The deployed stage as a scene finds it: empty but for a tenant, and still, so that nothing wakes but what it wakes.

Scenes prepare their state as the stage's administrator through the stores that the functions use, wake one function by
the payloads of `events/` or through the front door, and look at what a user would notice.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import count, islice
from time import time
from typing import Any

import httpx2

from infra.stage import LOCAL
from local.stack import ROOT, LocalStack
from tests.bus_listener import hear_the_bus
from tuneloop.app import utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.store.dynamodb import Table
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.outbox import Outbox
from tuneloop.store.repositories.api_keys import create_key
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.generations import Generations
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.reviews import Reviews
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.repositories.tenants import Tenants
from tuneloop.store.repositories.usage import Usage

ANSWER_S = 60
DELETED_AT_ONCE = 25
NOTHING: tuple[Any, ...] = (None, {"batchItemFailures": []})


class Stage:
    """The stage and its stores; `trained` is a run of before, whose job and model are at the provider still."""

    def __init__(self, stack: LocalStack, trained: dict[str, Any]) -> None:
        self.stack, self.trained = stack, trained
        self.dynamodb, self.s3, self.sqs = (stack.client(service) for service in ("dynamodb", "s3", "sqs"))
        self._lambda = stack.client("lambda")
        self.bucket, self.table = stack.outputs["BucketName"], Table(self.dynamodb, stack.outputs["TableName"])
        self.datasets, self.exports, self.runs = Datasets(self.table), Exports(self.table), Runs(self.table)
        self.models, self.evaluations = Models(self.table), Evaluations(self.table)
        self.usage, self.outbox, self.erasures = Usage(self.table), Outbox(self.table), Erasures(self.table)
        self.objects = Objects(self.s3, self.bucket)
        self.generations = Generations(self.table, self.datasets)
        self.contents = Contents(self.datasets, Reviews(self.table), self.objects, self.erasures)
        self.tenant = self.key = ""
        self._numbers = count(1)
        self._queues = {name: stack.outputs[f"{name}QueueUrl"] for name in ("Examples", "Usage")}
        self._queues["Heard"] = hear_the_bus(stack, "heard")

    def begin(self) -> None:
        """Leave nothing of the scene before, and make a tenant of a new name with a key."""
        self._empty_table()
        self._empty_bucket()
        for url in self._queues.values():
            self.sqs.purge_queue(QueueUrl=url)
        self.tenant = f"scene-{next(self._numbers)}"
        self.key = create_key(self.tenant, frozenset(Scope), tenants=Tenants(self.table), now=utc_now()).secret

    def send(self, route: str, body: Any = None, **query: str) -> httpx2.Response:
        """The answer of the front door to `METHOD /v1/path`."""
        method, path = route.split()
        url = self.stack.base_url.removesuffix("/v1") + path
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx2.request(method, url, json=body, params=query, headers=headers, timeout=ANSWER_S)

    def call(self, route: str, body: Any = None, **query: str) -> Any:
        """The parsed answer of the front door, which must be a good one."""
        answer = self.send(route, body, **query)
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return answer.json()

    def signed(self, route: str, body: Any, key: bytes) -> httpx2.Response:
        """The answer of the front door to a webhook, signed with that key and sent without one of ours."""
        method, path = route.split()
        content, at = json.dumps(body).encode(), int(time())
        signature = b64encode(hmac.digest(key, f"wh_1.{at}.".encode() + content, "sha256")).decode()
        headers = {"webhook-id": "wh_1", "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}
        url = self.stack.base_url.removesuffix("/v1") + path
        return httpx2.request(method, url, content=content, headers=headers, timeout=ANSWER_S)

    def wake(self, name: str, **detail: Any) -> None:
        """Invoke a function by `events/{name}.json`, the event's detail changed as given."""
        event = json.loads((ROOT / "events" / f"{name}.json").read_text("utf-8"))
        if "detail" in event:
            event["detail"] |= detail
        self.invoke(name.partition(".")[0].replace("_", "-"), event)

    def invoke(self, function: str, event: dict[str, Any]) -> None:
        """Invoke a function, which must do its work."""
        answer = self._lambda.invoke(FunctionName=LOCAL.name_of(function), Payload=json.dumps(event))
        said = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, said
        assert json.loads(said) in NOTHING, said

    def message(self, queue: str) -> Any:
        """What waits in a queue by now."""
        found = self.sqs.receive_message(QueueUrl=self._queues[queue]).get("Messages", [])
        assert found, f"nothing waits in the queue {queue}"
        return json.loads(found[0]["Body"])

    def put(self, key: str, content: bytes) -> dict[str, Any]:
        """What S3 tells of an object that is put into the bucket."""
        put = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return {"key": key, "etag": put["ETag"].strip('"'), "version-id": put["VersionId"], "size": len(content)}

    def _empty_table(self) -> None:
        keys = ({"pk": row["pk"], "sk": row["sk"]} for row in self._rows())
        while some := list(islice(keys, DELETED_AT_ONCE)):
            deletions = [{"DeleteRequest": {"Key": key}} for key in some]
            self.dynamodb.batch_write_item(RequestItems={self.table.name: deletions})

    def _rows(self) -> Iterator[dict[str, Any]]:
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.table.name):
            yield from page["Items"]

    def _empty_bucket(self) -> None:
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            found: Iterable[dict[str, Any]] = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if gone := [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]:
                self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": gone, "Quiet": True})
