"""export-data: freezes settled datasets, and the revisions that requested runs train on, into exports."""

from export_data.freeze import FreezeDataset
from export_data.routes import api
from tuneloop.app import app, utc_now
from tuneloop.domain.events import DatasetSettled, TrainingRunRequested
from tuneloop.runtime.entry_point import Function

handler = Function("export-data", api)


@handler.on("DatasetSettled")
@handler.on("TrainingRunRequested")
def on_needed(event: DatasetSettled | TrainingRunRequested) -> None:
    """Freeze the revision that the event names, after that of the run's validation dataset if it has one."""
    use_case = FreezeDataset(app.datasets, app.contents, app.exports, app.objects, app.trained)
    if isinstance(event, TrainingRunRequested) and event.validation_dataset and event.validation_revision:
        use_case.freeze(event.tenant, event.validation_dataset, event.validation_revision, utc_now())
    use_case.freeze(event.tenant, event.dataset, event.revision, utc_now())
