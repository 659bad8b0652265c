"""launch-finetune when a provider is strange or a tenant's things are broken: one job for one run all the same."""

from io import StringIO

import boto3
import pytest

from tests.functions import steps
from tests.functions.conftest import Later, reach
from tests.functions.providers import CallCounter, ProviderProxy, jobs_of
from tests.functions.runs import stored_run
from tests.world import TABLE, World
from tuneloop.app import app
from tuneloop.domain.core.access import Scope
from tuneloop.domain.training.jobs import ProviderJob
from tuneloop.domain.training.runs import RunStatus
from tuneloop.providers.port import ProviderJobRequest
from tuneloop.runtime.entry_point import FunctionFailed
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut
from tuneloop.store.keys import Key


class UnlabelledJobs(ProviderProxy):
    """Creates the job, says an unknown status of it, and finds no job by its run: a server without metadata."""

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        job: ProviderJob = self.real.create_job(request)
        return job.model_copy(update={"status": "pending_review", "run": None})

    def find_jobs(self, *_: object) -> list[ProviderJob]:
        return []


def test_a_job_of_an_unknown_status_is_at_the_provider_and_not_made_again(live: World, later: Later) -> None:
    provider = UnlabelledJobs()
    steps.settled(live, steps.questions(40))
    run = stored_run(live)
    assert (run.status, run.provider_status) == (RunStatus.VALIDATING_FILES, "pending_review")

    for seconds in (400, 500, 600):
        later(seconds)
        live.schedule("launch-finetune")

    provider.leave()
    assert [job.id for job in jobs_of(run.id)] == [run.provider_job_id]
    assert steps.followed(live, run.id)["status"] == "succeeded"


def test_a_run_that_knows_its_job_asks_for_it_and_makes_no_other(live: World, later: Later) -> None:
    provider = UnlabelledJobs()
    steps.settled(live, steps.questions(40))
    run = stored_run(live)
    app.runs.save(run.model_copy(update={"status": RunStatus.SUBMITTING, "lease": None}))

    for seconds in (400, 500, 600):
        later(seconds)
        live.schedule("launch-finetune")

    provider.leave()
    assert [job.id for job in jobs_of(run.id)] == [run.provider_job_id]
    assert stored_run(live).status != RunStatus.SUBMITTING


def test_a_job_that_is_known_and_gone_is_looked_for_by_its_run(live: World) -> None:
    steps.settled(live, steps.questions(40))
    run = stored_run(live)
    lost = run.model_copy(update={"status": RunStatus.SUBMITTING, "provider_job_id": "ftjob-gone"})
    app.runs.save(lost)
    provider = CallCounter()

    live.schedule("launch-finetune")

    assert (provider.asked["get_job"], provider.asked["find_jobs"], provider.asked["create_job"]) == (1, 1, 0)
    assert stored_run(live).provider_job_id == run.provider_job_id


def test_a_key_that_the_provider_does_not_take_is_waited_for(
    live: World, trainer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(live, trainer, monkeypatch, key="not-the-key")
    steps.settled(live, steps.questions(40))
    waiting = stored_run(live)
    assert (waiting.status, waiting.error) == (RunStatus.SUBMITTING, None)
    assert waiting.waiting_for
    assert "Check the provider's key" in waiting.waiting_for
    assert "not-the-key" not in waiting.waiting_for

    reach(live, trainer, monkeypatch)
    live.schedule("launch-finetune")

    run = stored_run(live)
    assert [job.id for job in jobs_of(run.id)] == [run.provider_job_id]


def collected(world: World, dataset: str) -> None:
    """A dataset with examples on which nothing is trained unasked, and which has made a version all the same."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": dataset, "on_drop": "collect"})
    steps.settled(world, steps.questions(12), dataset)
    steps.registered(world, dataset)
    trained = app.models.version(world.tenant, dataset, 1).model_copy(update={"dataset": dataset, "run": "run-1"})
    app.table.commit(ConditionalPut(keys.version(world.tenant, dataset, 1), trained))


def garble(key: Key) -> None:
    boto3.client("dynamodb").put_item(TableName=TABLE, Item={"pk": {"S": key.pk}, "sk": {"S": key.sk}})


def test_a_dataset_that_cannot_be_retrained_holds_up_no_other(world: World, log: StringIO) -> None:
    for dataset in ("broken", "good"):
        collected(world, dataset)
    garble(keys.version(world.tenant, "broken", 1))

    with pytest.raises(FunctionFailed, match="SweepIncomplete"):
        world.schedule("launch-finetune", "monthly")

    assert [run["dataset"] for run in steps.runs(world)] == ["good"]
    assert '"error":"ValidationError"' in log.getvalue()


def test_a_tenant_whose_datasets_cannot_be_read_holds_up_no_other(world: World) -> None:
    collected(world, "good")
    world.new_key(*Scope, tenant="aaa-first")
    garble(keys.dataset("aaa-first", "unreadable"))

    with pytest.raises(FunctionFailed, match="SweepIncomplete"):
        world.schedule("launch-finetune", "monthly")

    assert [run["dataset"] for run in steps.runs(world)] == ["good"]


def test_a_model_without_examples_is_not_due(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "empty"})
    steps.registered(world, "empty")
    collected(world, "good")

    world.schedule("launch-finetune", "monthly")

    assert [run["dataset"] for run in steps.runs(world)] == ["good"]


def test_a_version_that_was_registered_by_hand_is_no_training(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    steps.settled(world, steps.questions(12))
    steps.registered(world)

    world.schedule("launch-finetune", "monthly")

    assert steps.runs(world) == []


def test_a_training_is_found_among_versions_registered_since(world: World) -> None:
    collected(world, "support")
    for _ in range(3):
        steps.registered(world)

    world.schedule("launch-finetune", "monthly")

    assert len(steps.runs(world)) == 1
