"""Orphan jobs: jobs at a provider that name a run of this stage although no open run has them.

If the run's row was lost, as by restoring the table, it is made again from the job's metadata. If the run has another
job, or ended without one, the orphan is cancelled, and its cost is recorded with the run.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pydantic import ValidationError

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound, ProviderRefused, ProviderUnavailable, Stale
from tuneloop.domain.core.pricing import training_cost
from tuneloop.domain.events import TrainingRunAdopted
from tuneloop.domain.training.jobs import JobOrigin, OtherJob, ProviderJob
from tuneloop.domain.training.runs import TERMINAL, ControlledRun, RunStatus, adopt_job
from tuneloop.observability import count, log_failure, logger
from tuneloop.providers.catalog import price_of
from tuneloop.providers.port import Provider
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.repositories.tenants import Tenants
from tuneloop.store.retry import retry_from

# Seconds to cancel one orphan: a slow provider must not use up the sweep's 60 s. The next sweep tries again.
CANCEL_TIMEOUT_S = 10.0
ADOPTED_NOTE = (
    "Its row was lost and made again from what its job carries: what was chosen beside the base model is unknown."
)


@dataclass(frozen=True)
class OrphanJobs:
    """Adopts or cancels the orphan jobs at a stage's providers."""

    stage: str
    providers: Providers
    tenants: Tenants
    datasets: Datasets
    exports: Exports
    models: Models
    runs: Runs
    now: datetime

    def survey(self) -> None:
        """Reconcile all jobs in every provider's list, also ended ones and those of providers without an open run."""
        for_each(self.providers.names(), self._survey_provider)

    def _survey_provider(self, name: str) -> None:
        provider = self.providers.get(name)
        try:
            for_each(provider.jobs(), lambda job: self.reconcile(job, provider))
        except ProviderUnavailable as error:  # the next day's survey is soon enough
            log_failure(error)

    def reconcile(self, job: ProviderJob, provider: Provider) -> None:
        """Adopt a job whose run's row was lost, or cancel a run's second job; ignore known jobs and other stages'."""
        if self.runs.by_job(provider.name, job.id):
            return
        origin = provider.origin_of(job)
        if (
            origin is None
            or origin.stage != self.stage
            or (described := _run_of(origin, job, provider, self.now)) is None
        ):
            return
        run = self.runs.find(described.tenant, described.id)
        if run is None:
            self._adopt(described, job, provider)
        elif run.provider_job_id is None and run.is_open:
            return  # its submission is under way, and looks for the job itself
        elif run.provider_job_id != job.id:
            self._cancel_second_job(run, job, provider)

    def _adopt(self, lost: ControlledRun, job: ProviderJob, provider: Provider) -> None:
        """Store the row of a lost run again, with its job; cancel the job if the run's tenant or data are gone."""
        try:
            run = self._complete(lost)
        except NotFound:
            if _cancel(job, provider):
                logger.warning("stopped a job of what is gone", extra={"provider": provider.name, "job": job.id})
                count("OrphansStopped")
            return
        adopted = adopt_job(run, job, self.now)
        event = TrainingRunAdopted(
            tenant=run.tenant,
            run=run.id,
            model=run.model,
            dataset=run.dataset,
            export=run.export,
            provider=run.provider,
            job=job.id,
        )
        try:
            self.runs.restore(adopted, event, self.now)
        except Stale:  # another invocation has adopted the job
            return
        logger.warning("adopted a job", extra={"provider": provider.name, "job": job.id, "run": run.id})
        count("RunsAdopted")

    def _complete(self, lost: ControlledRun) -> ControlledRun:
        """The run with its number of examples; NotFound if its tenant, dataset, model or export is gone."""
        if not self.tenants.exists(lost.tenant):
            raise NotFound(f"There is no tenant {lost.tenant}.")
        self.datasets.get(lost.tenant, lost.dataset)
        self.models.get(lost.tenant, lost.model)
        export = self.exports.get(lost.tenant, lost.dataset, lost.export)
        return lost.model_copy(update={"examples": export.files[Split.TRAIN].examples})

    def _cancel_second_job(self, run: ControlledRun, job: ProviderJob, provider: Provider) -> None:
        """Cancel a run's second job if it is still open, and record with the run what it cost."""
        _cancel(job, provider)
        stored = next((second for second in run.other_jobs if second.id == job.id), None)
        price = price_of(run.provider, run.base_model)
        cost = None if job.trained_tokens is None else training_cost(price, job.trained_tokens)
        second = OtherJob(id=job.id, status=job.status, trained_tokens=job.trained_tokens, cost_usd=cost)
        if second != stored:
            self._record(run, second)
        if stored is None and job.status not in TERMINAL:
            logger.warning("found a second job", extra={"provider": provider.name, "job": job.id, "run": run.id})
            count("JobsDoubled")

    def _record(self, run: ControlledRun, second: OtherJob) -> None:
        """Store a run's second job, and add to the budget what its cost exceeds the cost that was counted before."""

        def recost(current: ControlledRun) -> ControlledRun:
            """The run with its second job, and the job's cost in place of the one that was counted before."""
            stored = [job for job in current.other_jobs if job.id == second.id]
            others = [job for job in current.other_jobs if job.id != second.id]
            counted_usd = sum((job.cost_usd or Decimal(0) for job in stored), Decimal(0))
            changed = current.model_copy(update={"other_jobs": [*others, second]})
            return self.runs.recost(changed, (second.cost_usd or Decimal(0)) - counted_usd)

        retry_from(run, lambda: self.runs.get(run.tenant, run.id), recost, f"Run {run.id}")


def _run_of(origin: JobOrigin, job: ProviderJob, provider: Provider, now: datetime) -> ControlledRun | None:
    """The run that a job's metadata describes; None if those values can't be from this stage."""
    try:
        return ControlledRun(
            id=origin.run,
            tenant=origin.tenant,
            provider=provider.name,
            model=origin.model,
            base_model=job.base_model or "unknown",
            dataset=origin.dataset,
            export=origin.export,
            revision=origin.revision,
            attempt=origin.attempt,
            confirmed=True,
            created_at=min(job.created_at or now, now),
            notes=[ADOPTED_NOTE],
            status=RunStatus.VALIDATING_FILES,
        )
    except ValidationError as error:
        log_failure(error)
        return None


def _cancel(job: ProviderJob, provider: Provider) -> bool:
    """Cancel a job that hasn't ended; False if it had ended, or the provider didn't take the request."""
    if job.status in TERMINAL:
        return False
    try:
        provider.cancel_job(job.id, timeout_s=CANCEL_TIMEOUT_S)
    except (ProviderUnavailable, ProviderRefused) as error:  # the next sweep tries again
        log_failure(error)
        return False
    return True
