"""A provider that is down, slow or answers nonsense: its runs wait, say since when, and nothing is made twice."""

from datetime import datetime
from io import StringIO
from typing import Any

import pytest

from check_status import refresh
from check_status.refresh import ASKING_S
from tests.functions import steps
from tests.functions.conftest import KEY, Later
from tests.functions.providers import ProviderProxy, jobs_of
from tests.functions.runs import launch_run
from tests.world import ENVIRONMENT, World
from tuneloop.app import app
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.jobs import ProviderJob, RunEvent
from tuneloop.domain.training.runs import RunStatus
from tuneloop.providers.port import ProviderJobRequest

SAID = "The provider can't answer now (APITimeoutError). Try again later."
CHAT = {"model": "support", "messages": [{"role": "user", "content": "Where is my card?"}]}


class Silent(ProviderProxy):
    """Answers no call at all."""

    def __getattr__(self, name: str) -> Any:
        def unanswered(*_: Any, **__: Any) -> Any:
            raise ProviderUnavailable(SAID)

        found = getattr(self.real, name)
        return unanswered if callable(found) and name != "capabilities" else found


class NonsenseAfterCreate(ProviderProxy):
    """Makes the job, and says of it what makes no sense."""

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        self.real.create_job(request)
        raise ProviderUnavailable("The provider gave an answer that makes no sense.", code="provider_nonsense")


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def waits_since(world: World, run: str, first: dict[str, Any], seconds: float) -> None:
    """The run has been waiting since it was first looked at, and was tried so many seconds later."""
    seen = steps.look(world, run)
    assert (seen["waiting_for"], seen["waiting_since"]) == (SAID, first["waiting_since"])
    assert seconds_between(first["checked_at"], seen["checked_at"]) == pytest.approx(seconds, abs=20)
    assert steps.runs(world)[0]["waiting_for"] == SAID


def test_a_run_says_since_when_its_provider_is_away_and_the_last_try(live: World, later: Later) -> None:
    run = launch_run(live).id
    provider = Silent()

    first = steps.look(live, run)
    later(600)

    assert (first["waiting_for"], first["waiting_since"]) == (SAID, first["checked_at"])
    waits_since(live, run, first, 600)
    provider.leave()
    ended = steps.followed(live, run)
    assert (ended["status"], ended["waiting_for"], ended["waiting_since"]) == ("succeeded", None, None)


def test_the_sweep_records_an_outage_and_goes_on_when_the_provider_is_back(live: World, later: Later) -> None:
    run = launch_run(live).id
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
    run = launch_run(live).id
    first = steps.look(live, run)
    assert (first["status"], first["waiting_for"]) == ("submitting", SAID)

    later(300)
    live.schedule("launch-finetune")

    waits_since(live, run, first, 300)
    provider.leave()
    live.schedule("launch-finetune")
    assert steps.followed(live, run)["status"] == "succeeded"
    assert len(jobs_of(run)) == 1


def test_a_job_created_with_a_nonsensical_answer_is_found_not_recreated(live: World, later: Later) -> None:
    provider = NonsenseAfterCreate()
    run = launch_run(live).id
    assert steps.look(live, run)["waiting_for"] == "The provider gave an answer that makes no sense."

    for seconds in (10, 331, 400):
        later(seconds)
        live.schedule("launch-finetune")

    provider.leave()
    [job] = jobs_of(run)
    assert app.runs.get(live.tenant, run).provider_job_id == job.id
    assert steps.followed(live, run)["status"] == "succeeded"


def test_a_job_that_is_not_shown_yet_is_said_to_be_looked_for(live: World, later: Later) -> None:
    class LostCreate(ProviderProxy):
        def create_job(self, _: ProviderJobRequest) -> ProviderJob:
            raise ProviderUnavailable(SAID)

    LostCreate()
    run = launch_run(live).id

    later(331)
    live.schedule("launch-finetune")

    seen = steps.look(live, run)
    assert (seen["status"], seen["waiting_for"].partition(":")[0]) == ("submitting", "Another look")
    assert seconds_between(seen["waiting_since"], seen["checked_at"]) > 300


def test_looking_at_a_run_takes_one_budget_for_all_that_is_asked(live: World) -> None:
    run = launch_run(live).id
    given: list[float] = []

    class Slow(ProviderProxy):
        def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
            given.append(timeout_s)
            job: ProviderJob = self.real.get_job(job_id, timeout_s)
            return job

        def events(self, job_id: str, timeout_s: float, **more: Any) -> list[RunEvent]:
            given.append(timeout_s)
            found: list[RunEvent] = self.real.events(job_id, timeout_s, **more)
            return found

    Slow()
    steps.look(live, run)

    assert given[0] == pytest.approx(ASKING_S, abs=0.1)
    assert given[1] < given[0]


def test_what_a_cold_process_has_to_load_takes_nothing_of_the_budget(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch_run(live).id
    clock = [100.0]
    given: list[float] = []

    class Cold(ProviderProxy):
        def prepare(self) -> None:
            clock[0] += 2.5

        def events(self, job_id: str, timeout_s: float, **more: Any) -> list[RunEvent]:
            given.append(timeout_s)
            found: list[RunEvent] = self.real.events(job_id, 5, **more)
            return found

    monkeypatch.setattr(refresh, "monotonic", lambda: clock[0])
    Cold()
    steps.look(live, run)

    assert given == [ASKING_S]


def test_a_run_that_failed_waits_for_nothing_any_more(live: World) -> None:
    run = launch_run(live).id
    found = app.runs.get(live.tenant, run)

    ended = found.with_wait(SAID, found.created_at).with_status(RunStatus.FAILED)

    assert (ended.waiting_for, ended.waiting_since) == (None, None)


def without_key(world: World) -> None:
    """Let the functions start anew on a stage whose provider's key was not stored yet."""
    world.ssm.delete_parameter(Name=ENVIRONMENT["TUNELOOP_PROVIDER_KEY_PARAMETER"])
    app.__dict__.pop("providers", None)


def test_without_a_key_sweeps_that_have_nothing_to_ask_are_content(live: World, log: StringIO) -> None:
    without_key(live)

    for function in ("check-status", "launch-finetune", "evaluate"):
        live.schedule(function)

    assert '"failed"' not in log.getvalue()


def test_without_a_provider_key_a_run_waits_and_says_so_until_it_is_stored(live: World) -> None:
    without_key(live)
    run = launch_run(live).id

    live.schedule("launch-finetune")

    assert "`make provider-key`" in steps.look(live, run)["waiting_for"]
    name = ENVIRONMENT["TUNELOOP_PROVIDER_KEY_PARAMETER"]
    live.ssm.put_parameter(Name=name, Value=KEY, Type="SecureString")
    live.schedule("launch-finetune")
    assert steps.followed(live, run)["status"] == "succeeded"


def test_without_a_key_a_run_at_the_provider_waits_whoever_looks(live: World) -> None:
    run = launch_run(live).id
    without_key(live)

    assert "`make provider-key`" in steps.look(live, run)["waiting_for"]
    live.schedule("check-status")
    assert "`make provider-key`" in steps.runs(live)[0]["waiting_for"]


def test_without_a_key_a_chat_is_told_that_it_is_missing(live: World) -> None:
    launch_run(live)
    without_key(live)

    answer = live.call("POST /v1/chat/completions", "/v1/chat/completions", CHAT)

    assert (answer.status, answer.body["error"]["code"]) == (503, "provider_key_missing")
