"""Refusals name a field or a model that is one plain word, and quote nothing that could be a sentence."""

import json
from typing import Any

import pytest

from tests.examples import chat
from tests.functions import steps
from tests.world import World
from tuneloop.domain.core.redaction import UNUSUAL

SAID = "the purple heron dances at noon"
DATASETS = ("POST /v1/datasets", "/v1/datasets")
POSTS = ("POST /v1/datasets/{dataset}/examples", "/v1/datasets/support/examples")


@pytest.mark.parametrize(("name", "shown"), [("colour", "colour"), (SAID, UNUSUAL)])
def test_an_unknown_field_is_named_if_its_name_is_one(name: str, shown: str, world: World) -> None:
    answer = world.call(*DATASETS, {"id": "support", name: SAID})

    assert (answer.status, answer.body["error"]["param"]) == (422, shown)
    assert SAID not in answer.text


@pytest.mark.parametrize(("name", "shown"), [("colour", "colour"), (SAID, UNUSUAL)])
def test_a_value_that_cannot_be_used_is_placed_without_quoting(name: str, shown: str, world: World) -> None:
    answer = world.call(*DATASETS, json.dumps({"id": "support", name: {"list": ["half \ud800 of a pair"]}}))

    assert (answer.status, answer.body["error"]["param"]) == (422, f"{shown}.list.0")
    assert SAID not in answer.text


@pytest.mark.parametrize(("name", "shown"), [("colour", "colour"), (SAID, UNUSUAL)])
def test_a_line_s_unknown_field_is_named_if_its_name_is_one(name: str, shown: str, world: World) -> None:
    line: dict[str, Any] = chat("Where is my order?", "late") | {name: SAID}

    world.drop("support", [line])
    [drop] = world.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body["data"]
    answer = world.call(*POSTS, {"examples": [line]})

    [problem] = drop["problems"]
    assert (problem["path"], answer.body["error"]["param"]) == (f"$.{shown}", f"examples[0].{shown}")
    assert SAID not in json.dumps(problem) + answer.text


@pytest.mark.parametrize(("name", "shown"), [("gpt-4.1", "gpt-4.1"), (SAID, UNUSUAL)])
def test_a_model_that_is_not_there_is_named_if_its_name_is_one(name: str, shown: str, world: World) -> None:
    answer = steps.ask(world, model=name)

    assert (answer.status, answer.body["error"]["code"]) == (404, "model_not_found")
    assert answer.body["error"]["message"] == f"The model `{shown}` does not exist."
