"""Runs of which nothing new is heard, and runs that were trained for too long: told once, and shown in the run."""

from typing import Any

import pytest

from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.providers import ProviderProxy, SlowProvider
from tests.functions.runs import launch_run, stored_run, wait_for_job_success
from tests.world import World
from tuneloop.app import app, utc_now
from tuneloop.domain.training.jobs import RunEvent

TWO_HOURS_S = 7200


class Silent(SlowProvider):
    """Goes on without a word, but for the steps that a test lets it tell."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[RunEvent] = []
        self.asked = 0

    def events(self, *_: Any, **__: Any) -> list[RunEvent]:
        self.asked += 1
        return self.told


def stuck_events(world: World) -> int:
    world.settle()
    waiting = [row.event_type for row in app.outbox.backlog(utc_now().replace(year=utc_now().year + 1))]
    return [*world.delivered, *waiting].count("TrainingRunStuck")


def swept(world: World, later: Later, *seconds: float) -> None:
    for moment in seconds:
        later(moment)
        world.schedule("check-status")


def test_a_run_silent_for_two_hours_is_stuck_and_announced_once(live: World, later: Later) -> None:
    provider = Silent()
    launch_run(live)

    swept(live, later, 60, TWO_HOURS_S - 60)
    assert (stored_run(live).stuck_since, provider.asked) == (None, 0)
    swept(live, later, TWO_HOURS_S + 120, TWO_HOURS_S + 420, TWO_HOURS_S + 720)

    run = stored_run(live)
    assert run.stuck_since
    assert run.last_heard_at
    assert (run.last_heard, run.is_open) == ("running", True)
    assert stuck_events(live) == 1
    assert provider.asked == 1


def test_something_new_ends_it_and_silence_after_that_is_told_of_again(live: World, later: Later) -> None:
    provider = Silent()
    launch_run(live)
    swept(live, later, TWO_HOURS_S + 120)
    assert stored_run(live).stuck_since

    provider.told = [RunEvent(id="e", message="step", step=40, total_steps=120, train_loss=0.31)]
    swept(live, later, TWO_HOURS_S + 2000)
    over = stored_run(live)
    swept(live, later, 2 * TWO_HOURS_S + 2200)

    assert (over.stuck_since, over.last_heard) == (None, "running, step 40 of 120, train loss 0.31")
    assert stored_run(live).stuck_since
    assert stuck_events(live) == 2


def test_a_run_that_is_estimated_to_take_long_is_given_twice_as_long(live: World, later: Later) -> None:
    Silent()
    run = launch_run(live)
    app.runs.save(run.model_copy(update={"estimated_minutes": 180}))

    swept(live, later, TWO_HOURS_S + 120, 21_500)
    assert stored_run(live).stuck_since is None
    swept(live, later, 21_700)

    assert stored_run(live).stuck_since


def test_its_end_is_news_too(live: World, later: Later) -> None:
    provider = Silent()
    run = launch_run(live)
    swept(live, later, TWO_HOURS_S + 120)
    provider.leave()
    wait_for_job_success(run)

    swept(live, later, TWO_HOURS_S + 420)

    assert (stored_run(live).status.value, stored_run(live).stuck_since) == ("succeeded", None)


@pytest.mark.parametrize(("losses", "epoch"), [((0.9, 0.4, 0.9), 2), ((0.9, 0.5, 0.4), None)])
def test_a_run_that_was_trained_for_too_long_says_which_epoch_was_best(
    losses: tuple[float, ...], epoch: int | None, live: World
) -> None:
    class EpochLosses(ProviderProxy):
        def events(self, *_: Any, **__: Any) -> list[RunEvent]:
            return [
                RunEvent(id=str(step), message="epoch", step=step, total_steps=3, valid_loss=loss)
                for step, loss in enumerate(losses, start=1)
            ]

        def get_job(self, job_id: str, timeout_s: float) -> Any:
            return self.real.get_job(job_id, timeout_s=timeout_s).model_copy(update={"n_epochs": 3})

    EpochLosses()
    run = launch_run(live)

    ended = steps.followed(live, run.id)
    live.settle()

    said = ended["overfitting"]
    [finished] = [event["detail"] for event in live.events if event["detail-type"] == "TrainingRunFinished"]
    assert (said and said["best_epoch"]) == epoch
    assert finished.get("overfitting") == said
