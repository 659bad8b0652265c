"""Settles datasets: announces a dataset's changes once it is quiet, no drop of it is being read and no run is open.

Each change sends a reminder that the queue delivers when the quiet time is over; a sweep covers reminders that were
lost. The first of them announces the changes, the others find nothing due.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tuneloop.domain.core.access import Tenant
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.events import DatasetSettled
from tuneloop.domain.training.runs import RunStatus
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.runs import Runs

# Seconds between the end of the quiet time and the reminder. Clocks differ, and a reminder that comes too early
# would find nothing due, so that the change waits for the sweep.
MARGIN_S = 1


def send_settle_reminder(dataset: Dataset, *, settle_s: int, queue: Queue) -> None:
    """Send a delayed reminder to settle the dataset when its quiet time is over; nothing if no change is pending."""
    if dataset.is_pending:
        body = json.dumps({"settle": {"tenant": dataset.tenant, "dataset": dataset.id}})
        queue.send(body, delay_s=settle_s + MARGIN_S)


@dataclass(frozen=True)
class SettleDatasets:
    """Announces the changes of datasets that were quiet for `settle_s` seconds."""

    datasets: Datasets
    runs: Runs
    settle_s: int

    def settle(self, tenant: str, name: str, now: datetime) -> bool:
        """Announce a dataset's changes if they are due; returns whether it did."""
        dataset = self.datasets.find(tenant, name)
        if dataset is None or not dataset.is_due(now, self.settle_s) or self._is_busy(tenant, name):
            return False
        event = DatasetSettled(tenant=tenant, dataset=name, revision=dataset.revision)
        try:
            self.datasets.save(dataset.with_settled_changes(now), event=event, now=now)
        except Stale:  # it changed again, or somebody else announced it
            return False
        return True

    def settle_all(self, tenants: Iterable[Tenant], now: datetime) -> None:
        """Settle every dataset of these tenants that is due."""
        datasets = [dataset for tenant in tenants for dataset in self.datasets.all(tenant.id)]
        for_each(datasets, lambda dataset: self.settle(dataset.tenant, dataset.id, now))

    def _is_busy(self, tenant: str, name: str) -> bool:
        """Whether a drop of the dataset is being read, or a run of it is open that doesn't await a confirmation."""
        running = (run for run in self.runs.open() if run.status != RunStatus.AWAITING_CONFIRMATION)
        places = [(run.tenant, run.dataset) for run in running] + [drop.place for drop in self.datasets.open_drops()]
        return (tenant, name) in places
