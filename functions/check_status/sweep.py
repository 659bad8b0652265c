"""The sweep: what the provider's list pages say about all open runs, at the price of the pages and not of the runs."""

from datetime import datetime

from check_status.refresh import record
from tuneloop.domain.training import AT_PROVIDER
from tuneloop.providers.base import Provider
from tuneloop.store.exports import Exports
from tuneloop.store.models import Models
from tuneloop.store.runs import Runs


def sweep(*, provider: Provider, runs: Runs, models: Models, exports: Exports, now: datetime, asking_s: float) -> int:
    """Record the news of every run at the provider; tells how many changed their status."""
    waiting = {run.provider_job_id: run for run in runs.open() if run.status in AT_PROVIDER}
    changed = 0
    for job in provider.jobs() if waiting else ():
        run = waiting.pop(job.id, None)
        if run is not None and job.status != run.provider_status:
            news = provider.events(job.id, timeout_s=asking_s)
            record(run, job, news, runs=runs, models=models, exports=exports, now=now)
            changed += 1
        if not waiting:
            break
    return changed
