"""Strays: jobs at a provider that carry one of this stage's runs and that no open run has.

Where the run's row was lost, as by restoring the table, the row is made again from what the job carries. Where the run
has another job, or has ended without one, the stray is stopped, and what it cost is recorded with the run.
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
from tuneloop.domain.training.runs import TERMINAL, ControlledRun, adopt_job
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

STOPPING_S = 10.0
TRIES = 5
ADOPTED = "Its row was lost and made again from what its job carries: what was chosen beside the base model is unknown."


@dataclass(frozen=True)
class OrphanJobs:
    """What a stage does with the strays at its providers."""

    stage: str
    tenants: Tenants
    datasets: Datasets
    exports: Exports
    models: Models
    runs: Runs
    now: datetime

    def take(self, job: ProviderJob, provider: Provider) -> None:
        """Adopt a job, stop it, or leave it, as it isn't ours or its run knows it."""
        if self.runs.by_job(provider.name, job.id):
            return
        origin = provider.origin_of(job)
        if origin is None or origin.stage != self.stage or (lost := _run_of(origin, job, provider, self.now)) is None:
            return
        run = self.runs.find(lost.tenant, lost.id)
        if run is None:
            self._adopt(lost, job, provider)
        elif run.provider_job_id != job.id and not (run.provider_job_id is None and run.is_open):
            self._stop_other(run, job, provider)  # a run without a job is looked after by who submits it

    def _adopt(self, lost: ControlledRun, job: ProviderJob, provider: Provider) -> None:
        try:
            run = self._placed(lost)
        except NotFound:
            if _stop(job, provider):
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
        except Stale:  # somebody else did so
            return
        logger.warning("adopted a job", extra={"provider": provider.name, "job": job.id, "run": run.id})
        count("RunsAdopted")

    def _placed(self, lost: ControlledRun) -> ControlledRun:
        """The run with what its export says of it; NotFound where it has nowhere to go."""
        if not self.tenants.exists(lost.tenant):
            raise NotFound(f"There is no tenant {lost.tenant}.")
        self.datasets.get(lost.tenant, lost.dataset)
        self.models.get(lost.tenant, lost.model)
        export = self.exports.get(lost.tenant, lost.dataset, lost.export)
        return lost.model_copy(update={"examples": export.files[Split.TRAIN].examples})

    def _stop_other(self, run: ControlledRun, job: ProviderJob, provider: Provider) -> None:
        stopped = _stop(job, provider)
        known = next((other for other in run.other_jobs if other.id == job.id), None)
        price = price_of(run.provider, run.base_model)
        cost = None if job.trained_tokens is None else training_cost(price, job.trained_tokens)
        other = OtherJob(id=job.id, status=job.status, trained_tokens=job.trained_tokens, cost_usd=cost)
        if other != known:
            self._record(run, other)
        if stopped and known is None:
            logger.warning("stopped a second job", extra={"provider": provider.name, "job": job.id, "run": run.id})
            count("JobsDoubled")

    def _record(self, run: ControlledRun, other: OtherJob) -> None:
        for _ in range(TRIES):
            others = [each for each in run.other_jobs if each.id != other.id]
            counted = sum((each.cost_usd or Decimal(0) for each in run.other_jobs if each.id == other.id), Decimal(0))
            changed = run.model_copy(update={"other_jobs": [*others, other]})
            try:
                self.runs.recost(changed, (other.cost_usd or Decimal(0)) - counted)
            except Stale:
                run = self.runs.get(run.tenant, run.id)
            else:
                return
        raise Stale(f"Run {run.id} is changing too fast to record its other job; try again.")


def survey(*, providers: Providers, strays: OrphanJobs) -> None:
    """Look through the whole list of every provider, jobs that have ended too, whether a run is open there or not."""

    def look(name: str) -> None:
        provider = providers.get(name)
        try:
            for_each(provider.jobs(), lambda job: strays.take(job, provider))
        except ProviderUnavailable as error:  # tomorrow is soon enough
            log_failure(error)

    for_each(providers.names(), look)


def _run_of(origin: JobOrigin, job: ProviderJob, provider: Provider, now: datetime) -> ControlledRun | None:
    """The run as its job tells of it; None where what the job carries can't be ours."""
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
            notes=[ADOPTED],
        ).moved_to_provider()
    except ValidationError as error:
        log_failure(error)
        return None


def _stop(job: ProviderJob, provider: Provider) -> bool:
    """Ask for a job to be stopped if it still goes on; whether it does."""
    if job.status in TERMINAL:
        return False
    try:
        provider.cancel_job(job.id, timeout_s=STOPPING_S)
    except (ProviderUnavailable, ProviderRefused) as error:  # the next sweep tries again
        log_failure(error)
    return True
