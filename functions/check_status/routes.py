"""The run routes: one run as it is now, and what its provider reported."""

from pydantic import BaseModel

from check_status.refresh import ASKING_S, refresh, reported
from tuneloop.app import app, utc_now
from tuneloop.domain.access import Scope
from tuneloop.domain.jobs import RunEvent
from tuneloop.domain.training import TrainingRun
from tuneloop.http import Api, Name

api = Api(app)


class RunEvents(BaseModel):
    """A run's latest hundred events, oldest first."""

    data: list[RunEvent]


@api.route("GET /v1/training-runs/{run}", Scope.READ)
def get_training_run(run: Name) -> TrainingRun:
    """A run; while it is open its provider is asked, at most every 15 seconds and for at most 3.

    Where it can't be reached, `waiting_for` says so, `waiting_since` since when, `checked_at` when it was last tried.
    """
    found = app.runs.get(api.tenant, run)
    refreshed = refresh(
        found,
        older_than_s=app.settings.refresh_after_s,
        provider=app.providers.named(found.provider),
        runs=app.runs,
        models=app.models,
        exports=app.exports,
        now=utc_now(),
        asking_s=min(ASKING_S, app.remaining_s),
    )
    return TrainingRun.model_validate(refreshed.model_dump())


@api.route("GET /v1/training-runs/{run}/events", Scope.READ)
def list_training_run_events(run: Name) -> RunEvents:
    """What the provider reported about a run."""
    found = app.runs.get(api.tenant, run)
    if not found.provider_job_id:
        return RunEvents(data=[])
    return RunEvents(
        data=reported(found.provider_job_id, app.providers.named(found.provider), min(ASKING_S, app.remaining_s))
    )
