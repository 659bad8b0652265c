"""check-status: follows open runs and versions at their providers, and announces shutdowns of their models."""

from datetime import datetime

from check_status.openai_jobs_routes import api
from check_status.orphan_jobs import OrphanJobs
from check_status.refresh import RunReports
from check_status.routes import refresh_run, version_deployments
from check_status.sunset import Sunsets
from check_status.sweep import RunSweep
from tuneloop.app import app, utc_now
from tuneloop.domain.events import VersionVerificationRequested
from tuneloop.domain.training.providers import BEDROCK
from tuneloop.runtime.best_effort import for_each
from tuneloop.runtime.entry_point import Function

handler = Function("check-status", api)


@handler.on("every-5-minutes")
def on_schedule() -> None:
    """Ask the providers about all open runs, then take their versions a step towards being served."""
    now = utc_now()
    reports = RunReports(app.runs, app.models, app.exports, now)
    runs = RunSweep(app.providers, app.runs, reports, _orphan_jobs(now), now)
    for_each((runs.sweep, _step_versions), lambda work: work())


@handler.on("VersionVerificationRequested")
def on_verification_requested(event: VersionVerificationRequested) -> None:
    """Verify a version that was registered by hand at once, since its user waits for it."""
    version_deployments().step(app.models.version(event.tenant, event.model, event.version))


@handler.on("daily")
def on_daily_schedule() -> None:
    """Reconcile orphan jobs, also at providers without an open run, and announce approaching shutdowns of models."""
    now = utc_now()
    sunsets = Sunsets(app.providers, app.tenants, app.models, app.exports, app.provider_rows, now)
    for_each((_orphan_jobs(now).survey, sunsets.refresh_and_announce), lambda work: work())


@handler.on("job")
def on_job_change(job: str) -> None:
    """Refresh the run of a Bedrock job whose state has changed; jobs that aren't ours are ignored.

    The event isn't trusted for more: the job's state is read from Bedrock, as events may be late or out of order.
    """
    if run := app.runs.by_job(BEDROCK.name, job):
        refresh_run(run, 0)


def _step_versions() -> None:
    version_deployments().step_open()


def _orphan_jobs(now: datetime) -> OrphanJobs:
    stage, stores = app.settings.origin, (app.tenants, app.datasets, app.exports, app.models, app.runs)
    return OrphanJobs(stage, app.providers, *stores, now)
