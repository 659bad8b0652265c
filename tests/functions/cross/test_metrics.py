"""What the functions count of the loop, for alarms and the dashboard: each thing once, and nothing for nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.check_status.test_check_status_faults import ended_at_provider, launched
from tests.functions.conftest import Later
from tests.functions.providers import Interfered, Reporting
from tests.functions.record_usage.test_record_usage import arrive, batch, record
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.observability import METRICS, metrics

A_DAY_S = 86_400
Counted = Callable[[], dict[str, float]]


class AwayForLists(Interfered):
    """Answers no list of jobs."""

    def jobs(self) -> Any:
        raise ProviderUnavailable("The provider can't answer now (APIConnectionError). Try again later.")


@pytest.fixture
def counted() -> Counted:
    """What was counted since it was last asked for; tests run with the writing of metrics turned off."""

    def take() -> dict[str, float]:
        sums = {name: sum(metric["Value"]) for name, metric in metrics.provider.metric_set.items()}
        metrics.provider.clear_metrics()
        assert set(sums) <= set(METRICS)
        return sums

    take()
    return take


def test_a_run_counts_when_it_starts_and_when_it_ends(live: World, counted: Counted) -> None:
    run = launched(live)
    started = counted()
    ended_at_provider(run)
    live.schedule("check-status")

    ended = counted()
    live.schedule("check-status")

    assert (started["RunsStarted"], "RunsSucceeded" in started) == (1, False)
    assert (ended["RunsSucceeded"], ended["RunsChanged"], "RunsStarted" in ended) == (1, 1, False)
    assert counted() == {}


def test_a_run_that_fails_before_or_at_the_provider_counts_as_failed(live: World, counted: Counted) -> None:
    steps.settled(live, steps.questions(8), "few")
    early = counted()
    run = launched(live, "many")
    ended_at_provider(run)
    Reporting("failed")
    steps.look(live, run.id)

    late = counted()

    assert (early["RunsFailed"], "RunsStarted" in early) == (1, False)
    assert (late["RunsStarted"], late["RunsFailed"], "RunsSucceeded" in late) == (1, 1, False)


def test_a_run_is_overdue_after_a_day_unless_it_waits_for_a_person(live: World, counted: Counted, later: Later) -> None:
    run, waiting = launched(live, "late"), launched(live, "waiting")
    ended_at_provider(run)
    status(waiting, RunStatus.AWAITING_CONFIRMATION)
    Reporting("running")
    AwayForLists()
    counted()

    for seconds in (A_DAY_S - 60, A_DAY_S + 60):
        later(seconds)
        live.schedule("check-status")

    assert counted()["RunsOverdue"] == 1


def test_a_provider_that_is_away_leaves_no_dead_letter(live: World, counted: Counted) -> None:
    run = launched(live)
    AwayForLists()
    counted()

    live.schedule("check-status")

    assert app.runs.get(live.tenant, run.id).is_open
    assert "SweepFailures" not in counted()


def test_tokens_and_dollars_count_once_per_batch(world: World, counted: Counted) -> None:
    assert world.tenant
    for _ in range(2):
        arrive(batch("one", record(), record(cost_usd=None, failed=True)))

    assert counted() == {"Tokens": 220, "Dollars": 0.001, "UsageBatchesRepeated": 1}


def status(run: ControlledRun, status: RunStatus) -> None:
    """Store a run under another status."""
    app.runs.save(app.runs.get(run.tenant, run.id).model_copy(update={"status": status}))
