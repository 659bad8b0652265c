"""check-status: every five minutes, and whenever somebody looks."""

from datetime import datetime
from functools import partial

from check_status.deployments import host_open, step
from check_status.openai_jobs_routes import api
from check_status.orphan_jobs import OrphanJobs, survey
from check_status.routes import refreshed
from check_status.sunset import Sunsets
from check_status.sweep import sweep
from tuneloop.app import app, utc_now
from tuneloop.domain.events import VersionVerificationRequested
from tuneloop.domain.training.providers import BEDROCK
from tuneloop.runtime.best_effort import for_each
from tuneloop.runtime.entry_point import Function

handler = Function("check-status", api)


@handler.on("every-5-minutes")
def on_schedule() -> None:
    """Ask the providers about all open runs, then take their versions a step towards being served."""
    for_each((_look_at_runs, _host_versions), lambda work: work())


@handler.on("VersionVerificationRequested")
def on_registered(event: VersionVerificationRequested) -> None:
    """Ask the provider of a version that was registered by hand, as somebody waits for it."""
    version = app.models.version(event.tenant, event.model, event.version)
    step(version, stage=app.settings.stage, providers=app.providers, models=app.models, now=utc_now())


@handler.on("daily")
def on_day() -> None:
    """Look for jobs of ours that no run knows, even where none is open; tell of what is about to be shut down."""
    now = utc_now()
    sunsets = Sunsets(app.tenants, app.models, app.exports, app.provider_rows, now)
    survey_strays = partial(survey, providers=app.providers, strays=_strays(now))
    for_each((survey_strays, partial(sunsets.look, app.providers)), lambda work: work())


def _strays(now: datetime) -> OrphanJobs:
    return OrphanJobs(app.settings.origin, app.tenants, app.datasets, app.exports, app.models, app.runs, now)


@handler.on("job")
def on_job(job: str) -> None:
    """Bedrock's word that a job has changed its state: its run is looked at, if it is one of ours, and nothing more."""
    if run := app.runs.by_job(BEDROCK.name, job):
        refreshed(run, 0)


def _look_at_runs() -> None:
    now, runs, models, exports = utc_now(), app.runs, app.models, app.exports
    sweep(providers=app.providers, runs=runs, models=models, exports=exports, strays=_strays(now), now=now)


def _host_versions() -> None:
    host_open(stage=app.settings.stage, providers=app.providers, models=app.models, now=utc_now())
