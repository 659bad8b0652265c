"""Views of training runs as OpenAI's fine-tuning jobs, with their events and checkpoints, whatever the provider.

A job has the id of its run. Its `fine_tuned_model` is `model:version`, as our chat route takes it; the job succeeds
once that version can answer. Fields that OpenAI's jobs don't have stand under `tuneloop`.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from tuneloop.api.router import view
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.core.pricing import Usd
from tuneloop.domain.serving.models import VersionStatus
from tuneloop.domain.training.jobs import RunCheckpoint, RunEvent, TrainingMethod
from tuneloop.domain.training.runs import ControlledRun, RunStatus
from tuneloop.openai_wire.fine_tuning import (
    Checkpoint,
    FineTuningJob,
    JobError,
    JobEvent,
    JobHyperparameters,
    StepMetrics,
)
from tuneloop.openai_wire.pages import Page
from tuneloop.openai_wire.shape import Shape
from tuneloop.store.repositories.models import Models

OPENAI_STATUS = {
    RunStatus.REQUESTED: "validating_files",
    RunStatus.SUBMITTING: "validating_files",
    RunStatus.AWAITING_CONFIRMATION: "queued",
}
METHODS = {TrainingMethod.SUPERVISED: "supervised", TrainingMethod.PREFERENCE: "dpo"}
NOT_SERVED_ERROR = JobError(code="deploy_failed", message="The model was trained, and its provider could not serve it.")
END_MESSAGES = {
    RunStatus.SUCCEEDED: "New fine-tuned model created: {0}:{1}",
    RunStatus.FAILED: "The job has failed.",
    RunStatus.CANCELLED: "The job was cancelled.",
}
RowT = TypeVar("RowT", bound=Shape)


class OurJob(BaseModel):
    """Tuneloop's extension fields of a fine-tuning job; costs in USD, null while unknown."""

    model: str
    version: int | None = None
    provider: str
    provider_job_id: str | None = None
    progress: float = 0.0
    waiting_for: str | None = None
    estimated_cost_usd: Usd | None = None
    training_cost_usd: Usd | None = None


class Job(FineTuningJob):
    """A fine-tuning job in OpenAI's shape, with Tuneloop's own fields under `tuneloop`."""

    tuneloop: OurJob


def job_of(run: ControlledRun, *, models: Models) -> Job:
    """A run as a job in OpenAI's shape; the run's version is read to know whether it can answer yet."""
    version_status = models.version(run.tenant, run.model, run.version).status if run.version is not None else None
    status, error = _outcome(run, version_status)
    has_succeeded = status == RunStatus.SUCCEEDED
    names = ("n_epochs", "batch_size", "learning_rate_multiplier")
    chosen: dict[str, Any] = dict.fromkeys(names, "auto") | run.hyperparameters
    kind = METHODS[run.method]
    return Job(
        id=run.id,
        model=run.base_model,
        status=status,
        created_at=int(run.created_at.timestamp()),
        finished_at=_seconds(run.finished_at) if status in END_MESSAGES else None,
        estimated_finish=_seconds(run.estimated_finish) if run.is_open else None,
        fine_tuned_model=f"{run.model}:{run.version}" if has_succeeded and version_status else None,
        trained_tokens=run.trained_tokens if has_succeeded else None,
        training_file=run.dataset,
        validation_file=run.validation_dataset,
        error=error,
        hyperparameters=JobHyperparameters(**{name: chosen[name] for name in names}),
        method={"type": kind, kind: {"hyperparameters": chosen}},
        seed=run.seed or 0,
        metadata=run.metadata or None,
        organization_id=run.tenant,
        tuneloop=view(OurJob, run),
    )


def _outcome(run: ControlledRun, version_status: VersionStatus | None) -> tuple[str, JobError | None]:
    """OpenAI's status of a job, and its error if it failed; a job is `running` until its version is deployed."""
    if run.status == RunStatus.SUCCEEDED and version_status == VersionStatus.DEPLOYING:
        return RunStatus.RUNNING, None
    if run.status == RunStatus.SUCCEEDED and version_status == VersionStatus.DEPLOY_FAILED:
        return RunStatus.FAILED, NOT_SERVED_ERROR
    error = JobError(**run.error.model_dump()) if run.error else None
    return OPENAI_STATUS.get(run.status, run.status), error


def events_of(run: ControlledRun, reported: Iterable[RunEvent]) -> list[JobEvent]:
    """A run's events, newest first: those that its provider reported, and our own of its request, wait and end."""
    provider_events = [
        _event(event.id, _seconds(event.at) or 0, event.message, event.level, _metrics(event)) for event in reported
    ]
    our_events = [_event(f"{run.id}-requested", int(run.created_at.timestamp()), f"Created fine-tuning job: {run.id}")]
    if run.waiting_for:
        since = _seconds(run.waiting_since) or 0
        our_events.append(_event(f"{run.id}-waiting-{since}", since, f"Waiting for: {run.waiting_for}", "warn"))
    has_ended, ended_at = run.status in END_MESSAGES, _seconds(run.finished_at) or 0
    end_event = [_event(f"{run.id}-ended", ended_at, _end_of(run))] if has_ended else []
    events = sorted([*our_events, *provider_events], key=lambda event: event.created_at)
    return [*end_event, *reversed(events)]


def _end_of(run: ControlledRun) -> str:
    return END_MESSAGES[run.status].format(run.model, run.version)


def checkpoints_of(run: ControlledRun, checkpoints: Iterable[RunCheckpoint]) -> list[Checkpoint]:
    """The checkpoints that a provider kept from a run's epochs, by the provider's own model ids, newest first."""
    return [
        Checkpoint(
            id=checkpoint.id,
            created_at=_seconds(checkpoint.at) or 0,
            fine_tuned_model_checkpoint=checkpoint.model,
            fine_tuning_job_id=run.id,
            step_number=checkpoint.step or 0,
            metrics=StepMetrics(
                step=checkpoint.step or 0, train_loss=checkpoint.train_loss, full_valid_loss=checkpoint.valid_loss
            ),
        )
        for checkpoint in checkpoints
    ]


def page_of(rows: list[RowT], after: str | None, limit: int) -> Page[RowT]:
    """Rows after the row with id `after`, at most `limit`; NotFound if `after` is not in the list."""
    places = [place for place, row in enumerate(rows, start=1) if getattr(row, "id") == after]  # noqa: B009 - Shape declares no id
    if after is not None and not places:
        raise NotFound("`after` must be the id of a row of this same list.", param="after")
    following = rows[places[0] :] if places else rows
    return Page[Any](data=following[:limit], has_more=len(following) > limit)


def _event(identity: str, at: int, message: str, level: str = "info", data: dict[str, Any] | None = None) -> JobEvent:
    kind = "metrics" if data else "message"
    return JobEvent(id=identity, created_at=at, message=message, level=level, type=kind, data=data)


def _metrics(event: RunEvent) -> dict[str, Any] | None:
    figures = event.model_dump(include={"step", "total_steps", "train_loss", "valid_loss"}, exclude_none=True)
    return figures if event.step is not None else None


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
