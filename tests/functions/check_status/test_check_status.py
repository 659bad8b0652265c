"""check-status through its real entry point, against the real trainer."""

from time import monotonic, sleep
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.providers import CallCounter, FixedStatus, ProviderOutage, ProviderProxy
from tests.functions.runs import launch_run
from tests.world import World, invoke
from tuneloop.app import app
from tuneloop.domain.training.jobs import RunEvent


def events_of(world: World, run: str) -> list[dict[str, Any]]:
    found = world.call("GET /v1/training-runs/{run}/events", f"/v1/training-runs/{run}/events")
    assert found.status == 200, found.text
    events: list[dict[str, Any]] = found.body["data"]
    return events


def swept(world: World, *runs: str) -> None:
    """Sweep until the runs have ended."""
    end = monotonic() + steps.ENDS_WITHIN_S
    while any(app.runs.get(world.tenant, run).is_open for run in runs):
        assert monotonic() < end
        world.schedule("check-status")
        sleep(0.05)


def test_a_run_that_has_ended_says_what_it_made_and_what_it_cost(live: World) -> None:
    run = launch_run(live).id

    ended = steps.followed(live, run)

    assert ended["status"] == "succeeded"
    assert (ended["progress"], ended["step"]) == (1.0, ended["total_steps"])
    assert ended["trained_tokens"] > 0
    assert (ended["training_cost_usd"], ended["version"], ended["error"]) == (0.0, 1, None)
    assert ended["train_loss"] > 0
    assert ended["valid_loss"] > 0
    assert ended["started_at"] <= ended["finished_at"]
    version = app.models.version(live.tenant, "support", 1)
    assert (version.provider_model, version.run, version.export) == (ended["fine_tuned_model"], run, ended["export"])


def test_events_tell_the_losses_oldest_first(live: World) -> None:
    run = launch_run(live).id
    steps.followed(live, run)

    events = events_of(live, run)

    steps_seen = [event["step"] for event in events if event["step"]]
    assert steps_seen == sorted(steps_seen)
    assert any(event["train_loss"] for event in events)
    assert any(event["valid_loss"] for event in events)


def test_a_run_that_is_not_at_the_provider_has_no_events(world: World) -> None:
    ProviderOutage()
    run = launch_run(world).id

    assert events_of(world, run) == []


def test_the_sweep_ends_runs_that_nobody_looks_at_by_list_pages_and_once(live: World) -> None:
    runs = [launch_run(live, name).id for name in ("first", "second")]
    provider = CallCounter()

    swept(live, *runs)

    assert provider.asked["get_job"] == 0
    live.settle()
    assert live.delivered.count("TrainingRunFinished") == 2
    live.schedule("check-status")
    assert not list(app.runs.open())
    for name in ("first", "second"):
        assert app.models.get(live.tenant, name).latest_version == 1


def test_looking_again_at_once_does_not_ask_again(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = launch_run(live).id
    monkeypatch.setenv("TUNELOOP_REFRESH_AFTER_S", "600")
    app.__dict__.pop("settings")
    provider = CallCounter()

    for _ in range(3):
        steps.look(live, run)

    assert provider.asked["get_job"] == 0


def test_a_run_whose_provider_is_away_is_shown_as_it_was_last_seen(live: World) -> None:
    run = launch_run(live).id
    before = app.runs.get(live.tenant, run)
    provider = ProviderOutage()

    shown = steps.look(live, run)
    provider.leave()

    assert shown["waiting_for"].startswith("The provider can't answer now")
    assert shown["status"] == before.status
    assert steps.followed(live, run)["waiting_for"] is None


def test_a_status_that_nobody_knows_is_shown_raw_and_moves_nothing(live: World) -> None:
    run = launch_run(live).id
    first = app.runs.get(live.tenant, run)
    provider = FixedStatus("paused")

    shown = steps.look(live, run)
    provider.leave()

    assert (shown["status"], shown["provider_status"]) == (first.status, "paused")
    assert steps.followed(live, run)["status"] == "succeeded"


def test_a_run_cancelled_at_the_provider_ends_without_a_version(live: World) -> None:
    run = launch_run(live).id
    FixedStatus("cancelled")

    ended = steps.look(live, run)
    live.settle()

    assert (ended["status"], ended["version"]) == ("cancelled", None)
    [finished] = [event["detail"] for event in live.events if event["detail-type"] == "TrainingRunFinished"]
    assert (finished["status"], "version" in finished) == ("cancelled", False)
    assert app.models.get(live.tenant, "support").latest_version == 0


def test_two_who_see_the_end_at_once_make_one_version(live: World) -> None:
    run = launch_run(live).id

    class OverlappingSweep(ProviderProxy):
        def events(self, job_id: str, timeout_s: float, **more: Any) -> list[RunEvent]:
            self.leave()
            invoke("check-status", {"schedule": "every-5-minutes"})
            found: list[RunEvent] = self.real.events(job_id, timeout_s=timeout_s, **more)
            return found

    end = monotonic() + steps.ENDS_WITHIN_S
    while app.runs.get(live.tenant, run).is_open:
        assert monotonic() < end
        OverlappingSweep()
        steps.look(live, run)
    live.settle()

    assert app.models.get(live.tenant, "support").latest_version == 1
    assert live.delivered.count("TrainingRunFinished") == 1


def test_a_version_registered_in_between_keeps_its_number(live: World) -> None:
    run = launch_run(live).id
    assert steps.registered(live) == 1

    assert steps.followed(live, run)["version"] == 2


def test_the_base_model_gets_a_prompt_that_names_the_answers(live: World) -> None:
    run = launch_run(live).id
    assert app.models.version(live.tenant, "support", 0).prompt is None

    steps.followed(live, run)

    prompt = app.models.version(live.tenant, "support", 0).prompt
    assert prompt
    assert prompt.splitlines()[-2:] == ["late", "on its way"]
