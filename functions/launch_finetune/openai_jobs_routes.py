"""The routes that make, list and cancel OpenAI's fine-tuning jobs; a job is the run with the job's id.

They are added to the `api` of `routes.py`: import `api` from this module to have the routes of both.
"""

from itertools import islice
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from launch_finetune.cancel import Cancellations
from launch_finetune.openai_jobs import JobCreation, NewJob
from launch_finetune.routes import api, repeatable_call
from tuneloop.api.job_view import Job, job_of
from tuneloop.api.router import IdempotencyKey, Limit, Name, RetryCount
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.ids import PATTERN
from tuneloop.openai_wire.pages import Page

__all__ = ["api"]

LIST = "GET /v1/fine_tuning/jobs"
After = Annotated[str | None, Query(pattern=PATTERN, description="The id of the last row of the page before.")]


@api.route("POST /v1/fine_tuning/jobs", Scope.TRAIN)
def create_fine_tuning_job(new: NewJob, idempotency_key: IdempotencyKey = None, retry_count: RetryCount = None) -> Job:
    """Train on a file, or on any dataset by its name; the same job again is the same run, and is paid for once.

    After a failure it is the next attempt, unless the call is a repeat: see `POST /v1/training-runs`.
    Conflict `confirmation_required` where it would cost more than `max_run_usd` of its dataset, or nobody knows what:
    `metadata.tuneloop_max_usd` says how much it may.
    """
    now = utc_now()
    creation = JobCreation(app.datasets, app.exports, app.models, app.runs, app.providers, app.spendings, now)
    call = repeatable_call("POST /v1/fine_tuning/jobs", new, idempotency_key, retry_count, now)
    run = creation.create_job(api.tenant, new, call)
    return job_of(run, models=app.models)


@api.route(LIST, Scope.READ, family="metadata")
def list_fine_tuning_jobs(limit: Limit = 20, after: After = None) -> Page[Job]:
    """The tenant's jobs, newest first; with `metadata[key]=value` only those that carry the pair."""
    pairs = api.family_of(LIST).items()
    last = app.runs.get(api.tenant, after) if after else None
    matching = (run for run in app.runs.behind(api.tenant, last) if pairs <= run.metadata.items())
    runs = list(islice(matching, limit + 1))
    jobs = [job_of(run, models=app.models) for run in runs[:limit]]
    return Page[Job](data=jobs, has_more=len(runs) > limit)


@api.route("POST /v1/fine_tuning/jobs/{job}/cancel", Scope.TRAIN)
def cancel_fine_tuning_job(job: Name) -> Job:
    """Stop a job wherever it is; one that is at its provider may be `running` until that has stopped it."""
    cancellations = Cancellations(app.providers, app.runs, utc_now(), app.remaining_s)
    cancelled = cancellations.cancel(app.runs.get(api.tenant, job))
    return job_of(cancelled, models=app.models)
