"""launch-finetune: takes requests for runs, submits them once their exports are frozen, and retrains monthly."""

from launch_finetune.launch import Launch, Retraining, request_if_wanted
from launch_finetune.openai_jobs_routes import api
from launch_finetune.request import RunAttempts
from tuneloop.app import app, utc_now
from tuneloop.domain.events import DatasetSettled, ExportCreated, TrainingRunRequested
from tuneloop.domain.training.runs import SUBMITTABLE
from tuneloop.runtime.best_effort import for_each
from tuneloop.runtime.entry_point import Function

handler = Function("launch-finetune", api)


@handler.on("DatasetSettled")
@handler.on("ExportCreated")
def on_data(event: DatasetSettled | ExportCreated) -> None:
    """Request the run that the dataset's changes are wanted for; once they are frozen, submit the runs that waited."""
    dataset = app.datasets.get(event.tenant, event.dataset)
    request_if_wanted(dataset, event.revision, app.settings.provider, RunAttempts(app.runs, utc_now()))
    if isinstance(event, ExportCreated):
        for_each(_launch().open_runs_on(event.export), lambda run: _launch().launch(run.tenant, run.id))


@handler.on("TrainingRunRequested")
def on_requested(event: TrainingRunRequested) -> None:
    """Submit the run if its exports are frozen already."""
    _launch().launch(event.tenant, event.run)


@handler.on("every-5-minutes")
def sweep() -> None:
    """Go on with runs whose submission was interrupted or had to wait for the provider."""
    waiting = [run for run in app.runs.open() if run.status in SUBMITTABLE]
    for_each(waiting, lambda run: _launch().launch(run.tenant, run.id))


@handler.on("monthly")
def on_month() -> None:
    """Request a run for each dataset that changed since it was last trained on."""
    Retraining(app.settings.provider, app.tenants, app.datasets, app.models, app.runs, utc_now()).request_due()


def _launch() -> Launch:
    return Launch(
        app.datasets,
        app.exports,
        app.runs,
        app.objects,
        app.models,
        app.spendings,
        app.providers,
        app.provider_rows,
        stage=app.settings.origin,
        owner=handler.owner,
        now=utc_now(),
    )
