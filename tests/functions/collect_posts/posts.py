"""Posted examples: sent, delivered as messages, and read as they are stored."""

import json

from tests.examples import chat
from tests.world import World, invoke, sqs_event
from tuneloop.app import app
from tuneloop.domain.core.limits import QUEUE_TRIES
from tuneloop.store.objects.segments import read_line


def post_examples(world: World, *answers: str, dataset: str = "support") -> str:
    """Post an example per answer; gives the drop's id."""
    body = {"examples": [chat(f"What is {answer}?", answer) for answer in answers]}
    made = world.call("POST /v1/datasets/{dataset}/examples", f"/v1/datasets/{dataset}/examples", body)
    assert made.status == 202, made.text
    return str(made.body["id"])


def post_message(drop: str, dataset: str = "support", tenant: str = "acme") -> str:
    """The queue's message about a drop that was posted."""
    return json.dumps({"collect": {"tenant": tenant, "dataset": dataset, "drop": drop}})


def deliver_posts(*bodies: str, tries: int = 1, last: str = "") -> list[str]:
    """Deliver messages in one batch, on their n-th try, `last` on its final one; gives the places of failed ones."""
    times = {last: QUEUE_TRIES}
    events = [sqs_event("examples", body, str(place), times.get(body, tries)) for place, body in enumerate(bodies)]
    answer = invoke("collect-posts", {"Records": [event["Records"][0] for event in events]})
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def dataset_state(dataset: str = "support") -> tuple[int, int, int]:
    """Segments, revision and examples of a dataset."""
    stored = app.datasets.get("acme", dataset)
    return stored.segments, stored.revision, stored.examples


def stored_answers(dataset: str = "support") -> list[str]:
    """The answers of all examples of a dataset, in the alphabet's order."""
    segments = app.datasets.segments("acme", dataset, 1_000)
    return sorted(read_line(line).example.answer for segment in segments for line in app.objects.lines(segment.key))


def drop_results(*drops: str) -> list[tuple[str, int]]:
    """Status and number of examples of each drop of `support`."""
    stored = [app.datasets.drop("acme", "support", drop) for drop in drops]
    return [(drop.status, drop.examples) for drop in stored]
