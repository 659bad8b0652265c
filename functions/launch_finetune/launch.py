"""Launches runs: submits them once their exports are frozen, and requests those that a drop or the month calls for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from launch_finetune.checks import refusal_of_validation
from launch_finetune.request import RunAttempts, RunRequest, requested_event
from launch_finetune.submit import Submission, end_failed
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.serving.sunset import with_announced_shutdown
from tuneloop.domain.training.jobs import RunError
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
from tuneloop.store.repositories.providers import ProviderRows
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.repositories.tenants import Tenants

# Freezing takes seconds to minutes. Where an export isn't there after this long, the event that asks for it may be
# lost, so the run is announced again; freezing a revision twice makes one export.
FROZEN_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True)
class Launch:
    """Launches of requested runs at their providers; `owner` is the process that takes their leases."""

    datasets: Datasets
    exports: Exports
    runs: Runs
    objects: Objects
    models: Models
    spendings: Spendings
    providers: Providers
    provider_rows: ProviderRows
    stage: str
    owner: str
    now: datetime

    def launch(self, tenant: str, run_id: str) -> ControlledRun:
        """Submit a run if its exports are frozen; until then it waits for the event ExportCreated.

        The run fails where an export can't be made, or where the validation export doesn't fit the training export.
        """
        run = self.runs.get(tenant, run_id)
        if run.status not in SUBMITTABLE:
            return run
        exports = [self.exports.find(tenant, *place) for place in _exports_needed(run)]
        frozen = [export for export in exports if export]
        if len(frozen) < len(exports):
            return self._wait_for_exports(run)
        export, *others = frozen
        for validation in others if run.has_no_job else ():
            if refusal := refusal_of_validation(export, validation):
                return end_failed(run, refusal, self.runs, self.now)
        shutdowns = self.provider_rows.shutdowns().get(run.provider)
        price = with_announced_shutdown(price_of(run.provider, run.base_model), run.base_model, shutdowns)
        limit = max(self.datasets.get(tenant, run.dataset).max_run_usd, run.max_usd or Decimal(0))
        provider = self.providers.get(run.provider)
        submission = Submission(
            run, export, provider, self.objects, self.runs, self.stage, self.now, self.spendings, *others
        )
        is_first = self.models.deployment(tenant, run.model).stable == 0
        return submission.submit(price, limit, self.owner, is_first=is_first)

    def _wait_for_exports(self, run: ControlledRun) -> ControlledRun:
        """Fail a run whose export can't be made; announce it again where freezing takes longer than `FROZEN_WITHIN`."""
        if failure := self._export_failure(run):
            return end_failed(run, failure, self.runs, self.now)
        if self.now - (run.checked_at or run.created_at) > FROZEN_WITHIN:
            checked = run.model_copy(update={"checked_at": self.now})
            self.runs.save(checked, event=requested_event(run), now=self.now)
        return run

    def _export_failure(self, run: ControlledRun) -> RunError | None:
        """The error by which an export that a run needs could not be made since the run was requested; None if none."""
        for dataset, export in _exports_needed(run):
            failure = self.datasets.get(run.tenant, dataset).export_failure
            if failure and failure.export == export and failure.at >= run.created_at:
                return RunError(code=failure.code, message=failure.message)
        return None

    def open_runs_on(self, export: str) -> list[ControlledRun]:
        """The open runs without a job that train on an export, or are validated by it."""
        waiting = (run for run in self.runs.open() if run.status in SUBMITTABLE)
        return [run for run in waiting if export in (run.export, run.validation_export)]


def _exports_needed(run: ControlledRun) -> list[tuple[str, str]]:
    """Dataset and export for each export that a run needs, the one that it trains on first."""
    training = [(run.dataset, run.export)]
    if run.validation_dataset and run.validation_export:
        return [*training, (run.validation_dataset, run.validation_export)]
    return training


def request_if_wanted(dataset: Dataset, revision: int, default_provider: str, attempts: RunAttempts) -> None:
    """Request a run on a dataset's revision if a drop wanted that revision trained (`on_drop` is `train`)."""
    if dataset.wanted_revision == revision:
        request = RunRequest(revision=revision, again=False)
        attempts.request(dataset, dataset.provider or default_provider, request)


@dataclass(frozen=True)
class Retraining:
    """The monthly retraining of datasets that were trained on before, at their own provider or the default one."""

    default_provider: str
    tenants: Tenants
    datasets: Datasets
    models: Models
    runs: Runs
    now: datetime

    def request_due(self) -> None:
        """Request a run for each dataset that is due; a failure doesn't hold up other datasets or tenants."""
        for_each(self.tenants.all(), lambda tenant: for_each(self.datasets.all(tenant.id), self._request_if_due))

    def _request_if_due(self, dataset: Dataset) -> None:
        if dataset.revision and self._was_trained_on(dataset):
            provider = dataset.provider or self.default_provider
            run = RunAttempts(self.runs, self.now).request(dataset, provider, RunRequest(again=False))
            count("MonthlyRetrainings", int(run.created_at == self.now))

    def _was_trained_on(self, dataset: Dataset) -> bool:
        """Whether a version was trained on the dataset; versions that were registered by hand have none."""
        return any(version.dataset == dataset.id for version in self.models.all_versions(dataset.tenant, dataset.model))
