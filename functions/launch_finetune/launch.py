"""Launching: which runs an event or a schedule sets in motion."""

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

# Freezing takes seconds to minutes. A run whose export isn't there after this long may have lost its event, so it is
# announced again; freezing the same revision twice makes one export.
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
        """Submit a run if its exports are frozen; until then it waits for the event that says so.

        It fails where an export can't be made, or where its validation doesn't fit.
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
        """Fail the run where an export of it can't be made; announce it again where it should be long frozen."""
        if failure := self._export_failure(run):
            return end_failed(run, failure, self.runs, self.now)
        if self.now - (run.checked_at or run.created_at) > FROZEN_WITHIN:
            looked_at = run.model_copy(update={"checked_at": self.now})
            self.runs.save(looked_at, event=requested_event(run), now=self.now)
        return run

    def _export_failure(self, run: ControlledRun) -> RunError | None:
        """Why an export that a run needs could not be made since the run was requested."""
        for dataset, export in _exports_needed(run):
            failure = self.datasets.get(run.tenant, dataset).export_failure
            if failure and failure.export == export and failure.at >= run.created_at:
                return RunError(code=failure.code, message=failure.message)
        return None

    def open_runs_on(self, export: str) -> list[ControlledRun]:
        """The open runs that train on an export, or are validated by it, and have no job yet."""
        waiting = (run for run in self.runs.open() if run.status in SUBMITTABLE)
        return [run for run in waiting if export in (run.export, run.validation_export)]


def _exports_needed(run: ControlledRun) -> list[tuple[str, str]]:
    """Dataset and export of all that a run needs, its own first."""
    own = [(run.dataset, run.export)]
    if run.validation_dataset and run.validation_export:
        return [*own, (run.validation_dataset, run.validation_export)]
    return own


def request_wanted(dataset: Dataset, revision: int, default_provider: str, attempts: RunAttempts) -> None:
    """Request the run that a settled drop leads to, if this revision is wanted for training."""
    if dataset.wanted_revision == revision:
        request = RunRequest(revision=revision, again=False)
        attempts.request(dataset, dataset.provider or default_provider, request)


@dataclass(frozen=True)
class Retraining:
    """The monthly retraining of what has been trained before; datasets without a provider train at the default one."""

    default_provider: str
    tenants: Tenants
    datasets: Datasets
    models: Models
    runs: Runs
    now: datetime

    def request_due(self) -> None:
        """Request a run for each dataset that is due; a failure holds up no other dataset or tenant."""
        for_each(self.tenants.all(), lambda tenant: for_each(self.datasets.all(tenant.id), self._request_if_due))

    def _request_if_due(self, dataset: Dataset) -> None:
        if dataset.revision and self._was_trained_on(dataset):
            provider = dataset.provider or self.default_provider
            run = RunAttempts(self.runs, self.now).request(dataset, provider, RunRequest(again=False))
            count("MonthlyRetrainings", int(run.created_at == self.now))

    def _was_trained_on(self, dataset: Dataset) -> bool:
        """Whether the dataset has made a version; one that was registered by hand comes of no dataset."""
        return any(version.dataset == dataset.id for version in self.models.all_versions(dataset.tenant, dataset.model))
