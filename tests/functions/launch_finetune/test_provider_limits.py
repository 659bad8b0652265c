"""Limits of a provider: a run leaves it alone for as long as it asks, and no function sleeps meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from launch_finetune.submit import backoff_for
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.providers import ProviderProxy, jobs_of
from tests.functions.runs import only_run
from tests.world import World
from tuneloop.app import utc_now
from tuneloop.domain.core.errors import DAILY_LIMIT, ProviderUnavailable
from tuneloop.domain.training.jobs import ProviderJob
from tuneloop.providers.port import ProviderJobRequest

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FULL = ProviderUnavailable("The provider takes no more today (429 daily_rate_limit_exceeded).", code=DAILY_LIMIT)
BUSY = ProviderUnavailable("The provider can't answer now (429 rate_limit_exceeded).", retry_after_s=1200)


class JobLimit(ProviderProxy):
    """Takes no job, whatever is asked, and counts how often it was looked at for one."""

    def __init__(self, error: ProviderUnavailable) -> None:
        super().__init__()
        self.error, self.asked, self.looked_at = error, 0, 0

    def create_job(self, _: ProviderJobRequest) -> ProviderJob:
        self.asked += 1
        raise self.error

    def find_jobs(self, *found: Any) -> list[ProviderJob]:
        self.looked_at += 1
        jobs: list[ProviderJob] = self.real.find_jobs(*found)
        return jobs


@pytest.mark.parametrize(
    ("error", "at", "until"),
    [
        (FULL, NOON, "2026-11-22T00:05:00+00:00"),
        (FULL, datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "2027-01-01T00:05:00+00:00"),
        (FULL, NOON.astimezone(), "2026-11-22T00:05:00+00:00"),
        (BUSY, NOON, "2026-11-21T12:20:00+00:00"),
        (ProviderUnavailable("Away."), NOON, None),
    ],
)
def test_a_pause_is_as_long_as_the_provider_asks(error: ProviderUnavailable, at: datetime, until: str | None) -> None:
    paused = backoff_for(error, at).until

    assert (paused and paused.astimezone(UTC).isoformat()) == until


def test_a_daily_limit_waits_until_tomorrow_and_then_goes_on(live: World, later: Later) -> None:
    limited = JobLimit(FULL)
    steps.settled(live, steps.questions(40))
    waiting = only_run(live)
    assert waiting["status"] == "submitting"
    assert waiting["waiting_for"].endswith("The run waits until tomorrow, 00:05 UTC.")

    live.schedule("launch-finetune")
    later(600)
    live.schedule("launch-finetune")
    assert (limited.asked, limited.looked_at) == (1, 1)

    limited.leave()
    tomorrow = (utc_now() + timedelta(days=1)).replace(hour=0, minute=6)
    later((tomorrow - utc_now()).total_seconds())
    live.schedule("launch-finetune")

    gone_on = only_run(live)
    assert gone_on["provider_job_id"]
    assert gone_on["waiting_for"] is None
    assert len(jobs_of(gone_on["id"])) == 1


def test_another_limit_is_left_alone_for_as_long_as_it_said(live: World, later: Later) -> None:
    limited = JobLimit(BUSY)
    steps.settled(live, steps.questions(40))

    later(600)
    live.schedule("launch-finetune")
    assert limited.looked_at == 1

    limited.leave()
    for seconds in (1300, 1700):  # two looks for a job that may have come to be, then the create
        later(seconds)
        live.schedule("launch-finetune")
    later(2100)
    live.schedule("launch-finetune")

    assert len(jobs_of(only_run(live)["id"])) == 1
