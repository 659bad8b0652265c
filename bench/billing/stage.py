"""A stage in this process: the world of the tests under the meter, with our trainer as its provider."""

import importlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from bench.billing.assumptions import Assumptions
from bench.billing.deployed import Deployed
from bench.billing.meter import Meter
from evaluate.ask import AT_ONCE
from infra.functions import FUNCTIONS
from local.trainer import START_TIMEOUT_S, start_trainer
from tests import world as worlds
from tests.world import ENVIRONMENT, Answer, World, sqs_event, staged
from tuneloop.app import app, utc_now
from tuneloop.domain.access import Scope
from tuneloop.domain.usage import UsageBatch
from tuneloop.providers.openai_compatible import OpenAICompatible
from tuneloop.store.rows import to_item
from tuneloop.store.usage import SHARDS
from tuneloop.wire.chat import ChatCompletion

SAMPLE = Path(__file__).resolve().parents[2] / "local" / "data" / "support.jsonl"
DATASET = "support"
TRAINED_WITHIN_S = 120


class Stage(World):
    """A world whose events go the way they go on AWS: through the table's stream and relay-events."""

    def _relay(self) -> int:
        rows = list(app.outbox.unrelayed(utc_now()))
        for row in rows:
            image = to_item(row.model_dump(mode="json"))
            record = {"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {"NewImage": image}}
            worlds.invoke("relay-events", {"Records": [record]})
            event = {"id": f"{row.pk}/{row.sk}", "source": "tuneloop", "detail-type": row.event_type}
            for spec in FUNCTIONS:
                if row.event_type in spec.events:
                    worlds.invoke(spec.name, event | {"detail": json.loads(row.detail)})
        return len(rows)

    def settle_dataset(self) -> None:
        """Deliver the reminder that a drop left."""
        body = json.dumps({"settle": {"tenant": self.tenant, "dataset": DATASET}})
        worlds.invoke("collect-examples", sqs_event("examples", body))

    def train(self) -> None:
        """Let the run that the dataset's change led to end, and everything that follows from it."""
        self.settle()
        deadline = time.monotonic() + TRAINED_WITHIN_S
        while next(app.provider.jobs()).status != "succeeded":
            if time.monotonic() > deadline:
                raise TimeoutError(f"the trainer did not end within {TRAINED_WITHIN_S} s")
            time.sleep(0.05)
        self.schedule("check-status")
        self.settle()

    def ask(self, assumed: Assumptions, key: str) -> Answer:
        """Send a chat call of the assumed size."""
        text = "w" * assumed.prompt_tokens * assumed.bytes_per_token
        body = {"model": DATASET, "user": "user-1", "messages": [{"role": "user", "content": text}]}
        return worked(self.call("POST /v1/chat/completions", "/v1/chat/completions", body, key=key))

    def rate(self, answer: Answer) -> Answer:
        """Say what a user thought of an answer."""
        body = {"inference_id": answer.body["id"], "rating": 4}
        return worked(self.call("POST /v1/feedback", "/v1/feedback", body))

    def usage_messages(self) -> list[str]:
        """What waits in the usage queue, taken out of it."""
        url = self.sqs.get_queue_url(QueueName="tuneloop-test-usage")["QueueUrl"]
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def open_counters(self) -> None:
        """Count until the day has its row in every shard, so that what is measured next makes none."""
        waiting = UsageBatch.model_validate_json(self.usage_messages()[0])
        for number in range(20 * SHARDS):
            app.usage.add(waiting.model_copy(update={"id": f"earlier-{number}"}), utc_now())

    def add_tenant(self, name: str) -> None:
        """A further tenant with one dataset."""
        key = self.new_key(*Scope, tenant=name)
        worked(self.call("POST /v1/datasets", "/v1/datasets", {"id": DATASET}, key=key))


def worked(answer: Answer) -> Answer:
    """The answer, unless it is an error: a call that fails costs less than one that works."""
    if answer.status >= 400:
        raise RuntimeError(f"status {answer.status}: {answer.text}")
    return answer


def lines(number: int) -> list[Any]:
    """So many different examples, from the sample that the project brings."""
    sample = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]
    rows = []
    for place in range(number):
        row = json.loads(json.dumps(sample[place % len(sample)]))
        if place >= len(sample):
            row["messages"][-2]["content"] += f" (order {place})"
        rows.append(row)
    return rows


@contextmanager
def metered(deployed: Deployed, assumed: Assumptions) -> Iterator[tuple[Stage, Meter]]:
    """A stage whose every invocation is counted."""
    for spec in FUNCTIONS:
        importlib.import_module(f"{spec.package}.handler")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, staged(patch):
        meter = Meter(deployed, assumed, new_client)
        _listen(meter, assumed, patch)
        trainer, child = start_trainer(Path(folder))
        try:
            child.wait_until(trainer.is_ready, START_TIMEOUT_S)
            patch.setenv("TUNELOOP_PROVIDER_BASE_URL", trainer.base_url)
            start_afresh()
            stage = Stage()
            name = ENVIRONMENT["TUNELOOP_PROVIDER_KEY_PARAMETER"]
            stage.ssm.put_parameter(Name=name, Value=trainer.api_key, Type="SecureString", Overwrite=True)
            yield stage, meter
        finally:
            start_afresh()
            child.stop()


def new_client(service: str, **options: Any) -> Any:
    """A client that nobody else has: what listens to it must not outlive the stage."""
    return boto3.session.Session().client(service, **options)  # type: ignore[call-overload]


def start_afresh() -> None:
    """Forget what an environment keeps between invocations: clients, stores, the provider's key."""
    if (provider := app.__dict__.get("provider")) and (client := provider.__dict__.get("_client")):
        client.close()
    app.__dict__.clear()


def _listen(meter: Meter, assumed: Assumptions, patch: pytest.MonkeyPatch) -> None:
    """Put the meter between functions and AWS, and make the provider as slow as it is assumed to be."""
    patch.delenv("POWERTOOLS_METRICS_DISABLED")
    patch.setattr(boto3, "client", meter.client)
    invoke, complete = worlds.invoke, OpenAICompatible.complete
    patch.setattr(worlds, "invoke", lambda name, event: meter.invoke(name, lambda: invoke(name, event)))

    def waiting(provider: OpenAICompatible, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        meter.wait(assumed.provider_wait_s / (AT_ONCE if meter.function == "evaluate" else 1))
        return complete(provider, request, timeout_s)

    patch.setattr(OpenAICompatible, "complete", waiting)
