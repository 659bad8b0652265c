"""Jobs on OpenAI's wire: a training run told in OpenAI's shapes and words, whatever provider trains behind it.

A job is a run under the same id. What it made is named as our chat route takes it, `model:version`, and it has
succeeded once that version can answer. What OpenAI has no word for stands under `tuneloop`.
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
NOT_SERVED = JobError(code="deploy_failed", message="The model was trained, and its provider could not serve it.")
ENDS = {
    RunStatus.SUCCEEDED: "New fine-tuned model created: {0}:{1}",
    RunStatus.FAILED: "The job has failed.",
    RunStatus.CANCELLED: "The job was cancelled.",
}
RowT = TypeVar("RowT", bound=Shape)


class OurJob(BaseModel):
    """What a run says beside what OpenAI's jobs do; costs in USD, null while unknown."""

    model: str
    version: int | None = None
    provider: str
    provider_job_id: str | None = None
    progress: float = 0.0
    waiting_for: str | None = None
    estimated_cost_usd: Usd | None = None
    training_cost_usd: Usd | None = None


class Job(FineTuningJob):
    """A job in OpenAI's shape, with our `tuneloop` beside it."""

    tuneloop: OurJob


def job_of(run: ControlledRun, *, models: Models) -> Job:
    """A run as a job of OpenAI's shape; its version is read to tell whether it can answer yet."""
    made = models.version(run.tenant, run.model, run.version).status if run.version is not None else None
    status, error = _outcome(run, made)
    is_good = status == RunStatus.SUCCEEDED
    names = ("n_epochs", "batch_size", "learning_rate_multiplier")
    chosen: dict[str, Any] = dict.fromkeys(names, "auto") | run.hyperparameters
    kind = METHODS[run.method]
    return Job(
        id=run.id,
        model=run.base_model,
        status=status,
        created_at=int(run.created_at.timestamp()),
        finished_at=_seconds(run.finished_at) if status in ENDS else None,
        estimated_finish=_seconds(run.estimated_finish) if run.is_open else None,
        fine_tuned_model=f"{run.model}:{run.version}" if is_good and made else None,
        trained_tokens=run.trained_tokens if is_good else None,
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


def _outcome(run: ControlledRun, made: VersionStatus | None) -> tuple[str, JobError | None]:
    """The status in OpenAI's words, and why it failed: a model that isn't served yet is still in the making."""
    if run.status == RunStatus.SUCCEEDED and made == VersionStatus.DEPLOYING:
        return RunStatus.RUNNING, None
    if run.status == RunStatus.SUCCEEDED and made == VersionStatus.DEPLOY_FAILED:
        return RunStatus.FAILED, NOT_SERVED
    error = JobError(**run.error.model_dump()) if run.error else None
    return OPENAI_STATUS.get(run.status, run.status), error


def events_of(run: ControlledRun, reported: Iterable[RunEvent]) -> list[JobEvent]:
    """What happened to a run, newest first: what its provider reported, between its beginning and its end with us."""
    at = {event.id: _seconds(event.at) or 0 for event in reported}
    theirs = [_event(event.id, at[event.id], event.message, event.level, _metrics(event)) for event in reported]
    ours = [_event(f"{run.id}-requested", int(run.created_at.timestamp()), f"Created fine-tuning job: {run.id}")]
    if run.waiting_for:
        since = _seconds(run.waiting_since) or 0
        ours.append(_event(f"{run.id}-waiting-{since}", since, f"Waiting for: {run.waiting_for}", "warn"))
    last = [_event(f"{run.id}-ended", _seconds(run.finished_at) or 0, _end_of(run))] if run.status in ENDS else []
    events = sorted([*ours, *theirs], key=lambda event: event.created_at)
    return [*last, *reversed(events)]


def _end_of(run: ControlledRun) -> str:
    return ENDS[run.status].format(run.model, run.version)


def checkpoints_of(run: ControlledRun, kept: Iterable[RunCheckpoint]) -> list[Checkpoint]:
    """The models that a provider kept from the ends of a run's epochs, under its own names for them, newest first."""
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
        for checkpoint in kept
    ]


def page_of(rows: list[RowT], after: str | None, limit: int) -> Page[RowT]:
    """The page of rows behind the one of an id; NotFound where there is none of it."""
    places = [place for place, row in enumerate(rows, start=1) if getattr(row, "id") == after]  # noqa: B009 - any row's
    if after is not None and not places:
        raise NotFound("`after` must be the id of a row of this same list.", param="after")
    behind = rows[places[0] :] if places else rows
    return Page[Any](data=behind[:limit], has_more=len(behind) > limit)


def _event(identity: str, at: int, message: str, level: str = "info", data: dict[str, Any] | None = None) -> JobEvent:
    kind = "metrics" if data else "message"
    return JobEvent(id=identity, created_at=at, message=message, level=level, type=kind, data=data)


def _metrics(event: RunEvent) -> dict[str, Any] | None:
    figures = event.model_dump(include={"step", "total_steps", "train_loss", "valid_loss"}, exclude_none=True)
    return figures if event.step is not None else None


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
