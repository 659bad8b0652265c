"""Settling: a dataset's changes are announced once it is quiet, no drop is being read, and no run of it is open.

Each change leaves a reminder in the queue for when the quiet time is over; a sweep does the same for reminders that
were lost. Whoever comes first announces, the others find nothing to do.
"""

import json
from datetime import datetime

from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.events import DatasetSettled
from tuneloop.domain.training.runs import RunStatus
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.repositories.tenants import Tenants

MARGIN_S = 1  # after the quiet time is over, since clocks differ


def send_settle_reminder(dataset: Dataset, *, settle_s: int, queue: Queue) -> None:
    """Leave a reminder to settle the dataset when its quiet time is over."""
    if dataset.is_pending:
        body = json.dumps({"settle": {"tenant": dataset.tenant, "dataset": dataset.id}})
        queue.send(body, delay_s=settle_s + MARGIN_S)


def settle(tenant: str, name: str, *, settle_s: float, datasets: Datasets, runs: Runs, now: datetime) -> bool:
    """Announce the dataset's changes if they are due; tells whether it did."""
    dataset = datasets.find(tenant, name)
    if dataset is None or not dataset.is_due(now, settle_s):
        return False
    if _is_busy(tenant, name, datasets, runs):
        return False
    event = DatasetSettled(tenant=tenant, dataset=name, revision=dataset.revision)
    try:
        datasets.save(dataset.with_settled_changes(now), event=event, now=now)
    except Stale:  # it changed again, or somebody else announced it
        return False
    return True


def _is_busy(tenant: str, name: str, datasets: Datasets, runs: Runs) -> bool:
    """Whether a drop of the dataset is being read, or a run of it is under way; one that waits for its user is not."""
    running = (run for run in runs.open() if run.status != RunStatus.AWAITING_CONFIRMATION)
    places = [(run.tenant, run.dataset) for run in running] + [drop.place for drop in datasets.reading()]
    return (tenant, name) in places


def settle_all(*, settle_s: float, tenants: Tenants, datasets: Datasets, runs: Runs, now: datetime) -> None:
    """Settle every dataset that is due."""
    known = [dataset for tenant in tenants.all() for dataset in datasets.all(tenant.id)]

    def work(dataset: Dataset) -> None:
        settle(dataset.tenant, dataset.id, settle_s=settle_s, datasets=datasets, runs=runs, now=now)

    for_each(known, work)
