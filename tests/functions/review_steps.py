"""Steps of tests that review: a dataset with known examples, a page of it, a decision."""

from typing import Any

from tests.examples import chat
from tests.world import Answer, World

EXAMPLES = "/v1/datasets/support/examples"
PAIR = {
    "input": {"messages": [{"role": "user", "content": "Where is my refund?"}]},
    "preferred_output": [{"role": "assistant", "content": "On its way."}],
    "non_preferred_output": [{"role": "assistant", "content": "Who knows?"}],
}


def day(number: int) -> str:
    return f"2026-11-{number:02}T10:00:00Z"


def parcels(number: int, **ours: Any) -> list[dict[str, Any]]:
    """Examples of different days, the first one the oldest."""
    return [chat(f"Where is parcel {n}?", f"late {n}", created_at=day(n + 1), **ours) for n in range(number)]


def listing(world: World, **query: str) -> Answer:
    return world.call("GET /v1/datasets/{dataset}/examples", EXAMPLES, **query)


def page(world: World, **query: str) -> list[dict[str, Any]]:
    answer = listing(world, **query)
    assert answer.status == 200, answer.text
    data: list[dict[str, Any]] = answer.body["data"]
    return data


def said(example: dict[str, Any]) -> str:
    """What the user of an example asks."""
    text: str = example["content"]["messages"][0]["content"]
    return text


def sent(world: World, **body: Any) -> Answer:
    return world.call("POST /v1/datasets/{dataset}/reviews", "/v1/datasets/support/reviews", body)


def reviewed(world: World, *reviews: dict[str, Any], **others: Any) -> dict[str, Any]:
    """What became of decisions that could be taken."""
    answer = sent(world, reviews=list(reviews), **others)
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.body
    return body


def on(example: dict[str, Any], **decided: Any) -> dict[str, Any]:
    """A decision on an example as a page shows it."""
    return {"example": example["id"], "version": example["version"], **decided}


def one(world: World, example: str) -> dict[str, Any]:
    """An example with its history."""
    answer = world.call("GET /v1/datasets/{dataset}/examples/{example}", f"{EXAMPLES}/{example}")
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.body
    return body


def told(world: World, what: str, **query: str) -> dict[str, Any]:
    """The statistics, or the eligibility."""
    answer = world.call(f"GET /v1/datasets/{{dataset}}/{what}", f"/v1/datasets/support/{what}", **query)
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.body
    return body
