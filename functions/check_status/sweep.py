"""The sweep: what the provider's list pages say about all open runs, at the price of the pages and not of the runs.

Only the events of a run that has ended, or has been silent for too long, are asked for one by one. Jobs in the list
that no run has are orphans. A provider that is away is nothing to fail for: it is counted where it is called, its runs
say that they wait for it, and the next sweep asks again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from check_status.orphan_jobs import OrphanJobs
from check_status.refresh import RunRefresh, RunReports, events_or_none
from tuneloop.domain.core.errors import Conflict, ProviderUnavailable, Stale
from tuneloop.domain.events import TrainingRunStuck
from tuneloop.domain.training.jobs import ProviderJob
from tuneloop.domain.training.runs import AT_PROVIDER, TERMINAL, ControlledRun, RunStatus, is_silent
from tuneloop.observability import count, log_failure
from tuneloop.providers.port import Provider
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.repositories.runs import Runs

# A run that is still open a day after it was made has got stuck somewhere: the alarm on `RunsOverdue` says so.
OVERDUE_AFTER = timedelta(days=1)
# A run's job, and a second one, are no older than the run but for clocks that differ: older pages needn't be read.
CLOCK_SKEW = timedelta(hours=1)
# A silent run's steps and losses stand in no list, so it costs a call of its own each time: once in six sweeps.
LISTEN_AGAIN = timedelta(minutes=30)
News = tuple[ControlledRun | None, ProviderJob | None]  # no run: an orphan job; no job: the run is to be asked for


@dataclass(frozen=True)
class RunSweep:
    """The regular look at all runs that are at a provider."""

    providers: Providers
    runs: Runs
    reports: RunReports
    orphans: OrphanJobs
    now: datetime

    def sweep(self) -> None:
        """Store the news of every run at its provider; counts `RunsChanged`, and `RunsOverdue` after a day."""
        unfinished = list(self.runs.open())
        count("RunsOverdue", sum(_is_overdue(run, self.now) for run in unfinished))
        at_provider = [run for run in unfinished if run.status in AT_PROVIDER and run.provider_job_id]
        for_each(
            sorted({run.provider for run in at_provider}),
            lambda name: self._sweep_provider(name, [run for run in at_provider if run.provider == name]),
        )

    def _sweep_provider(self, name: str, open_runs: list[ControlledRun]) -> None:
        """Store what a provider's list says about its open runs, and reconcile orphan jobs as young as they are."""
        try:
            provider = self.providers.get(name)
        except Conflict as error:  # it was removed: its runs wait until somebody adds it again
            removed = error.message
            for_each(open_runs, lambda run: self.reports.store_wait(run, removed))
            return
        unseen = {run.provider_job_id: run for run in open_runs if run.provider_job_id}
        try:
            for_each(self._news(provider, unseen, open_runs), lambda news: self._take(provider, *news))
        except ProviderUnavailable as error:
            log_failure(error)
            away = error.message
            for_each(unseen.values(), lambda run: self.reports.store_wait(run, away))
        stuck = StuckRuns(self.runs, self.now)
        for_each(open_runs, lambda run: stuck.report_if_stuck(run, lambda run: self._refresh(run, provider)))

    def _take(self, provider: Provider, run: ControlledRun | None, job: ProviderJob | None) -> None:
        if run is None:
            if job is not None:
                self.orphans.reconcile(job, provider)
            return
        stored = self._refresh(run, provider) if job is None else self._store(run, job, provider)
        if stored.status != run.status:
            count("RunsChanged")

    def _store(self, run: ControlledRun, job: ProviderJob, provider: Provider) -> ControlledRun:
        events = events_or_none(job.id, provider, whole=True) if job.status in TERMINAL else []
        return self.reports.store(run, job, events, provider.capabilities(run.base_model))

    def _refresh(self, run: ControlledRun, provider: Provider) -> ControlledRun:
        return RunRefresh(self.reports).refresh(run, provider)

    def _news(
        self, provider: Provider, unseen: dict[str, ControlledRun], open_runs: list[ControlledRun]
    ) -> Iterator[News]:
        """The runs of which the list has news, with their jobs, and orphan jobs; then the runs to be asked for.

        Those are the runs that it doesn't name, and those that are to be cancelled. The others leave `unseen`.
        """
        since = min((run.created_at for run in open_runs), default=self.now) - CLOCK_SKEW
        second_jobs = {other.id for run in open_runs for other in run.other_jobs if other.status not in TERMINAL}
        for job in provider.jobs():
            run = unseen.pop(job.id, None)
            if run is not None and _is_news(run, job):
                yield run, None if run.cancel_requested_at and job.status not in TERMINAL else job
            if run is None and (job.status not in TERMINAL or job.id in second_jobs):
                yield None, job
            if not unseen and job.created_at and job.created_at < since:
                return
        yield from ((run, None) for run in unseen.values())


@dataclass(frozen=True)
class StuckRuns:
    """Runs without a heartbeat for too long, each reported once for each silence."""

    runs: Runs
    now: datetime

    def report_if_stuck(self, seen: ControlledRun, refresh: Callable[[ControlledRun], ControlledRun]) -> ControlledRun:
        """Refresh a run that has been silent for long once more, then say that it is stuck (metric `RunsStuck`)."""
        if not is_silent(seen, self.now):
            return seen
        run = self.runs.get(seen.tenant, seen.id)
        is_due = run.stuck_since is None or run.checked_at is None or self.now - run.checked_at >= LISTEN_AGAIN
        run = refresh(run) if is_due and is_silent(run, self.now) else run
        if not is_silent(run, self.now):
            return run
        count("RunsStuck")
        return run if run.stuck_since else self._announce(run)

    def _announce(self, run: ControlledRun) -> ControlledRun:
        event = TrainingRunStuck(
            tenant=run.tenant,
            run=run.id,
            model=run.model,
            dataset=run.dataset,
            status=run.status,
            last_heard_at=run.last_heard_at,
        )
        try:
            return self.runs.save(run.model_copy(update={"stuck_since": self.now}), event=event, now=self.now)
        except Stale:  # it has had a heartbeat, or somebody else has announced it
            return self.runs.get(run.tenant, run.id)


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
