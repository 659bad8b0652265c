"""Refreshing a run: its provider's report is merged into it, and its end is stored with the version that it made."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.events import TrainingRunFinished
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Model, Version, VersionStatus
from tuneloop.domain.training.budgets import with_cost
from tuneloop.domain.training.costs import billable_of
from tuneloop.domain.training.jobs import ProviderJob, RunEvent
from tuneloop.domain.training.model_offers import Capabilities
from tuneloop.domain.training.runs import (
    AT_PROVIDER,
    TERMINAL,
    ControlledRun,
    RunStatus,
    merge_events,
    merge_job,
    miss_job,
    with_epoch_losses,
    with_heartbeat,
)
from tuneloop.observability import count
from tuneloop.providers.catalog import price_of
from tuneloop.providers.port import JOB_NOT_FOUND, Provider
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.retry import retry_from

# Seconds for a provider's answer while a caller waits: if it takes longer, the caller gets the run as it is stored
# (docs/design.md, section 3).
ASKING_S = 3.0
END_METRICS = {
    RunStatus.SUCCEEDED: "RunsSucceeded",
    RunStatus.FAILED: "RunsFailed",
    RunStatus.CANCELLED: "RunsCancelled",
}
TOKENS_FROM_EXPORT = "Its provider tells no trained tokens: they are the export's, times the epochs."
CANCELLED_TOO_LATE = "It had succeeded before it could be cancelled: its training is paid for, and its version is kept."


def fetch_events(job_id: str, provider: Provider, asking_s: float = ASKING_S, *, whole: bool = False) -> list[RunEvent]:
    """The provider's latest events of a job, or all of them with `whole`; empty if it keeps none.

    A refused list counts as empty, since it must not keep a run from ending. ProviderUnavailable if the provider
    doesn't answer within `asking_s` seconds.
    """
    try:
        return provider.events(job_id, timeout_s=asking_s, whole=whole)
    except ProviderRefused:
        return []


def events_or_empty(
    job_id: str, provider: Provider, asking_s: float = ASKING_S, *, whole: bool = False
) -> list[RunEvent]:
    """The events of a job, or [] if the provider is unavailable: the job's own status is still worth storing."""
    try:
        return fetch_events(job_id, provider, asking_s, whole=whole)
    except ProviderUnavailable:
        return []


@dataclass(frozen=True)
class RunReports:
    """Stores providers' reports on runs: status, progress, and with a run's end the version that it made.

    If several processes store reports on one run at once, one writes and the others read its result.
    """

    runs: Runs
    models: Models
    exports: Exports
    now: datetime

    def store(
        self, run: ControlledRun, job: ProviderJob, events: list[RunEvent], capabilities: Capabilities
    ) -> ControlledRun:
        """Merge a job and its events into a run; returns the run as stored."""

        def merge(run: ControlledRun) -> ControlledRun:
            """The run with the job's status, events, losses and heartbeat."""
            merged = merge_job(merge_events(run, events), job, self.now)
            return with_heartbeat(run, with_epoch_losses(merged, events, job.n_epochs), self.now)

        return self.store_change(run, merge, capabilities)

    def store_wait(self, run: ControlledRun, reason: str) -> ControlledRun:
        """Store that a run waits for a provider that can't be asked, and why; returns the run as stored."""
        return self.store_change(run, lambda run: run.with_wait(reason, self.now, checked_at=self.now))

    def store_change(
        self,
        run: ControlledRun,
        change: Callable[[ControlledRun], ControlledRun],
        capabilities: Capabilities | None = None,
    ) -> ControlledRun:
        """Apply a change to an open run; returns the run as stored, unchanged if another process has ended it."""

        def write(current: ControlledRun) -> ControlledRun:
            """The changed run, stored, with its version if the change ended it; unchanged if it had ended before."""
            if not current.is_open:
                return current
            changed = change(current)
            return self.runs.save(changed) if changed.is_open else self._finish(changed, capabilities or Capabilities())

        return retry_from(run, lambda: self.runs.get(run.tenant, run.id), write, f"Run {run.id}")

    def _finish(self, run: ControlledRun, capabilities: Capabilities) -> ControlledRun:
        """Store a run's end with its cost, its event and, if it succeeded, its version, in one write.

        If the provider tells no trained tokens, they are computed from the export, unless that has images whose tokens
        are unknown: then the run stays at its estimated cost.
        """
        new_versions, price = None, price_of(run.provider, run.base_model)
        if run.status == RunStatus.SUCCEEDED and run.fine_tuned_model:
            export = self.exports.get(run.tenant, run.dataset, run.export)
            new_versions = self._new_version(run, run.fine_tuned_model, export, capabilities)
            run = run.model_copy(update={"version": new_versions[1].number})
            run = run.with_note(CANCELLED_TOO_LATE) if run.cancel_requested_at else run
            if run.trained_tokens is None and not capabilities.tells_tokens:
                train = export.files[Split.TRAIN]
                billable = billable_of(price, train.examples, train.tokens, train.images, run.hyperparameters)
                if billable.images is not None:
                    run = run.model_copy(update={"trained_tokens": billable.tokens}).with_note(TOKENS_FROM_EXPORT)
        run = with_cost(run, price)
        finished = self.runs.finish(run, TrainingRunFinished.of(run), self.now, new_versions)
        if run.status in END_METRICS:
            count(END_METRICS[run.status])
        return finished

    def _new_version(
        self, run: ControlledRun, provider_model: str, export: Export, capabilities: Capabilities
    ) -> tuple[Model, Version, Version | None]:
        """The model, its next version, and its base version with the dataset's prompt, None if that keeps its own."""
        model = self.models.get(run.tenant, run.model)
        version = Version(
            tenant=run.tenant,
            model=run.model,
            number=model.latest_version + 1,
            provider=run.provider,
            provider_model=provider_model,
            base_model=run.base_model,
            is_finetuned=True,
            status=VersionStatus.DEPLOYING if capabilities.needs_deployment else VersionStatus.READY,
            prompt=export.served_prompt,
            parameters=export.parameters,
            dataset=run.dataset,
            run=run.id,
            export=run.export,
            created_at=self.now,
        )
        base = self.models.version(run.tenant, run.model, 0)
        # The base version keeps its prompt if the run named another dataset's model, or if the prompt was set by hand.
        if run.model_is_named or (base.prompt is not None and base.export is None):
            return model, version, None
        served_settings = {"prompt": export.served_base_prompt, "parameters": {**base.parameters, **export.parameters}}
        return model, version, base.model_copy(update={**served_settings, "export": export.id})


@dataclass(frozen=True)
class RunRefresh:
    """Asks the provider of an open run within `asking_s` seconds, and stores its report."""

    reports: RunReports
    asking_s: float = ASKING_S

    def refresh(self, run: ControlledRun, provider: Provider, older_than_s: float = 0) -> ControlledRun:
        """Refresh a run at its provider, unless that was tried within `older_than_s` seconds; returns it as stored.

        If the provider can't be reached, the run only notes what it waits for and since when.
        """
        now = self.reports.now
        is_fresh = run.checked_at is not None and now - run.checked_at < timedelta(seconds=older_than_s)
        if run.status not in AT_PROVIDER or run.provider_job_id is None or is_fresh:
            return run
        try:
            provider.prepare()  # before the clock starts: in a cold process it takes longer than the provider's answer
            deadline = monotonic() + self.asking_s
            if run.cancel_requested_at:
                provider.cancel_job(run.provider_job_id, timeout_s=self.asking_s)
            job = provider.get_job(run.provider_job_id, timeout_s=deadline - monotonic())
        except (ProviderUnavailable, ProviderRefused) as error:
            if error.code == JOB_NOT_FOUND:
                return self.reports.store_change(run, lambda run: miss_job(run, now))
            return self.reports.store_wait(run, error.message)
        events = events_or_empty(job.id, provider, deadline - monotonic(), whole=job.status in TERMINAL)
        return self.reports.store(run, job, events, provider.capabilities(run.base_model))
