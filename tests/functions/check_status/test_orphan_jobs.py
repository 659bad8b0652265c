"""Jobs at the provider that no run knows: adopted where their run was lost, stopped where they are one too many."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later, reach
from tests.functions.providers import ProviderProxy, SlowProvider, jobs_of, stage_provider
from tests.functions.runs import LEASE_OVER_S, delete_run, launch_run, stored_run, wait_for_job_success
from tests.unit.factories import a_run
from tests.unit.providers.server import Server
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.jobs import ProviderJob
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.store import keys


def look_through(world: World) -> None:
    world.schedule("check-status", "daily")


def test_a_lost_run_is_made_again_from_its_job_and_goes_on_to_its_version(live: World) -> None:
    run = launch_run(live)
    wait_for_job_success(run)
    delete_run(run)

    look_through(live)
    adopted = app.runs.get(live.tenant, run.id)
    live.schedule("check-status")
    live.settle()

    assert (adopted.provider_job_id, adopted.dataset, adopted.export) == (run.provider_job_id, run.dataset, run.export)
    assert (adopted.examples, adopted.attempt) == (run.examples, run.attempt)
    assert "lost" in adopted.notes[0]
    ended = app.runs.get(live.tenant, run.id)
    assert (ended.status.value, ended.version) == ("succeeded", 1)
    assert app.runs.by_job(run.provider, run.provider_job_id or "") == ended
    assert live.delivered.count("TrainingRunAdopted") == 1
    assert live.delivered.count("TrainingRunFinished") == 1


def test_the_list_of_an_open_run_shows_what_else_is_lost(live: World) -> None:
    SlowProvider()
    first, second = launch_run(live, "first"), launch_run(live, "second")
    delete_run(first)

    live.schedule("check-status")

    assert (
        app.runs.get(live.tenant, first.id).status == RunStatus.RUNNING
        or app.runs.get(live.tenant, first.id).provider_job_id
    )
    assert app.runs.get(live.tenant, second.id).is_open


def test_looking_again_adopts_nothing_twice(live: World) -> None:
    run = launch_run(live)
    steps.followed(live, run.id)
    before = app.runs.get(live.tenant, run.id)

    look_through(live)
    look_through(live)

    assert app.runs.get(live.tenant, run.id) == before
    assert "TrainingRunAdopted" not in live.delivered


@pytest.mark.parametrize("gone", ["tenant", "dataset", "export"])
def test_a_job_of_what_is_gone_is_stopped_and_told_of(gone: str, live: World, log: StringIO) -> None:
    provider = SlowProvider()
    run = launch_run(live)
    row = {
        "tenant": keys.tenant(run.tenant),
        "dataset": keys.dataset(run.tenant, run.dataset),
        "export": keys.export(run.tenant, run.dataset, run.export),
    }[gone]
    delete_run(run, row)

    look_through(live)

    assert run.provider_job_id in provider.cancelled  # beside what other tests have left at the trainer
    assert app.runs.find(run.tenant, run.id) is None
    assert any(json.loads(line).get("job") == run.provider_job_id for line in log.getvalue().splitlines())


def test_an_orphan_counts_as_stopped_once_its_provider_took_the_request(live: World, log: StringIO) -> None:
    provider = SlowProvider()
    run = launch_run(live)
    delete_run(run, keys.dataset(run.tenant, run.dataset))
    provider.is_away = True
    look_through(live)
    refused = stopped_jobs(log)

    provider.is_away = False
    look_through(live)

    assert run.provider_job_id not in refused
    assert stopped_jobs(log).count(run.provider_job_id) == 1


def stopped_jobs(log: StringIO) -> list[str | None]:
    """The jobs that the log says were stopped as what they were for is gone."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line["job"] for line in lines if line["message"] == "stopped a job of what is gone"]


@pytest.mark.parametrize("field", [{"stage": "another"}, {"tenant": "no#name"}, {"run": "../x"}])
def test_a_job_that_is_not_ours_is_left_alone(field: dict[str, str], live: World) -> None:
    class Foreign(SlowProvider):
        def origin_of(self, job: ProviderJob) -> Any:
            return job.origin and job.origin.model_copy(update=field)

    provider = Foreign()
    run = launch_run(live)
    delete_run(run)

    look_through(live)

    assert provider.cancelled == []
    assert app.runs.find(live.tenant, run.id) is None


class DuplicateJobs(SlowProvider):
    """Creates the job, loses the answer, and doesn't show the job for a while; the second one it tells of."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: list[str] = []
        self.shows_all = False

    def create_job(self, request: Any) -> ProviderJob:
        job = super().create_job(request)
        if self.hidden:
            return job
        self.hidden.append(job.id)
        raise ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later.")

    def find_jobs(self, *which: Any) -> list[ProviderJob]:
        return [job for job in super().find_jobs(*which) if self.shows_all or job.id not in self.hidden]

    def jobs(self) -> Iterator[ProviderJob]:
        return (job for job in super().jobs() if self.shows_all or job.id not in self.hidden)


def doubled(world: World, later: Later) -> tuple[DuplicateJobs, ControlledRun]:
    """A run with a job, and another job that its provider begins to show only now."""
    provider = DuplicateJobs()
    steps.settled(world, steps.questions(40))
    for seconds in (LEASE_OVER_S, LEASE_OVER_S + 61):
        later(seconds)
        world.schedule("launch-finetune")
    run = stored_run(world)
    assert run.provider_job_id
    assert run.provider_job_id not in provider.hidden
    provider.shows_all = True
    return provider, run


def test_a_second_job_that_shows_up_later_is_stopped_and_its_cost_recorded(live: World, later: Later) -> None:
    provider, run = doubled(live, later)

    for _ in range(3):
        live.schedule("check-status")

    [other] = stored_run(live).other_jobs
    assert provider.hidden == [other.id]
    assert other.id in provider.cancelled
    assert run.provider_job_id not in provider.cancelled
    assert (other.status, other.trained_tokens, float(other.cost_usd or 0)) == ("cancelled", 100, 0.0)
    assert stored_run(live).provider_job_id == run.provider_job_id
    assert stored_run(live).is_open


def test_of_two_orphan_jobs_the_older_is_adopted_and_the_other_cancelled(live: World, later: Later) -> None:
    class Twice(SlowProvider):
        def create_job(self, request: Any) -> ProviderJob:
            for _ in range(2):
                super().create_job(request)
            raise ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later.")

    provider = Twice()
    steps.settled(live, steps.questions(40))
    later(LEASE_OVER_S)
    live.schedule("launch-finetune")

    run = stored_run(live)
    jobs = stage_provider().find_jobs(run.id)
    assert [run.provider_job_id, *provider.cancelled] == [job.id for job in jobs]
    assert [other.id for other in run.other_jobs] == provider.cancelled


def test_a_job_of_a_run_that_ended_without_one_is_stopped(live: World, later: Later) -> None:
    class HiddenJobs(DuplicateJobs):
        def create_job(self, request: Any) -> ProviderJob:
            self.hidden.clear()
            return super().create_job(request)

    provider = HiddenJobs()
    steps.settled(live, steps.questions(40))
    run = stored_run(live)
    live.call("POST /v1/training-runs/{run}/cancel", f"/v1/training-runs/{run.id}/cancel")
    for seconds in (LEASE_OVER_S, LEASE_OVER_S + 61):
        later(seconds)
        live.schedule("launch-finetune")
    assert stored_run(live).status == RunStatus.CANCELLED
    provider.shows_all = True

    look_through(live)

    [job] = jobs_of(run.id)
    assert [other.id for other in stored_run(live).other_jobs] == [job.id]
    assert job.id in provider.cancelled


def test_a_provider_that_is_away_all_day_is_no_failure(live: World) -> None:
    class AwayForLists(ProviderProxy):
        def jobs(self) -> Any:
            raise ProviderUnavailable("The provider can't answer now (APIConnectionError). Try again later.")

    AwayForLists()

    look_through(live)

    assert live.delivered == []


@pytest.mark.parametrize(("open_runs", "pages"), [(1, 1), (10, 1), (100, 1), (101, 2)])
def test_the_sweep_asks_for_list_pages_and_not_for_runs(
    open_runs: int, pages: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server().running() as server:
        reach(world, server.url, monkeypatch)
        now = utc_now()
        for number in range(open_runs):
            at_provider: dict[str, Any] = {
                "status": RunStatus.RUNNING,
                "provider_status": "running",
                "last_heard_at": now,
            }
            run = a_run(tenant=world.tenant, id=f"run-{number}", created_at=now, **at_provider)
            app.runs.adopt(run.model_copy(update={"provider_job_id": f"ftjob-{number}"}))
        jobs = [
            {"id": f"ftjob-{number}", "status": "running", "created_at": int(now.timestamp())}
            for number in reversed(range(open_runs))
        ]
        parts = [jobs[start : start + 100] for start in range(0, open_runs, 100)]
        server.plays_next(*({"data": part, "has_more": part is not parts[-1]} for part in parts))

        world.schedule("check-status")

        assert [asked.path for asked in server.asked] == ["/v1/fine_tuning/jobs"] * pages
