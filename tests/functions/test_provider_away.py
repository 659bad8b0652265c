"""A provider that is down, slow or answers nonsense: its runs wait, say since when, and nothing is made twice."""

from datetime import datetime
from typing import Any

import pytest

from check_status.refresh import ASKING_S
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.providers import Interfered, jobs_of
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.errors import ProviderUnavailable
from tuneloop.domain.training import ProviderJob, RunEvent, RunStatus
from tuneloop.providers.base import JobRequest

SAID = "The provider can't answer now (APITimeoutError). Try again later."


class Silent(Interfered):
    """Answers no call at all."""

    def __getattr__(self, name: str) -> Any:
        def unanswered(*_: Any, **__: Any) -> Any:
            raise ProviderUnavailable(SAID)

        return unanswered if callable(getattr(self.real, name)) else getattr(self.real, name)


class Babbling(Interfered):
    """Makes the job, and says of it what makes no sense."""

    def create_job(self, request: JobRequest) -> ProviderJob:
        self.real.create_job(request)
        raise ProviderUnavailable("The provider gave an answer that makes no sense.", code="provider_nonsense")


def launched(world: World) -> str:
    steps.settled(world, steps.questions(40))
    run: str = steps.runs(world)[0]["id"]
    return run


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def waits_since(world: World, run: str, first: dict[str, Any], seconds: float) -> None:
    """The run has been waiting since it was first looked at, and was tried so many seconds later."""
    seen = steps.look(world, run)
    assert (seen["waiting_for"], seen["waiting_since"]) == (SAID, first["waiting_since"])
    assert seconds_between(first["checked_at"], seen["checked_at"]) == pytest.approx(seconds, abs=20)
    assert steps.runs(world)[0]["waiting_for"] == SAID


def test_a_run_says_since_when_its_provider_is_away_and_when_it_was_last_tried(live: World, later: Later) -> None:
    run = launched(live)
    provider = Silent()

    first = steps.look(live, run)
    later(600)

    assert (first["waiting_for"], first["waiting_since"]) == (SAID, first["checked_at"])
    waits_since(live, run, first, 600)
    provider.leave()
    ended = steps.followed(live, run)
    assert (ended["status"], ended["waiting_for"], ended["waiting_since"]) == ("succeeded", None, None)


def test_the_sweep_writes_down_that_the_provider_is_away_and_goes_on_when_it_is_back(live: World, later: Later) -> None:
    run = launched(live)
    provider = Silent()

    live.schedule("check-status")
    first = steps.runs(live)[0]
    later(300)
    live.schedule("check-status")

    assert (first["status"], first["waiting_for"]) == (app.runs.get(live.tenant, run).status, SAID)
    waits_since(live, run, first, 300)
    provider.leave()
    assert steps.followed(live, run)["waiting_for"] is None


def test_a_run_that_cannot_be_submitted_says_since_when(live: World, later: Later) -> None:
    provider = Silent()
    run = launched(live)
    first = steps.look(live, run)
    assert (first["status"], first["waiting_for"]) == ("submitting", SAID)

    later(300)
    live.schedule("launch-finetune")

    waits_since(live, run, first, 300)
    provider.leave()
    live.schedule("launch-finetune")
    assert steps.followed(live, run)["status"] == "succeeded"
    assert len(jobs_of(run)) == 1


def test_a_job_that_was_made_with_a_nonsensical_answer_is_found_and_not_made_again(live: World, later: Later) -> None:
    provider = Babbling()
    run = launched(live)
    assert steps.look(live, run)["waiting_for"] == "The provider gave an answer that makes no sense."

    for seconds in (10, 331, 400):
        later(seconds)
        live.schedule("launch-finetune")

    provider.leave()
    [job] = jobs_of(run)
    assert app.runs.get(live.tenant, run).provider_job_id == job.id
    assert steps.followed(live, run)["status"] == "succeeded"


def test_a_job_that_is_not_shown_yet_is_said_to_be_looked_for(live: World, later: Later) -> None:
    class Losing(Interfered):
        def create_job(self, _: JobRequest) -> ProviderJob:
            raise ProviderUnavailable(SAID)

    Losing()
    run = launched(live)

    later(331)
    live.schedule("launch-finetune")

    seen = steps.look(live, run)
    assert (seen["status"], seen["waiting_for"].partition(":")[0]) == ("submitting", "Another look")
    assert seconds_between(seen["waiting_since"], seen["checked_at"]) > 300


def test_looking_at_a_run_takes_one_budget_for_all_that_is_asked(live: World) -> None:
    run = launched(live)
    given: list[float] = []

    class Slow(Interfered):
        def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
            given.append(timeout_s)
            job: ProviderJob = self.real.get_job(job_id, timeout_s)
            return job

        def events(self, job_id: str, timeout_s: float) -> list[RunEvent]:
            given.append(timeout_s)
            found: list[RunEvent] = self.real.events(job_id, timeout_s)
            return found

    Slow()
    steps.look(live, run)

    assert given[0] == ASKING_S
    assert given[1] < ASKING_S


def test_a_run_that_failed_waits_for_nothing_any_more(live: World) -> None:
    run = launched(live)
    found = app.runs.get(live.tenant, run)

    ended = found.waiting(SAID, found.created_at).moved(RunStatus.FAILED)

    assert (ended.waiting_for, ended.waiting_since) == (None, None)
