"""Steps that tests of several functions share: data, a run followed to its end, a version, a question."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.examples import chat
from tests.world import Answer, World
from tuneloop.app import app, utc_now
from tuneloop.domain.evaluation.evaluations import Evaluation
from tuneloop.domain.serving.verification import as_verified

SUPPORT = Path(__file__).resolve().parents[2] / "local" / "data" / "support.jsonl"
BASE_MODEL = "tuneloop-linear-1"
ENDS_WITHIN_S = 60
PAUSE_S = 0.05
ENDED = ("succeeded", "failed", "cancelled")


@cache
def _support() -> tuple[str, ...]:
    return tuple(SUPPORT.read_text("utf-8").splitlines())


def support(number: int) -> list[dict[str, Any]]:
    """The first lines of the sample that the project brings."""
    return [json.loads(line) for line in _support()[:number]]


def questions(number: int, **ours: Any) -> list[dict[str, Any]]:
    """Different questions with one of two answers."""
    return [chat(f"Where is order {n}?", ("late", "on its way")[n % 2], **ours) for n in range(number)]


def preferences(number: int) -> list[dict[str, Any]]:
    """Different questions, each with a better answer and a worse one."""
    return [
        {
            "input": {"messages": [{"role": "user", "content": f"Where is order {n}?"}]},
            "preferred_output": [{"role": "assistant", "content": ("late", "on its way")[n % 2]}],
            "non_preferred_output": [{"role": "assistant", "content": "Who knows?"}],
        }
        for n in range(number)
    ]


def settled(world: World, lines: list[dict[str, Any]], dataset: str = "support") -> None:
    """Drop lines, let the quiet time pass and every event arrive."""
    world.drop(dataset, lines)
    world.schedule("collect-examples")
    world.settle()


def runs(world: World) -> list[dict[str, Any]]:
    """The tenant's runs, newest first."""
    found: list[dict[str, Any]] = world.call("GET /v1/training-runs", "/v1/training-runs").body["data"]
    return found


def look(world: World, run: str) -> dict[str, Any]:
    """A run as its user sees it now."""
    answer = world.call("GET /v1/training-runs/{run}", f"/v1/training-runs/{run}")
    assert answer.status == 200, answer.text
    body: dict[str, Any] = answer.body
    return body


def followed(world: World, run: str) -> dict[str, Any]:
    """A run at its end, asked for as a user would."""
    seen: dict[str, Any] = {}
    until(lambda: seen.update(look(world, run)) or seen["status"] in ENDED)
    return seen


def until(happened: Callable[[], object]) -> None:
    """Wait for something that the trainer does in its own time, but not for ever."""
    end = monotonic() + ENDS_WITHIN_S
    while not happened():
        assert monotonic() < end, f"it did not happen in {ENDS_WITHIN_S} s"
        sleep(PAUSE_S)


def drops(world: World, dataset: str = "support") -> list[dict[str, Any]]:
    """A dataset's drops, newest first."""
    answer = world.call("GET /v1/datasets/{dataset}/drops", f"/v1/datasets/{dataset}/drops")
    rows: list[dict[str, Any]] = answer.body["data"]
    return rows


def registered(world: World, model: str = "support", provider_model: str = BASE_MODEL, **fields: Any) -> int:
    """Register a version by hand, and its model if need be, as if its provider had said that it has it; its number."""
    world.call("POST /v1/models", "/v1/models", {"id": model})
    body = {"provider_model": provider_model, **fields}
    answer = world.call("POST /v1/models/{model}/versions", f"/v1/models/{model}/versions", body)
    assert answer.status == 201, answer.text
    number: int = answer.body["number"]
    app.models.save_ready(as_verified(app.models.version(world.tenant, model, number), utc_now()), utc_now())
    return number


def proved(world: World, evaluation: str = "eval-1", dataset: str = "support", stable: int = 0) -> None:
    """Store an evaluation of version 1 of `support` that has ended, and the dataset whose rows it asked."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": dataset})
    place = {"model": "support", "dataset": dataset, "export": "export-1"}
    fields = {"status": "completed", "candidate": 1, "stable": stable, "created_at": utc_now()}
    app.evaluations.save(Evaluation(tenant=world.tenant, id=evaluation, **place, **fields), now=utc_now())


def decide(world: World, what: str, body: dict[str, Any] | None = None, model: str = "support") -> Answer:
    """Activate (the latest version, if none is named), deactivate or roll back."""
    if what == "activate" and body is None:
        versions = world.call("GET /v1/models/{model}/versions", f"/v1/models/{model}/versions").body["data"]
        body = {"version": versions[0]["number"]}
    return world.call(f"POST /v1/models/{{model}}/{what}", f"/v1/models/{model}/{what}", body or {})


def share(world: World, candidate: int | None, part: float, model: str = "support") -> Answer:
    """Set the candidate and its share of the users."""
    body = {"candidate": candidate, "share": part}
    return world.call("PUT /v1/models/{model}/deployment", f"/v1/models/{model}/deployment", body)


def deployment(world: World, model: str = "support") -> dict[str, Any]:
    """Who is served by what."""
    body: dict[str, Any] = world.call("GET /v1/models/{model}/deployment", f"/v1/models/{model}/deployment").body
    return body


def history(world: World, model: str = "support") -> list[dict[str, Any]]:
    """The decisions about a model, newest first."""
    page = world.call("GET /v1/models/{model}/history", f"/v1/models/{model}/history").body
    lines: list[dict[str, Any]] = page["data"]
    return lines


def ask(world: World, text: str = "Where is my order?", model: str = "support", **fields: Any) -> Answer:
    """Send a chat request with one message."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return world.call("POST /v1/chat/completions", "/v1/chat/completions", body)


def usage(world: World, **query: str) -> list[dict[str, Any]]:
    """The rows of the usage report, once every message is counted."""
    world.settle()
    rows: list[dict[str, Any]] = world.call("GET /v1/usage", "/v1/usage", **query).body["data"]
    return rows
