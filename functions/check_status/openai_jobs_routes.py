"""OpenAI's routes to follow a fine-tuning job: the job, its events and its checkpoints.

They are added to the `api` of `routes.py`: import `api` from here to have all routes of the function.
"""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from check_status.refresh import ASKING_S, fetch_events
from check_status.routes import api, refresh_run
from tuneloop.api.job_view import Job, checkpoints_of, events_of, job_of, page_of
from tuneloop.api.router import Limit, Name
from tuneloop.app import app
from tuneloop.domain.core.access import Scope
from tuneloop.openai_wire.fine_tuning import Checkpoint, JobEvent
from tuneloop.openai_wire.pages import Page

__all__ = ["api"]

After = Annotated[str | None, Query(min_length=1, max_length=200, description="The last row of the page before.")]


@api.route("GET /v1/fine_tuning/jobs/{job}", Scope.READ)
def get_fine_tuning_job(job: Name) -> Job:
    """A job; while it is open, its provider is asked at most every 15 seconds, for at most 3 seconds."""
    return job_of(refresh_run(app.runs.get(api.tenant, job), app.settings.refresh_after_s), models=app.models)


@api.route("GET /v1/fine_tuning/jobs/{job}/events", Scope.READ)
def list_fine_tuning_events(job: Name, limit: Limit = 20, after: After = None) -> Page[JobEvent]:
    """A job's events, newest first: the latest hundred of its provider, and what it waits for here."""
    run = app.runs.get(api.tenant, job)
    asking_s = min(ASKING_S, app.remaining_s)
    provider_events = (
        fetch_events(run.provider_job_id, app.providers.get(run.provider), asking_s) if run.provider_job_id else []
    )
    return page_of(events_of(run, provider_events), after, limit)


@api.route("GET /v1/fine_tuning/jobs/{job}/checkpoints", Scope.READ)
def list_fine_tuning_checkpoints(job: Name, limit: Limit = 10, after: After = None) -> Page[Checkpoint]:
    """The models that a job's provider kept after each epoch, newest first; empty if it keeps none."""
    run = app.runs.get(api.tenant, job)
    asking_s = min(ASKING_S, app.remaining_s)
    provider = app.providers.get(run.provider)
    checkpoints = provider.checkpoints(run.provider_job_id, timeout_s=asking_s) if run.provider_job_id else []
    return page_of(checkpoints_of(run, checkpoints), after, limit)
