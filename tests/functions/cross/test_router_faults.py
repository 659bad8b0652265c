"""Bodies that are nested without end: refused in OpenAI's shape, whatever route they are sent to."""

import json
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.routes import BODIES, path_of
from tests.world import Answer, World
from tuneloop.domain.core.limits import JSON_DEPTH

IDS = {"dataset": "support", "model": "support"}


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def chat(world: World, extra: str) -> Answer:
    messages = '[{"role": "user", "content": "Where is it?"}]'
    body = f'{{"model": "support", "messages": {messages}, "extra": {extra}}}'
    return world.call("POST /v1/chat/completions", "/v1/chat/completions", body)


def refused(answer: Answer) -> None:
    assert answer.status == 422, answer.text
    error = answer.body["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "nested_too_deeply", "body")
    assert "nested too deeply" in error["message"]
    assert error["request_id"]


@pytest.mark.parametrize("body", [nested(100_000), '{"a": ' * 5_000 + "1" + "}" * 5_000, nested(300)])
def test_a_body_that_is_nested_too_deeply_is_named_as_that(body: str, world: World) -> None:
    for route in BODIES:
        refused(world.call(route, path_of(route, IDS), body))


def test_a_field_is_refused_if_nested_too_deeply_and_passed_on_if_not(live: World) -> None:
    steps.registered(live)

    for depth in (JSON_DEPTH, 100, 500, 900, 90_000):
        refused(chat(live, nested(depth)))

    assert chat(live, nested(JSON_DEPTH - 1)).status == 200


def test_a_long_body_is_not_a_deep_one(live: World) -> None:
    steps.registered(live)
    wide: list[Any] = [[{}]] * 1000

    assert chat(live, json.dumps(wide)).status == 200
