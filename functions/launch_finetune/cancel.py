"""Cancels a run in whatever state it is, so that a crash at any line costs nothing.

The request to cancel (`cancel_requested_at`) is stored first, under the row's optimistic lock. If no job has been asked
for yet, that write ends the run, and the next write of a submission that is under way fails as Stale. Else the job is
cancelled by whoever next works on the run: this call if the provider is quick, the submission that finds the job, or
the sweep.
"""

from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from launch_finetune.request import requested_event
from tuneloop.domain.core.errors import Conflict, ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.domain.training.budgets import with_cost
from tuneloop.domain.training.runs import SUBMITTABLE, ControlledRun, RunStatus, merge_job, with_heartbeat
from tuneloop.observability import count
from tuneloop.providers.catalog import price_of
from tuneloop.providers.port import Provider
from tuneloop.providers.registry import Providers
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.retry import retry_from

# Bounds all calls to the provider together, so that a slow one doesn't use up the time for our own answer: the request
# to cancel is stored by then, and the sweep carries it out.
ASKING_S = 6.0


@dataclass(frozen=True)
class Cancellations:
    """Cancellations of runs; calls to a provider take at most `asking_s` seconds, and never more than `ASKING_S`."""

    providers: Providers
    runs: Runs
    now: datetime
    asking_s: float = ASKING_S

    def cancel(self, run: ControlledRun) -> ControlledRun:
        """Cancel a run; returns it as stored, and open while its job is yet to be stopped.

        Conflict where it has succeeded or failed.
        """
        requested = self._request(run)
        if not requested.is_open or requested.status in SUBMITTABLE:
            return requested
        return self._stop(requested, self.providers.get(requested.provider))

    def _request(self, run: ControlledRun) -> ControlledRun:
        """Store the request to cancel, unless the run is cancelled already; Conflict where it succeeded or failed."""

        def write(current: ControlledRun) -> ControlledRun:
            """Store the request with the run as it is now; Conflict where it has ended otherwise."""
            if current.status == RunStatus.CANCELLED:
                return current
            if not current.is_open:
                message = f"The run has {current.status} already: there is nothing left to cancel."
                raise Conflict(message, param="run", code="run_ended")
            return self._store_request(current)

        return retry_from(run, lambda: self.runs.get(run.tenant, run.id), write, f"Run {run.id}")

    def _store_request(self, run: ControlledRun) -> ControlledRun:
        if run.has_no_job:
            return end_cancelled(run, self.runs, self.now)
        if run.cancel_requested_at:
            return run
        requested = run.model_copy(update={"cancel_requested_at": self.now})
        # Where a job may exist and isn't found yet, the event starts a submission, which looks for the job to stop it.
        event = requested_event(requested) if run.status in SUBMITTABLE else None
        return self.runs.save(requested, event=event, now=self.now)

    def _stop(self, run: ControlledRun, provider: Provider) -> ControlledRun:
        """Ask the provider to cancel the job; a job that succeeded all the same is left for the sweep to record."""
        job_id, until = run.provider_job_id or "", monotonic() + min(self.asking_s, ASKING_S)
        try:
            provider.prepare()
            provider.cancel_job(job_id, timeout_s=until - monotonic())
            job = provider.get_job(job_id, timeout_s=until - monotonic())
        except (ProviderUnavailable, ProviderRefused) as error:
            return self._save_unless_stale(run.with_wait(error.message, self.now))
        if job.status != RunStatus.CANCELLED:
            return run
        cancelled = with_heartbeat(run, merge_job(run, job, self.now), self.now)
        with_costs = with_cost(cancelled, price_of(run.provider, run.base_model))
        try:
            ended = self.runs.finish(with_costs, TrainingRunFinished.of(with_costs), self.now, None)
        except Stale:  # somebody else stored its end
            return self.runs.get(run.tenant, run.id)
        count("RunsCancelled")
        return ended

    def _save_unless_stale(self, run: ControlledRun) -> ControlledRun:
        """Store the run; returns it as stored, by somebody else where that one was faster."""
        try:
            return self.runs.save(run)
        except Stale:
            return self.runs.get(run.tenant, run.id)


def end_cancelled(run: ControlledRun, runs: Runs, now: datetime) -> ControlledRun:
    """Store a run as cancelled for which no job exists."""
    cancelled = run.with_cancellation(now)
    ended = runs.finish(cancelled, TrainingRunFinished.of(cancelled), now, None)
    count("RunsCancelled")
    return ended
