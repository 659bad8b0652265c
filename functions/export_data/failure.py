"""Failing: what its users read of an export that can't be made; who runs the stage is told by the failed event."""

from datetime import datetime

from tuneloop.domain.core.errors import Stale, TuneloopError
from tuneloop.domain.datasets.datasets import Dataset, ExportFailure
from tuneloop.store.repositories.datasets import Datasets

TRIES = 10


def note_failure(dataset: Dataset, export: str, error: TuneloopError, *, datasets: Datasets, now: datetime) -> None:
    """Keep with the dataset why an export of it could not be made."""
    failure = ExportFailure(export=export, code=error.code, message=error.message, at=now)
    for _ in range(TRIES):
        current = datasets.get(dataset.tenant, dataset.id)
        try:
            datasets.save(current.model_copy(update={"export_failure": failure}))
        except Stale:  # the dataset grew meanwhile
            continue
        return
