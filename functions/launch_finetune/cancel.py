"""Cancelling a run in whatever state it is, so that a crash at any line costs nothing.

The wish is written first, under the row's own lock. Before anything that could make a job was sent, that write is the
end of the run: whoever is submitting it finds his next write refused. Afterwards whoever next works on the run carries
the wish out: this call if the provider is quick, else the submission that finds the job, or the sweep.
"""

from datetime import datetime
from time import monotonic

from launch_finetune.request import requested
from tuneloop.domain.core.errors import Conflict, ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.domain.training.budgets import costed
from tuneloop.domain.training.run_progress import with_heartbeat
from tuneloop.domain.training.runs import SUBMITTABLE, ControlledRun, RunStatus, merge_job
from tuneloop.observability import count
from tuneloop.providers.catalog import price_of
from tuneloop.providers.port import Provider
from tuneloop.providers.registry import Providers
from tuneloop.store.repositories.runs import Runs

ASKING_S = 6.0
TRIES = 5


def cancel(
    run: ControlledRun, *, runs: Runs, providers: Providers, now: datetime, asking_s: float = ASKING_S
) -> ControlledRun:
    """The run as it is once its end is wished for; Conflict where it has succeeded or failed."""
    wished = _wish(run, runs, now)
    if not wished.is_open or wished.status in SUBMITTABLE:
        return wished
    return _stop(wished, providers.get(wished.provider), runs, now, min(asking_s, ASKING_S))


def end(run: ControlledRun, *, runs: Runs, now: datetime) -> ControlledRun:
    """The run ended as cancelled, without a job that anything could have come of."""
    cancelled = run.cancelled(now)
    ended = runs.finish(cancelled, TrainingRunFinished.of(cancelled), now, None)
    count("RunsCancelled")
    return ended


def _wish(run: ControlledRun, runs: Runs, now: datetime) -> ControlledRun:
    for _ in range(TRIES):
        if run.status == RunStatus.CANCELLED:
            return run
        if not run.is_open:
            message = f"The run has {run.status} already: there is nothing left to cancel."
            raise Conflict(message, param="run", code="run_ended")
        try:
            return _wished(run, runs, now)
        except Stale:
            run = runs.get(run.tenant, run.id)
    raise Stale(f"Run {run.id} is changing too fast to be cancelled; try again.")


def _wished(run: ControlledRun, runs: Runs, now: datetime) -> ControlledRun:
    if run.has_no_job:
        return end(run, runs=runs, now=now)
    if run.cancel_requested_at:
        return run
    wished = run.model_copy(update={"cancel_requested_at": now})
    # Its job is still to be found: the event wakes who looks for it, where nobody does so already.
    event = requested(wished) if run.status in SUBMITTABLE else None
    return runs.save(wished, event=event, now=now)


def _stop(run: ControlledRun, provider: Provider, runs: Runs, now: datetime, asking_s: float) -> ControlledRun:
    """Ask the provider to cancel; a run that made something all the same is left to whoever records what it made."""
    job_id, until = run.provider_job_id or "", monotonic() + asking_s
    try:
        provider.prepare()
        provider.cancel_job(job_id, timeout_s=until - monotonic())
        job = provider.get_job(job_id, timeout_s=until - monotonic())
    except (ProviderUnavailable, ProviderRefused) as error:
        return _store(run.waiting(error.message, now), runs)
    if job.status != RunStatus.CANCELLED:
        return run
    stopped = costed(with_heartbeat(run, merge_job(run, job, now), now), price_of(run.provider, run.base_model))
    try:
        ended = runs.finish(stopped, TrainingRunFinished.of(stopped), now, None)
    except Stale:  # somebody else saw it end
        return runs.get(run.tenant, run.id)
    count("RunsCancelled")
    return ended


def _store(run: ControlledRun, runs: Runs) -> ControlledRun:
    try:
        return runs.save(run)
    except Stale:
        return runs.get(run.tenant, run.id)
