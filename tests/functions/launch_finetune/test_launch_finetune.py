"""launch-finetune through its real entry point, against the real trainer: one job for one run, whatever happens."""

from datetime import timedelta
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later, reach
from tests.functions.providers import (
    CorruptedUploads,
    CrashAfterCreate,
    CrashBeforeCreate,
    Killed,
    ProviderOutage,
    ProviderProxy,
    TimeoutAfterCreate,
    jobs_of,
)
from tests.functions.runs import LEASE_OVER_S, confirm_run, only_run, request_run, use_provider, wait_for_job_end
from tests.world import World, invoke
from tuneloop.app import app, utc_now
from tuneloop.domain.training.jobs import ProviderJob


def test_a_settled_drop_becomes_one_job(live: World) -> None:
    steps.settled(live, steps.questions(40))

    run = only_run(live)
    [job] = jobs_of(run["id"])
    assert run["provider_job_id"] == job.id
    assert (run["model"], run["base_model"], run["estimated_cost_usd"]) == ("support", steps.BASE_MODEL, 0.0)


def test_an_unreachable_provider_is_waited_for_and_taken_up_by_the_sweep(
    world: World, trainer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.settled(world, steps.questions(40))
    waiting = only_run(world)
    assert (waiting["status"], waiting["provider_job_id"]) == ("submitting", None)
    assert waiting["waiting_for"] == "The provider can't answer now (APIConnectionError). Try again later."

    reach(world, trainer, monkeypatch)
    world.schedule("launch-finetune")

    taken_up = only_run(world)
    assert taken_up["provider_job_id"]
    assert taken_up["waiting_for"] is None


@pytest.mark.parametrize("accident", [TimeoutAfterCreate, CrashAfterCreate])
def test_a_job_whose_creation_was_never_heard_of_is_found_and_adopted(
    accident: type[ProviderProxy], live: World, later: Later
) -> None:
    provider = accident()
    try:
        steps.settled(live, steps.questions(40))
    except Killed:
        live.settle()
    run = only_run(live)["id"]
    provider.leave()
    wait_for_job_end(run)

    live.schedule("launch-finetune")
    assert only_run(live)["provider_job_id"] is None
    later(LEASE_OVER_S)
    live.schedule("launch-finetune")

    [job] = jobs_of(run)
    ended = steps.followed(live, run)
    assert (ended["provider_job_id"], ended["status"], ended["version"]) == (job.id, "succeeded", 1)


def test_a_lost_create_is_sent_again_after_two_looks_a_minute_apart(live: World, later: Later) -> None:
    provider = CrashBeforeCreate()
    with pytest.raises(Killed):
        steps.settled(live, steps.questions(40))
    live.settle()
    run = only_run(live)["id"]
    provider.leave()

    for seconds in (LEASE_OVER_S, LEASE_OVER_S + 30):
        later(seconds)
        live.schedule("launch-finetune")
        assert jobs_of(run) == []
    later(LEASE_OVER_S + 61)
    live.schedule("launch-finetune")

    assert [job.id for job in jobs_of(run)] == [only_run(live)["provider_job_id"]]


def test_a_request_delivered_again_changes_nothing(live: World) -> None:
    steps.settled(live, steps.questions(40))
    before = only_run(live)

    for event in [event for event in live.events if event["detail-type"] in ("TrainingRunRequested", "ExportCreated")]:
        invoke("launch-finetune", event)

    assert only_run(live) == before
    assert len(jobs_of(before["id"])) == 1


def test_of_two_deliveries_at_once_one_works_and_the_other_leaves(live: World) -> None:
    overlapping: list[str | None] = []

    class OverlappingDelivery(ProviderProxy):
        def find_jobs(self, run: str, *_: Any) -> list[ProviderJob]:
            detail: dict[str, Any] = {"tenant": live.tenant, "run": run, "model": "support", "dataset": "support"}
            detail |= {"export": "export-1", "revision": 1}
            event = {"source": "tuneloop", "detail-type": "TrainingRunRequested", "detail": detail}
            invoke("launch-finetune", event)
            overlapping.append(app.runs.get(live.tenant, run).provider_job_id)
            return []

    OverlappingDelivery()

    steps.settled(live, steps.questions(40))

    assert overlapping == [None]
    assert len(jobs_of(only_run(live)["id"])) == 1


def test_too_few_examples_end_a_run_with_what_is_missing(live: World) -> None:
    steps.settled(live, steps.questions(7, split="train"))

    run = only_run(live)
    assert run["status"] == "failed"
    assert run["error"]["code"] == "too_few_examples"
    assert run["error"]["message"] == "Need at least 10 examples. Current: 7."
    assert jobs_of(run["id"]) == []
    assert "TrainingRunFinished" in live.delivered


def test_an_unknown_price_is_confirmed_before_anything_is_spent(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    use_provider("selfhosted", steps.BASE_MODEL, monkeypatch)
    steps.settled(live, steps.questions(40))
    assert steps.runs(live) == []
    run = request_run(live).body["id"]
    live.settle()
    waiting = only_run(live)
    assert (waiting["status"], waiting["estimated_cost_usd"]) == ("awaiting_confirmation", None)
    assert waiting["waiting_for"] == "A confirmation: this base model's training price is not known."
    live.schedule("launch-finetune")
    assert jobs_of(run) == []

    assert [confirm_run(live, run).status for _ in range(2)] == [202, 202]
    live.settle()

    assert len(jobs_of(run)) == 1
    ended = steps.followed(live, run)
    assert (ended["status"], ended["training_cost_usd"]) == ("succeeded", None)


def test_an_estimate_above_the_limit_is_confirmed_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    use_provider("bedrock", "amazon.nova-micro-v1:0", monkeypatch)
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "max_run_usd": "0.001"})
    steps.settled(world, steps.questions(40))
    request_run(world)

    world.settle()

    run = only_run(world)
    assert run["status"] == "awaiting_confirmation"
    assert 0.001 < run["estimated_cost_usd"] < 0.1
    assert "limit of $0.0010 for one run" in run["waiting_for"]


def test_a_run_on_its_way_is_not_held_back_by_a_limit_that_is_lowered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider("bedrock", "amazon.nova-micro-v1:0", monkeypatch)
    ProviderOutage()
    steps.settled(world, steps.questions(40))
    request_run(world)
    world.settle()
    world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"max_run_usd": 0})

    world.schedule("launch-finetune")

    assert only_run(world)["status"] == "submitting"


def test_only_a_run_that_waits_for_it_can_be_confirmed(live: World) -> None:
    steps.settled(live, steps.questions(40))

    answer = confirm_run(live, only_run(live)["id"])

    assert (answer.status, answer.body["error"]["code"]) == (409, "conflict")


def test_a_training_file_the_provider_rejects_fails_the_run_with_its_error(live: World) -> None:
    CorruptedUploads()
    steps.settled(live, steps.questions(40))

    ended = steps.followed(live, only_run(live)["id"])

    assert (ended["status"], ended["version"]) == ("failed", None)
    assert ended["error"]["code"] == "invalid_training_file"
    assert ended["error"]["message"]


def test_a_base_model_the_provider_lacks_fails_the_run_with_its_refusal(live: World) -> None:
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    steps.settled(live, steps.questions(40))
    changed = live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"base_model": "no-such-model"})
    assert changed.status == 200
    live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", {"on_drop": "train"})

    steps.settled(live, steps.questions(41))

    run = only_run(live)
    assert (run["status"], run["error"]["code"]) == ("failed", "unknown_base_model")
    assert steps.BASE_MODEL in run["error"]["message"]
    assert "no-such-model" in run["error"]["message"]


def test_asking_again_gives_the_same_run_after_a_failure_the_next_attempt(live: World, later: Later) -> None:
    first = CorruptedUploads()
    steps.settled(live, steps.questions(40))
    failed = only_run(live)
    assert request_run(live).body["id"] == failed["id"]
    steps.followed(live, failed["id"])
    first.leave()
    later(601)

    second = request_run(live).body
    later(0)
    live.schedule("launch-finetune")  # its event is dated ten minutes ahead

    assert (second["attempt"], second["id"] != failed["id"]) == (2, True)
    assert steps.followed(live, second["id"])["status"] == "succeeded"
    assert request_run(live).body["id"] == second["id"]


def test_a_run_says_on_how_many_examples_it_trains(live: World) -> None:
    steps.settled(live, steps.questions(40, split="train"))

    assert only_run(live)["examples"] == 40


def test_a_month_later_only_what_changed_is_trained_again(live: World) -> None:
    for name in ("still", "changed"):
        steps.settled(live, steps.questions(40), dataset=name)
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "never", "on_drop": "collect"})
    steps.settled(live, steps.questions(40), dataset="never")
    for run in steps.runs(live):
        steps.followed(live, run["id"])
    live.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/changed", {"on_drop": "collect"})
    steps.settled(live, steps.questions(44), dataset="changed")

    for _ in range(2):
        live.schedule("launch-finetune", "monthly")
        live.settle()

    assert sorted(run["dataset"] for run in steps.runs(live)) == ["changed", "changed", "still"]
    assert steps.followed(live, steps.runs(live)[0]["id"])["status"] == "succeeded"


def test_a_run_whose_export_was_never_frozen_is_announced_again(world: World) -> None:
    world.drop("support", steps.questions(60))
    run = world.call("POST /v1/training-runs", "/v1/training-runs", {"dataset": "support"}).body
    lost = next(iter(app.outbox.backlog(utc_now())))
    app.outbox.mark_relayed(lost)
    old = app.runs.get(world.tenant, run["id"])
    app.runs.save(old.model_copy(update={"created_at": utc_now() - timedelta(minutes=11)}))

    world.schedule("launch-finetune")
    world.settle()

    assert app.exports.find(world.tenant, "support", run["export"]) is not None
