"""The sweep: what the provider's list pages say about all open runs, at the price of the pages and not of the runs."""

from collections.abc import Iterator
from datetime import datetime

from check_status.refresh import record, refresh, reported
from tuneloop.domain.training import AT_PROVIDER, TERMINAL, ControlledRun, ProviderJob
from tuneloop.observability import count
from tuneloop.providers.base import Provider
from tuneloop.store.exports import Exports
from tuneloop.store.models import Models
from tuneloop.store.runs import Runs
from tuneloop.sweeping import each


def sweep(*, provider: Provider, runs: Runs, models: Models, exports: Exports, now: datetime) -> None:
    """Record the news of every run at the provider; counts those that changed their status (`RunsChanged`)."""

    def look(found: tuple[ControlledRun, ProviderJob | None]) -> None:
        run, job = found
        if job is None:
            seen = refresh(run, older_than_s=0, provider=provider, runs=runs, models=models, exports=exports, now=now)
        else:
            seen = record(run, job, reported(job.id, provider), runs=runs, models=models, exports=exports, now=now)
        if seen.status != run.status:
            count("RunsChanged")

    each(_news(list(runs.open()), provider), look)


def _news(runs: list[ControlledRun], provider: Provider) -> Iterator[tuple[ControlledRun, ProviderJob | None]]:
    """The runs of which the list has news, with their jobs; then those that it doesn't name, to be asked for."""
    waiting = {run.provider_job_id: run for run in runs if run.status in AT_PROVIDER and run.provider_job_id}
    for job in provider.jobs() if waiting else ():
        run = waiting.pop(job.id, None)
        if run is not None and (job.status != run.provider_status or job.status in TERMINAL):
            yield run, job
        if not waiting:
            return
    yield from ((run, None) for run in waiting.values())
