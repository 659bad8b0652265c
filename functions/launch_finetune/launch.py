"""Launching: which runs an event or a schedule sets in motion."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from launch_finetune.request import request_run, requested
from launch_finetune.submit import Submission, fail
from launch_finetune.validation_exports import failure_of, places_of, refusal_of_validation
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.serving.sunset import Shutdowns, with_announced_shutdown
from tuneloop.domain.training.runs import SUBMITTABLE, ControlledRun
from tuneloop.observability import count
from tuneloop.providers.catalog import price_of
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.repositories.budgets import Spendings
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.repositories.tenants import Tenants

FROZEN_WITHIN = timedelta(minutes=10)


def launch(
    tenant: str,
    run_id: str,
    *,
    datasets: Datasets,
    exports: Exports,
    runs: Runs,
    objects: Objects,
    models: Models,
    spendings: Spendings,
    providers: Providers,
    ends: Mapping[str, Shutdowns],
    stage: str,
    owner: str,
    now: datetime,
) -> ControlledRun:
    """Submit a run if its export is frozen; until then it waits for the event that says so, and is reminded of.

    It fails where its export can't be made. `ends` is what each provider has announced of its models.
    """
    run = runs.get(tenant, run_id)
    if run.status not in SUBMITTABLE:
        return run
    found = [exports.find(tenant, *place) for place in places_of(run)]
    frozen = [export for export in found if export]
    if len(frozen) < len(found):
        if failure := failure_of(run, datasets=datasets):
            return fail(run, failure, runs=runs, now=now)
        remind(run, runs=runs, now=now)
        return run
    if run.has_no_job and (unfit := refusal_of_validation(*frozen)):
        return fail(run, unfit, runs=runs, now=now)
    export, *others = frozen
    limit = max(datasets.get(tenant, run.dataset).max_run_usd, run.max_usd or Decimal(0))
    price = with_announced_shutdown(price_of(run.provider, run.base_model), run.base_model, ends.get(run.provider))
    provider = providers.get(run.provider)
    submission = Submission(run, export, provider, objects, runs, stage, now, spendings, *others)
    return submission.submit(price, limit, owner, is_first=models.deployment(tenant, run.model).stable == 0)


def request_wanted(dataset: Dataset, revision: int, *, provider: str, runs: Runs, now: datetime) -> None:
    """Request the run that a settled drop leads to, if this revision is wanted for training."""
    if dataset.wanted_revision == revision:
        request_run(dataset, provider=dataset.provider or provider, runs=runs, now=now, revision=revision)


def waiting_for(export: str, *, runs: Runs) -> list[ControlledRun]:
    """The open runs that wait for an export to be frozen."""
    return [run for run in runs.open() if export in (run.export, run.validation_export) and run.status in SUBMITTABLE]


def retrain(provider: str, *, tenants: Tenants, datasets: Datasets, runs: Runs, models: Models, now: datetime) -> None:
    """Request a run for each dataset that is due; one that fails, or a tenant whose datasets do, holds up no other."""

    def request_if_due(dataset: Dataset) -> None:
        if dataset.revision and _was_trained_on(dataset, models):
            run = request_run(dataset, provider=dataset.provider or provider, runs=runs, now=now)
            count("MonthlyRetrainings", int(run.created_at == now))

    for_each(tenants.all(), lambda tenant: for_each(datasets.all(tenant.id), request_if_due))


def _was_trained_on(dataset: Dataset, models: Models) -> bool:
    """Whether the dataset has made a version; one that was registered by hand comes of no dataset."""
    return any(version.dataset == dataset.id for version in models.all_versions(dataset.tenant, dataset.model))


def remind(run: ControlledRun, *, runs: Runs, now: datetime) -> None:
    """Announce a run again whose export should have been frozen long ago."""
    if now - (run.checked_at or run.created_at) > FROZEN_WITHIN:
        runs.save(run.model_copy(update={"checked_at": now}), event=requested(run), now=now)
