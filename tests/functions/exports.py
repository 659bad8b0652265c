"""Steps of exports: frozen, listed, and read line by line."""

import json
from typing import Any

from tests.world import Answer, World
from tuneloop.app import app
from tuneloop.domain.chat.examples import Split

EXPORTS = "/v1/datasets/support/exports"


def read_export(world: World, name: str, dataset: str = "support") -> dict[str, Any]:
    """An export as its user sees it."""
    path = f"/v1/datasets/{dataset}/exports/{name}"
    body: dict[str, Any] = world.call("GET /v1/datasets/{dataset}/exports/{export}", path).body
    return body


def list_exports(world: World) -> list[dict[str, Any]]:
    """The exports of `support`, newest first."""
    found: list[dict[str, Any]] = world.call("GET /v1/datasets/{dataset}/exports", EXPORTS).body["data"]
    return found


def request_export(world: World, dataset: str = "support") -> Answer:
    return world.call("POST /v1/datasets/{dataset}/exports", f"/v1/datasets/{dataset}/exports")


def freeze_export(world: World, dataset: str = "support") -> dict[str, Any]:
    """The export of a dataset as it is now, frozen."""
    answer = request_export(world, dataset)
    assert answer.status == 202, answer.text
    world.settle()
    return read_export(world, answer.body["id"], dataset)


def split_lines(world: World, export: dict[str, Any], split: str) -> list[dict[str, Any]]:
    """The lines of one of an export's files as they are stored now."""
    stored = app.exports.get(world.tenant, "support", export["id"])
    return [json.loads(line) for line in app.objects.lines(stored.files[Split(split)].key)]


def user_question(line: dict[str, Any]) -> str:
    """What the user of an example asks."""
    text: str = next(message["content"] for message in line["messages"] if message["role"] == "user")
    return text


def held_out_questions(world: World, export: dict[str, Any]) -> set[str]:
    """What is asked in an export's test rows."""
    return {user_question(line) for line in split_lines(world, export, "test")}
