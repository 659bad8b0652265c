"""`/v1/fine_tuning/jobs`: create, list, retrieve, cancel, pause and resume.

An invalid request is refused at once; an invalid file makes its job fail.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request

from trainer.context import After, Context, Trainer, page_of
from trainer.ids import new_id, now_s
from trainer.openai.errors import RefusalError, not_found
from trainer.storage.home import Home
from trainer.storage.jobs import is_bedrocks
from trainer.storage.models import ORGANIZATION, base_model
from tuneloop.openai_wire.files import TRAINING_PURPOSE
from tuneloop.openai_wire.fine_tuning import (
    OPEN_STATUSES,
    Checkpoint,
    FineTuningJob,
    JobEvent,
    JobHyperparameters,
    JobRequest,
)
from tuneloop.openai_wire.pages import Page

router = APIRouter(prefix="/v1/fine_tuning/jobs")
Limit = Annotated[int, Query(ge=1, le=1_000)]


@router.post("")
def create(trainer: Trainer, request: JobRequest) -> FineTuningJob:
    """Create a job."""
    _check(trainer.home, request)
    method = request.method.type if request.method else "supervised"
    requested = request.preference if method == "dpo" else request.supervised
    hyperparameters = JobHyperparameters(**requested.model_dump())
    job = FineTuningJob(
        id=new_id("ftjob"),
        model=request.model,
        status="validating_files",
        created_at=now_s(),
        training_file=request.training_file,
        validation_file=request.validation_file,
        hyperparameters=hyperparameters,
        method={"type": method, method: {"hyperparameters": hyperparameters.model_dump()}},
        seed=secrets.randbelow(2**31) if request.seed is None else request.seed,
        metadata=request.metadata if trainer.options.keeps_metadata else None,
        organization_id=f"org-{ORGANIZATION}",
        user_provided_suffix=request.suffix,
    )
    trainer.home.jobs.add(job)
    trainer.scheduler.wake()
    return job


def _check(home: Home, request: JobRequest) -> None:
    """Refuse with 400 a job that this server can't run, as far as that shows without opening its files."""
    is_preference = request.method is not None and request.method.type == "dpo"
    if not base_model(request.model) and not (is_preference and home.models.get(request.model)):
        message = f"Model {request.model} is not available for fine-tuning or does not exist."
        raise RefusalError(400, "model_not_available", message, "model")
    if request.method and request.method.type == "reinforcement":
        message = f"Model {request.model} is trained by the methods 'supervised' and 'dpo' only."
        raise RefusalError(400, "method_not_supported", message, "method.type")
    if request.integrations:
        raise RefusalError(400, "integrations_not_supported", "This server has no integrations.", "integrations")
    _check_file(home, "training_file", request.training_file)
    if request.validation_file is not None:
        _check_file(home, "validation_file", request.validation_file)


def _check_file(home: Home, param: str, file_id: str) -> None:
    file = home.files.get(file_id, now=now_s())
    if not file:
        raise RefusalError(400, "file_not_found", f"invalid {param}: {file_id} does not exist", param)
    if file.purpose != TRAINING_PURPOSE:
        message = f"invalid {param}: {file_id} has purpose '{file.purpose}', not '{TRAINING_PURPOSE}'"
        raise RefusalError(400, "invalid_purpose", message, param)


@router.get("")
def list_jobs(trainer: Trainer, request: Request, after: After = None, limit: Limit = 20) -> Page[FineTuningJob]:
    """List jobs, newest first: all, those with `metadata[k]=v`, or by `metadata=null` those without any."""
    matches = _metadata_filter(request) if trainer.options.keeps_metadata else _any_job
    return page_of((job for job in _jobs_after(trainer, after) if matches(job)), limit)


def _jobs_after(trainer: Context, after: str | None) -> Iterator[FineTuningJob]:
    if after is not None:
        retrieve(trainer, after)
    return trainer.home.jobs.newest_first(after=after)


def _any_job(_: FineTuningJob) -> bool:
    return True


def _metadata_filter(request: Request) -> Callable[[FineTuningJob], bool]:
    query = request.query_params
    if query.get("metadata") == "null":
        return lambda job: job.metadata is None
    pairs = {
        key[len("metadata[") : -1]: value
        for key, value in query.items()
        if key.startswith("metadata[") and key.endswith("]")
    }
    return lambda job: pairs.items() <= (job.metadata or {}).items()


@router.get("/{job_id}")
def retrieve(trainer: Trainer, job_id: str) -> FineTuningJob:
    """Return one job."""
    job = None if is_bedrocks(job_id) else trainer.home.jobs.get(job_id)
    if not job:
        raise not_found("fine-tuning job", job_id)
    return job


@router.get("/{job_id}/events")
def list_events(trainer: Trainer, job_id: str, after: After = None, limit: Limit = 20) -> Page[JobEvent]:
    """List a job's events, newest first."""
    retrieve(trainer, job_id)
    return page_of(trainer.home.jobs.events(job_id, after=after, limit=limit + 1), limit)


@router.get("/{job_id}/checkpoints")
def list_checkpoints(trainer: Trainer, job_id: str, after: After = None, limit: Limit = 10) -> Page[Checkpoint]:
    """List a job's checkpoints, the models at the ends of its last epochs, newest first."""
    retrieve(trainer, job_id)
    return page_of(trainer.home.jobs.checkpoints(job_id, after=after, limit=limit + 1), limit)


@router.post("/{job_id}/cancel")
def cancel(trainer: Trainer, job_id: str) -> FineTuningJob:
    """Cancel a job."""
    with trainer.home.rows.transaction():
        job = trainer.home.jobs.move(job_id, status="cancelled", finished_at=now_s(), estimated_finish=None)
        if job:
            trainer.home.jobs.log(job_id, "cancelled", "The job was cancelled")
    trainer.scheduler.drop(job_id)
    return job or _refuse_ended(trainer, job_id)


@router.post("/{job_id}/pause")
def pause(trainer: Trainer, job_id: str) -> FineTuningJob:
    """Pause a job, which loses at most one epoch; its status stays, as OpenAI has none for paused jobs."""
    with trainer.home.rows.transaction():
        job = trainer.home.jobs.move(job_id, estimated_finish=None)
        if job:
            trainer.home.jobs.hold(job_id)
            trainer.home.jobs.log(job_id, new_id("paused"), "The job was paused")
    trainer.scheduler.drop(job_id)
    return job or _refuse_ended(trainer, job_id)


@router.post("/{job_id}/resume")
def resume(trainer: Trainer, job_id: str) -> FineTuningJob:
    """Resume a paused job."""
    job = retrieve(trainer, job_id)
    if job.status not in OPEN_STATUSES:
        _refuse_ended(trainer, job_id)
    if trainer.home.jobs.is_held(job_id):
        trainer.home.jobs.release(job_id)
        trainer.home.jobs.log(job_id, new_id("resumed"), "The job was resumed")
        trainer.scheduler.wake()
    return job


def _refuse_ended(trainer: Context, job_id: str) -> FineTuningJob:
    job = retrieve(trainer, job_id)
    raise RefusalError(400, "job_has_ended", f"Job {job_id} has already ended: {job.status}.", "id")
