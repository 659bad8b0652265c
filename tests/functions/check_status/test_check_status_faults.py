"""check-status when a provider, a run or a job is strange: the others go on, and no run stays open for ever."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.providers import FixedStatus, ProviderProxy
from tests.functions.runs import launch_run, wait_for_job_success
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.training.jobs import ProviderJob, RunEvent
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.providers.port import JOB_NOT_FOUND
from tuneloop.runtime.entry_point import FunctionFailed


class BrokenEvents(ProviderProxy):
    """Fails for one job in a way that nobody has thought of."""

    def __init__(self, job: str) -> None:
        super().__init__()
        self.job = job

    def events(self, job_id: str, timeout_s: float, **more: Any) -> list[RunEvent]:
        if job_id == self.job:
            raise ZeroDivisionError
        found: list[RunEvent] = self.real.events(job_id, timeout_s=timeout_s, **more)
        return found


class NoEventsRoute(ProviderProxy):
    """A server that doesn't know the route of events."""

    def events(self, *_: Any, **__: Any) -> list[RunEvent]:
        raise ProviderRefused("The provider refused the call: 404 NotFoundError.")


class EventsTimeout(ProviderProxy):
    """Tells of a job, and then has no time for its events."""

    def events(self, *_: Any, **__: Any) -> list[RunEvent]:
        raise ProviderUnavailable("There was no time left to ask the provider.")


class ListedJobs(ProviderProxy):
    """Lists jobs as they would be with other fields; `gone` lists none."""

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self.fields = fields

    def jobs(self) -> list[ProviderJob]:
        if "gone" in self.fields:
            return []
        return [job.model_copy(update=self.fields) for job in self.real.jobs()]


def given_job(run: ControlledRun, job: str) -> ControlledRun:
    """The run under another job's id."""
    return app.runs.save(app.runs.get(run.tenant, run.id).model_copy(update={"provider_job_id": job}))


def test_a_run_that_cannot_be_recorded_holds_up_no_other(live: World, log: StringIO) -> None:
    first, second = launch_run(live, "first"), launch_run(live, "second")
    for run in (first, second):
        wait_for_job_success(run)
    provider = BrokenEvents(str(first.provider_job_id))

    with pytest.raises(FunctionFailed, match="SweepIncomplete"):
        live.schedule("check-status")

    assert app.runs.get(live.tenant, first.id).is_open
    assert app.runs.get(live.tenant, second.id).status == RunStatus.SUCCEEDED
    assert '"error":"ZeroDivisionError"' in log.getvalue()
    provider.leave()
    live.schedule("check-status")
    assert app.runs.get(live.tenant, first.id).status == RunStatus.SUCCEEDED


def test_a_run_whose_job_is_unknown_at_the_provider_fails_on_a_second_look(live: World, later: Later) -> None:
    run = given_job(launch_run(live), "ftjob-gone")

    first, again = steps.look(live, run.id), steps.look(live, run.id)
    later(61)
    ended = steps.look(live, run.id)

    assert (first["status"], again["status"]) == (run.status, run.status)
    assert first["waiting_for"] == "Another look: the provider doesn't know this run's job."
    assert (ended["status"], ended["error"]["code"], ended["version"]) == ("failed", "job_not_found", None)
    assert "ftjob-gone" in ended["error"]["message"]
    assert ended["finished_at"]
    [waiting] = app.outbox.backlog(utc_now() + timedelta(hours=1))
    assert waiting.event_type == "TrainingRunFinished"


def test_the_sweep_looks_for_jobs_that_the_list_does_not_name(live: World, later: Later) -> None:
    gone, listed_no_more = given_job(launch_run(live, "first"), "ftjob-gone"), launch_run(live, "second")
    wait_for_job_success(listed_no_more)
    ListedJobs(gone=True)

    for seconds in (0, 61):
        later(seconds)
        live.schedule("check-status")

    lost, found = app.runs.get(live.tenant, gone.id), app.runs.get(live.tenant, listed_no_more.id)
    assert lost.error
    assert (lost.status, lost.error.code, found.status) == (RunStatus.FAILED, "job_not_found", RunStatus.SUCCEEDED)


def test_a_job_that_is_found_after_all_goes_on(live: World, later: Later) -> None:
    run = launch_run(live)
    wait_for_job_success(run)

    class JobNotFoundOnce(ProviderProxy):
        def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
            self.leave()
            raise ProviderRefused(f"The provider refused the call: 404 {job_id} {timeout_s}.", code=JOB_NOT_FOUND)

    JobNotFoundOnce()
    assert steps.look(live, run.id)["waiting_for"]
    later(61)

    assert steps.look(live, run.id)["status"] == "succeeded"


def test_a_success_without_a_model_s_name_is_waited_for_and_shown(live: World) -> None:
    run = launch_run(live)
    wait_for_job_success(run)
    provider = FixedStatus("succeeded")

    shown = steps.look(live, run.id)

    assert (shown["status"], shown["provider_status"], shown["version"]) == (run.status, "succeeded", None)
    assert shown["waiting_for"].startswith("The trained model's name")
    assert shown["finished_at"] is None
    provider.leave()
    live.schedule("check-status")
    named = app.runs.get(live.tenant, run.id)
    assert (named.status, named.version, named.waiting_for) == (RunStatus.SUCCEEDED, 1, None)


def test_the_sweep_waits_for_the_name_too(live: World) -> None:
    run = launch_run(live)
    wait_for_job_success(run)
    provider = ListedJobs(fine_tuned_model=None)

    for _ in range(2):
        live.schedule("check-status")

    assert app.runs.get(live.tenant, run.id).is_open
    provider.leave()
    live.schedule("check-status")
    assert app.runs.get(live.tenant, run.id).version == 1


def test_a_provider_that_keeps_no_events_still_ends_its_runs(live: World) -> None:
    run = launch_run(live)
    NoEventsRoute()

    ended = steps.followed(live, run.id)

    assert (ended["status"], ended["version"], ended["step"]) == ("succeeded", 1, None)
    events = live.call("GET /v1/training-runs/{run}/events", f"/v1/training-runs/{run.id}/events")
    assert (events.status, events.body) == (200, {"data": []})


def test_what_was_said_of_a_job_counts_when_its_events_come_too_late(live: World) -> None:
    run = launch_run(live)
    wait_for_job_success(run)
    EventsTimeout()

    ended = steps.look(live, run.id)

    assert (ended["status"], ended["version"], ended["waiting_for"]) == ("succeeded", 1, None)
    events = live.call("GET /v1/training-runs/{run}/events", f"/v1/training-runs/{run.id}/events")
    assert (events.status, events.body["error"]["code"]) == (503, "provider_unavailable")


def test_the_sweep_ends_a_run_whose_events_come_too_late(live: World) -> None:
    run = launch_run(live)
    wait_for_job_success(run)
    EventsTimeout()

    live.schedule("check-status")

    assert app.runs.get(live.tenant, run.id).status == RunStatus.SUCCEEDED


def missed_and_away(run: ControlledRun) -> ControlledRun:
    """The run after its provider once didn't know its job."""
    stored = app.runs.get(run.tenant, run.id)
    return app.runs.save(stored.with_wait("Another look.", utc_now(), missed_at=utc_now(), checked_at=utc_now()))


def test_a_job_in_the_list_is_neither_missed_nor_waited_for_any_more(live: World, later: Later) -> None:
    run = missed_and_away(launch_run(live))
    provider = ListedJobs(status=run.provider_status, fine_tuned_model=None)

    live.schedule("check-status")

    seen = app.runs.get(live.tenant, run.id)
    assert (seen.status, seen.waiting_for, seen.waiting_since, seen.missed_at) == (run.status, None, None, None)
    provider.leave()
    given_job(run, "ftjob-gone")
    later(3 * 3600)
    assert steps.look(live, run.id)["status"] == run.status, "one look hours later is no second look"


def test_a_run_that_only_misses_its_job_is_news_too(live: World) -> None:
    run = missed_and_away(launch_run(live))
    app.runs.save(run.model_copy(update={"waiting_for": None, "waiting_since": None}))
    ListedJobs(status=run.provider_status, fine_tuned_model=None)

    live.schedule("check-status")

    assert app.runs.get(live.tenant, run.id).missed_at is None


def test_a_run_of_which_the_list_has_no_news_is_left_alone(live: World) -> None:
    run = launch_run(live)
    ListedJobs(status=run.provider_status, fine_tuned_model=None)

    live.schedule("check-status")

    assert app.runs.get(live.tenant, run.id) == run


def test_a_loss_without_bounds_does_not_keep_a_run_from_its_end(live: World) -> None:
    run = launch_run(live)
    wait_for_job_success(run)

    class DivergedLosses(ProviderProxy):
        def events(self, job_id: str, timeout_s: float, **more: Any) -> list[RunEvent]:
            found: list[RunEvent] = self.real.events(job_id, timeout_s=timeout_s, **more)
            return [event.model_copy(update={"train_loss": 1e200}) for event in found]

    DivergedLosses()
    live.schedule("check-status")

    assert app.runs.get(live.tenant, run.id).status == RunStatus.SUCCEEDED
