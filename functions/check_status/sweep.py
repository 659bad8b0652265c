"""The sweep: what the provider's list pages say about all open runs, at the price of the pages and not of the runs.

Only the events of a run that has ended, or has been silent for too long, are asked for one by one. Jobs in the list
that no run has are strays. A provider that is away is nothing to fail for: it is counted where it is called, its runs
say that they wait for it, and the next sweep asks again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from check_status.orphan_jobs import OrphanJobs
from check_status.refresh import events_or_none, refresh, store_job_status, wait
from check_status.stuck import report_if_stuck
from tuneloop.domain.core.errors import Conflict, ProviderUnavailable
from tuneloop.domain.training.jobs import ProviderJob
from tuneloop.domain.training.runs import AT_PROVIDER, TERMINAL, ControlledRun, RunStatus
from tuneloop.observability import count, log_failure
from tuneloop.providers.port import Provider
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.runs import Runs

OVERDUE_AFTER = timedelta(days=1)
EARLIER = timedelta(hours=1)  # a run's job, and a second one, are no older than the run but for clocks that differ
Found = tuple[ControlledRun | None, ProviderJob | None]


def sweep(
    *, providers: Providers, runs: Runs, models: Models, exports: Exports, strays: OrphanJobs, now: datetime
) -> None:
    """Record the news of every run at its provider; counts those that changed (`RunsChanged`) or are `RunsOverdue`."""
    unfinished = list(runs.open())
    count("RunsOverdue", sum(_is_overdue(run, now) for run in unfinished))
    there = [run for run in unfinished if run.status in AT_PROVIDER and run.provider_job_id]
    names = sorted({run.provider for run in there})

    def look(name: str) -> None:
        mine = [run for run in there if run.provider == name]
        try:
            provider = providers.get(name)
        except Conflict as error:  # it was removed: its runs wait until somebody adds it again
            gone = error.message
            for_each(mine, lambda run: wait(run, gone, runs=runs, models=models, exports=exports, now=now))
        else:
            Look(provider, runs, models, exports, strays, now).at(mine)

    for_each(names, look)


@dataclass(frozen=True)
class Look:
    """A look at one provider."""

    provider: Provider
    runs: Runs
    models: Models
    exports: Exports
    strays: OrphanJobs
    now: datetime

    def at(self, open_runs: list[ControlledRun]) -> None:
        """Record what the list says about these runs, and take the strays that are as young as they are."""
        unseen = {run.provider_job_id: run for run in open_runs if run.provider_job_id}
        try:
            for_each(self._news(unseen, open_runs), self._take)
        except ProviderUnavailable as error:
            log_failure(error)
            away = error.message
            for_each(unseen.values(), lambda run: self._wait(run, away))
        for_each(open_runs, lambda run: report_if_stuck(run, self._ask, runs=self.runs, now=self.now))

    def _take(self, found: Found) -> None:
        run, job = found
        if run is None:
            if job is not None:
                self.strays.take(job, self.provider)
            return
        seen = self._ask(run) if job is None else self._record(run, job)
        if seen.status != run.status:
            count("RunsChanged")

    def _record(self, run: ControlledRun, job: ProviderJob) -> ControlledRun:
        news = events_or_none(job.id, self.provider, whole=True) if job.status in TERMINAL else []
        can = self.provider.capabilities(run.base_model)
        return store_job_status(
            run, job, news, can=can, runs=self.runs, models=self.models, exports=self.exports, now=self.now
        )

    def _ask(self, run: ControlledRun) -> ControlledRun:
        return refresh(
            run,
            older_than_s=0,
            provider=self.provider,
            runs=self.runs,
            models=self.models,
            exports=self.exports,
            now=self.now,
        )

    def _wait(self, run: ControlledRun, what: str) -> ControlledRun:
        return wait(run, what, runs=self.runs, models=self.models, exports=self.exports, now=self.now)

    def _news(self, unseen: dict[str, ControlledRun], open_runs: list[ControlledRun]) -> Iterator[Found]:
        """The runs of which the list has news, with their jobs, and strays; then the runs to be asked for.

        Those are the runs that it doesn't name, and those that are to be cancelled. The others leave `unseen`.
        """
        since = min((run.created_at for run in open_runs), default=self.now) - EARLIER
        doubles = {other.id for run in open_runs for other in run.other_jobs if other.status not in TERMINAL}
        for job in self.provider.jobs():
            run = unseen.pop(job.id, None)
            if run is not None and _is_news(run, job):
                yield run, None if run.cancel_requested_at and job.status not in TERMINAL else job
            if run is None and (job.status not in TERMINAL or job.id in doubles):
                yield None, job
            if not unseen and job.created_at and job.created_at < since:
                return
        yield from ((run, None) for run in unseen.values())


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
