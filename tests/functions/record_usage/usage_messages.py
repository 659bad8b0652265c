"""The queue's messages of usage, and the ids of the answers that they count."""

import json
from typing import Any

from tests.world import invoke, sqs_event
from tuneloop.domain.core.ids import tenant_hash
from tuneloop.domain.serving.routing import Arm, Inference

DAY = "2026-11-20"


def inference_id(nonce: str = "a", tenant: str = "acme", version: int = 1) -> str:
    """The id of an answer that a version gave."""
    return Inference("support", version, 1, Arm.STABLE, DAY, tenant_hash(tenant), "0", nonce).id


def usage_record(version: int = 1, day: str = DAY, **fields: Any) -> dict[str, Any]:
    """What one answer of a version took and cost."""
    at = f"{day}T12:00:00Z"
    base = {"model": "support", "version": version, "at": at}
    return base | {"prompt_tokens": 100, "completion_tokens": 10, "cost_usd": 0.001} | fields


def usage_message(name: str, *records: dict[str, Any], tenant: str = "acme") -> str:
    """A message of the queue, by whose name its repeats are known."""
    return json.dumps({"id": name, "tenant": tenant, "records": list(records)})


def deliver_usage(*bodies: str) -> Any:
    """What the function answers to a batch of messages."""
    events = [sqs_event("usage", body, f"message-{number}") for number, body in enumerate(bodies)]
    return invoke("record-usage", {"Records": [event["Records"][0] for event in events]})
