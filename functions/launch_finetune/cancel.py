"""Cancelling a run in whatever state it is, so that a crash at any line costs nothing.

The wish to cancel is written first, under the row's optimistic lock. Before anything that could make a job was sent,
that write ends the run: whoever is submitting it finds his next write refused. Afterwards whoever next works on the run
carries the wish out: this call if the provider is quick, else the submission that finds the job, or the sweep.
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

# Bounds both calls to the provider together, so that a slow one doesn't use up the answer's time: the wish is stored
# by then, and the sweep carries it out.
ASKING_S = 6.0


@dataclass(frozen=True)
class Cancellations:
    """Cancellations of runs; a provider is asked for at most `asking_s` seconds, and never for more than `ASKING_S`."""

    providers: Providers
    runs: Runs
    now: datetime
    asking_s: float = ASKING_S

    def cancel(self, run: ControlledRun) -> ControlledRun:
        """The run once the wish to cancel it is stored; Conflict where it has succeeded or failed."""
        wished = self._wish(run)
        if not wished.is_open or wished.status in SUBMITTABLE:
            return wished
        return self._stop(wished, self.providers.get(wished.provider))

    def _wish(self, run: ControlledRun) -> ControlledRun:
        """The run once the wish to cancel it is stored, or as it is where it was cancelled already."""

        def write(current: ControlledRun) -> ControlledRun:
            """The wish stored with a run that is open; Conflict where it has ended otherwise."""
            if current.status == RunStatus.CANCELLED:
                return current
            if not current.is_open:
                message = f"The run has {current.status} already: there is nothing left to cancel."
                raise Conflict(message, param="run", code="run_ended")
            return self._store_wish(current)

        return retry_from(run, lambda: self.runs.get(run.tenant, run.id), write, f"Run {run.id}")

    def _store_wish(self, run: ControlledRun) -> ControlledRun:
        if run.has_no_job:
            return end_cancelled(run, self.runs, self.now)
        if run.cancel_requested_at:
            return run
        wished = run.model_copy(update={"cancel_requested_at": self.now})
        # Its job is still to be found: the event wakes who looks for it, where nobody does so already.
        event = requested_event(wished) if run.status in SUBMITTABLE else None
        return self.runs.save(wished, event=event, now=self.now)

    def _stop(self, run: ControlledRun, provider: Provider) -> ControlledRun:
        """Ask the provider to cancel; a run whose job succeeded all the same is left to whoever records its version."""
        job_id, until = run.provider_job_id or "", monotonic() + min(self.asking_s, ASKING_S)
        try:
            provider.prepare()
            provider.cancel_job(job_id, timeout_s=until - monotonic())
            job = provider.get_job(job_id, timeout_s=until - monotonic())
        except (ProviderUnavailable, ProviderRefused) as error:
            return self._save_unless_stale(run.with_wait(error.message, self.now))
        if job.status != RunStatus.CANCELLED:
            return run
        merged = with_heartbeat(run, merge_job(run, job, self.now), self.now)
        stopped = with_cost(merged, price_of(run.provider, run.base_model))
        try:
            ended = self.runs.finish(stopped, TrainingRunFinished.of(stopped), self.now, None)
        except Stale:  # somebody else saw it end
            return self.runs.get(run.tenant, run.id)
        count("RunsCancelled")
        return ended

    def _save_unless_stale(self, run: ControlledRun) -> ControlledRun:
        """The run as stored, or as somebody else has stored it meanwhile."""
        try:
            return self.runs.save(run)
        except Stale:
            return self.runs.get(run.tenant, run.id)


def end_cancelled(run: ControlledRun, runs: Runs, now: datetime) -> ControlledRun:
    """Store the run as cancelled, where there is no job that anything could have come of."""
    cancelled = run.with_cancellation(now)
    ended = runs.finish(cancelled, TrainingRunFinished.of(cancelled), now, None)
    count("RunsCancelled")
    return ended
