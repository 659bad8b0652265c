"""launch-finetune when a provider is strange or refuses our key: one job for one run all the same."""

import pytest

from tests.functions import steps
from tests.functions.conftest import Later, reach
from tests.functions.providers import Counting, Interfered, jobs_of
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.training import ControlledRun, ProviderJob, RunStatus
from tuneloop.providers.base import JobRequest


class Creating(Interfered):
    """Creates the job, says an unknown status of it, and finds no job by its run: a server without metadata."""

    def create_job(self, request: JobRequest) -> ProviderJob:
        job: ProviderJob = self.real.create_job(request)
        return job.model_copy(update={"status": "pending_review", "run": None})

    def find_job(self, _: str) -> None:
        """Nothing is found."""


def only_run(world: World) -> ControlledRun:
    [run] = steps.runs(world)
    return app.runs.get(world.tenant, run["id"])


def test_a_job_of_an_unknown_status_is_at_the_provider_and_not_made_again(live: World, later: Later) -> None:
    provider = Creating()
    steps.settled(live, steps.questions(40))
    run = only_run(live)
    assert (run.status, run.provider_status) == (RunStatus.VALIDATING_FILES, "pending_review")

    for seconds in (400, 500, 600):
        later(seconds)
        live.schedule("launch-finetune")

    provider.leave()
    assert [job.id for job in jobs_of(run.id)] == [run.provider_job_id]
    assert steps.followed(live, run.id)["status"] == "succeeded"


def test_a_run_that_knows_its_job_asks_for_it_and_makes_no_other(live: World, later: Later) -> None:
    provider = Creating()
    steps.settled(live, steps.questions(40))
    run = only_run(live)
    app.runs.save(run.model_copy(update={"status": RunStatus.SUBMITTING, "lease": None}))

    for seconds in (400, 500, 600):
        later(seconds)
        live.schedule("launch-finetune")

    provider.leave()
    assert [job.id for job in jobs_of(run.id)] == [run.provider_job_id]
    assert only_run(live).status != RunStatus.SUBMITTING


def test_a_job_that_is_known_and_gone_is_looked_for_by_its_run(live: World) -> None:
    steps.settled(live, steps.questions(40))
    run = only_run(live)
    lost = run.model_copy(update={"status": RunStatus.SUBMITTING, "provider_job_id": "ftjob-gone"})
    app.runs.save(lost)
    provider = Counting()

    live.schedule("launch-finetune")

    assert (provider.asked["get_job"], provider.asked["find_job"], provider.asked["create_job"]) == (1, 1, 0)
    assert only_run(live).provider_job_id == run.provider_job_id


def test_a_key_that_the_provider_does_not_take_is_waited_for(
    live: World, trainer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(live, trainer, monkeypatch, key="not-the-key")
    steps.settled(live, steps.questions(40))
    waiting = only_run(live)
    assert (waiting.status, waiting.error) == (RunStatus.SUBMITTING, None)
    assert waiting.waiting_for
    assert "Check the provider's key" in waiting.waiting_for
    assert "not-the-key" not in waiting.waiting_for

    reach(live, trainer, monkeypatch)
    live.schedule("launch-finetune")

    run = only_run(live)
    assert [job.id for job in jobs_of(run.id)] == [run.provider_job_id]
