"""The routes of runs as they are now, and of webhooks: a provider's signed notice refreshes the run of its job."""

from typing import Any

from pydantic import BaseModel

from check_status.deployments import VersionDeployments
from check_status.refresh import ASKING_S, RunRefresh, RunReports, fetch_events
from check_status.webhook_secrets import WebhookSecrets
from tuneloop.api.router import Api, Name, view
from tuneloop.app import app, utc_now
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import Conflict
from tuneloop.domain.training.jobs import RunEvent
from tuneloop.domain.training.providers import webhook_parameter
from tuneloop.domain.training.runs import AT_PROVIDER, ControlledRun, TrainingRun
from tuneloop.domain.training.webhooks import check_signature, check_time, job_in, raw_body

api = Api(app)
secrets = WebhookSecrets(
    lambda: app.known_providers, lambda provider: app.secret(webhook_parameter(app.settings.stage, provider))
)


class RunEvents(BaseModel):
    """A run's latest hundred events, oldest first."""

    data: list[RunEvent]


@api.route("GET /v1/training-runs/{run}", Scope.READ)
def get_training_run(run: Name) -> TrainingRun:
    """A run; while it is open its provider is asked, at most every 15 seconds and for at most 3.

    Where it can't be reached, `waiting_for` says so, `waiting_since` since when, `checked_at` when it was last tried.
    """
    seen = refresh_run(app.runs.get(api.tenant, run), app.settings.refresh_after_s)
    return view(TrainingRun, seen)


@api.route("GET /v1/training-runs/{run}/events", Scope.READ)
def list_training_run_events(run: Name) -> RunEvents:
    """What the provider reported about a run."""
    stored = app.runs.get(api.tenant, run)
    if not stored.provider_job_id:
        return RunEvents(data=[])
    provider, asking_s = app.providers.get(stored.provider), min(ASKING_S, app.remaining_s)
    return RunEvents(data=fetch_events(stored.provider_job_id, provider, asking_s))


class Heard(BaseModel):
    """That a webhook was taken; what it says is asked of its provider, as anybody could have sent the same again."""

    received: bool = True


@api.webhook("POST /v1/webhooks/{provider}", status=202)
def hear_webhook(provider: Name) -> Heard:
    """A provider's word that a job has ended, signed as Standard Webhooks says: its run is looked at, nothing more."""
    event: dict[str, Any] = api.resolver.current_event.raw_event
    headers, body = event.get("headers", {}), raw_body(event.get("body"), bool(event.get("isBase64Encoded")))
    check_time(headers, utc_now())
    check_signature(headers, body, secrets.of(provider))
    job = job_in(body)
    if job and (run := app.runs.by_job(provider, job)):
        refresh_run(run, 0)
    return Heard()


def refresh_run(run: ControlledRun, older_than_s: float) -> ControlledRun:
    """A run after its provider was asked, unless that was tried within so many seconds, or the provider was removed."""
    reports = RunReports(app.runs, app.models, app.exports, utc_now())
    try:
        provider = app.providers.get(run.provider)
    except Conflict as error:
        return reports.store_wait(run, error.message) if run.status in AT_PROVIDER else run
    seen = RunRefresh(reports, min(ASKING_S, app.remaining_s)).refresh(run, provider, older_than_s)
    if provider.hosting and seen.version is not None:
        # Its version may still have to be deployed, and somebody waits for it.
        version_deployments().step(app.models.version(run.tenant, run.model, seen.version), older_than_s)
    return seen


def version_deployments() -> VersionDeployments:
    """The deployments of this stage's versions, as they are now."""
    return VersionDeployments(app.settings.stage, app.providers, app.models, utc_now())
