"""launch-finetune: requested runs, frozen exports, and the monthly retraining."""

from launch_finetune.launch import launch, request_wanted, retrain, waiting_for
from launch_finetune.openai_jobs_routes import api
from tuneloop.app import app, utc_now
from tuneloop.domain.events import DatasetSettled, ExportCreated, TrainingRunRequested
from tuneloop.domain.training.runs import SUBMITTABLE
from tuneloop.runtime.best_effort import for_each
from tuneloop.runtime.entry_point import Function

handler = Function("launch-finetune", api)


@handler.on("DatasetSettled")
@handler.on("ExportCreated")
def on_data(event: DatasetSettled | ExportCreated) -> None:
    """Changes have settled, or are frozen: request the run they are wanted for, submit those that waited."""
    dataset = app.datasets.get(event.tenant, event.dataset)
    request_wanted(dataset, event.revision, provider=app.settings.provider, runs=app.runs, now=utc_now())
    if isinstance(event, ExportCreated):
        for_each(waiting_for(event.export, runs=app.runs), lambda run: _launch(run.tenant, run.id))


@handler.on("TrainingRunRequested")
def on_requested(event: TrainingRunRequested) -> None:
    """Submit the run if its export is frozen already."""
    _launch(event.tenant, event.run)


@handler.on("every-5-minutes")
def sweep() -> None:
    """Take up runs whose submission was interrupted or had to wait for the provider."""
    waiting = [run for run in app.runs.open() if run.status in SUBMITTABLE]
    for_each(waiting, lambda run: _launch(run.tenant, run.id))


@handler.on("monthly")
def on_month() -> None:
    """Request a run for each dataset that changed since it was last trained on."""
    tenants, datasets, runs, models = app.tenants, app.datasets, app.runs, app.models
    retrain(app.settings.provider, tenants=tenants, datasets=datasets, runs=runs, models=models, now=utc_now())


def _launch(tenant: str, run: str) -> None:
    launch(
        tenant,
        run,
        datasets=app.datasets,
        exports=app.exports,
        runs=app.runs,
        objects=app.objects,
        models=app.models,
        spendings=app.spendings,
        providers=app.providers,
        ends=app.provider_rows.shutdowns(),
        stage=app.settings.origin,
        owner=handler.owner,
        now=utc_now(),
    )
