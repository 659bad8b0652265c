"""Refreshing a run: what the provider says is merged; the end of a run is stored together with the version it made."""

from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Model, Version, VersionStatus
from tuneloop.domain.training.budgets import costed
from tuneloop.domain.training.capabilities import Capabilities
from tuneloop.domain.training.costs import billable_of
from tuneloop.domain.training.jobs import ProviderJob, RunEvent
from tuneloop.domain.training.run_progress import with_epoch_losses, with_heartbeat
from tuneloop.domain.training.runs import (
    AT_PROVIDER,
    TERMINAL,
    ControlledRun,
    RunStatus,
    merge_events,
    merge_job,
    miss_job,
)
from tuneloop.observability import count
from tuneloop.providers.catalog import price_of
from tuneloop.providers.port import JOB_NOT_FOUND, Provider
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.runs import Runs

ASKING_S = 3.0
TRIES = 5
ENDS = {
    RunStatus.SUCCEEDED: "RunsSucceeded",
    RunStatus.FAILED: "RunsFailed",
    RunStatus.CANCELLED: "RunsCancelled",
}
COUNTED_HERE = "Its provider tells no trained tokens: they are the export's, times the epochs."
TOO_LATE = "It had succeeded before it could be cancelled: its training is paid for, and its version is kept."


def refresh(
    run: ControlledRun,
    *,
    older_than_s: float,
    provider: Provider,
    runs: Runs,
    models: Models,
    exports: Exports,
    now: datetime,
    asking_s: float = ASKING_S,
) -> ControlledRun:
    """The run after asking the provider, if it is there and was last tried more than `older_than_s` seconds ago.

    A provider that can't be reached in `asking_s` leaves the run as it was, noting what it waits for and since when.
    """
    fresh = run.checked_at is not None and now - run.checked_at < timedelta(seconds=older_than_s)
    if run.status not in AT_PROVIDER or run.provider_job_id is None or fresh:
        return run
    try:
        provider.prepare()  # in a cold process that takes longer than the provider does
        until = monotonic() + asking_s
        if run.cancel_requested_at:
            provider.cancel_job(run.provider_job_id, timeout_s=asking_s)
        job = provider.get_job(run.provider_job_id, timeout_s=until - monotonic())
    except (ProviderUnavailable, ProviderRefused) as error:
        if error.code == JOB_NOT_FOUND:
            return _store(run, lambda run: miss_job(run, now), runs, models, exports, now)
        return wait(run, error.message, runs=runs, models=models, exports=exports, now=now)
    news = events_or_none(job.id, provider, until - monotonic(), whole=job.status in TERMINAL)
    can = provider.capabilities(run.base_model)
    return store_job_status(run, job, news, can=can, runs=runs, models=models, exports=exports, now=now)


def wait(
    run: ControlledRun, what: str, *, runs: Runs, models: Models, exports: Exports, now: datetime
) -> ControlledRun:
    """Store that the provider was tried in vain, and what is waited for since when."""
    return _store(run, lambda run: run.waiting(what, now, checked_at=now), runs, models, exports, now)


def fetch_events(job_id: str, provider: Provider, asking_s: float = ASKING_S, *, whole: bool = False) -> list[RunEvent]:
    """The provider's latest events of a job, or the whole of them.

    None where it keeps none, which is no reason to leave a run open.
    """
    try:
        return provider.events(job_id, timeout_s=asking_s, whole=whole)
    except ProviderRefused:
        return []


def events_or_none(
    job_id: str, provider: Provider, asking_s: float = ASKING_S, *, whole: bool = False
) -> list[RunEvent]:
    """Fetch a job's events; none if they can't be had now, as the job's own status is still worth storing."""
    try:
        return fetch_events(job_id, provider, asking_s, whole=whole)
    except ProviderUnavailable:
        return []


def store_job_status(
    run: ControlledRun,
    job: ProviderJob,
    news: list[RunEvent],
    *,
    can: Capabilities,
    runs: Runs,
    models: Models,
    exports: Exports,
    now: datetime,
) -> ControlledRun:
    """Store what a provider said about a run; of several that do so at once, one writes and the others read."""

    def told(run: ControlledRun) -> ControlledRun:
        return with_heartbeat(
            run, with_epoch_losses(merge_job(merge_events(run, news), job, now), news, job.n_epochs), now
        )

    return _store(run, told, runs, models, exports, now, can)


def _store(
    run: ControlledRun,
    change: Callable[[ControlledRun], ControlledRun],
    runs: Runs,
    models: Models,
    exports: Exports,
    now: datetime,
    can: Capabilities | None = None,
) -> ControlledRun:
    for _ in range(TRIES):
        changed = change(run)
        try:
            if changed.is_open:
                return runs.save(changed)
            return _finish(changed, can or Capabilities(), runs, models, exports, now)
        except Stale:
            run = runs.get(run.tenant, run.id)
            if not run.is_open:
                return run
    raise Stale(f"Run {run.id} is changing too fast to record its status; try again.")


def _finish(
    run: ControlledRun, can: Capabilities, runs: Runs, models: Models, exports: Exports, now: datetime
) -> ControlledRun:
    made, price = None, price_of(run.provider, run.base_model)
    if run.status == RunStatus.SUCCEEDED and run.fine_tuned_model:
        export = exports.get(run.tenant, run.dataset, run.export)
        made = _version(run, run.fine_tuned_model, export, can, models, now)
        run = run.model_copy(update={"version": made[1].number})
        run = run.noting(TOO_LATE) if run.cancel_requested_at else run
        if run.trained_tokens is None and not can.tells_tokens:
            train = export.files[Split.TRAIN]
            billable = billable_of(price, train.examples, train.tokens, train.images, run.hyperparameters)
            if billable.images is not None:
                run = run.model_copy(update={"trained_tokens": billable.tokens}).noting(COUNTED_HERE)
    run = costed(run, price)
    finished = runs.finish(run, TrainingRunFinished.of(run), now, made)
    if run.status in ENDS:
        count(ENDS[run.status])
    return finished


def _version(
    run: ControlledRun, provider_model: str, export: Export, can: Capabilities, models: Models, now: datetime
) -> tuple[Model, Version, Version | None]:
    model = models.get(run.tenant, run.model)
    version = Version(
        tenant=run.tenant,
        model=run.model,
        number=model.latest_version + 1,
        provider=run.provider,
        provider_model=provider_model,
        base_model=run.base_model,
        is_finetuned=True,
        status=VersionStatus.DEPLOYING if can.needs_deployment else VersionStatus.READY,
        prompt=export.served_prompt,
        parameters=export.parameters,
        dataset=run.dataset,
        run=run.id,
        export=run.export,
        created_at=now,
    )
    base = models.version(run.tenant, run.model, 0)
    if run.model_is_named or (base.prompt is not None and base.export is None):  # another's, or set by hand
        return model, version, None
    asked = {"prompt": export.served_base_prompt, "parameters": {**base.parameters, **export.parameters}}
    return model, version, base.model_copy(update={**asked, "export": export.id})
