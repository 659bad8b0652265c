"""What the functions count of the loop, for alarms and the dashboard: each thing once, and nothing for nothing."""

from typing import Any

from tests.functions import steps
from tests.functions.conftest import Later, MetricSums
from tests.functions.providers import FixedStatus, ProviderProxy
from tests.functions.record_usage.usage_messages import deliver_usage, usage_message, usage_record
from tests.functions.runs import launch_run, wait_for_job_success
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.runs import ControlledRun, RunStatus

A_DAY_S = 86_400


class AwayForLists(ProviderProxy):
    """Answers no list of jobs."""

    def jobs(self) -> Any:
        raise ProviderUnavailable("The provider can't answer now (APIConnectionError). Try again later.")


def test_a_run_counts_when_it_starts_and_when_it_ends(live: World, counted: MetricSums) -> None:
    run = launch_run(live)
    started = counted()
    wait_for_job_success(run)
    live.schedule("check-status")

    ended = counted()
    live.schedule("check-status")

    assert (started["RunsStarted"], "RunsSucceeded" in started) == (1, False)
    assert (ended["RunsSucceeded"], ended["RunsChanged"], "RunsStarted" in ended) == (1, 1, False)
    assert counted() == {}


def test_a_run_that_fails_before_or_at_the_provider_counts_as_failed(live: World, counted: MetricSums) -> None:
    steps.settled(live, steps.questions(8), "few")
    early = counted()
    run = launch_run(live, "many")
    wait_for_job_success(run)
    FixedStatus("failed")
    steps.look(live, run.id)

    late = counted()

    assert (early["RunsFailed"], "RunsStarted" in early) == (1, False)
    assert (late["RunsStarted"], late["RunsFailed"], "RunsSucceeded" in late) == (1, 1, False)


def test_a_run_is_overdue_after_a_day_unless_it_waits_for_a_person(
    live: World, counted: MetricSums, later: Later
) -> None:
    run, waiting = launch_run(live, "late"), launch_run(live, "waiting")
    wait_for_job_success(run)
    status(waiting, RunStatus.AWAITING_CONFIRMATION)
    FixedStatus("running")
    AwayForLists()
    counted()

    for seconds in (A_DAY_S - 60, A_DAY_S + 60):
        later(seconds)
        live.schedule("check-status")

    assert counted()["RunsOverdue"] == 1


def test_a_provider_that_is_away_leaves_no_dead_letter(live: World, counted: MetricSums) -> None:
    run = launch_run(live)
    AwayForLists()
    counted()

    live.schedule("check-status")

    assert app.runs.get(live.tenant, run.id).is_open
    assert "SweepFailures" not in counted()


def test_tokens_and_dollars_count_once_per_batch(world: World, counted: MetricSums) -> None:
    assert world.tenant
    for _ in range(2):
        deliver_usage(usage_message("one", usage_record(), usage_record(cost_usd=None, failed=True)))

    assert counted() == {"Tokens": 220, "Dollars": 0.001, "UsageBatchesRepeated": 1}


def status(run: ControlledRun, status: RunStatus) -> None:
    """Store a run under another status."""
    app.runs.save(app.runs.get(run.tenant, run.id).model_copy(update={"status": status}))
