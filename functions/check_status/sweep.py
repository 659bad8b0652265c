"""The sweep: what the provider's list pages say about all open runs, at the price of the pages and not of the runs.

A provider that is away is nothing to fail for: it is counted where it is called, its runs say that they wait for it,
and the next sweep asks again.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from check_status.refresh import heard, record, refresh, wait
from tuneloop.domain.errors import ProviderUnavailable
from tuneloop.domain.jobs import ProviderJob
from tuneloop.domain.training import AT_PROVIDER, TERMINAL, ControlledRun, RunStatus
from tuneloop.observability import count, log_failure
from tuneloop.providers.base import Provider
from tuneloop.providers.directory import Providers
from tuneloop.store.exports import Exports
from tuneloop.store.models import Models
from tuneloop.store.runs import Runs
from tuneloop.sweeping import each

OVERDUE_AFTER = timedelta(days=1)


def sweep(*, providers: Providers, runs: Runs, models: Models, exports: Exports, now: datetime) -> None:
    """Record the news of every run at its provider; counts those that changed (`RunsChanged`) or are `RunsOverdue`."""
    unfinished = list(runs.open())
    count("RunsOverdue", sum(_is_overdue(run, now) for run in unfinished))
    there = [run for run in unfinished if run.status in AT_PROVIDER and run.provider_job_id]
    names = sorted({run.provider for run in there})

    def look(name: str) -> None:
        mine = [run for run in there if run.provider == name]
        look_at(mine, provider=providers.named(name), runs=runs, models=models, exports=exports, now=now)

    each(names, look)


def look_at(
    open_runs: list[ControlledRun],
    *,
    provider: Provider,
    runs: Runs,
    models: Models,
    exports: Exports,
    now: datetime,
) -> None:
    """The same for the runs at one provider."""

    def look(found: tuple[ControlledRun, ProviderJob | None]) -> None:
        run, job = found
        if job is None:
            seen = refresh(run, older_than_s=0, provider=provider, runs=runs, models=models, exports=exports, now=now)
        else:
            seen = record(run, job, heard(job.id, provider), runs=runs, models=models, exports=exports, now=now)
        if seen.status != run.status:
            count("RunsChanged")

    unseen = {run.provider_job_id: run for run in open_runs if run.provider_job_id}
    try:
        each(_news(unseen, provider), look)
    except ProviderUnavailable as error:
        log_failure(error)
        away = error.message
        each(unseen.values(), lambda run: wait(run, away, runs=runs, models=models, exports=exports, now=now))


def _is_overdue(run: ControlledRun, now: datetime) -> bool:
    """Whether a run that waits for no person should have ended by now."""
    return run.status != RunStatus.AWAITING_CONFIRMATION and now - run.created_at > OVERDUE_AFTER


def _is_news(run: ControlledRun, job: ProviderJob) -> bool:
    """Whether a job says more than its run knows; that it is there at all, where its run waits for it or missed it."""
    return bool(
        job.status != run.provider_status
        or job.status in TERMINAL
        or run.waiting_for
        or run.missed_at is not None
        or run.cancel_requested_at
    )


def _news(unseen: dict[str, ControlledRun], provider: Provider) -> Iterator[tuple[ControlledRun, ProviderJob | None]]:
    """The runs of which the list has news, with their jobs; then those to be asked for.

    Those are the runs that it doesn't name, and those that are to be cancelled. The others leave `unseen`.
    """
    for job in provider.jobs() if unseen else ():
        run = unseen.pop(job.id, None)
        if run is not None and _is_news(run, job):
            yield run, None if run.cancel_requested_at and job.status not in TERMINAL else job
        if not unseen:
            return
    yield from ((run, None) for run in unseen.values())
