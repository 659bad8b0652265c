"""Cancelling a run in each of its states: nothing is trained any more, nothing is lost, and no crash undoes it."""

import json
from datetime import timedelta
from typing import IO, Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.providers import (
    CrashAfterCreate,
    FixedStatus,
    Killed,
    ProviderProxy,
    SlowProvider,
    TimeoutAfterCreate,
    jobs_of,
)
from tests.functions.runs import (
    LEASE_OVER_S,
    cancel_run,
    only_run,
    request_cancel,
    request_run,
    stored_run,
    use_provider,
)
from tests.world import World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.jobs import ProviderJob, TrainingFile


def ends(world: World) -> list[str]:
    """How the runs ended, as the bus was told, or will be where the clock of a test is ahead."""
    world.settle()
    waiting = [json.loads(row.detail) for row in app.outbox.backlog(utc_now() + timedelta(days=1))]
    told = [event["detail"] for event in world.events] + waiting
    return [event["status"] for event in told if event["type"] == "TrainingRunFinished"]


def test_a_run_that_is_only_requested_is_cancelled_at_once_unsubmitted(live: World) -> None:
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    live.drop("support", steps.questions(40))
    run = request_run(live).body["id"]

    answer = cancel_run(live, run)

    assert (answer["status"], answer["waiting_for"]) == ("cancelled", None)
    assert answer["cancel_requested_at"] == answer["finished_at"]
    assert ends(live) == ["cancelled"]
    assert jobs_of(run) == []


def test_a_run_that_awaits_confirmation_is_cancelled_at_once(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    use_provider("selfhosted", steps.BASE_MODEL, monkeypatch)
    steps.settled(live, steps.questions(40))
    request_run(live)
    live.settle()
    run = only_run(live)
    assert run["status"] == "awaiting_confirmation"

    assert cancel_run(live, run["id"])["status"] == "cancelled"
    assert ends(live) == ["cancelled"]


def test_who_submits_a_run_sees_before_the_create_that_it_was_cancelled(live: World) -> None:
    class CancelledMeanwhile(ProviderProxy):
        def upload(self, file: TrainingFile, base_model: str, content: IO[bytes]) -> str:
            cancel_run(live, file.run)
            return str(self.real.upload(file, base_model, content))

    CancelledMeanwhile()

    steps.settled(live, steps.questions(40))

    run = only_run(live)
    assert (run["status"], run["provider_job_id"]) == ("cancelled", None)
    assert jobs_of(run["id"]) == []
    assert ends(live) == ["cancelled"]


def test_a_run_cancelled_while_its_job_is_created_has_its_job_stopped(live: World) -> None:
    class CancelledMeanwhile(SlowProvider):
        def create_job(self, asked: Any) -> ProviderJob:
            cancel_run(live, asked.origin.run)
            return super().create_job(asked)

    provider = CancelledMeanwhile()

    steps.settled(live, steps.questions(40))
    live.schedule("check-status")

    run = stored_run(live)
    assert run.cancel_requested_at
    assert provider.cancelled[:1] == [run.provider_job_id]
    assert (run.status.value, run.trained_tokens, float(run.training_cost_usd or 0)) == ("cancelled", 100, 0.0)
    assert ends(live) == ["cancelled"]


@pytest.mark.parametrize("accident", [TimeoutAfterCreate, CrashAfterCreate])
def test_a_job_that_may_have_been_created_is_found_adopted_and_cancelled(
    accident: type[ProviderProxy], live: World, later: Later
) -> None:
    broken = accident()
    try:
        steps.settled(live, steps.questions(40))
    except Killed:
        live.settle()
    broken.leave()
    provider = SlowProvider()
    run = only_run(live)["id"]

    assert cancel_run(live, run)["status"] == "submitting"
    later(LEASE_OVER_S)
    live.schedule("launch-finetune")
    live.schedule("check-status")

    ended = stored_run(live)
    assert (ended.status, ended.trained_tokens) == ("cancelled", 100)
    assert ended.provider_job_id in provider.cancelled
    assert ends(live) == ["cancelled"]


def test_a_lost_create_is_not_sent_again_for_a_cancelled_run(live: World, later: Later) -> None:
    class LostCreate(ProviderProxy):
        def create_job(self, _: Any) -> ProviderJob:
            raise ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later.")

    LostCreate()
    steps.settled(live, steps.questions(40))
    run = only_run(live)["id"]
    cancel_run(live, run)

    for seconds in (LEASE_OVER_S, LEASE_OVER_S + 61):
        assert stored_run(live).is_open
        later(seconds)
        live.schedule("launch-finetune")

    assert stored_run(live).status == "cancelled"
    assert jobs_of(run) == []
    assert ends(live) == ["cancelled"]


def test_a_job_at_the_provider_is_stopped_and_paid_for_as_far_as_it_came(live: World) -> None:
    provider = SlowProvider()
    steps.settled(live, steps.questions(40))
    run = only_run(live)

    answer = cancel_run(live, run["id"])

    assert provider.cancelled == [run["provider_job_id"]]
    assert (answer["status"], answer["trained_tokens"], answer["training_cost_usd"]) == ("cancelled", 100, 0.0)
    assert ends(live) == ["cancelled"]


@pytest.mark.parametrize("by", ["sweep", "look"])
def test_a_provider_that_is_away_is_told_later(by: str, live: World, later: Later) -> None:
    provider = SlowProvider()
    steps.settled(live, steps.questions(40))
    run = only_run(live)["id"]
    provider.is_away = True

    waiting = cancel_run(live, run)
    provider.is_away = False
    later(60)
    if by == "sweep":
        live.schedule("check-status")

    assert waiting["status"] != "cancelled"
    assert waiting["cancel_requested_at"]
    assert waiting["waiting_for"].startswith("The provider can't answer now")
    assert steps.look(live, run)["status"] == "cancelled"
    assert ends(live) == ["cancelled"]


def test_a_job_that_had_succeeded_before_stays_so_and_says_it_is_paid_for(live: World) -> None:
    steps.settled(live, steps.questions(40))
    run = only_run(live)["id"]
    provider = FixedStatus("running")
    steps.look(live, run)
    provider.leave()
    steps.until(lambda: jobs_of(run)[0].status == "succeeded")
    request_cancel(live, run)

    ended = steps.followed(live, run)

    assert (ended["status"], ended["version"]) == ("succeeded", 1)
    assert "paid for" in ended["notes"][0]
    assert ends(live) == ["succeeded"]


def test_cancelling_twice_answers_the_same_twice_and_ends_it_once(live: World) -> None:
    SlowProvider()
    steps.settled(live, steps.questions(40))
    run = only_run(live)["id"]

    first = cancel_run(live, run)

    assert cancel_run(live, run) == first
    assert ends(live) == ["cancelled"]


def test_a_run_that_has_ended_is_not_cancelled_and_the_refusal_says_how(live: World) -> None:
    steps.settled(live, steps.questions(40), "many")
    steps.settled(live, steps.questions(8), "few")
    runs = {run["dataset"]: run["id"] for run in steps.runs(live)}
    steps.followed(live, runs["many"])

    for dataset, status in (("many", "succeeded"), ("few", "failed")):
        answer = request_cancel(live, runs[dataset])
        assert (answer.status, answer.body["error"]["code"]) == (409, "run_ended")
        assert f"has {status}" in answer.body["error"]["message"]


def test_what_its_user_cancelled_is_not_trained_again_by_the_same_changes(live: World, later: Later) -> None:
    SlowProvider()
    steps.settled(live, steps.questions(40))
    run = only_run(live)["id"]
    cancel_run(live, run)
    live.settle()

    for event in [event for event in live.events if event["detail-type"] == "DatasetSettled"]:
        invoke("launch-finetune", event)
    later(3700)
    live.schedule("collect-examples")
    live.schedule("launch-finetune")
    live.schedule("launch-finetune", "monthly")
    live.settle()

    assert [listed["id"] for listed in steps.runs(live)] == [run]
