"""Retrying a run that has ended: the next attempt at the same, one of it, whoever asks and however often."""

from typing import Any

import pytest

from launch_finetune.request import Retries
from tests.functions import steps
from tests.functions.providers import SlowProvider, jobs_of
from tests.functions.runs import cancel_run, only_run
from tests.world import Answer, World
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store.repositories.runs import Runs

RETRY = "/v1/training-runs/{run}/retry"
SAME = ("model", "export", "provider", "base_model", "method", "hyperparameters", "dataset")


def retry(world: World, run: str, body: Any = None) -> Answer:
    return world.call(f"POST {RETRY}", RETRY.replace("{run}", run), body)


def cancelled_run(world: World) -> dict[str, Any]:
    """A run whose job was stopped at its provider."""
    provider = SlowProvider()
    steps.settled(world, steps.questions(40))
    run = only_run(world)
    cancel_run(world, run["id"])
    provider.leave()
    world.settle()
    return run


def test_a_cancelled_run_is_tried_again_with_all_that_defines_it(live: World) -> None:
    first = cancelled_run(live)

    answer = retry(live, first["id"])

    assert (answer.status, answer.body["attempt"], answer.body["status"]) == (202, 2, "requested")
    assert {name: answer.body[name] for name in SAME} == {name: first[name] for name in SAME}
    live.settle()
    again = answer.body["id"]
    assert steps.followed(live, again)["status"] == "succeeded"
    assert len(jobs_of(again)) == 1


def test_an_attempt_that_is_under_way_is_not_doubled(live: World) -> None:
    first = cancelled_run(live)
    second = retry(live, first["id"]).body["id"]

    again, of_the_second = retry(live, first["id"]), retry(live, second)

    assert (again.status, again.body["id"]) == (202, second)
    assert (of_the_second.status, of_the_second.body["error"]["code"]) == (409, "run_open")
    assert len(steps.runs(live)) == 2


def test_two_who_ask_at_once_get_the_same_attempt(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cancelled_run(live)
    found = Runs.find
    asked: list[str] = []

    def find(runs: Runs, tenant: str, run: str) -> ControlledRun | None:
        there = found(runs, tenant, run)
        if there is None and not asked:
            asked.append(run)
            first_run = runs.get(tenant, first["id"])
            asked.append(Retries(app.providers, runs, utc_now()).retry(first_run).id)
        return there

    monkeypatch.setattr(Runs, "find", find)

    answer = retry(live, first["id"])

    assert answer.status == 202
    assert [answer.body["id"]] * 2 == asked
    assert len(steps.runs(live)) == 2


def test_what_has_succeeded_is_trained_once_more_only_when_that_is_said(live: World) -> None:
    steps.settled(live, steps.questions(40))
    run = only_run(live)["id"]
    steps.followed(live, run)

    refused, forced = retry(live, run), retry(live, run, {"force": True})

    assert (refused.status, refused.body["error"]["code"]) == (409, "run_succeeded")
    assert (forced.status, forced.body["attempt"]) == (202, 2)
    assert retry(live, run, {"force": "yes"}).status == 422


def test_asking_for_the_dataset_again_after_a_retry_finds_that_attempt(live: World) -> None:
    first = cancelled_run(live)
    second = retry(live, first["id"]).body["id"]

    answer = live.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"})

    assert answer.body["id"] == second


def test_a_run_of_somebody_else_or_none_is_not_there(live: World) -> None:
    first = cancelled_run(live)
    other = live.new_key(*Scope, tenant="initech")

    answer = live.call(f"POST {RETRY}", RETRY.replace("{run}", first["id"]), key=other)

    assert (answer.status, answer.body["error"]["code"]) == (404, "not_found")
