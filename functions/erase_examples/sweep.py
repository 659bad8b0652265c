"""The erasure sweep: open erasures are continued, and datasets with many segments are compacted.

A failure of one erasure or dataset holds up no other. Work for which no time is left waits for the next sweep.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TypeVar

from erase_examples.compact import CompactDataset, RetireGenerations, is_due
from erase_examples.erase import EraseExamples, concerned_datasets
from erase_examples.finish import FinishErasure
from erase_examples.purge import PurgeSegments
from erase_examples.rewrite import RewriteDataset
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.tenants import Tenants

# Seconds that must be left to begin another erasure or dataset, a third of the function's 900: each gets at least this.
ITEM_NEEDS_S = 300
T = TypeVar("T")


@dataclass(frozen=True)
class ErasureSweep:
    """Takes all open erasures a step further, and compacts the datasets that have many segments."""

    tenants: Tenants
    datasets: Datasets
    erasures: Erasures
    erase_examples: EraseExamples
    rewrite_dataset: RewriteDataset
    finish_erasure: FinishErasure
    compact_dataset: CompactDataset
    retire_generations: RetireGenerations
    purge_segments: PurgeSegments
    clock: Callable[[], datetime]
    remaining_s: Callable[[], float]

    def sweep(self) -> None:
        """Do every step, one after the other; SweepIncomplete at the end if anything failed."""
        steps: list[Callable[[], None]] = [self._exclude, self._rewrite, self._finish, self._compact]
        for_each(steps, lambda step: step())

    def _exclude(self) -> None:
        erasures = self._in_time(self.erasures.open())
        for_each(erasures, lambda erasure: self.erase_examples.erase(erasure, self.clock()))

    def _rewrite(self) -> None:
        places = set[tuple[str, str]]()
        for erasure in list(self.erasures.open()):
            places.update((erasure.tenant, name) for name in concerned_datasets(erasure, self.datasets))
        for_each(self._in_time(sorted(places)), lambda place: self._rewrite_dataset(*place))

    def _rewrite_dataset(self, tenant: str, name: str) -> None:
        self.erase_examples.exclude(tenant, name, self.clock())
        self.rewrite_dataset.rewrite(self.datasets.get(tenant, name), self.clock())

    def _finish(self) -> None:
        erasures = self._in_time(list(self.erasures.open()))
        for_each(erasures, lambda erasure: self.finish_erasure.finish(erasure, self.clock()))

    def _compact(self) -> None:
        datasets = [dataset for tenant in self.tenants.all() for dataset in self.datasets.all(tenant.id)]
        for_each(self._in_time(datasets), self._compact_if_due)

    def _compact_if_due(self, dataset: Dataset) -> None:
        """Compact a dataset if it is due, and delete the segments that were merged long ago."""
        now = self.clock()
        if is_due(dataset):
            self.compact_dataset.compact(dataset, now)
        if dataset.generation and self.retire_generations.retire(dataset, now):
            self.purge_segments.purge(dataset.tenant, dataset.id, now)

    def _in_time(self, items: Iterable[T]) -> Iterator[T]:
        return takewhile(lambda _: self.remaining_s() > ITEM_NEEDS_S, items)
