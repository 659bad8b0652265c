"""Steps of estimates: asked for, and read where they are given."""

from typing import Any

from tests.world import Answer, World

ESTIMATE = "/v1/datasets/support/estimate"


def request_estimate(world: World, **query: str) -> Answer:
    """Ask what training on `support` would cost."""
    return world.call("GET /v1/datasets/{dataset}/estimate", ESTIMATE, **query)


def read_estimate(world: World, **query: str) -> dict[str, Any]:
    """What training on `support` would cost, as its user sees it."""
    answer = request_estimate(world, **query)
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.body
    return body
