"""The run sweep: open runs are updated from their providers' lists of jobs, so the calls grow by pages, not by runs.

A run is asked for by itself only if it has ended or been silent for too long, or if the list doesn't name it. Jobs in
the list that no run has are orphans. An unavailable provider doesn't fail the sweep: its adapter counts that, its runs
note that they wait for it, and the next sweep asks again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from check_status.orphan_jobs import OrphanJobs
from check_status.refresh import RunRefresh, RunReports, events_or_empty
from tuneloop.domain.core.errors import Conflict, ProviderUnavailable, Stale
from tuneloop.domain.events import TrainingRunStuck
from tuneloop.domain.training.jobs import ProviderJob
from tuneloop.domain.training.runs import AT_PROVIDER, TERMINAL, ControlledRun, RunStatus, is_silent
from tuneloop.observability import count, log_failure
from tuneloop.providers.port import Provider
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.repositories.runs import Runs

# A run that is still open a day after it was made is taken to be stuck: the alarm on `RunsOverdue` tells an operator.
OVERDUE_AFTER = timedelta(days=1)
# A run's jobs are made after the run, so pages of older jobs needn't be read. An hour allows for the provider's clock.
CLOCK_SKEW = timedelta(hours=1)
# A list doesn't show a run's steps and losses, so each check of a silent run costs calls of its own. Half an hour
# makes that one sweep in six.
SILENT_RECHECK_AFTER = timedelta(minutes=30)
RunUpdate = tuple[ControlledRun | None, ProviderJob | None]  # without a run: an orphan; without a job: ask for the run


@dataclass(frozen=True)
class RunSweep:
    """Updates all runs that are at a provider, every five minutes."""

    providers: Providers
    runs: Runs
    reports: RunReports
    orphans: OrphanJobs
    now: datetime

    def sweep(self) -> None:
        """Update every run that is at a provider; counts `RunsChanged`, and `RunsOverdue` for runs older than a day."""
        unfinished = list(self.runs.open())
        count("RunsOverdue", sum(_is_overdue(run, self.now) for run in unfinished))
        at_provider = [run for run in unfinished if run.status in AT_PROVIDER and run.provider_job_id]
        for_each(
            sorted({run.provider for run in at_provider}),
            lambda name: self._sweep_provider(name, [run for run in at_provider if run.provider == name]),
        )

    def _sweep_provider(self, name: str, open_runs: list[ControlledRun]) -> None:
        """Update a provider's open runs from its list of jobs, and reconcile orphans no older than the oldest run."""
        try:
            provider = self.providers.get(name)
        except Conflict as error:  # the provider was removed from the stage: its runs wait until it is added again
            removed = error.message
            for_each(open_runs, lambda run: self.reports.store_wait(run, removed))
            return
        unseen = {run.provider_job_id: run for run in open_runs if run.provider_job_id}
        try:
            for_each(self._updates(provider, unseen, open_runs), lambda update: self._apply(provider, *update))
        except ProviderUnavailable as error:
            log_failure(error)
            unavailable = error.message
            for_each(unseen.values(), lambda run: self.reports.store_wait(run, unavailable))
        stuck = StuckRuns(self.runs, self.now)
        for_each(open_runs, lambda run: stuck.report_if_stuck(run, lambda run: self._refresh(run, provider)))

    def _apply(self, provider: Provider, run: ControlledRun | None, job: ProviderJob | None) -> None:
        if run is None:
            if job is not None:
                self.orphans.reconcile(job, provider)
            return
        stored = self._refresh(run, provider) if job is None else self._store(run, job, provider)
        if stored.status != run.status:
            count("RunsChanged")

    def _store(self, run: ControlledRun, job: ProviderJob, provider: Provider) -> ControlledRun:
        events = events_or_empty(job.id, provider, whole=True) if job.status in TERMINAL else []
        return self.reports.store(run, job, events, provider.capabilities(run.base_model))

    def _refresh(self, run: ControlledRun, provider: Provider) -> ControlledRun:
        return RunRefresh(self.reports).refresh(run, provider)

    def _updates(
        self, provider: Provider, unseen: dict[str, ControlledRun], open_runs: list[ControlledRun]
    ) -> Iterator[RunUpdate]:
        """The runs whose jobs changed in the provider's list, and orphan jobs; then the runs to ask for by themselves.

        Those are the runs that the list doesn't name. A run to be cancelled is asked for too, which cancels it. Runs
        that the list names are removed from `unseen`, so that it ends with those that still wait for the provider.
        """
        since = min((run.created_at for run in open_runs), default=self.now) - CLOCK_SKEW
        second_jobs = {other.id for run in open_runs for other in run.other_jobs if other.status not in TERMINAL}
        for job in provider.jobs():
            run = unseen.pop(job.id, None)
            if run is not None and _is_changed(run, job):
                yield run, None if run.cancel_requested_at and job.status not in TERMINAL else job
            if run is None and (job.status not in TERMINAL or job.id in second_jobs):
                yield None, job
            if not unseen and job.created_at and job.created_at < since:
                return
        yield from ((run, None) for run in unseen.values())


@dataclass(frozen=True)
class StuckRuns:
    """Announces runs that have had no heartbeat for too long, once for each silence."""

    runs: Runs
    now: datetime

    def report_if_stuck(
        self, listed_run: ControlledRun, refresh: Callable[[ControlledRun], ControlledRun]
    ) -> ControlledRun:
        """Refresh a run that has been silent for too long; if it still is, count it (`RunsStuck`) and announce it."""
        if not is_silent(listed_run, self.now):
            return listed_run
        run = self.runs.get(listed_run.tenant, listed_run.id)
        is_due = run.stuck_since is None or run.checked_at is None or self.now - run.checked_at >= SILENT_RECHECK_AFTER
        run = refresh(run) if is_due and is_silent(run, self.now) else run
        if not is_silent(run, self.now):
            return run
        count("RunsStuck")
        return run if run.stuck_since else self._announce(run)

    def _announce(self, run: ControlledRun) -> ControlledRun:
        """Store since when a run is stuck, with the event that announces it; returns the run as stored."""
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
        except Stale:  # the run has had a heartbeat, or another invocation has announced it
            return self.runs.get(run.tenant, run.id)


def _is_overdue(run: ControlledRun, now: datetime) -> bool:
    """Whether a run is open for more than a day, not counting runs that wait for a person's confirmation."""
    return run.status != RunStatus.AWAITING_CONFIRMATION and now - run.created_at > OVERDUE_AFTER


def _is_changed(run: ControlledRun, job: ProviderJob) -> bool:
    """Whether a listed job changes its run: by its status, or by being there if the run waits for it or missed it."""
    return bool(
        job.status != run.provider_status
        or job.status in TERMINAL
        or run.waiting_for
        or run.missed_at is not None
        or run.cancel_requested_at
    )
