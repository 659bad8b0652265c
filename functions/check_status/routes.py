"""The routes of runs, and of webhooks: the signed notice of a provider refreshes the run of its job."""

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
    """A run; while it is open, its provider is asked at most every 15 seconds, for at most 3 seconds.

    If the provider can't be reached, `waiting_for` says so, `waiting_since` since when, and `checked_at` is the time of
    the last try.
    """
    refreshed = refresh_run(app.runs.get(api.tenant, run), app.settings.refresh_after_s)
    return view(TrainingRun, refreshed)


@api.route("GET /v1/training-runs/{run}/events", Scope.READ)
def list_training_run_events(run: Name) -> RunEvents:
    """The latest hundred events that a run's provider reported, oldest first."""
    stored = app.runs.get(api.tenant, run)
    if not stored.provider_job_id:
        return RunEvents(data=[])
    provider, asking_s = app.providers.get(stored.provider), min(ASKING_S, app.remaining_s)
    return RunEvents(data=fetch_events(stored.provider_job_id, provider, asking_s))


class Heard(BaseModel):
    """The receipt of a webhook; its contents aren't stored, since anybody may replay it: the provider is asked."""

    received: bool = True


@api.webhook("POST /v1/webhooks/{provider}", status=202)
def hear_webhook(provider: Name) -> Heard:
    """Take a provider's webhook that a job has ended, signed by Standard Webhooks, and refresh the job's run.

    The run's new status is read from the provider, never from the body, which anybody could have sent again.
    """
    event: dict[str, Any] = api.resolver.current_event.raw_event
    headers, body = event.get("headers", {}), raw_body(event.get("body"), bool(event.get("isBase64Encoded")))
    check_time(headers, utc_now())
    check_signature(headers, body, secrets.of(provider))
    job = job_in(body)
    if job and (run := app.runs.by_job(provider, job)):
        refresh_run(run, 0)
    return Heard()


def refresh_run(run: ControlledRun, older_than_s: float) -> ControlledRun:
    """Refresh a run at its provider, unless that was tried within `older_than_s` seconds; returns the run as stored.

    A run whose provider was removed from the stage waits for it. A version that the run made is taken a step further.
    """
    reports = RunReports(app.runs, app.models, app.exports, utc_now())
    try:
        provider = app.providers.get(run.provider)
    except Conflict as error:
        return reports.store_wait(run, error.message) if run.status in AT_PROVIDER else run
    refreshed = RunRefresh(reports, min(ASKING_S, app.remaining_s)).refresh(run, provider, older_than_s)
    if provider.hosting and refreshed.version is not None:
        # The caller waits for the run's version, which may still have to be deployed.
        version_deployments().step(app.models.version(run.tenant, run.model, refreshed.version), older_than_s)
    return refreshed


def version_deployments() -> VersionDeployments:
    """The use case that deploys and verifies this stage's versions, at the current time."""
    return VersionDeployments(app.settings.stage, app.providers, app.models, utc_now())
